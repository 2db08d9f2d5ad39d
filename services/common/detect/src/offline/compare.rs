//! Whether a new model may take the place of the one in force.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::rows::Row;
use crate::detector::{Detector, Reader};

/// Rows by which models are compared: identifiers, frozen before either model was made.
pub type Golden = BTreeSet<String>;

/// What one model does on the golden rows of one kind at one of its thresholds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Such as `evidence: found sqli` or `alone: false plain`.
    pub name: String,
    pub rows: usize,
    pub old: usize,
    pub new: usize,
    /// Whether the new model is worse: fewer attacks found, or more false alarms.
    pub worse: bool,
}

/// Two models beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub bars: Vec<Bar>,
    /// Golden rows that are not among the rows given: with any, nothing is promoted.
    pub absent: Vec<String>,
}

impl Comparison {
    /// Whether the new model may be promoted: all golden rows were there and no bar gets worse.
    pub fn promotes(&self) -> bool {
        self.absent.is_empty() && !self.bars.is_empty() && self.bars.iter().all(|bar| !bar.worse)
    }

    /// For a person to read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Bar { name, rows, old, new, worse } in &self.bars {
            let mark = if *worse { "  worse" } else { "" };
            text.push_str(&format!("{name:<40} {old:>6} -> {new:>6} of {rows}{mark}\n"));
        }
        if !self.absent.is_empty() {
            text.push_str(&format!("{} golden rows are absent\n", self.absent.len()));
        }
        text.push_str(if self.promotes() { "promotes\n" } else { "does not promote\n" });
        text
    }
}

/// Scores the golden rows with both detectors, each at its own thresholds: attacks found by class, false alarms by
/// tier.
pub fn compare(old: &Detector, new: &Detector, rows: &[Row], golden: &Golden) -> Comparison {
    let mut reader = Reader::default();
    let mut counts: BTreeMap<String, (bool, usize, usize, usize)> = BTreeMap::new();
    let mut absent = golden.clone();
    for row in rows.iter().filter(|row| golden.contains(&row.id)) {
        absent.remove(&row.id);
        let mut llr =
            |detector: &Detector| row.request(|request| detector.score(&mut reader, request).llr);
        let (before, after) = (llr(old), llr(new));
        let kind = if row.attack() { &row.category } else { &row.tier };
        let word = if row.attack() { "found" } else { "false" };
        for (name, old, new) in [
            ("evidence", old.model.evidence, new.model.evidence),
            ("alone", old.model.alone, new.model.alone),
        ] {
            let count = counts.entry(format!("{name}: {word} {kind}")).or_default();
            count.0 = row.attack();
            count.1 += 1;
            count.2 += usize::from(before >= old);
            count.3 += usize::from(after >= new);
        }
    }
    let bars = counts.into_iter().map(|(name, (attack, rows, old, new))| Bar {
        name,
        rows,
        old,
        new,
        worse: if attack { new < old } else { new > old },
    });
    Comparison { bars: bars.collect(), absent: absent.into_iter().collect() }
}

/// Which model is in force and which were before it, newest last: names that the caller gives meaning to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub in_force: String,
    pub before: Vec<String>,
}

/// Models that can be gone back to.
const BEFORE_MAX: usize = 16;

/// Why the model in force stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stays {
    #[error("the new model is worse at {}", .0.join(", "))]
    Worse(Vec<String>),
    #[error("{0} golden rows are absent")]
    Absent(usize),
    #[error("no golden row was compared")]
    Nothing,
    #[error("it is in force already")]
    Same,
    #[error("there is no model to go back to")]
    First,
}

impl History {
    /// The history with `name` in force, if the comparison allows it.
    ///
    /// # Errors
    ///
    /// What stands against it.
    pub fn promote(&self, name: &str, comparison: &Comparison) -> Result<Self, Stays> {
        let worse: Vec<String> =
            comparison.bars.iter().filter(|bar| bar.worse).map(|bar| bar.name.clone()).collect();
        match comparison {
            _ if name == self.in_force => Err(Stays::Same),
            Comparison { absent, .. } if !absent.is_empty() => Err(Stays::Absent(absent.len())),
            Comparison { bars, .. } if bars.is_empty() => Err(Stays::Nothing),
            _ if !worse.is_empty() => Err(Stays::Worse(worse)),
            _ => {
                let mut before = self.before.clone();
                if !self.in_force.is_empty() {
                    before.push(self.in_force.clone());
                }
                before.drain(..before.len().saturating_sub(BEFORE_MAX));
                Ok(Self { in_force: name.to_owned(), before })
            }
        }
    }

    /// The history with the model before this one in force again.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn roll_back(&self) -> Result<Self, Stays> {
        let mut before = self.before.clone();
        let in_force = before.pop().ok_or(Stays::First)?;
        Ok(Self { in_force, before })
    }
}
