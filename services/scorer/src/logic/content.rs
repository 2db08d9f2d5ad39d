//! Content: what one request says by itself, as the crate `detect` reads and weighs it.
//!
//! A quiet request costs one look and no allocation. Only what completes a detection is explained.

use std::sync::Arc;

use detect::evidence::Explanation;
use detect::model::Model;
use detect::signatures::{Signatures, WHOLE};
use detect::{Detector, Header, Reader, Request, Score};
use observe::Policy;
use observe::observation::cut;
use schemas::detection::{CALIBRATION, EVIDENCE_COUNT_MAX, EVIDENCE_VALUE_BYTES_MAX, PRIOR, REST};
use schemas::event::HEADERS_MAX;
use schemas::{Category, EventView, Evidence, Severity};

use crate::detectors::Detectors;
use crate::logic::finding;
use crate::logic::rules::{Hit, Scored};

/// Most bytes of text that the evidence of one detection holds.
pub const EVIDENCE_BYTES_MAX: usize = 4 * 1024;
/// Longest name of a parameter or header that a place mentions, and longest explanation, in bytes.
const NAME_BYTES_MAX: usize = 64;
const EXPLANATION_BYTES_MAX: usize = 256;
/// Pieces kept free for the rest, the calibration, the prior and what has to be said besides.
const RESERVED: usize = 8;
/// Counts of characters say little one by one; a person reads them as part of the rest.
const COUNTS: &str = "lexical.";

/// The rule about content.
#[derive(Debug)]
pub struct Content {
    detectors: Detectors,
    /// What read the last event, so that a detection is explained by what completed it.
    detector: Arc<Detector>,
    /// What the last event scored.
    score: Option<Score>,
    /// Probability of an attack before anything is read.
    prior: f64,
}

impl Content {
    /// The rule with the prior probability of `policy`; whatever `detectors` hold at the time reads an event.
    pub fn new(policy: &Policy, detectors: &Detectors) -> Self {
        let detector = Arc::clone(&detectors.now());
        Content { detectors: detectors.clone(), detector, score: None, prior: policy.prior() }
    }

    /// Takes up the detector now in force, where it is another.
    fn renew(&mut self) {
        let now = self.detectors.now();
        if !Arc::ptr_eq(&now, &self.detector) {
            self.detector = Arc::clone(&now);
        }
    }

    /// High where `event` alone suffices, low where it is evidence and no more. Allocates nothing.
    pub fn severity(&mut self, reader: &mut Reader, event: &EventView<'_>) -> Option<Severity> {
        self.renew();
        let now = at(event);
        let score = with_request(event, |request| self.detector.score_at(reader, request, now));
        self.score = Some(score);
        severity_of(&self.detector.model, score.llr)
    }

    /// What there is to say about `event`, whose severity was asked for last: the same detector says why.
    pub fn hit(&self, reader: &mut Reader, event: &EventView<'_>) -> Hit {
        let (explanation, severity, probability) = self.explain(reader, event, self.score);
        Hit {
            category: category(&explanation.category),
            severity: severity.unwrap_or(Severity::Low),
            probability,
            evidence: self.evidence(&explanation, event),
        }
    }

    /// What there is to say where saying why failed: at least the threshold that was reached.
    pub fn unexplained(&self, alone: bool, event: &EventView<'_>) -> Hit {
        let model = &self.detector.model;
        let llr = if alone { model.alone } else { model.evidence };
        Hit {
            category: Category::Other,
            severity: if alone { Severity::High } else { Severity::Low },
            probability: model.probability(llr, self.prior),
            evidence: vec![Evidence {
                rule: REST.to_owned(),
                place: WHOLE.to_owned(),
                value: String::new(),
                weight: rounded(f64::from(llr)),
                explanation: "the detector failed to say why: a defect of ours, please report it"
                    .to_owned(),
                event_id: event.event_id,
            }],
        }
    }

    /// The same of any event, be what was found ever so light.
    pub fn scored(&mut self, reader: &mut Reader, event: &EventView<'_>) -> Scored {
        self.renew();
        let (explanation, severity, probability) = self.explain(reader, event, None);
        let found = explanation.evidence.iter().any(|piece| !piece.id.starts_with(COUNTS));
        Scored {
            attack: severity == Some(Severity::High),
            category: Some(category(&explanation.category))
                .filter(|category| *category != Category::Other || severity.is_some()),
            probability,
            evidence: match found || severity.is_some() {
                true => self.evidence(&explanation, event),
                false => Vec::new(),
            },
        }
    }

    fn explain(
        &self,
        reader: &mut Reader,
        event: &EventView<'_>,
        score: Option<Score>,
    ) -> (Explanation, Option<Severity>, f64) {
        let detector = &self.detector;
        let explanation = with_request(event, |request| match score {
            Some(score) => detector.explain_scored(reader, request, at(event), score),
            None => detector.explain_at(reader, request, at(event)),
        });
        let severity = severity_of(&detector.model, explanation.llr);
        let probability = detector.model.probability(explanation.llr, self.prior);
        (explanation, severity, probability)
    }

    /// Strongest first; then all that is not worth a line each, what calibration makes of the sum, and the prior. Their
    /// weights add up to the log-odds of the probability.
    fn evidence(&self, explanation: &Explanation, event: &EventView<'_>) -> Vec<Evidence> {
        let (calibration, prior) = (calibration(explanation, event), self.prior(event));
        let mut rest = Evidence {
            rule: REST.to_owned(),
            place: WHOLE.to_owned(),
            value: cut(&explanation.grams.pieces.join(" "), EVIDENCE_VALUE_BYTES_MAX).to_owned(),
            weight: 0.0,
            explanation: "all else in the value: its characters and short pieces, against those of ordinary ones"
                .to_owned(),
            event_id: event.event_id,
        };
        let mut all = Vec::new();
        let notes: Vec<Evidence> = notes(explanation, event).collect();
        let mut bytes = bytes_of(&prior) + bytes_of(&rest) + NAME_BYTES_MAX;
        bytes += calibration.as_ref().map_or(0, bytes_of);
        bytes += notes.iter().map(bytes_of).sum::<usize>();
        for found in explanation.evidence.iter().filter(|piece| !piece.id.starts_with(COUNTS)) {
            let piece = piece(found, event);
            bytes += bytes_of(&piece);
            if all.len() + RESERVED == EVIDENCE_COUNT_MAX || bytes > EVIDENCE_BYTES_MAX {
                break;
            }
            all.push(piece);
        }
        if let Some(of_value) = all.iter().find(|piece| piece.place != WHOLE) {
            rest.place.clone_from(&of_value.place);
        }
        let kept: f64 = all.iter().chain(&calibration).map(|piece| piece.weight).sum();
        rest.weight = rounded(f64::from(explanation.llr) - kept);
        all.push(rest);
        all.extend(calibration);
        all.extend(notes);
        all.push(prior);
        all
    }

    /// How likely an attack was before anything was read.
    fn prior(&self, event: &EventView<'_>) -> Evidence {
        Evidence {
            rule: PRIOR.to_owned(),
            place: "policy".to_owned(),
            value: format!("π = {}", self.prior),
            weight: rounded((self.prior / (1.0 - self.prior)).ln()),
            explanation: format!(
                "before anything was read, an attack was as likely as the policy says, π = {}",
                self.prior
            ),
            event_id: event.event_id,
        }
    }
}

/// What a sum as high as this one proved to be worth, beyond the sum itself; None where there is nothing to correct.
fn calibration(explanation: &Explanation, event: &EventView<'_>) -> Option<Evidence> {
    let weight = rounded(f64::from(explanation.calibration));
    (weight != 0.0).then(|| Evidence {
        rule: CALIBRATION.to_owned(),
        place: WHOLE.to_owned(),
        value: String::new(),
        weight,
        explanation:
            "what such a sum proved to be worth on traffic that the model had not learnt from"
                .to_owned(),
        event_id: event.event_id,
    })
}

/// What weighs nothing and yet has to be said.
fn notes(explanation: &Explanation, event: &EventView<'_>) -> impl Iterator<Item = Evidence> {
    let note = |rule: &str, explanation: String| Evidence {
        rule: rule.to_owned(),
        place: WHOLE.to_owned(),
        value: String::new(),
        weight: 0.0,
        explanation: cut(&explanation, EXPLANATION_BYTES_MAX).to_owned(),
        event_id: event.event_id,
    };
    let parts = event.cut.iter().map(|part| format!("{part:?}").to_lowercase());
    let parts = parts.collect::<Vec<_>>().join(", ");
    let unread = explanation.not_read;
    [
        (explanation.without_model).then(|| {
            note("no_model", "no model is loaded: weights are the priors of the rules".to_owned())
        }),
        (unread > 0)
            .then(|| note("not_read", format!("{unread} further windows of 2 KiB were not read"))),
        event.finding.filter(|_| finding::found(event)).map(|told| {
            note("finding", format!("another detector found something as well: {told}"))
        }),
        (!parts.is_empty()).then(|| {
            note("cut", format!("longer than an event carries, so the rest was not seen: {parts}"))
        }),
        explanation.excepted.first().map(|hidden| {
            let more = explanation.excepted.len() - 1;
            let others = if more > 0 { format!(", and {more} more") } else { String::new() };
            let except = &hidden.exception;
            note(
                "excepted",
                format!("{}{others} did not count: {}", except.signature, except.reason),
            )
        }),
    ]
    .into_iter()
    .flatten()
}

/// Exceptions hold by the time of the event, so that a replay says the same.
fn at(event: &EventView<'_>) -> u64 {
    u64::try_from(event.observed_at).unwrap_or(0)
}

fn severity_of(model: &Model, llr: f32) -> Option<Severity> {
    if llr >= model.alone {
        return Some(Severity::High);
    }
    (llr >= model.evidence).then_some(Severity::Low)
}

/// The request that `event` tells of.
fn with_request<T>(event: &EventView<'_>, look: impl FnOnce(&Request<'_>) -> T) -> T {
    let mut headers = [Header { name: b"", value: b"" }; HEADERS_MAX + 1];
    let host = event.host.map(|host| ("host", host));
    let all = host.into_iter().chain(event.headers.clone().into_iter().flatten());
    let mut count = 0;
    for (slot, (name, value)) in headers.iter_mut().zip(all) {
        *slot = Header { name: name.as_bytes(), value: value.as_bytes() };
        count += 1;
    }
    look(&Request {
        method: event.method.as_bytes(),
        uri: event.uri.as_bytes(),
        agent: event.agent.map(str::as_bytes),
        referer: event.referer.map(str::as_bytes),
        headers: &headers[..count],
        body: event.body,
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

/// What packs call a kind of attack, and what a detection says then.
const CATEGORIES: [(&str, Category); 37] = [
    ("sql_injection", Category::SqlInjection),
    ("path_traversal", Category::PathTraversal),
    ("xss", Category::Xss),
    ("cross_site_scripting", Category::Xss),
    ("command_injection", Category::CommandInjection),
    ("argument_injection", Category::CommandInjection),
    ("code_injection", Category::CodeInjection),
    ("php_injection", Category::CodeInjection),
    ("java_injection", Category::CodeInjection),
    ("prototype_pollution", Category::CodeInjection),
    ("template_injection", Category::TemplateInjection),
    ("ssi", Category::TemplateInjection),
    ("ssi_injection", Category::TemplateInjection),
    ("esi", Category::TemplateInjection),
    ("deserialisation", Category::Deserialisation),
    ("remote_file_inclusion", Category::FileInclusion),
    ("file_inclusion", Category::FileInclusion),
    ("nosql_injection", Category::NosqlInjection),
    ("ldap_injection", Category::LdapInjection),
    ("xpath_injection", Category::XpathInjection),
    ("xml_injection", Category::XmlInjection),
    ("xxe", Category::XmlInjection),
    ("xinclude", Category::XmlInjection),
    ("xslt_injection", Category::XmlInjection),
    ("ssrf", Category::Ssrf),
    ("open_redirect", Category::OpenRedirect),
    ("crlf_injection", Category::HeaderInjection),
    ("host_header", Category::HeaderInjection),
    ("request_smuggling", Category::RequestSmuggling),
    ("executable_upload", Category::WebShell),
    ("web_shell", Category::WebShell),
    ("known_exploit", Category::KnownExploit),
    ("log4shell", Category::KnownExploit),
    ("sensitive_file", Category::SensitiveFile),
    ("scanner", Category::Scanner),
    ("graphql_abuse", Category::GraphqlAbuse),
    ("other", Category::Other),
];
/// Ways to abuse a protocol, which a detection does not tell apart.
const PROTOCOL: [&str; 4] = ["protocol", "multipart", "denial_of_service", "jwt_abuse"];

fn known(word: &str) -> Option<Category> {
    if PROTOCOL.contains(&word) {
        return Some(Category::ProtocolAbuse);
    }
    CATEGORIES.into_iter().find(|(name, _)| *name == word).map(|(_, category)| category)
}

/// The kind of attack that the detector's `word` stands for.
pub fn category(word: &str) -> Category {
    known(word).unwrap_or(Category::Other)
}

/// What is wrong with each signature whose category no detection can say, as `PACK: ID: why`.
pub fn foreign_categories(signatures: &Signatures) -> Vec<String> {
    let names: Vec<&str> = CATEGORIES.iter().map(|(name, _)| *name).chain(PROTOCOL).collect();
    let foreign = signatures.iter().filter(|signature| known(&signature.category).is_none());
    let wrong = foreign.map(|signature| {
        let (pack, id, category) = (&signature.pack, &signature.id, &signature.category);
        let names = names.join(", ");
        format!("{pack}: {id}: no detection has the category {category:?}; use one of {names}")
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_of_the_packs_is_one_of_ours() {
        let foreign = foreign_categories(&Detectors::shipped().now().signatures);
        assert_eq!(foreign, Vec::<String>::new());
    }
}
