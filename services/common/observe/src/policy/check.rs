//! Every check on a policy file. Each error names the field and says what to write.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use schemas::observable::canonical_network;
use schemas::{Action, Limits, Millis, Topic};

use super::form::{self, FileAction, FileActions, FileLimits, FileLogins, FileNetwork};
use super::{Actions, Logins, POLICY_BYTES_MAX, Policy, PolicyError, error};
use crate::route::route;

const STEPS_MAX: usize = 16;
const PROXIES_MAX: usize = 1_000;
const PROTECTED_MAX: usize = 10_000;
const ROUTES_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 256;
/// Below one in a million no evidence would convince; above one in two everybody attacks.
const PRIORS: RangeInclusive<f64> = 0.000_001..=0.5;
/// Nothing that automation does may last longer than a day, whatever the file says.
const AUTOMATIC_MAX_SECONDS: i64 = 24 * 60 * 60;

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > POLICY_BYTES_MAX {
        let problem = format!("has {} bytes", text.len());
        return Err(error("file", problem, format!("keep it under {POLICY_BYTES_MAX} bytes")));
    }
    let file = form::read(text)?;
    let limits = limits(&file.limits)?;
    Ok(Policy {
        mode: file.mode,
        actions: actions(&file.actions)?,
        ladder_ms: ladder_ms(&file.ladder.steps_seconds, &limits)?,
        trusted: trusted(&file.proxies.trusted)?,
        prior: prior(file.detection.prior)?,
        logins: logins(file.logins)?,
        protected: protected(file.protected.networks)?,
        limits,
    })
}

fn actions(file: &FileActions) -> Result<Actions, PolicyError> {
    let by_severity = [
        ("low", file.low),
        ("medium", file.medium),
        ("high", file.high),
        ("critical", file.critical),
    ];
    for pair in by_severity.windows(2) {
        let [(milder, at_milder), (worse, at_worse)] = [pair[0], pair[1]];
        if at_worse < at_milder {
            let problem = format!("is observed although {milder} is blocked");
            let remedy = format!(r#"write {worse} = "block" as well, or {milder} = "observe""#);
            return Err(error(format!("actions.{worse}"), problem, remedy));
        }
    }
    let [low, medium, high, critical] = by_severity.map(|(_, action)| match action {
        FileAction::Observe => Action::Observe,
        FileAction::Block => Action::Block,
    });
    Ok(Actions { low, medium, high, critical })
}

fn ladder_ms(steps: &[i64], limits: &Limits) -> Result<Vec<Millis>, PolicyError> {
    const FIELD: &str = "ladder.steps_seconds";
    const REMEDY: &str = "write for example steps_seconds = [300, 3600, 86400]";
    if steps.is_empty() {
        return Err(error(FIELD, "is empty", REMEDY));
    }
    if steps.len() > STEPS_MAX {
        return Err(error(
            FIELD,
            format!("has {} steps", steps.len()),
            format!("write at most {STEPS_MAX}"),
        ));
    }
    let longest = limits.automatic_max_ms / 1_000;
    for (index, step) in steps.iter().enumerate() {
        if *step < 1 {
            return Err(error(FIELD, format!("has a step of {step} s"), REMEDY));
        }
        if index > 0 && *step <= steps[index - 1] {
            let problem = format!(
                "goes from {} s to {step} s, but every step must be longer",
                steps[index - 1]
            );
            return Err(error(FIELD, problem, REMEDY));
        }
        if *step > longest {
            let problem =
                format!("has a step of {step} s, longer than limits.automatic_max_seconds");
            return Err(error(FIELD, problem, format!("write at most {longest}")));
        }
    }
    Ok(steps.iter().map(|step| step * 1_000).collect())
}

fn trusted(proxies: &[String]) -> Result<Vec<IpNet>, PolicyError> {
    const FIELD: &str = "proxies.trusted";
    if proxies.len() > PROXIES_MAX {
        let problem = format!("has {} networks", proxies.len());
        return Err(error(FIELD, problem, format!("write at most {PROXIES_MAX}")));
    }
    let mut networks = Vec::with_capacity(proxies.len());
    for text in proxies {
        let network = network(FIELD, text)?;
        let shortest = if network.addr().is_ipv4() { 8 } else { 7 };
        if network.prefix_len() < shortest {
            let problem = format!("'{text}' would let almost anybody say who the client is");
            return Err(error(
                FIELD,
                problem,
                format!("write the proxies' own addresses, /{shortest} or narrower"),
            ));
        }
        networks.push(network);
    }
    Ok(networks)
}

fn prior(value: f64) -> Result<f64, PolicyError> {
    if PRIORS.contains(&value) {
        return Ok(value);
    }
    let remedy = "write the share of requests that are attacks, from 0.000001 to 0.5";
    Err(error("detection.prior", format!("is {value}"), remedy))
}

fn logins(file: FileLogins) -> Result<Logins, PolicyError> {
    const FIELD: &str = "logins.routes";
    const REMEDY: &str = r#"write paths alone, for example routes = ["/login"]"#;
    if file.routes.len() > ROUTES_MAX {
        let problem = format!("has {} routes", file.routes.len());
        return Err(error(FIELD, problem, format!("write at most {ROUTES_MAX}")));
    }
    for text in &file.routes {
        let plain = text.starts_with('/')
            && text.len() <= TEXT_BYTES_MAX
            && !text.contains(['?', '#', '*']);
        if !plain {
            return Err(error(FIELD, format!("'{text}' is not a path"), REMEDY));
        }
    }
    let failures = within("logins.failures", file.failures, 1..=1_000)?;
    let window_seconds = within("logins.window_seconds", file.window_seconds, 1..=3_600)?;
    Ok(Logins {
        routes: file.routes.iter().map(|text| route(text)).collect(),
        failures: usize::try_from(failures).unwrap_or(usize::MAX),
        window_ms: window_seconds * 1_000,
    })
}

fn protected(networks: Vec<FileNetwork>) -> Result<Vec<(IpNet, String)>, PolicyError> {
    const FIELD: &str = "protected.networks";
    if networks.len() > PROTECTED_MAX {
        let problem = format!("has {} networks", networks.len());
        return Err(error(
            FIELD,
            problem,
            format!("write at most {PROTECTED_MAX}, joining neighbours"),
        ));
    }
    let mut own = Vec::with_capacity(networks.len());
    for FileNetwork { network: text, name } in networks {
        if name.trim().is_empty() || name.len() > TEXT_BYTES_MAX {
            let problem = format!("'{text}' has no usable name, and refusals mention it");
            let remedy = format!(r#"write for example {{ network = "{text}", name = "office" }}"#);
            return Err(error(FIELD, problem, remedy));
        }
        own.push((network(FIELD, &text)?, name.trim().to_owned()));
    }
    Ok(own)
}

fn limits(file: &FileLimits) -> Result<Limits, PolicyError> {
    let default = Limits::default();
    // The pipeline judges IPv6 clients by their /64, so a narrower limit would refuse all of them.
    let limits = Limits {
        automatic_prefix_min_v4: match file.automatic_prefix_min_v4 {
            Some(value) => prefix("automatic_prefix_min_v4", value, 16..=32)?,
            None => default.automatic_prefix_min_v4,
        },
        automatic_prefix_min_v6: match file.automatic_prefix_min_v6 {
            Some(value) => prefix("automatic_prefix_min_v6", value, 32..=64)?,
            None => default.automatic_prefix_min_v6,
        },
        operator_prefix_min_v4: match file.operator_prefix_min_v4 {
            Some(value) => prefix("operator_prefix_min_v4", value, 16..=32)?,
            None => default.operator_prefix_min_v4,
        },
        operator_prefix_min_v6: match file.operator_prefix_min_v6 {
            Some(value) => prefix("operator_prefix_min_v6", value, 32..=64)?,
            None => default.operator_prefix_min_v6,
        },
        automatic_max_ms: match file.automatic_max_seconds {
            Some(value) => longest_ms("automatic_max_seconds", value, AUTOMATIC_MAX_SECONDS)?,
            None => default.automatic_max_ms,
        },
        operator_max_ms: match file.operator_max_seconds {
            Some(value) => longest_ms("operator_max_seconds", value, retained_seconds())?,
            None => default.operator_max_ms,
        },
        strike_memory_ms: match file.strike_memory_seconds {
            Some(value) => longest_ms("strike_memory_seconds", value, retained_seconds())?,
            None => default.strike_memory_ms,
        },
    };
    let longest_ms = limits.operator_max_ms.max(limits.automatic_max_ms);
    if (longest_ms + limits.strike_memory_ms) / 1_000 >= retained_seconds() {
        let problem = "together with the longest claim is longer than the topic leases is kept";
        let remedy = format!(
            "write operator_max_seconds and strike_memory_seconds that sum to less than {}",
            retained_seconds()
        );
        return Err(error("limits.strike_memory_seconds", problem, remedy));
    }
    Ok(limits)
}

fn prefix(name: &str, value: i64, allowed: RangeInclusive<i64>) -> Result<u8, PolicyError> {
    let value = within(&format!("limits.{name}"), value, allowed)?;
    Ok(u8::try_from(value).expect("every allowed prefix is at most 64"))
}

fn longest_ms(name: &str, value: i64, most_seconds: i64) -> Result<Millis, PolicyError> {
    within(&format!("limits.{name}"), value, 1..=most_seconds).map(|seconds| seconds * 1_000)
}

/// How long the record of truth is kept: a claim that outlived it would be forgotten while in force.
fn retained_seconds() -> i64 {
    Topic::Leases.spec().retention_ms / 1_000
}

fn network(field: &str, text: &str) -> Result<IpNet, PolicyError> {
    let bare = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = text.parse::<IpNet>().ok().or_else(bare) else {
        let problem = format!("'{text}' is not an address or network");
        return Err(error(field, problem, "write for example 81.2.69.0/24 or 2a00:1450::/48"));
    };
    if network.addr() != network.network() {
        let problem = format!("'{text}' has bits set after its prefix");
        return Err(error(
            field,
            problem,
            format!("write {} for the network, or an address alone", network.trunc()),
        ));
    }
    Ok(canonical_network(network))
}

fn within(field: &str, value: i64, allowed: RangeInclusive<i64>) -> Result<i64, PolicyError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let remedy = format!("write a whole number from {} to {}", allowed.start(), allowed.end());
    Err(error(field, format!("is {value}"), remedy))
}
