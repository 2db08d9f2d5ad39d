//! What is said of a flag to a person on call, and which kind of attack it points to.

use detect::evidence::{Explanation, meaning};
use detect::model::{FORMAT, Grams, Model, ModelFile};
use detect::signatures::{Severity, Signatures};
use detect::{Detector, Header, Reader, Request};

/// A detector without signatures that weighs `flags` alone.
pub(super) fn detector(flags: &[(&str, f32)]) -> Detector {
    detector_with(flags, Grams::pack(&[]))
}

/// The same, with n-grams.
pub(super) fn detector_with(flags: &[(&str, f32)], grams: Grams) -> Detector {
    let signatures = Signatures::parse([]).expect("no pack is a set of packs");
    let file = ModelFile {
        format: FORMAT,
        quiet: -6.0,
        bias: -4.0,
        evidence: 1.0,
        alone: 5.0,
        features: flags.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
        signatures: [].into(),
        grams,
        bend: Vec::new(),
        report: serde_json::Value::Null,
    };
    let model = Model::from_file(&file, &signatures).expect("a valid file");
    Detector::new(signatures, model)
}

fn explain(detector: &Detector, uri: &str) -> Explanation {
    let request = Request { uri: uri.as_bytes(), ..Request::default() };
    detector.explain(&mut Reader::default(), &request)
}

#[test]
fn a_flag_is_told_in_its_own_words_or_in_those_of_its_name() {
    for (id, words) in [
        ("sql.subquery", "a SELECT in parentheses"),
        ("mark.of_no_kind", "had to be decoded before it could be read: of no kind"),
        ("sql.of_no_kind", "reads as part of a database query: of no kind"),
        ("shell.of_no_kind", "reads as a shell command: of no kind"),
        ("shell.climb", "reads as what a program is made to open: climb"),
        ("markup.of_no_kind", "reads as markup or script: of no kind"),
        ("lexical.two_dots", "count in the plain text: two dots"),
        ("other.of_no_kind", "of no kind"),
        ("of_no_kind", "of no kind"),
    ] {
        assert_eq!(meaning(id), words, "{id}");
    }
}

#[test]
fn the_strongest_flag_names_the_kind_of_attack() {
    for (uri, flag, category) in [
        ("/?q=7+or+1%3D1", "sql.tautology", "sql_injection"),
        ("/?q=x%3Buname", "shell.command_after_separator", "command_injection"),
        ("/?q=%3Csvg%3E", "markup.tag", "cross_site_scripting"),
        ("/?q=../../x", "shell.climb", "path_traversal"),
        ("/?q=php://x", "shell.wrapper", "path_traversal"),
        ("/?q=a/../../x", "mark.path_up", "path_traversal"),
        ("/?q=http://192.0.2.1/x", "shell.remote_number", "remote_file_inclusion"),
        ("/?q=$%7Bjndi:x%7D", "shell.lookup", "log4shell"),
        ("/?q=x.__class__", "shell.object_walk", "code_injection"),
        ("/?q=%2541", "mark.percent_twice", ""),
    ] {
        let explanation = explain(&detector(&[(flag, 7.0)]), uri);
        assert_eq!(explanation.category, category, "{flag}");
        let found: Vec<_> = explanation.evidence.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(found, [flag]);
        assert_eq!(
            (explanation.base, explanation.llr, explanation.sum()),
            (-4.0, 3.0, 3.0),
            "{flag}"
        );
        assert_eq!(
            (explanation.evidence[0].place, explanation.evidence[0].name.as_str()),
            ("query", "q")
        );
    }
    // What speaks against an attack names none, and the strongest stands first.
    let detector = detector(&[("sql.tautology", -1.0), ("sql.after_value", 2.0)]);
    let explanation = explain(&detector, "/?q=7+or+1%3D1");
    let found: Vec<_> =
        explanation.evidence.iter().map(|one| (one.id.as_str(), one.weight)).collect();
    assert_eq!(found, [("sql.after_value", 2.0), ("sql.tautology", -1.0)]);
    assert_eq!(explain(&self::detector(&[("sql.tautology", -1.0)]), "/?q=7+or+1%3D1").category, "");
}

#[test]
fn severity_begins_at_the_thresholds_of_the_model() {
    for (weight, severity) in [
        (4.9, None),
        (5.0, Some(Severity::Low)),
        (8.9, Some(Severity::Low)),
        (9.0, Some(Severity::High)),
    ] {
        let explanation = explain(&detector(&[("sql.tautology", weight)]), "/?q=7+or+1%3D1");
        assert_eq!(explanation.severity, severity, "{weight}");
    }
}

#[test]
fn a_request_is_worth_its_worst_value_and_says_which_that_is() {
    let detector = detector(&[("sql.tautology", 7.0), ("markup.tag", 9.0)]);
    let headers = [Header { name: b"x-note", value: b"<svg>" }];
    for (uri, place, name, llr) in
        [("/?a=b&c=7+or+1%3D1", "header", "x-note", 5.0), ("/%3Csvg%3E", "path", "", 5.0)]
    {
        let request = Request { uri: uri.as_bytes(), headers: &headers, ..Request::default() };
        let mut reader = Reader::default();
        let explanation = detector.explain(&mut reader, &request);
        let evidence = &explanation.evidence[0];
        assert_eq!((evidence.place, evidence.name.as_str()), (place, name), "{uri}");
        assert_eq!(
            (explanation.llr, detector.score(&mut reader, &request).llr),
            (llr, llr),
            "{uri}"
        );
    }
    // Nothing but letters is at the floor, which is lower than the bias of what was looked at.
    let quiet = explain(&detector, "/?a=b");
    assert_eq!((quiet.llr, quiet.base, quiet.evidence.len()), (-6.0, -6.0, 0));
    let none = explain(&detector, "");
    assert_eq!((none.llr, none.base, none.not_read), (-6.0, -6.0, 0));
}
