//! Falco's alerts, as its `http_output` and falcosidekick's webhook send them.

use std::net::IpAddr;

use schemas::Activity;
use serde_json::Value;

use super::PROVENANCE;
use super::fields::{owned, text, time};
use crate::logs::text::address;
use crate::observation::{Dead, Observation};

/// The client's end of the connection; many rules are about no connection, and nobody can be held to those.
const ENDS: [&[&str]; 2] = [&["output_fields", "fd.cip"], &["output_fields", "fd.rip"]];
/// What Falco writes where it does not know.
const NOT_KNOWN: &str = "<NA>";

pub(super) fn observe(document: &Value) -> Result<Observation, Dead> {
    let mut observation = Observation::new(Activity::Finding, client(document)?, PROVENANCE);
    observation.observed_at = Some(time(document, &["time"])?);
    observation.finding = owned(document, &["rule"])?;
    let account = owned(document, &["output_fields", "user.name"])?;
    observation.account = account.filter(|name| name != NOT_KNOWN);
    observation.host = owned(document, &["hostname"])?;
    Ok(observation)
}

fn client(document: &Value) -> Result<IpAddr, Dead> {
    for end in ENDS {
        if let Some(known) = text(document, end)?.filter(|known| *known != NOT_KNOWN) {
            return address(known);
        }
    }
    Err(Dead::no_address("neither fd.cip nor fd.rip names a client"))
}
