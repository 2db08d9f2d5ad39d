//! Alertmanager's webhook: a finding for each firing alert, if it names a client in a label.

use schemas::Activity;
use serde_json::Value;

use super::{PROVENANCE, client, json, owned, time};
use crate::observation::{Dead, Observation};

/// Labels that may name the client, the first that is there counts.
const LABELS: [&[&str]; 4] = [
    &["labels", "client_ip"],
    &["labels", "src_ip"],
    &["labels", "source_ip"],
    &["labels", "remote_addr"],
];
/// Most alerts of one webhook.
const ALERTS_MAX: usize = 1_024;

/// What each firing alert is; none where all are resolved.
pub(super) fn observe(document: &Value) -> Result<Vec<Result<Observation, Dead>>, Dead> {
    let alerts = json::at(document, &["alerts"]).and_then(Value::as_array);
    let alerts = alerts.ok_or_else(|| Dead::malformed("alerts is no array"))?;
    if alerts.len() > ALERTS_MAX {
        return Err(Dead::too_long(format!("more than {ALERTS_MAX} alerts")));
    }
    let firing = alerts.iter().filter(|alert| json::text(alert, &["status"]) != Some("resolved"));
    Ok(firing.map(of_alert).collect())
}

fn of_alert(alert: &Value) -> Result<Observation, Dead> {
    let mut observation = Observation::new(Activity::Finding, client(alert, &LABELS)?, PROVENANCE);
    observation.observed_at = Some(time(alert, &["startsAt"])?);
    observation.finding = owned(alert, &["labels", "alertname"]);
    Ok(observation)
}
