//! An exception hides one signature at one route and parameter, until its time.

use detect::model::Model;
use detect::signatures::except::DAYS_MAX;
use detect::signatures::{Except, Exceptions, Signatures};
use detect::{Detector, Reader, Request};

use super::signature;

const UNTIL: u64 = 1_000;

fn except(route: &str, parameter: Option<&str>) -> Except {
    Except {
        signature: "a.evil".to_owned(),
        route: route.to_owned(),
        parameter: parameter.map(str::to_owned),
        until: UNTIL,
        reason: "the editor sends queries".to_owned(),
    }
}

fn detector(exceptions: Vec<Except>) -> Detector {
    let pack = signature("a.evil", "needs = ['evil']");
    let signatures = Signatures::parse([("test", pack.as_str())]).expect("a valid pack");
    let model = Model::priors(&signatures);
    let exceptions = Exceptions::new(exceptions).expect("valid exceptions");
    Detector { exceptions, ..Detector::new(signatures, model) }
}

#[test]
fn an_exception_hides_its_signature_at_its_place_until_its_end() {
    let request = Request { method: b"GET", uri: b"/edit/page?text=evil", ..Request::default() };
    for (route, parameter, now, hidden) in [
        ("/edit/page", None, 0, true),
        ("/edit/*", Some("text"), UNTIL - 1, true),
        ("/edit/*", Some("text"), UNTIL, false),
        ("/edit/*", Some("title"), 0, false),
        ("/edit", None, 0, false),
        ("/other/*", None, 0, false),
    ] {
        let detector = detector(vec![except(route, parameter)]);
        let why_not = detector.why_not(&mut Reader::default(), &request, now);
        let what = format!("{route} {parameter:?} {now}: {why_not:?}");
        assert_eq!(why_not.hidden.len(), usize::from(hidden), "{what}");
        assert_eq!(why_not.llr < why_not.llr_without_exceptions, hidden, "{what}");
        let explanation = detector.explain_at(&mut Reader::default(), &request, now);
        assert_eq!(explanation.excepted, why_not.hidden, "{what}");
    }
}

#[test]
fn what_would_hide_too_much_is_no_exception() {
    for route in ["", "edit", "/*", "/a*b", "/a**", "/search?q=", "/search?*", "/a#b", "/a?", "/#*"]
    {
        assert!(except(route, None).check().is_err(), "{route}");
    }
    let told = except("/search?q=", None).check().expect_err("a query is no route");
    assert!(told.contains("a path alone, without `?`"), "{told}");
    assert!(Except { reason: " ".to_owned(), ..except("/a", None) }.check().is_err());
}

/// Whether the exception of `route` hides what a request for `path` was found with.
#[track_caller]
fn check(route: &str, path: &str, hidden: bool) {
    let detector = detector(vec![except(route, None)]);
    let uri = format!("{path}?text=evil");
    let request = Request { method: b"GET", uri: uri.as_bytes(), ..Request::default() };
    let why_not = detector.why_not(&mut Reader::default(), &request, 0);
    assert_eq!(why_not.hidden.len(), usize::from(hidden), "{route} {path}: {why_not:?}");
    assert_eq!(why_not.llr < why_not.llr_without_exceptions, hidden, "{route} {path}: {why_not:?}");
}

#[test]
fn an_exception_holds_on_its_route_however_the_target_is_written() {
    for (route, path, hidden) in [
        ("/edit/page", "http://shop.example/edit/page", true),
        ("/edit/*", "HTTP://shop.example:8080/edit/page", true),
        ("/edit/*", "http://shop.example/other", false),
        ("/edit/*", "http://shop.example/edit/../admin", false),
        ("/edit/*", "http://edit/page", false),
    ] {
        check(route, path, hidden);
    }
}

#[test]
fn what_leads_up_from_the_beginning_of_a_path_is_not_under_it() {
    for path in [
        "/static/../admin",
        "/static/a/../../admin",
        "/static/..",
        "/static/%2e%2e/admin",
        "/static/.%2E/admin",
        "/static/..%2fadmin",
        "/static/%252e%252e/admin",
        "/static/..%25252fadmin",
        "/static/..\\admin",
        "/static/..%5cadmin",
        "/static/..;/admin",
        "/static/..;x=1/admin",
        "/static/..%3bx/admin",
        "/static/..%00/admin",
        "/static/..%3f/admin",
        "/static/#/../../admin",
    ] {
        check("/static/*", path, false);
    }
    for path in [
        "/static/a",
        "/static/",
        "/static/a..b/c",
        "/static/..a",
        "/static/a..",
        "/static/...",
        "/static/./a",
        "/static/;../a",
        "/static/100%/a",
        "/static/%2",
        "/static/%zz",
        "/static/#top",
        "/static/..%2525252fa",
    ] {
        check("/static/*", path, true);
    }
}

#[test]
fn a_path_that_is_named_whole_is_hidden_as_it_is_named() {
    check("/report", "/report", true);
    check("/report", "/report#top", true);
    check("/report", "/report#/../admin", false);
    check("/a/../report", "/a/../report", true);
}

#[test]
fn an_exception_ends_within_ninety_days_of_being_taken_over() {
    const DAY_MS: u64 = 86_400_000;
    const HOUR_MS: u64 = 3_600_000;
    let now = 1_795_266_309_000;
    let checked = |until: u64| Except { until, ..except("/a", None) }.check_until(now);
    // An hour more is for the clock of whoever wrote it.
    for until in [0, now, now + DAYS_MAX * DAY_MS, now + DAYS_MAX * DAY_MS + HOUR_MS] {
        assert_eq!(checked(until), Ok(()), "{until}");
    }
    for until in [now + DAYS_MAX * DAY_MS + HOUR_MS + 1, 9_000_000_000_000_000_000, u64::MAX] {
        let why = checked(until).expect_err("it ends too late");
        assert!(why.contains("a.evil on /a ends more than 90 days from now"), "{why}");
    }
}
