//! The scorer's claim about one observable.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, Observable, Provenance};

/// Most pieces of evidence one detection carries.
pub const EVIDENCE_COUNT_MAX: usize = 16;
/// Longest value quoted in a piece of evidence, in bytes.
pub const EVIDENCE_VALUE_BYTES_MAX: usize = 160;
/// What stands for a rule in the piece of all else in a value, taken together.
pub const REST: &str = "text";
/// The same in the piece of what the sum proved to be worth.
pub const CALIBRATION: &str = "calibration";
/// The same in the piece of how likely an attack was before anything was read.
pub const PRIOR: &str = "prior";

/// How bad it is if the detection is right. The policy maps it to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// What kind of attack it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Other,
    SqlInjection,
    PathTraversal,
    BruteForce,
    /// Markup or script in what a browser will show.
    Xss,
    CommandInjection,
    /// Code of a language that the server runs: PHP, Java, Python, JavaScript.
    CodeInjection,
    /// An expression of a template, or a server-side include.
    TemplateInjection,
    Deserialisation,
    /// A file or stream of the attacker's choice is to be included and run.
    FileInclusion,
    NosqlInjection,
    LdapInjection,
    XpathInjection,
    /// External entities, inclusions and stylesheets too.
    XmlInjection,
    Ssrf,
    OpenRedirect,
    /// A line break in a header, or a host that is not the server's.
    HeaderInjection,
    RequestSmuggling,
    /// An executable upload, or what speaks to one.
    WebShell,
    /// A published hole of one product.
    KnownExploit,
    SensitiveFile,
    Scanner,
    /// A request that no ordinary client makes: forged tokens, odd multipart, exhausting input.
    ProtocolAbuse,
    GraphqlAbuse,
}

impl Category {
    /// In words, as they stand within a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Category::Other => "other",
            Category::SqlInjection => "SQL injection",
            Category::PathTraversal => "path traversal",
            Category::BruteForce => "brute force",
            Category::Xss => "cross-site scripting",
            Category::CommandInjection => "command injection",
            Category::CodeInjection => "code injection",
            Category::TemplateInjection => "template injection",
            Category::Deserialisation => "unsafe deserialisation",
            Category::FileInclusion => "file inclusion",
            Category::NosqlInjection => "NoSQL injection",
            Category::LdapInjection => "LDAP injection",
            Category::XpathInjection => "XPath injection",
            Category::XmlInjection => "XML injection",
            Category::Ssrf => "server-side request forgery",
            Category::OpenRedirect => "open redirect",
            Category::HeaderInjection => "header injection",
            Category::RequestSmuggling => "request smuggling",
            Category::WebShell => "web shell",
            Category::KnownExploit => "known exploit",
            Category::SensitiveFile => "sensitive file",
            Category::Scanner => "scanner",
            Category::ProtocolAbuse => "protocol abuse",
            Category::GraphqlAbuse => "GraphQL abuse",
        }
    }
}

/// One fact that led to a detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Identifier of the signature or rate rule.
    pub rule: String,
    /// Where it was seen: `query:id`, `path`, `rate`.
    pub place: String,
    /// The normalised value, cut to [`EVIDENCE_VALUE_BYTES_MAX`].
    pub value: String,
    /// Weight in log-odds (natural logarithm).
    pub weight: f64,
    /// What it means, for a person on call.
    pub explanation: String,
    pub event_id: Uuid,
}

/// A claim that one observable attacks.
///
/// `detection_id` is a function of the event that completed it and of the rule, so a replay gives the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub detection_id: Uuid,
    pub observable: Observable,
    /// Event time of the request that completed it.
    pub detected_at: Millis,
    /// Calibrated, 0 to 1.
    pub probability: f64,
    pub severity: Severity,
    pub category: Category,
    pub provenance: Provenance,
    pub evidence: Vec<Evidence>,
}

impl Detection {
    /// The piece that says most about why: the heaviest that a rule found, where there is one that speaks for an attack.
    pub fn heaviest(&self) -> Option<&Evidence> {
        let tells = |piece: &Evidence| match piece.rule.as_str() {
            CALIBRATION | PRIOR => 0,
            REST => 1,
            _ if piece.weight > 0.0 => 2,
            _ => 0,
        };
        self.evidence.iter().max_by(|one, other| {
            tells(one).cmp(&tells(other)).then(one.weight.total_cmp(&other.weight))
        })
    }
}
