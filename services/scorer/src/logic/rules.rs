//! The rules, and what each may say about one event. The seam: a new rule is a new variant here.

use std::panic::{self, AssertUnwindSafe};

use detect::Reader;
use observe::Policy;
use schemas::{Category, EventView, Evidence, Millis, Severity};

use crate::detectors::Detectors;
use crate::logic::content::Content;
use crate::logic::finding;
use crate::logic::rate::FailedLogins;

/// What a rule says about the event that completes a detection.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub category: Category,
    pub severity: Severity,
    pub probability: f64,
    pub evidence: Vec<Evidence>,
}

/// How many hits on one observable, within which time, make a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    pub hits: usize,
    pub window_ms: Millis,
}

/// What one request says by itself, whoever sent it and whatever came before.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Whether this request alone suffices.
    pub attack: bool,
    /// Of the strongest evidence; absent where nothing points to a kind of attack.
    pub category: Option<Category>,
    /// That the request is an attack.
    pub probability: f64,
    /// What was found, be it ever so light; empty where nothing was.
    pub evidence: Vec<Evidence>,
}

/// One rule. What it counts in is kept apart from every other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What a request says by itself suffices.
    Content,
    /// What a request says by itself is evidence, and no more.
    ContentLow,
    FailedLogins,
    /// Another detector found something where content says nothing.
    Finding,
}

/// What earlier versions called the windows that are now of [`Rule::Content`].
const CONTENT_BEFORE: [&str; 2] = ["sql_injection", "path_traversal"];

impl Rule {
    const ALL: [Rule; 4] = [Rule::Content, Rule::ContentLow, Rule::FailedLogins, Rule::Finding];

    /// Identifier, part of detection ids and snapshots: never reused for another rule.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Content => "content",
            Rule::ContentLow => "content_low",
            Rule::FailedLogins => "failed_logins",
            Rule::Finding => "finding",
        }
    }

    /// The rule of this name, or of a name it had in an earlier version.
    pub(crate) fn named(name: &str) -> Option<Rule> {
        if CONTENT_BEFORE.contains(&name) {
            return Some(Rule::Content);
        }
        Rule::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// The detector failed inside, on what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the detector failed on it, which is a defect of ours: please report it with the record")]
pub struct Defect;

/// Runs `look`. One request that brings a defect to light must not end the scorer, which would meet it again at its next
/// start: it costs this answer and whatever `reader` remembered.
fn guarded<T>(reader: &mut Reader, look: impl FnOnce(&mut Reader) -> T) -> Result<T, Defect> {
    panic::catch_unwind(AssertUnwindSafe(|| look(reader))).map_err(|_| {
        *reader = Reader::remembering();
        Defect
    })
}

/// All rules, with the buffers that a request is read into.
#[derive(Debug)]
pub struct Rules {
    content: Content,
    logins: FailedLogins,
    reader: Reader,
}

impl Rules {
    /// Every rule. `policy` says how likely an attack is beforehand, which failures are failed logins, and how many
    /// are too many; `detectors` read what a request says.
    pub fn new(policy: &Policy, detectors: &Detectors) -> Rules {
        Rules {
            content: Content::new(policy, detectors),
            logins: FailedLogins::new(policy),
            reader: Reader::remembering(),
        }
    }

    /// The rules that `event` is a hit of, in a fixed order. Allocates nothing.
    ///
    /// # Errors
    ///
    /// A defect of the detector, which the event brought to light.
    pub fn hits(
        &mut self,
        event: &EventView<'_>,
    ) -> Result<impl Iterator<Item = Rule> + use<>, Defect> {
        let content = &mut self.content;
        let severity = guarded(&mut self.reader, |reader| content.severity(reader, event))?;
        let content = severity.map(|severity| match severity {
            Severity::High => Rule::Content,
            _ => Rule::ContentLow,
        });
        let logins = self.logins.failed(event).then_some(Rule::FailedLogins);
        // Where content has its own word, that detection mentions the finding.
        let finding = (content.is_none() && finding::found(event)).then_some(Rule::Finding);
        Ok(content.into_iter().chain(logins).chain(finding))
    }

    /// What `rule` says about `event`, which is a hit of it. Where a defect of the detector keeps it from being
    /// explained, it says so: what was found stays found.
    pub fn hit(&mut self, rule: Rule, event: &EventView<'_>) -> Hit {
        let content = &self.content;
        match rule {
            Rule::Content | Rule::ContentLow => {
                guarded(&mut self.reader, |reader| content.hit(reader, event))
                    .unwrap_or_else(|_| content.unexplained(rule == Rule::Content, event))
            }
            Rule::FailedLogins => self.logins.hit(event),
            Rule::Finding => finding::hit(event),
        }
    }

    pub fn threshold(&self, rule: Rule) -> Threshold {
        match rule {
            Rule::Content | Rule::ContentLow | Rule::Finding => Threshold { hits: 1, window_ms: 1 },
            Rule::FailedLogins => self.logins.threshold(),
        }
    }

    /// What the content of `event` says alone.
    pub fn request(&mut self, event: &EventView<'_>) -> Scored {
        self.content.scored(&mut self.reader, event)
    }

    /// The highest threshold of all rules.
    pub(crate) fn hits_max(&self) -> usize {
        Rule::ALL.into_iter().map(|rule| self.threshold(rule).hits).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_costs_one_answer() {
        let mut reader = Reader::remembering();
        assert_eq!(guarded(&mut reader, |_| panic!("a defect")), Err::<(), _>(Defect));
        assert_eq!(guarded(&mut reader, |_| 7), Ok(7));
    }
}
