//! Targets that name a host: what looks at paths reads the path, what looks at hosts the host, and nothing is lost.

use detect::model::Model;
use detect::signatures::Signatures;
use detect::{Detector, Reader, Request};

use super::signature;

/// Whether a signature that asks for `more` hits a request for `uri`.
#[track_caller]
fn check(more: &str, uri: &str, hit: bool) {
    let pack = signature("a.mine", more);
    let signatures = Signatures::parse([("mine.toml", pack.as_str())]).expect("a valid pack");
    let model = Model::priors(&signatures);
    let detector = Detector::new(signatures, model);
    let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
    let found = detector.explain(&mut Reader::default(), &request);
    assert_eq!(found.evidence.iter().any(|piece| piece.id == "a.mine"), hit, "{uri}: {found:?}");
}

#[test]
fn a_signature_of_paths_hits_however_the_target_is_written() {
    let path = "places = ['path']\nneeds = ['secret']\npattern = '^/secret(?:$|/)'";
    for (uri, hit) in [
        ("/secret", true),
        ("http://shop.example/secret", true),
        ("HTTPS://me:word@shop.example:8443/secret/a?b=c", true),
        ("ws+unix://shop.example/secret", true),
        ("http:///secret", true),
        ("http://shop.example/open?to=/secret", false),
        ("http://shop.example?to=/secret", false),
        ("http://secret/a", false),
        ("/http://shop.example/secret", false),
        ("://shop.example/secret", false),
        ("1a://shop.example/secret", false),
        ("shop.example/secret", false),
    ] {
        check(path, uri, hit);
    }
}

#[test]
fn a_signature_of_hosts_reads_the_host_that_a_target_names() {
    let host = "places = ['header:host']\nneeds = ['inner']";
    for (uri, hit) in [
        ("http://inner.example/", true),
        ("http://me@inner.example:8080?a", true),
        ("http://inner", true),
        ("http://inner@shop.example/", false),
        ("http://shop.example/inner", false),
        ("/inner", false),
        ("/go?to=http://inner/", false),
    ] {
        check(host, uri, hit);
    }
}

#[test]
fn a_signature_of_addresses_sees_the_target_as_it_was_sent() {
    for places in ["['path']", "['value']"] {
        let address =
            format!("places = {places}\nneeds = ['http://10.']\npattern = '^http://10\\.'");
        for (uri, hit) in [
            ("http://10.0.0.5/latest/", true),
            ("http://10.0.0.5", true),
            ("http://shop.example/10.0.0.5", false),
            ("/http://10.0.0.5/", false),
        ] {
            check(&address, uri, hit);
        }
    }
}

#[test]
fn nothing_is_worth_less_behind_a_host() {
    let detector = Detector::shipped(0.001);
    let llr = |uri: &str| {
        let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
        detector.score(&mut Reader::default(), &request).llr
    };
    for uri in [
        "/",
        "/products/12?page=2",
        "/../../../../etc/passwd",
        "/a?id=1%27+union+select+card,cvc+from+cards--+-",
        "/cgi-bin/.%2e/.%2e/bin/sh",
        "/actuator/env",
        "/webui/logoutconfirm.html?logon_hash=1",
    ] {
        let (bare, behind) = (llr(uri), llr(&format!("http://shop.example{uri}")));
        assert!(behind >= bare, "{uri}: {bare} by itself, {behind} behind a host");
    }
}
