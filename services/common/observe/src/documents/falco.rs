//! Falco's alerts, as its `http_output` and falcosidekick's webhook send them.

use schemas::Activity;
use serde_json::Value;

use super::{PROVENANCE, client, owned, time};
use crate::observation::{Dead, Observation};

pub(super) fn observe(document: &Value) -> Result<Observation, Dead> {
    let fields = &document["output_fields"];
    // The client's end of the connection; many rules are about no connection, and nobody can be held to those.
    let address = client(fields, &[&["fd.cip"], &["fd.rip"]])?;
    let mut observation = Observation::new(Activity::Finding, address, PROVENANCE);
    observation.observed_at = Some(time(document, &["time"])?);
    observation.finding = owned(document, &["rule"]);
    observation.account = owned(fields, &["user.name"]);
    observation.host = owned(document, &["hostname"]);
    Ok(observation)
}
