//! What a uri names, by table and by property.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use observe::route::{QUERY_PARTS_MAX, path, percent_decoded, query_parts, route};
use proptest::prelude::*;

#[track_caller]
fn check(uri: &str, as_sent: &str, meant: &str) {
    assert_eq!((path(uri), route(uri).as_str()), (as_sent, meant), "{uri}");
}

#[test]
fn a_route_is_the_path_that_the_server_will_see() {
    check("/login", "/login", "/login");
    check("/login?next=/", "/login", "/login");
    check("/login#top?x", "/login", "/login");
    check("/login/", "/login/", "/login");
    check("//login", "//login", "/login");
    check("/./a/../login", "/./a/../login", "/login");
    check("/../../login", "/../../login", "/login");
    check("/%6cogin", "/%6cogin", "/login");
    check("/%2e%2e/login", "/%2e%2e/login", "/login");
    check("/%256cogin", "/%256cogin", "/%6cogin");
    check("/Login", "/Login", "/Login");
    check("/", "/", "/");
    check("", "/", "/");
    check("?a=b", "/", "/");
    check("*", "*", "/*");
    check("http://shop.example/login?x", "/login", "/login");
    check("https://shop.example", "/", "/");
    check("/go?to=http://shop.example/login", "/go", "/go");
    check("/%", "/%", "/%");
    check("/%f", "/%f", "/%f");
    check("/%zz", "/%zz", "/%zz");
    check("/%ff", "/%ff", "/\u{fffd}");
    check("/é", "/é", "/é");
}

#[track_caller]
fn check_parts(uri: &str, expected: &[(&str, &str)]) {
    assert_eq!(query_parts(uri).collect::<Vec<_>>(), expected, "{uri}");
}

#[test]
fn a_query_splits_into_names_and_raw_values() {
    check_parts("/a", &[]);
    check_parts("/a?", &[]);
    check_parts("/a?id=1", &[("id", "1")]);
    check_parts("/a?id=1&id=%27+or&x", &[("id", "1"), ("id", "%27+or"), ("x", "")]);
    check_parts("/a?&&=&a==b", &[("", ""), ("a", "=b")]);
    check_parts("/a?b?c=d#e&f", &[("b?c", "d")]);
}

#[test]
fn nothing_hides_behind_many_parts() {
    let uri = format!("/a?{}id=%27--", "x=1&".repeat(10_000));
    let parts: Vec<_> = query_parts(&uri).collect();
    assert_eq!(parts.len(), QUERY_PARTS_MAX);
    assert!(parts.last().unwrap().1.ends_with("&id=%27--"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_route_means_itself(uri in "[/.a-c?#:]{0,30}") {
        let once = route(&uri);
        prop_assert_eq!(route(&once), once);
    }

    #[test]
    fn what_was_encoded_is_decoded(text in ".{0,40}") {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(percent_decoded(&encoded), text);
    }

    #[test]
    fn any_text_is_read_without_panic(uri in ".{0,200}") {
        prop_assert!(route(&uri).starts_with('/'));
        prop_assert!(query_parts(&uri).count() <= QUERY_PARTS_MAX);
    }
}
