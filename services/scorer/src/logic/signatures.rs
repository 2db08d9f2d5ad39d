//! What an attack looks like in one request: SQL injection and path traversal.
//!
//! A cheap search for a few literals comes first, so that a benign request costs no regular expression and no
//! allocation. What it lets through is judged by structure, not by words: names and prose use the words of SQL too.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;
use schemas::detection::{EVIDENCE_COUNT_MAX, EVIDENCE_VALUE_BYTES_MAX};
use schemas::{Category, EventView, Evidence, Severity};

use crate::logic::rules::{Hit, probability};
use crate::logic::sql;
use crate::logic::text::{self, Text, Texts};
use crate::logic::traversal;

/// How much of a text stands before the match when it is quoted.
const QUOTE_BEFORE_BYTES: usize = 24;

/// A signature: one look at one request is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    SqlInjection,
    PathTraversal,
}

/// One thing that a signature found in one text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Finding {
    /// Identifier within the signature.
    pub(crate) id: &'static str,
    pub(crate) weight: f64,
    pub(crate) explanation: &'static str,
    /// Where in the text it begins.
    pub(crate) at: usize,
}

static SQL_WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| literals(sql::WORDS));
static TRAVERSAL_WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| literals(traversal::WORDS));
/// Credentials inside a value, as another request's text carries them.
static CREDENTIALS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)\b([a-z_]*(?:pass|passwd|password|pwd|secret|token))(\s*[=:]\s*)[^&\s;,]+")
        .expect("the pattern is checked by the tests")
});

impl Signature {
    pub fn name(self) -> &'static str {
        match self {
            Signature::SqlInjection => "sql_injection",
            Signature::PathTraversal => "path_traversal",
        }
    }

    /// What this signature found in a request.
    pub fn weigh(self, event: &EventView<'_>, texts: &Texts) -> Option<Hit> {
        let mut evidence = Vec::new();
        for text in texts.iter().filter(|text| self.worth_a_look(text)) {
            let findings = match self {
                Signature::SqlInjection => sql::find(&text),
                Signature::PathTraversal => traversal::find(&text),
            };
            for finding in findings {
                if evidence.len() < EVIDENCE_COUNT_MAX {
                    evidence.push(self.evidence(event, &text, finding));
                }
            }
        }
        if evidence.is_empty() {
            return None;
        }
        let category = match self {
            Signature::SqlInjection => Category::SqlInjection,
            Signature::PathTraversal => Category::PathTraversal,
        };
        let probability = probability(&evidence);
        Some(Hit { category, severity: Severity::High, probability, evidence })
    }

    fn worth_a_look(self, text: &Text<'_>) -> bool {
        match self {
            Signature::SqlInjection => SQL_WORDS.is_match(text.bytes),
            Signature::PathTraversal => TRAVERSAL_WORDS.is_match(text.bytes),
        }
    }

    fn evidence(self, event: &EventView<'_>, text: &Text<'_>, finding: Finding) -> Evidence {
        let (place, secret) = text::place(event.uri, text.part);
        let value = if secret {
            "(not shown: may be a credential)".to_owned()
        } else {
            quote(text.bytes, finding.at)
        };
        Evidence {
            rule: format!("{}/{}", self.name(), finding.id),
            place,
            value,
            weight: finding.weight,
            explanation: finding.explanation.to_owned(),
            event_id: event.event_id,
        }
    }
}

/// A text around what was found, cut, with credentials masked.
fn quote(bytes: &[u8], at: usize) -> String {
    let masked = CREDENTIALS.replace_all(bytes, &b"$1$2***"[..]);
    let start = at.min(masked.len()).saturating_sub(QUOTE_BEFORE_BYTES);
    let text = String::from_utf8_lossy(&masked[start..]);
    let mut end = text.len().min(EVIDENCE_VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn literals(words: &[&str]) -> AhoCorasick {
    AhoCorasick::new(words).expect("the literals are few and short; the tests build them")
}
