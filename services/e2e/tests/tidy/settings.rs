//! Every setting that a service reads stands in the guide, and the files in `deploy` fit what a service takes without one.

use std::collections::BTreeSet;

use super::seen::{found, read};
use super::{SERVICES, check};

const GUIDE: &str = "docs/guides/set-it-up.md";
/// Asked for by the name of a setting that `services/common/pipeline` reads for all services.
const ALL: &str = "SERVICE";

/// Names that a source asks its environment for, with the service's prefix.
fn asked(prefix: &str, path: &str) -> BTreeSet<String> {
    let asking =
        r#"(?:\.(?:optional|required|file)(?:::<[\w<>]+>)?\(|optional_file\(env,)\s*"([A-Z_]+)""#;
    let text = read(path);
    let program = text.split("#[cfg(test)]").next().unwrap_or_default();
    found(asking, program).into_iter().map(|name| format!("{prefix}_{name}")).collect()
}

#[test]
fn every_setting_stands_in_the_guide_and_the_guide_names_no_other() {
    let mut shared = asked(ALL, "services/common/pipeline/src/service.rs");
    shared.extend(asked(ALL, "services/common/pipeline/src/tls.rs"));
    let mut settings = shared.clone();
    for service in SERVICES {
        let prefix = service.to_uppercase();
        let own = asked(&prefix, &format!("services/{service}/src/config.rs"));
        assert!(!own.is_empty(), "no setting of the {service} was found");
        let of_all = |name: &String| shared.contains(&name.replace(&prefix, ALL));
        settings.extend(own.into_iter().filter(|name| !of_all(name)));
    }
    let registry = read("services/common/pipeline/src/registry.rs");
    settings.extend(found(r#"const [A-Z]+: &str = "(SCHEMA_REGISTRY_[A-Z_]+)""#, &registry));
    let services = SERVICES.map(str::to_uppercase).join("|");
    let first_column = format!(r"`((?:{services}|{ALL}|SCHEMA_REGISTRY)_[A-Z_]+)`");
    let rows = read(GUIDE);
    let rows: Vec<&str> = rows
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split(" | ").next().unwrap_or_default())
        .collect();
    let told = found(&first_column, &rows.join("\n"));
    let offences = settings.symmetric_difference(&told).cloned().collect();
    check("every setting is in the guide, and nothing else", offences);
}

#[test]
fn the_envoy_that_we_ship_calls_its_executors_as_the_verifier_expects() {
    let taken =
        found(r#"const CLUSTER: &str = "([^"]+)""#, &read("services/verifier/src/config.rs"));
    for path in ["deploy/envoy/perimeter.yaml", "compose/envoy.yaml"] {
        let clusters = found(r"(?m)^ +- name: (\S+)$", &read(path));
        let offences = taken.difference(&clusters).cloned().collect();
        assert_eq!(taken.len(), 1, "the verifier has one default");
        check(&format!("{path} has the verifier's cluster"), offences);
    }
}
