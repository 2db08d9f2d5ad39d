//! An exception hides one signature at one route and parameter, until its time.

use detect::model::Model;
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
    for route in ["", "edit", "/*", "/a*b", "/a**"] {
        assert!(except(route, None).check().is_err(), "{route}");
    }
    assert!(Except { reason: " ".to_owned(), ..except("/a", None) }.check().is_err());
}
