//! `perimeter explain-request`: what makes one request an attack, or not, in words for a person on call.

use detect::evidence::{Evidence, Explanation};
use detect::signatures::{Except, Severity, WHOLE};
use detect::{Detector, Reader};
use serde_json::{Value, json};

use super::show;
use crate::args::ExplainRequest;
use crate::failure::Outcome;
use crate::output::{Cell, Printer, Tone, cell};
use crate::weighing;

/// How many of the counts of a text are named; the rest is small.
const COUNTS_NAMED: usize = 4;

pub(crate) fn run(arguments: &ExplainRequest, printer: &Printer) -> Outcome {
    let detector = weighing::detector(&arguments.inputs, arguments.exceptions.as_deref(), printer)?;
    let request = weighing::request(&arguments.file, arguments.id.as_deref())?;
    let now = u64::try_from(show::now()).unwrap_or(0);
    let mut reader = Reader::default();
    let found = request.lend(|request| detector.explain_at(&mut reader, request, now));
    if printer.json() {
        return Ok(printer.document(&document(&detector, &found, &request.id))?);
    }
    Ok(printer.text(&page(&detector, &found, printer))?)
}

/// One reason, as a line of the sum.
pub(crate) struct Piece {
    place: &'static str,
    name: String,
    value: String,
    signature: String,
    weight: f32,
    explanation: String,
}

impl Piece {
    pub(crate) fn document(&self) -> Value {
        json!({
            "place": self.place,
            "name": self.name,
            "value": self.value,
            "signature": self.signature,
            "weight": number(self.weight),
            "explanation": self.explanation,
        })
    }
}

/// All that adds to the LLR beside the start: signatures, flags and marks, strongest first; then the counts of the
/// plain text, its n-grams and calibration, each as one.
pub(crate) fn pieces(found: &Explanation) -> Vec<Piece> {
    let (counts, named): (Vec<&Evidence>, Vec<&Evidence>) =
        found.evidence.iter().partition(|evidence| evidence.id.starts_with("lexical."));
    let mut pieces: Vec<Piece> = named
        .into_iter()
        .map(|evidence| Piece {
            place: evidence.place,
            name: evidence.name.clone(),
            value: evidence.value.clone(),
            signature: evidence.id.clone(),
            weight: evidence.weight,
            explanation: evidence.explanation.clone(),
        })
        .collect();
    // Counts and n-grams are of a value, not of the request as a whole.
    let of_value = found.evidence.iter().find(|evidence| evidence.place != WHOLE);
    let Some(first) = of_value.or(found.evidence.first()) else { return pieces };
    let text = counts.first().map_or(&first.value, |count| &count.value);
    let mut put = |signature: &str, weight: f32, explanation: String| {
        pieces.push(Piece {
            place: first.place,
            name: first.name.clone(),
            value: text.clone(),
            signature: signature.to_owned(),
            weight,
            explanation,
        });
    };
    if !counts.is_empty() {
        let weight = counts.iter().map(|count| count.weight).sum();
        put("text.counts", weight, counted(&counts));
    }
    if found.grams.weight != 0.0 {
        let mut words = "short runs of characters, all together".to_owned();
        if !found.grams.pieces.is_empty() {
            let quoted: Vec<String> =
                found.grams.pieces.iter().map(|piece| format!("`{piece}`")).collect();
            words += &format!("; most by {}", quoted.join(" "));
        }
        put("text.n-grams", found.grams.weight, words);
    }
    if found.calibration != 0.0 {
        let words = "what such a sum proved to be worth on requests of sources not learnt from";
        put("calibration", found.calibration, words.to_owned());
    }
    pieces
}

/// Which counts weigh most, either way.
fn counted(counts: &[&Evidence]) -> String {
    let mut strongest = counts.to_vec();
    strongest.sort_by(|one, other| other.weight.abs().total_cmp(&one.weight.abs()));
    let named: Vec<String> = strongest
        .iter()
        .take(COUNTS_NAMED)
        .map(|count| {
            let name = count.id.trim_start_matches("lexical.").replace('_', " ");
            format!("{name} {:+.2}", count.weight)
        })
        .collect();
    format!(
        "signs, blanks and lengths of the plain text, all together; most by {}",
        named.join(", ")
    )
}

/// A weight as it is written, not as its next neighbour in twice the bits.
pub(crate) fn number(weight: f32) -> Value {
    weight.to_string().parse::<f64>().map_or(Value::Null, |weight| json!(weight))
}

/// A probability in per cent, with as many digits as tell it from 0 and from 100.
pub(crate) fn percent(probability: f64) -> String {
    let away = probability.min(1.0 - probability) * 100.0;
    let digits = (2..8).find(|digits| away >= 10_f64.powi(1 - digits)).unwrap_or(8);
    format!("{:.*} %", usize::try_from(digits).unwrap_or(2), probability * 100.0)
}

fn page(detector: &Detector, found: &Explanation, printer: &Printer) -> String {
    let (label, tone, so) = match found.severity {
        Some(Severity::Low) => {
            ("attack", Tone::Warning, "evidence only: nothing is done for it alone")
        }
        Some(_) => ("attack", Tone::Bad, "sure enough that this one request suffices"),
        None => ("benign", Tone::Good, "below both thresholds"),
    };
    let category = found.category.replace('_', " ");
    let what = match found.severity {
        Some(_) if !category.is_empty() => format!("{category}; {so}"),
        _ => so.to_owned(),
    };
    let told = |name: &str, text: String| vec![Cell(name.to_owned(), Tone::Faint), cell(text)];
    let mut page = printer.lines(&[vec![Cell(label.to_owned(), tone), cell(what)]]);
    page += &printer.tabulated(
        &["", ""],
        &[
            told("probability", format!(
                "{}, where {} of all requests are attacks (pi)",
                percent(found.probability),
                percent(found.pi),
            )),
            told("LLR", format!(
                "{:+.2}: how much more such a request speaks for an attack than against it, in log-odds",
                found.llr
            )),
            told("thresholds", format!(
                "evidence from {:+.2}, alone from {:+.2}",
                detector.model.evidence, detector.model.alone
            )),
        ],
    );
    page.push('\n');
    page += &printer.tabulated(&["adds", "found by", "at", "what it means"], &sum(found));
    page.push('\n');
    page += &printer.lines(&beyond(found));
    page
}

/// The sum as a table, what was seen under what it means.
fn sum(found: &Explanation) -> Vec<Vec<Cell>> {
    let row = |weight: f32, by: &str, at: String, what: String, tone| {
        vec![Cell(format!("{weight:+.2}"), tone), cell(by), cell(at), cell(what)]
    };
    let mut rows = vec![row(
        found.base,
        "start",
        String::new(),
        "before anything was found".to_owned(),
        Tone::Plain,
    )];
    let mut shown = String::new();
    for piece in pieces(found) {
        let tone = if piece.weight > 0.0 { Tone::Warning } else { Tone::Good };
        let at = place(piece.place, &piece.name);
        rows.push(row(piece.weight, &piece.signature, at, piece.explanation, tone));
        // All pieces are of one value; it is shown again only where another part of it was found.
        if piece.value != shown {
            let seen = Cell(format!("seen: {}", piece.value), Tone::Faint);
            rows.push(vec![cell(""), cell(""), cell(""), seen]);
            shown = piece.value;
        }
    }
    rows.push(row(
        found.sum(),
        "sum",
        String::new(),
        if found.sum() - found.llr < 1e-3 && found.llr - found.sum() < 1e-3 {
            "of all pieces; it is the LLR above".to_owned()
        } else {
            "of all pieces; it is NOT the LLR above, which is an error of ours".to_owned()
        },
        Tone::Plain,
    ));
    rows
}

pub(crate) fn place(place: &str, name: &str) -> String {
    if name.is_empty() { place.to_owned() } else { format!("{place}:{name}") }
}

/// What an exception hides, what was not read, and what the weights are.
fn beyond(found: &Explanation) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for hidden in &found.excepted {
        let Evidence { id, place, name, weight, .. } = &hidden.evidence;
        rows.push(vec![Cell(
            format!(
                "not counted: {id} at {}, {weight:+.2}; {}",
                self::place(place, name),
                excepted(&hidden.exception)
            ),
            Tone::Warning,
        )]);
    }
    let unread = match found.not_read {
        0 => "everything in it was read".to_owned(),
        count => format!(
            "not read: {count} piece(s) beyond the limits of one request (docs/guides/how-a-score-is-made.md)"
        ),
    };
    rows.push(vec![Cell(unread, if found.not_read == 0 { Tone::Faint } else { Tone::Warning })]);
    if found.without_model {
        rows.push(vec![Cell(
            "no model is loaded: the weights are what was believed before anything was learnt"
                .to_owned(),
            Tone::Warning,
        )]);
    }
    rows
}

/// `excepted on /search until 2026-12-31 00:00:00Z: why`
pub(crate) fn excepted(except: &Except) -> String {
    format!(
        "excepted on {}{} until {}: {}",
        except.route,
        except.parameter.as_ref().map_or(String::new(), |name| format!(" for {name}")),
        show::time(i64::try_from(except.until).unwrap_or(i64::MAX)),
        except.reason
    )
}

fn document(detector: &Detector, found: &Explanation, id: &Value) -> Value {
    let evidence = |evidence: &Evidence| {
        json!({
            "place": evidence.place,
            "name": evidence.name,
            "value": evidence.value,
            "signature": evidence.id,
            "weight": number(evidence.weight),
            "explanation": evidence.explanation,
        })
    };
    let hidden = found.excepted.iter();
    json!({
        "id": id,
        "label": if found.severity.is_some() { "attack" } else { "benign" },
        "severity": found.severity,
        "category": Some(&found.category).filter(|category| !category.is_empty()),
        "probability": found.probability,
        "pi": found.pi,
        "llr": number(found.llr),
        "thresholds": {
            "evidence": number(detector.model.evidence),
            "alone": number(detector.model.alone),
        },
        "base": number(found.base),
        "evidence": found.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "n_grams": { "weight": number(found.grams.weight), "pieces": found.grams.pieces },
        "calibration": number(found.calibration),
        "sum": number(found.sum()),
        "excepted": hidden
            .map(|hidden| json!({ "evidence": evidence(&hidden.evidence), "exception": hidden.exception }))
            .collect::<Vec<_>>(),
        "not_read": found.not_read,
        "without_model": found.without_model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_told_from_none_and_from_certainty() {
        for (probability, shown) in [
            (0.5, "50.00 %"),
            (0.001, "0.10 %"),
            (0.000_012, "0.0012 %"),
            (0.999_998, "99.99980 %"),
            (1.0, "100.00000000 %"),
        ] {
            assert_eq!(percent(probability), shown);
        }
    }
}
