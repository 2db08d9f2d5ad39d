//! The fast way to a score is no other score.

use crate::properties::bytes;
use detect::model::Model;
use detect::signatures::Signatures;
use detect::split::split;
use detect::{Detector, Part, Place, Reader, Request, Value};
use proptest::prelude::*;
use std::sync::LazyLock;

pub(crate) static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let signatures = Signatures::built_in().expect("the built-in packs compile");
    let model = Model::priors(&signatures);
    Detector::new(signatures, model)
});

pub(crate) fn logged(uri: &[u8]) -> Request<'_> {
    Request {
        method: b"GET",
        uri,
        agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        referer: Some(b"https://shop.example/products?page=2"),
        ..Request::default()
    }
}

/// The largest sum of the features that training sees, reading by reading.
fn reference(request: &Request<'_>) -> f32 {
    let mut sums = Vec::new();
    split(request, |value| {
        let mut found: Vec<(usize, f32)> = Vec::new();
        DETECTOR.features(&mut Reader::default(), &value, &mut |reading, feature, count| {
            if found.last().is_none_or(|(last, _)| *last != reading) {
                found.push((reading, 0.0));
            }
            let (_, sum) = found.last_mut().expect("pushed above");
            *sum += DETECTOR.model.weight(feature) * count;
        });
        // The value itself is the first reading, and at the floor when it has no feature.
        let floor = found.first().is_none_or(|(reading, _)| *reading > 0);
        sums.extend(floor.then_some(DETECTOR.model.quiet));
        sums.extend(found.iter().map(|(_, sum)| *sum));
    });
    sums.into_iter().reduce(f32::max).unwrap_or(DETECTOR.model.quiet)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_score_is_the_largest_sum_of_features_remembered_or_not(uri in bytes(), agent in bytes(), referer in bytes()) {
        let mut remembering = Reader::remembering();
        let request = Request { uri: &uri, agent: Some(&agent), referer: Some(&referer), ..Request::default() };
        let swapped = Request { agent: Some(&referer), referer: Some(&agent), ..request };
        for request in [&request, &swapped, &request, &swapped] {
            let score = DETECTOR.score(&mut Reader::default(), request);
            prop_assert_eq!(DETECTOR.score(&mut remembering, request), score);
            let sum = reference(request);
            prop_assert!((sum - score.llr).abs() < 1e-4, "{} is {}", score.llr, sum);
        }
    }

    #[test]
    fn a_pair_of_a_referer_is_worth_the_same_whatever_it_is_called(raw in bytes(), name in bytes()) {
        let value = |name| Value { place: Place::Referer, part: Part::Value, name, raw: &raw };
        let score = |name| DETECTOR.score_value(&mut Reader::default(), &value(name));
        let called = [b"n", &name[..]].concat();
        prop_assert_eq!(score(&called), score(b"q"));
    }
}

#[test]
fn a_document_of_plain_words_is_worth_no_more_than_they_are() {
    let detector = Detector::shipped(0.001);
    for (value, quiet) in [
        (r#"["a","b"]"#, true),
        (r#"{"name":"Anna K.","tags":["x y","z"],"n":-1.5e3,"ok":true}"#, true),
        (r#"[{"id":1},[]]"#, true),
        ("%5B%22m%C3%BCll%22%5D", true),
        ("%255B%2522a%2522%255D", false),
        (r#"["a;b"]"#, false),
        (r#"["../b"]"#, false),
        (r#"{"__proto__":1}"#, false),
        (r#"{"a":{"$ne":1}}"#, false),
        (r#"["a"] x"#, false),
        (r#"["a"#, false),
        ("{a:1}", false),
    ] {
        let uri = format!("/s?q={}", value.replace('+', "%2B"));
        let score = detector.score(&mut Reader::default(), &logged(uri.as_bytes()));
        assert_eq!(score.llr == detector.model.quiet, quiet, "{value}: {}", score.llr);
    }
}

#[test]
fn what_another_detector_found_is_forgotten() {
    let mut reader = Reader::remembering();
    let request = logged(b"/");
    let pack = r#"
        [[signature]]
        id = "test.browser"
        category = "test"
        severity = "low"
        cwe = 1
        attack = "T1190"
        prior = 2.0
        explanation = "names a browser"
        needs = ["firefox"]
        hits = ["Firefox"]
    "#;
    let packs = [("test", pack)];
    let empty = Signatures::parse([]).expect("no pack is a set of packs");
    let model = Model::priors(&empty);
    let mut detector = Detector::new(empty, model.clone());
    let mut check = |detector: &Detector, llr: f32| {
        assert_eq!(detector.score(&mut reader, &request).llr, llr);
    };
    check(&detector, -4.0);
    detector.model.quiet = -3.0;
    check(&detector, -3.0);
    // At the same address each time, as after a reload.
    detector.model = model;
    check(&detector, -4.0);
    detector.signatures = Signatures::parse(packs).expect("the pack is one");
    detector.model = Model::priors(&detector.signatures);
    check(&detector, -2.0);
}

#[test]
fn ten_times_the_request_costs_ten_times_the_steps() {
    for piece in [
        "plain words ",
        "' or 1=1 -- ",
        "<a b='",
        "$(a;",
        "../",
        "%2525",
        "/*a*/",
        "((((",
        "{{a}}",
        "'a'||",
    ] {
        let steps = |times: usize| {
            let body = piece.repeat(times);
            let mut reader = Reader::default();
            let body = Some(body.as_bytes());
            DETECTOR.score(&mut reader, &Request { body, ..Request::default() });
            reader.all_steps()
        };
        let (small, large) = (steps(10_000 / piece.len()), steps(100_000 / piece.len()));
        assert!(large * 2 <= small * 21, "{piece}: {small} -> {large}");
    }
}
