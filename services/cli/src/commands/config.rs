//! `perimeter config check`: whether a policy file can be used, could ever act, and what it comes to.

use observe::Policy;
use schemas::Protected;
use serde_json::{Value, json};

use super::show::word;
use crate::args::ConfigCheck;
use crate::duration;
use crate::failure::{Failure, Outcome};
use crate::findings;
use crate::output::{Cell, Printer, Tone, cell};
use crate::world;

pub(crate) fn check(arguments: &ConfigCheck, printer: &Printer) -> Outcome {
    let Some(file) = policy_file(arguments.policy.as_deref())? else {
        return Err(Failure::Configuration(
            "no policy is named and no local world runs; give --policy FILE".to_owned(),
        ));
    };
    let policy = read_policy(&file)?;
    let warnings = findings::of_policy(&policy);
    let effective = effective(&policy);
    if printer.json() {
        let warnings: Vec<Value> = warnings.iter().map(findings::Finding::document).collect();
        let values: serde_json::Map<String, Value> =
            effective.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let document = json!({ "file": file, "effective": values, "warnings": warnings });
        return Ok(printer.document(&document)?);
    }
    let rows: Vec<Vec<Cell>> = effective
        .into_iter()
        .map(|(name, value)| vec![Cell(name.to_owned(), Tone::Faint), cell(shown(&value))])
        .collect();
    printer.table(&["", ""], &rows)?;
    for warning in &warnings {
        printer.line("")?;
        warning.print(printer)?;
    }
    printer.line("")?;
    Ok(printer.line(&match warnings.len() {
        0 => format!("{file} can be used"),
        count => format!("{file} can be used, with {count} warning(s)"),
    })?)
}

/// The policy file of the flag or of the local world.
pub(crate) fn policy_file(given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        Some(file) => Ok(Some(file.to_owned())),
        None => Ok(world::find()?.and_then(|world| world.policy)),
    }
}

pub(crate) fn read_policy(file: &str) -> Result<Policy, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Configuration(format!("could not read the policy {file}: {error}"))
    })?;
    Policy::parse(&text).map_err(|error| Failure::Configuration(format!("{file}: {error}")))
}

/// Every value, those that the file leaves out too.
fn effective(policy: &Policy) -> Vec<(&'static str, Value)> {
    use schemas::Severity::{Critical, High, Low, Medium};
    let limits = policy.limits();
    let lasts = |ms| json!(duration::show(ms));
    // The special networks are the same in every policy; they come first.
    let special = Protected::special().networks().count();
    let protected = policy.protected();
    let own = protected.networks().skip(special);
    let own: Vec<String> = own.map(|(network, name)| format!("{network} ({name})")).collect();
    vec![
        ("mode", json!(word(policy.mode))),
        ("actions.low", json!(word(policy.action_for(Low)))),
        ("actions.medium", json!(word(policy.action_for(Medium)))),
        ("actions.high", json!(word(policy.action_for(High)))),
        ("actions.critical", json!(word(policy.action_for(Critical)))),
        ("ladder", policy.ladder_ms().iter().map(|step| lasts(*step)).collect()),
        (
            "proxies.trusted",
            policy.trusted().iter().map(|proxy| json!(proxy.to_string())).collect(),
        ),
        ("detection.prior", json!(policy.prior())),
        ("logins.routes", json!(policy.logins().routes)),
        ("logins.failures", json!(policy.logins().failures)),
        ("logins.window", lasts(policy.logins().window_ms)),
        ("protected", json!(own)),
        (
            "protected.special",
            json!(format!("{special} networks that nobody may block (RFC 6890, RFC 4291)")),
        ),
        ("limits.automatic_prefix_min_v4", json!(limits.automatic_prefix_min_v4)),
        ("limits.automatic_prefix_min_v6", json!(limits.automatic_prefix_min_v6)),
        ("limits.operator_prefix_min_v4", json!(limits.operator_prefix_min_v4)),
        ("limits.operator_prefix_min_v6", json!(limits.operator_prefix_min_v6)),
        ("limits.automatic_max", lasts(limits.automatic_max_ms)),
        ("limits.operator_max", lasts(limits.operator_max_ms)),
        ("limits.strike_memory", lasts(limits.strike_memory_ms)),
    ]
}

/// Lists on one line, texts without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
