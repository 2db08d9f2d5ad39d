//! Signatures of the request as a whole.

use detect::evidence::Explanation;
use detect::signatures::{Except, Exceptions, Signatures};
use detect::{Detector, Header, Reader, Request};

use super::signature;

/// A pack of one signature that hits `GET /x` with whatever `request` asks for besides.
fn pack(request: &str) -> String {
    signature("smuggling.mine", &format!("hits = [\"GET /x\"]\n[signature.request]\n{request}"))
}

fn with<T>(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    look: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
        .collect();
    let (method, uri) = (method.as_bytes(), uri.as_bytes());
    look(&Request { method, uri, headers: &headers, ..Request::default() })
}

fn check(asked: &str, method: &str, uri: &str, headers: &[(&str, &str)], hit: bool) {
    let signatures = Signatures::parse([("mine.toml", pack(asked).as_str())]).expect("a pack");
    let mut hits = 0;
    with(method, uri, headers, |request| signatures.whole(request, |_| hits += 1));
    assert_eq!(hits == 1, hit, "{asked}: {method} {uri} {headers:?}");
}

#[test]
fn all_that_is_asked_of_a_request_must_hold() {
    let put = "methods = [\"PUT\"]";
    let jsp = "target = '\\.jsp$'";
    let ss = "target = '^/ss\\?sid='";
    let sent = "target = '^/a%20b$'";
    let both = "headers = [\"content-length\", \"transfer-encoding\"]";
    let two = "differing = [\"content-length\"]";
    let range = "values = { range = '^bytes=0-,' }";
    let (long, chunked) = (("Content-Length", "4"), ("Transfer-Encoding", "chunked"));
    for (asked, method, uri, headers, hit) in [
        (put, "PUT", "/x", &[][..], true),
        (put, "GET", "/x", &[], false),
        (put, "put", "/x", &[], false),
        (jsp, "GET", "/a.JSP", &[], true),
        (jsp, "GET", "/a.jspx", &[], false),
        (jsp, "GET", "/a.%6a%73p", &[], true),
        (ss, "GET", "//ss?sid=1", &[], true),
        (ss, "GET", "/s%73?si%64=1", &[], true),
        (ss, "GET", "http://a.example:8/ss?sid=1", &[], true),
        (ss, "GET", "/a/ss?sid=1", &[], false),
        (ss, "GET", "http://a.example?b=/ss?sid=1", &[], false),
        (sent, "GET", "/a%20b", &[], true),
        (sent, "GET", "http://a.example/a%20b", &[], true),
        (sent, "GET", "http://a.example/a b", &[], false),
        (ss, "GET", "/s%2573?sid=1", &[], false),
        (both, "POST", "/", &[long, chunked], true),
        (both, "POST", "/", &[chunked, ("content-length", "9")], true),
        (both, "POST", "/", &[long], false),
        (two, "POST", "/", &[long, ("CONTENT-LENGTH", "5")], true),
        (two, "POST", "/", &[long, chunked, ("content-length", " 4 ")], false),
        (range, "GET", "/", &[("Range", "bytes=0-,5-0")], true),
        (range, "GET", "/", &[("Range", "bytes=0-9")], false),
        (range, "GET", "/?range=bytes=0-,1", &[], false),
    ] {
        check(asked, method, uri, headers, hit);
    }
    let all = format!("{put}\n{jsp}");
    check(&all, "PUT", "/a.jsp", &[], true);
    check(&all, "PUT", "/a.txt", &[], false);
    check(&all, "GET", "/a.jsp", &[], false);
}

#[test]
fn a_target_that_names_another_host_than_the_header_is_two_hosts() {
    let two = "differing = [\"host\"]";
    let host = ("Host", "shop.example");
    for (uri, headers, hit) in [
        ("http://evil.example/a?b=1", &[host][..], true),
        ("http://shop.example@evil.example/", &[host], true),
        ("http://shop.example:8080/", &[host], true),
        ("http://Shop.Example:80/a", &[host], false),
        ("https://me@shop.example/", &[("host", " shop.example:443 ")], false),
        ("http://evil.example/", &[], false),
        ("http:///a", &[host], false),
        ("/a?b=http://evil.example/", &[host], false),
    ] {
        check(two, "GET", uri, headers, hit);
    }
    check(
        "differing = [\"content-length\"]",
        "GET",
        "http://5/",
        &[("Content-Length", "4")],
        false,
    );
}

#[test]
fn a_body_is_read_where_the_target_asks_for_it() {
    let asked = "target = '^/reset'\nbody = '(?s)\"to\".*\\['";
    let signatures = Signatures::parse([("mine.toml", pack(asked).as_str())]).expect("a pack");
    let long = [" ".repeat(1 << 16), "\"to\":[]".to_owned()].concat();
    for (uri, body, hit) in [
        ("/reset", Some("{\"TO\":\n[1]}"), true),
        ("/reset", Some("{\"t\\u006f\":[1]}"), true),
        ("/reset", Some("a=%22to%22:%5b1"), true),
        ("/reset", Some("{\"to\":1}"), false),
        ("/reset", Some(long.as_str()), false),
        ("/reset", None, false),
        ("/other", Some("{\"to\":[1]}"), false),
    ] {
        let body = body.map(str::as_bytes);
        let request = Request { uri: uri.as_bytes(), body, ..Request::default() };
        let mut hits = 0;
        signatures.whole(&request, |_| hits += 1);
        assert_eq!(hits == 1, hit, "{uri}");
    }
    let examples = signature(
        "a.b",
        &format!(
            "hits = ['POST /reset']\nmisses = [\"\"\"POST /reset\nA: b\n\n\"to\":[\"\"\"]\n[signature.request]\n{asked}"
        ),
    );
    let signatures = Signatures::parse([("mine.toml", examples.as_str())]).expect("a pack");
    assert_eq!(signatures.check().len(), 2, "an example has a body behind an empty line");
}

#[test]
fn a_host_that_is_called_like_the_one_asked_is_looked_for_in_the_query() {
    let host = [("Host", "shop.example")];
    let uri = "/login?next=https://shop.example.evil.example/";
    check("lookalike = '^next$'", "GET", uri, &host, true);
    check("lookalike = '^next$'", "GET", uri, &[], false);
    check("lookalike = '^next$'", "GET", "/login?next=https://shop.example/", &host, false);
}

#[test]
fn a_pack_that_asks_for_what_cannot_be_is_refused_with_the_reason() {
    for (asked, why) in [
        ("", "asks for nothing"),
        ("methods = [\"put\"]", "as they are sent"),
        ("headers = [\"Host\"]", "lower case"),
        ("target = '('", "does not compile"),
        ("target = ''", "1 to 4096 bytes"),
        ("body = 'x'", "give it the `target`"),
        ("target = 'x'\nbody = '('", "does not compile"),
        ("cookies = 3", "unknown field"),
    ] {
        let error = Signatures::parse([("mine.toml", pack(asked).as_str())]).expect_err(asked);
        assert!(error.to_string().contains(why), "{asked}: {error}");
    }
    for more in ["pattern = 'x'", "asks = true"] {
        let both = signature("a.b", &format!("{more}\n[signature.request]\nmethods = [\"PUT\"]"));
        let error = Signatures::parse([("mine.toml", both.as_str())]).expect_err("both");
        assert!(error.to_string().contains("leave out"), "{error}");
    }
}

#[test]
fn an_example_that_is_no_request_is_told() {
    let wrong = signature("a.b", "hits = [\"PUT\"]\n[signature.request]\nmethods = [\"PUT\"]");
    let signatures = Signatures::parse([("mine.toml", wrong.as_str())]).expect("a pack");
    let failures = signatures.check();
    assert!(failures.len() == 1 && failures[0].contains("is no request"), "{failures:?}");
}

const SMUGGLED: [(&str, &str); 2] = [("Content-Length", "6"), ("Transfer-Encoding", "chunked")];

fn explained(detector: &Detector, uri: &str, headers: &[(&str, &str)], now: u64) -> Explanation {
    let mut reader = Reader::default();
    let explanation =
        with("POST", uri, headers, |request| detector.explain_at(&mut reader, request, now));
    let score = with("POST", uri, headers, |request| detector.score_at(&mut reader, request, now));
    assert_eq!(explanation.llr, score.llr);
    assert!((explanation.sum() - explanation.llr).abs() < 1e-4, "{explanation:?}");
    explanation
}

#[test]
fn it_adds_to_what_the_values_say_and_is_explained() {
    let detector = Detector::shipped(0.001);
    for uri in ["/", "/a?q=1%27%20or%201=1--"] {
        let without = explained(&detector, uri, &SMUGGLED[..1], 0);
        let with = explained(&detector, uri, &SMUGGLED, 0);
        let found = with.evidence.iter().find(|one| one.id == "smuggling.length-and-encoding");
        let found = found.expect("the request as a whole is evidence");
        assert!((with.llr - without.llr - found.weight).abs() < 1e-4, "{uri}");
        assert_eq!(found.place, "request");
        assert!(found.value.contains("POST /") && found.value.contains("chunked"), "{found:?}");
    }
    let only = explained(&detector, "/", &SMUGGLED, 0);
    assert_eq!(only.category, "request_smuggling");
    assert!(only.llr >= detector.model.evidence && only.llr < detector.model.alone);
}

#[test]
fn an_exception_of_a_route_hides_it_and_says_so() {
    let mut detector = Detector::shipped(0.001);
    let except = |parameter: Option<&str>| Except {
        signature: "smuggling.length-and-encoding".to_owned(),
        route: "/legacy/*".to_owned(),
        parameter: parameter.map(str::to_owned),
        until: 100,
        reason: "an old client".to_owned(),
    };
    for (parameter, uri, now, hidden) in [
        (None, "/legacy/a", 99, true),
        (None, "/legacy/a", 100, false),
        (None, "/other", 99, false),
        (Some("q"), "/legacy/a", 99, false),
    ] {
        detector.exceptions = Exceptions::new(vec![except(parameter)]).expect("valid");
        let explanation = explained(&detector, uri, &SMUGGLED, now);
        assert_eq!(explanation.severity.is_none(), hidden, "{parameter:?} {uri} {now}");
        assert_eq!(explanation.excepted.len(), usize::from(hidden), "{parameter:?} {uri} {now}");
    }
}
