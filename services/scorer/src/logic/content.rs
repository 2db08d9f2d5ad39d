//! Content: what one request says by itself, as the crate `detect` reads and weighs it.
//!
//! A quiet request costs one look and no allocation. Only what completes a detection is explained.

use std::sync::LazyLock;

use detect::detector::PI;
use detect::evidence::Explanation;
use detect::{Detector, Header, Reader, Request};
use observe::Policy;
use observe::observation::cut;
use schemas::detection::{EVIDENCE_COUNT_MAX, EVIDENCE_VALUE_BYTES_MAX};
use schemas::{Category, EventView, Evidence, Severity};

use crate::logic::rules::{Hit, Scored};

/// Most bytes of text that the evidence of one detection holds.
pub const EVIDENCE_BYTES_MAX: usize = 4 * 1024;
/// Longest name of a parameter or header that a place mentions, and longest explanation, in bytes.
const NAME_BYTES_MAX: usize = 64;
const EXPLANATION_BYTES_MAX: usize = 256;
/// Rule and place of what is not evidence of the request itself.
const REST: &str = "text";
const PRIOR: &str = "prior";
/// Counts of characters say little one by one; a person reads them as part of the rest.
const COUNTS: &str = "lexical.";

/// The detector, which is the same for every partition and policy: the prior comes in last.
static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::shipped(PI));

/// The rule about content.
#[derive(Debug)]
pub struct Content {
    detector: &'static Detector,
    /// Probability of an attack before anything is read.
    prior: f64,
}

impl Content {
    /// The rule with the prior probability of `policy`.
    pub fn new(policy: &Policy) -> Self {
        Content { detector: &DETECTOR, prior: policy.prior() }
    }

    /// High where `event` alone suffices, low where it is evidence and no more. Allocates nothing.
    pub fn severity(&self, reader: &mut Reader, event: &EventView<'_>) -> Option<Severity> {
        let score = with_request(event, |request| self.detector.score(reader, request));
        self.severity_of(score.llr)
    }

    /// What there is to say about `event`, which has a severity.
    pub fn hit(&self, reader: &mut Reader, event: &EventView<'_>) -> Hit {
        let explanation = with_request(event, |request| self.detector.explain(reader, request));
        Hit {
            category: category(&explanation.category),
            severity: self.severity_of(explanation.llr).unwrap_or(Severity::Low),
            probability: self.probability(&explanation),
            evidence: self.evidence(&explanation, event),
        }
    }

    /// The same of any event, be what was found ever so light.
    pub fn scored(&self, reader: &mut Reader, event: &EventView<'_>) -> Scored {
        let explanation = with_request(event, |request| self.detector.explain(reader, request));
        let severity = self.severity_of(explanation.llr);
        let found = explanation.evidence.iter().any(|piece| !piece.id.starts_with(COUNTS));
        Scored {
            attack: severity == Some(Severity::High),
            category: Some(category(&explanation.category))
                .filter(|category| *category != Category::Other || severity.is_some()),
            probability: self.probability(&explanation),
            evidence: match found || severity.is_some() {
                true => self.evidence(&explanation, event),
                false => Vec::new(),
            },
        }
    }

    fn severity_of(&self, llr: f32) -> Option<Severity> {
        let model = &self.detector.model;
        if llr >= model.alone {
            return Some(Severity::High);
        }
        (llr >= model.evidence).then_some(Severity::Low)
    }

    fn probability(&self, explanation: &Explanation) -> f64 {
        self.detector.model.probability(explanation.llr, self.prior)
    }

    /// Strongest first; then all that is not worth a line each, and the prior. Their weights add up to the log-odds
    /// of the probability.
    fn evidence(&self, explanation: &Explanation, event: &EventView<'_>) -> Vec<Evidence> {
        let log_odds = (self.prior / (1.0 - self.prior)).ln();
        let prior = Evidence {
            rule: PRIOR.to_owned(),
            place: "policy".to_owned(),
            value: format!("π = {}", self.prior),
            weight: rounded(log_odds),
            explanation: format!(
                "before anything was read, an attack was as likely as the policy says, π = {}",
                self.prior
            ),
            event_id: event.event_id,
        };
        let mut rest = Evidence {
            rule: REST.to_owned(),
            place: "request".to_owned(),
            value: cut(&explanation.grams.pieces.join(" "), EVIDENCE_VALUE_BYTES_MAX).to_owned(),
            weight: 0.0,
            explanation: "all else in the value: its characters and short pieces, against those of ordinary ones"
                .to_owned(),
            event_id: event.event_id,
        };
        let mut all = Vec::new();
        let mut bytes = bytes_of(&prior) + bytes_of(&rest) + NAME_BYTES_MAX;
        for found in explanation.evidence.iter().filter(|piece| !piece.id.starts_with(COUNTS)) {
            let piece = piece(found, event);
            bytes += bytes_of(&piece);
            if all.len() + 2 == EVIDENCE_COUNT_MAX || bytes > EVIDENCE_BYTES_MAX {
                break;
            }
            all.push(piece);
        }
        if let Some(strongest) = all.first() {
            rest.place.clone_from(&strongest.place);
        }
        let kept: f64 = all.iter().map(|piece| piece.weight).sum();
        rest.weight = rounded(f64::from(explanation.llr) - kept);
        all.extend([rest, prior]);
        all
    }
}

/// The request that `event` tells of.
fn with_request<T>(event: &EventView<'_>, look: impl FnOnce(&Request<'_>) -> T) -> T {
    let host = event.host.map(|host| [Header { name: b"host", value: host.as_bytes() }]);
    look(&Request {
        method: event.method.as_bytes(),
        uri: event.uri.as_bytes(),
        agent: event.agent.map(str::as_bytes),
        referer: event.referer.map(str::as_bytes),
        headers: host.as_ref().map_or(&[][..], |host| host.as_slice()),
        body: None,
    })
}

fn piece(found: &detect::evidence::Evidence, event: &EventView<'_>) -> Evidence {
    let place = match found.name.as_str() {
        "" => found.place.to_owned(),
        name => format!("{}:{}", found.place, cut(name, NAME_BYTES_MAX)),
    };
    Evidence {
        rule: cut(&found.id, NAME_BYTES_MAX).to_owned(),
        place,
        value: cut(&found.value, EVIDENCE_VALUE_BYTES_MAX).to_owned(),
        weight: rounded(f64::from(found.weight)),
        explanation: cut(&found.explanation, EXPLANATION_BYTES_MAX).to_owned(),
        event_id: event.event_id,
    }
}

fn bytes_of(piece: &Evidence) -> usize {
    piece.rule.len() + piece.place.len() + piece.value.len() + piece.explanation.len()
}

/// More digits than these say nothing.
fn rounded(weight: f64) -> f64 {
    (weight * 1_000.0).round() / 1_000.0
}

/// The kind of attack that the detector's `word` stands for.
pub fn category(word: &str) -> Category {
    match word {
        "sql_injection" => Category::SqlInjection,
        "path_traversal" => Category::PathTraversal,
        "xss" | "cross_site_scripting" => Category::Xss,
        "command_injection" | "argument_injection" => Category::CommandInjection,
        "code_injection" | "php_injection" | "java_injection" | "prototype_pollution" => {
            Category::CodeInjection
        }
        "template_injection" | "ssi" | "ssi_injection" | "esi" => Category::TemplateInjection,
        "deserialisation" => Category::Deserialisation,
        "remote_file_inclusion" | "file_inclusion" => Category::FileInclusion,
        "nosql_injection" => Category::NosqlInjection,
        "ldap_injection" => Category::LdapInjection,
        "xpath_injection" => Category::XpathInjection,
        "xml_injection" | "xxe" | "xinclude" | "xslt_injection" => Category::XmlInjection,
        "ssrf" => Category::Ssrf,
        "open_redirect" => Category::OpenRedirect,
        "crlf_injection" | "host_header" => Category::HeaderInjection,
        "request_smuggling" => Category::RequestSmuggling,
        "executable_upload" | "web_shell" => Category::WebShell,
        "known_exploit" | "log4shell" => Category::KnownExploit,
        "sensitive_file" => Category::SensitiveFile,
        "scanner" => Category::Scanner,
        "protocol" | "multipart" | "denial_of_service" | "jwt_abuse" => Category::ProtocolAbuse,
        "graphql_abuse" => Category::GraphqlAbuse,
        _ => Category::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_of_the_packs_is_one_of_ours() {
        for signature in DETECTOR.signatures.iter() {
            let word = &signature.category;
            assert_ne!(category(word), Category::Other, "{word}, of {}", signature.id);
        }
    }
}
