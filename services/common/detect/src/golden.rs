//! A frozen set of requests that whatever is loaded must get right: ordinary and doubtful ones, written for this, and
//! the attacks that the built-in packs name as their own. It tells a model or a pack that would do harm from one that
//! would not; how good it is, an evaluation tells.

use crate::detector::{Detector, Reader};
use crate::model::Model;
use crate::request::{Header, Request};
use crate::signatures::Signatures;

/// What people write into a field, a line each.
const VALUES: &str = include_str!("../golden/values.txt");
/// What they ask for.
const TARGETS: &str = include_str!("../golden/targets.txt");
/// What they ask with.
const AGENTS: &str = include_str!("../golden/agents.txt");

/// What people and programs write for good reasons, and attackers for theirs: it may be evidence, and never suffices.
const DOUBTFUL: &str = include_str!("../golden/doubtful.txt");

/// Most ordinary requests that may be evidence, in per cent; none may suffice alone.
const EVIDENCE_PERCENT_MAX: usize = 2;
/// Fewest attacks that must be evidence, in per cent.
const FOUND_PERCENT_MIN: usize = 80;

/// Examples of signatures with a smaller prior are no attacks by themselves.
const PRIOR_MIN: f32 = 1.0;

/// What is wrong with all that is loaded, in words.
pub fn wrong(detector: &Detector) -> Option<String> {
    let (mut requests, mut evidence, mut alone) = (0, 0, None);
    let mut reader = Reader::default();
    ordinary(|told, request| {
        let llr = detector.score(&mut reader, request).llr;
        requests += 1;
        evidence += usize::from(llr >= detector.model.evidence);
        if llr >= detector.model.alone {
            alone.get_or_insert_with(|| told.to_owned());
        }
    });
    for value in DOUBTFUL.lines() {
        in_fields(value, |told, request| {
            if detector.score(&mut reader, request).llr >= detector.model.alone {
                alone.get_or_insert_with(|| told.to_owned());
            }
        });
    }
    if let Some(told) = alone {
        return Some(format!("one ordinary request would suffice for a block: {told}"));
    }
    if evidence * 100 > requests * EVIDENCE_PERCENT_MAX {
        return Some(format!(
            "{evidence} of {requests} ordinary requests would count as evidence, more than {EVIDENCE_PERCENT_MAX} %"
        ));
    }
    let (found, attacks) = found(detector);
    (found * 100 < attacks * FOUND_PERCENT_MIN).then(|| {
        format!(
            "{found} of the {attacks} attacks that the built-in rules name would be found, less than {FOUND_PERCENT_MIN} %"
        )
    })
}

/// The largest log-likelihood ratio of all that may not suffice alone.
pub fn highest(detector: &Detector) -> f32 {
    let (mut highest, mut reader) = (f32::MIN, Reader::default());
    let mut each = |_: &str, request: &Request<'_>| {
        highest = highest.max(detector.score(&mut reader, request).llr);
    };
    ordinary(&mut each);
    for value in DOUBTFUL.lines() {
        in_fields(value, &mut each);
    }
    highest
}

/// An ordinary request that `signatures` take for evidence with what their packs believe of them.
pub fn false_alarm(signatures: Signatures) -> Option<String> {
    let model = Model::priors(&signatures);
    let detector = Detector::new(signatures, model);
    let (mut first, mut reader) = (None, Reader::default());
    ordinary(|told, request| {
        if first.is_none() && detector.score(&mut reader, request).llr >= detector.model.evidence {
            first = Some(told.to_owned());
        }
    });
    first
}

fn get(uri: &[u8]) -> Request<'_> {
    Request { method: b"GET", uri, ..Request::default() }
}

/// Calls `each` with every ordinary request, and what to call it.
fn ordinary(mut each: impl FnMut(&str, &Request<'_>)) {
    for value in VALUES.lines() {
        in_fields(value, &mut each);
    }
    for target in TARGETS.lines() {
        each(&format!("GET {target}"), &get(target.as_bytes()));
    }
    for agent in AGENTS.lines() {
        let told = format!("the user agent {agent}");
        each(&told, &Request { agent: Some(agent.as_bytes()), ..get(b"/") });
    }
}

/// Calls `each` with `value` as a parameter of a query, in JSON and in a form.
fn in_fields(value: &str, mut each: impl FnMut(&str, &Request<'_>)) {
    let encoded = encoded(value);
    let query = ["/search?q=", &encoded].concat();
    each(&format!("{value} in a query"), &get(query.as_bytes()));
    let json = serde_json::json!({ "q": value }).to_string();
    let form = ["q=", &encoded].concat();
    for (kind, body) in [("application/json", json), ("application/x-www-form-urlencoded", form)] {
        let headers = [Header { name: b"content-type", value: kind.as_bytes() }];
        let (headers, body) = (&headers[..], Some(body.as_bytes()));
        let told = format!("{value} in a body of {kind}");
        each(&told, &Request { method: b"POST", headers, body, ..get(b"/comment") });
    }
}

/// How many of the attacks that the built-in packs name are evidence, and of how many.
fn found(detector: &Detector) -> (usize, usize) {
    let (mut found, mut attacks, mut reader) = (0, 0, Reader::default());
    let all = detector.signatures.iter();
    let of_values = all.filter(|one| one.built_in() && one.request.is_none());
    for signature in of_values.filter(|one| one.prior >= PRIOR_MIN) {
        for raw in &signature.hits {
            let samples = signature.places.samples(raw.as_bytes());
            let llrs = samples.iter().map(|value| detector.score_value(&mut reader, value));
            attacks += usize::from(!samples.is_empty());
            found += usize::from(llrs.fold(f32::MIN, f32::max) >= detector.model.evidence);
        }
    }
    (found, attacks)
}

/// As a browser encodes a value.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(3 * value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_this_version_gets_all_of_it_right() {
        let detector = Detector::shipped(0.001);
        assert_eq!(wrong(&detector), None);
        let (found, attacks) = found(&detector);
        assert!(found * 10 > attacks * 9 && attacks > 1_000, "{found} of {attacks}");
    }
}
