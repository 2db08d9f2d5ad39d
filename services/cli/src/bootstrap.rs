//! Makes what Perimeter needs outside of itself, and says what is there.

pub(crate) mod aws;
mod aws_plan;
pub(crate) mod kafka;

use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::output::{Cell, Printer, Tone, cell};

/// One thing done, found, or, in a dry run, to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) verb: &'static str,
    pub(crate) what: String,
    pub(crate) detail: String,
}

impl Step {
    pub(crate) fn new(
        verb: &'static str,
        what: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Step { verb, what: what.into(), detail: detail.into() }
    }

    fn tone(&self) -> Tone {
        match self.verb {
            "present" => Tone::Faint,
            "differs" => Tone::Bad,
            verb if verb.starts_with("would") => Tone::Warning,
            _ => Tone::Good,
        }
    }
}

fn print(steps: &[Step], extra: Value, printer: &Printer) -> Outcome {
    if printer.json() {
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| json!({ "verb": step.verb, "what": step.what, "detail": step.detail }))
            .collect();
        let mut document = extra;
        document["steps"] = Value::Array(steps);
        return Ok(printer.document(&document)?);
    }
    let rows: Vec<Vec<Cell>> = steps
        .iter()
        .map(|step| {
            vec![Cell(step.verb.to_owned(), step.tone()), cell(&step.what), cell(&step.detail)]
        })
        .collect();
    Ok(printer.table(&["", "", ""], &rows)?)
}
