//! Every signature is complete; the engine's tests try their examples.

use std::collections::HashSet;

use super::views::signatures;

#[test]
fn signatures_are_complete() {
    let mut ids = HashSet::new();
    for signature in signatures() {
        assert!(ids.insert(signature.id.clone()), "{} twice", signature.id);
        assert!(signature.hits.len() >= 2 && signature.misses.len() >= 3, "{}", signature.id);
        assert!(
            !signature.explanation.is_empty() && !signature.places.is_empty(),
            "{}",
            signature.id
        );
        assert!((0.0..=9.0).contains(&signature.prior), "{}", signature.id);
        assert!(signature.needs.iter().all(|n| *n == n.to_lowercase()), "{}", signature.id);
    }
}
