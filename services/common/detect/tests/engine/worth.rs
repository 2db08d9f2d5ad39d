//! What a request is worth: its worst reading, counts and n-grams included, and where that stands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detect::evidence::Explanation;
use detect::features::GRAM_BASE;
use detect::lexical;
use detect::model::{Grams, Model};
use detect::signatures::Signatures;
use detect::structure::{markup, shell, sql};
use detect::{Detector, Reader, Request};

use super::meanings::{detector, detector_with};
use super::signature;

fn request(uri: &str) -> Request<'_> {
    Request { uri: uri.as_bytes(), ..Request::default() }
}

#[test]
fn the_worst_reading_of_the_worst_window_decides() {
    let detector = detector(&[("sql.tautology", 7.0), ("markup.tag", 9.0)]);
    let inside = STANDARD.encode("7 or 1=1 and so on");
    for (uri, llr, best) in [
        ("", -6.0, None),
        ("/", -6.0, Some((0, 0))),
        ("/?a=b&c=d", -6.0, Some((0, 0))),
        ("/?a=b&c=7+or+1%3D1", 3.0, Some((2, 0))),
        ("/?a=7+or+1%3D1&c=7+or+1%3D1", 3.0, Some((1, 0))),
        ("/?a=7+or+1%3D1&c=%3Csvg%3E", 5.0, Some((2, 0))),
        (&format!("/?a={inside}"), 3.0, Some((1, 1))),
    ] {
        for mut reader in [Reader::default(), Reader::remembering()] {
            let score = detector.score(&mut reader, &request(uri));
            assert_eq!((score.llr, score.best, score.not_read), (llr, best, 0), "{uri}");
        }
    }
}

#[test]
fn the_slash_that_every_path_begins_with_does_not_count() {
    let detector = detector(&[("lexical.slash", 4.0)]);
    for (uri, llr) in [("/a;b", -4.0), ("/a;b/c", -3.0), ("a;b/c", -3.0), ("a?q=/b;", -3.0)] {
        assert_eq!(detector.score(&mut Reader::default(), &request(uri)).llr, llr, "{uri}");
    }
}

/// The slot of the gram that `piece` has in the middle of `text`.
fn slot(text: &str, piece: &str) -> u16 {
    let grams = |text: &str| {
        let mut all = Vec::new();
        lexical::read(text.as_bytes(), |feature, _| all.extend(feature.0.checked_sub(GRAM_BASE)));
        all
    };
    let whole = grams(text);
    let shared: Vec<u32> = grams(piece).into_iter().filter(|slot| whole.contains(slot)).collect();
    assert_eq!(shared.len(), 1, "{piece}");
    u16::try_from(shared[0]).expect("a slot")
}

#[test]
fn the_pieces_behind_the_strongest_grams_are_shown_and_no_credential_is() {
    let text = "ab'cd ef;gh ij.kl";
    let (first, second, third) = (slot(text, "b'c"), slot(text, "f;g"), slot(text, "j.k"));
    let mut weights = [(first, 4.0), (second, 8.0), (third, -4.0)];
    weights.sort_by_key(|(slot, _)| *slot);
    let detector = detector_with(&[], Grams::pack(&weights));
    let explain =
        |uri: &str| -> Explanation { detector.explain(&mut Reader::default(), &request(uri)) };
    let shown = explain("/?q=ab'cd+ef;gh+ij.kl");
    assert_eq!(shown.grams.pieces, ["f;g", "b'c"]);
    let scale = 1.0 / (text.len() as f32).sqrt();
    assert!((shown.grams.weight - 8.0 * scale).abs() < 0.05, "{}", shown.grams.weight);
    assert!((shown.sum() - shown.llr).abs() < 1e-4 && shown.base == -4.0, "{shown:?}");
    assert!(shown.evidence.is_empty(), "{shown:?}");
    // A credential by its name, and one inside of a text.
    assert_eq!(explain("/?password=ab'cd+ef;gh+ij.kl").grams.pieces, [""; 0]);
    assert_eq!(explain("/?q=ef;gh+token%3D'ab'cd'").grams.pieces, ["f;g"]);
}

#[test]
fn pieces_are_looked_for_in_what_is_counted_of_a_long_window() {
    let gram = slot("ab'cd ef;gh ij.kl", "b'c");
    let detector = detector_with(&[], Grams::pack(&[(gram, 4.0)]));
    // Filling counts as few bytes of a window, but of its text no more is counted than of any other.
    let filling = format!("/*{}*/", "x".repeat(3000));
    for (query, pieces) in
        [(format!("ab'cd{filling}"), &["b'c"][..]), (format!("token='ab'cd'{filling}ab'cd"), &[])]
    {
        let uri = format!("/?q={}", query.replace('=', "%3D"));
        let shown = detector.explain(&mut Reader::default(), &request(&uri));
        assert!(shown.grams.weight > 0.0, "{shown:?}");
        assert_eq!(shown.grams.pieces, pieces);
    }
}

#[test]
fn steps_are_those_of_the_normaliser_and_the_tokenisers() {
    let detector = detector(&[]);
    let mut reader = Reader::default();
    // The path and the value are quiet, but a value is read as a query, a command and markup all the same.
    detector.score(&mut reader, &request("/?q=1234"));
    let quiet = (reader.steps, reader.all_steps());
    assert_eq!(quiet, (0, 1 + 4));
    detector.score(&mut reader, &request("/?q=abcd"));
    assert_eq!(reader.all_steps() - reader.steps, 2 * (1 + 4));
    let mut wanted = 0;
    sql::read(b"abcd", &mut wanted);
    shell::read(b"abcd", &mut wanted);
    markup::read(b"abcd", &mut wanted);
    assert_eq!(reader.steps, wanted);
    // A view that differs is read by the tokeniser that it was written for.
    detector.score(&mut reader, &request("/?q=a'b"));
    sql::read(b"a'b", &mut wanted);
    shell::read(b"a'b", &mut wanted);
    shell::read(b"ab", &mut wanted);
    markup::read(b"a'b", &mut wanted);
    assert_eq!(reader.steps, wanted);
}

#[test]
fn a_long_value_is_quoted_around_what_was_found() {
    let (before, after) = ("a ".repeat(200), " b".repeat(200));
    let uri = format!("/?q={before}evil{after}").replace(' ', "+");
    let quoted = format!("…{}evil{}…", &before[400 - 58..], &after[..58]);
    for looks in [
        "needs = ['evil']",
        "pattern = '[e]v.l'\nneeds = ['a']",
        "pattern = 'd?evil'\nneeds = ['il']",
    ] {
        let pack = signature("a.one", looks);
        let signatures = Signatures::parse([("test", pack.as_str())]).expect("a valid pack");
        let model = Model::priors(&signatures);
        let shown =
            Detector::new(signatures, model).explain(&mut Reader::default(), &request(&uri));
        let evidence: Vec<_> =
            shown.evidence.iter().map(|one| (&one.id[..], &one.value[..])).collect();
        assert_eq!(evidence, [("a.one", &quoted[..])], "{looks}");
        assert_eq!((shown.evidence[0].weight, shown.category.as_str()), (5.0, "sql_injection"));
        assert_eq!(shown.evidence[0].explanation, "a test");
    }
}

#[test]
fn a_value_that_is_a_name_has_no_name() {
    let detector = detector(&[("markup.tag", 5.0)]);
    for (uri, name) in [("/?%3Csvg%3E=1", ""), ("/?q=%3Csvg%3E", "q")] {
        let shown = detector.explain(&mut Reader::default(), &request(uri));
        assert_eq!((shown.evidence[0].name.as_str(), shown.evidence.len()), (name, 1), "{uri}");
    }
}
