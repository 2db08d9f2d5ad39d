//! Findings: what another detector, such as a WAF, says that it found.
//!
//! Nothing here knows how often that detector is right, so its word is evidence and no more: one finding is told at low
//! severity, which a policy observes unless it says otherwise. What the request says that it found it in is
//! [`content`](crate::logic::content)'s matter, as of any other request.

use detect::signatures::WHOLE;
use observe::observation::cut;
use schemas::detection::EVIDENCE_VALUE_BYTES_MAX;
use schemas::{Activity, Category, EventView, Evidence, Severity};

use crate::logic::rules::Hit;

/// As likely right as wrong, and the same in log-odds.
const PROBABILITY: f64 = 0.5;
const WEIGHT: f64 = 0.0;

/// Whether `event` is another detector's finding. What a rule of ours refused is none.
pub fn found(event: &EventView<'_>) -> bool {
    event.activity == Activity::Finding && !event.refused_by_us
}

/// What there is to say about `event`, which is a finding.
pub fn hit(event: &EventView<'_>) -> Hit {
    let told = event.finding.unwrap_or_default();
    Hit {
        category: category(told),
        severity: Severity::Low,
        probability: PROBABILITY,
        evidence: vec![Evidence {
            rule: "finding".to_owned(),
            place: WHOLE.to_owned(),
            value: cut(told, EVIDENCE_VALUE_BYTES_MAX).to_owned(),
            weight: WEIGHT,
            explanation: "another detector says so; how often it is right is not known here"
                .to_owned(),
            event_id: event.event_id,
        }],
    }
}

/// What the files of the OWASP Core Rule Set are about, by the first three digits of their rules.
const CORE_RULES: [(&str, Category); 12] = [
    ("913", Category::Scanner),
    ("920", Category::ProtocolAbuse),
    ("921", Category::ProtocolAbuse),
    ("922", Category::ProtocolAbuse),
    ("930", Category::PathTraversal),
    ("931", Category::FileInclusion),
    ("932", Category::CommandInjection),
    ("933", Category::CodeInjection),
    ("934", Category::CodeInjection),
    ("941", Category::Xss),
    ("942", Category::SqlInjection),
    ("944", Category::CodeInjection),
];
const CORE_RULE_DIGITS: usize = 6;

/// Words of other rules' names, in lower case. The first that a name has in it says what it is about.
const WORDS: [(&str, Category); 20] = [
    ("sqli", Category::SqlInjection),
    ("sql injection", Category::SqlInjection),
    ("sql_injection", Category::SqlInjection),
    ("xss", Category::Xss),
    ("crosssitescripting", Category::Xss),
    ("cross-site scripting", Category::Xss),
    ("cross site scripting", Category::Xss),
    ("log4j", Category::KnownExploit),
    ("log4shell", Category::KnownExploit),
    ("genericlfi", Category::PathTraversal),
    ("traversal", Category::PathTraversal),
    ("genericrfi", Category::FileInclusion),
    ("file inclusion", Category::FileInclusion),
    ("ssrf", Category::Ssrf),
    ("command injection", Category::CommandInjection),
    ("code execution", Category::CodeInjection),
    ("xxe", Category::XmlInjection),
    ("webshell", Category::WebShell),
    ("web shell", Category::WebShell),
    ("scanner", Category::Scanner),
];

/// The kind of attack that a rule's id and title point to.
fn category(told: &str) -> Category {
    let id = told.split(' ').next().unwrap_or_default();
    if id.len() == CORE_RULE_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit()) {
        let file = CORE_RULES.into_iter().find(|(file, _)| id.starts_with(file));
        if let Some((_, category)) = file {
            return category;
        }
    }
    let told = told.to_lowercase();
    let known = WORDS.into_iter().find(|(word, _)| told.contains(word));
    known.map_or(Category::Other, |(_, category)| category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_rule_says_what_it_is_about() {
        for (told, expected) in [
            ("AWS-AWSManagedRulesSQLiRuleSet SQLi_BODY", Category::SqlInjection),
            ("AWS-AWSManagedRulesCommonRuleSet CrossSiteScripting_BODY", Category::Xss),
            ("AWS-AWSManagedRulesCommonRuleSet GenericLFI_URIPATH", Category::PathTraversal),
            ("AWS-AWSManagedRulesKnownBadInputsRuleSet Log4JRCE_HEADER", Category::KnownExploit),
            ("942100 SQL Injection Attack Detected via libinjection", Category::SqlInjection),
            ("930110 Path Traversal Attack (/../)", Category::PathTraversal),
            ("920350 Host header is a numeric IP address", Category::ProtocolAbuse),
            ("949110 Inbound Anomaly Score Exceeded", Category::Other),
            ("1001 our rule against XSS", Category::Xss),
            ("rate-limit", Category::Other),
            ("", Category::Other),
        ] {
            assert_eq!(category(told), expected, "{told}");
        }
    }
}
