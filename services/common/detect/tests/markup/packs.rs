//! Every signature hits what it says and misses its near-misses.

use std::collections::HashSet;

use super::views::{Views, signatures};

#[test]
fn signatures_hit_and_miss_what_they_say() {
    let mut wrong = Vec::new();
    for signature in signatures() {
        for raw in &signature.hits {
            if !signature.hit(&Views::of(raw.as_bytes())) {
                wrong.push(format!("{} should hit {raw:?}", signature.id));
            }
        }
        for raw in &signature.misses {
            if signature.hit(&Views::of(raw.as_bytes())) {
                wrong.push(format!("{} should miss {raw:?}", signature.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signatures_are_complete() {
    let mut ids = HashSet::new();
    for signature in signatures() {
        assert!(ids.insert(signature.id.clone()), "{} twice", signature.id);
        assert!(signature.hits.len() >= 3 && signature.misses.len() >= 3, "{}", signature.id);
        assert!(
            !signature.explanation.is_empty() && !signature.places.is_empty(),
            "{}",
            signature.id
        );
        assert!((0.0..=9.0).contains(&signature.prior), "{}", signature.id);
        assert!(signature.needs.iter().all(|n| *n == n.to_lowercase()), "{}", signature.id);
    }
}
