//! Alertmanager's webhook: a finding for each firing alert, if it names a client in a label.

use schemas::{Activity, Millis};
use serde_json::Value;

use super::fields::{client, owned, time};
use super::{PROVENANCE, Seen};
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
pub(super) fn observe(document: &Value) -> Result<Vec<Result<Seen, Dead>>, Dead> {
    let alerts = document.get("alerts").and_then(Value::as_array);
    let alerts = alerts.ok_or_else(|| Dead::malformed("alerts is no array"))?;
    if alerts.len() > ALERTS_MAX {
        return Err(Dead::too_long(format!("more than {ALERTS_MAX} alerts")));
    }
    let firing =
        alerts.iter().filter(|alert| alert.get("status").is_none_or(|status| status != "resolved"));
    Ok(firing.map(of_alert).collect())
}

fn of_alert(alert: &Value) -> Result<Seen, Dead> {
    if !alert.is_object() {
        return Err(Dead::malformed("an alert is no object"));
    }
    let mut observation = Observation::new(Activity::Finding, client(alert, &LABELS)?, PROVENANCE);
    let began_at = time(alert, &["startsAt"])?;
    observation.observed_at = Some(began_at);
    observation.finding = owned(alert, &["labels", "alertname"])?;
    Ok(Seen { name: Some(name(alert, began_at)?), observation })
}

/// An alert is told again with every change of its group, and for as long as it fires: it is one all the while.
fn name(alert: &Value, began_at: Millis) -> Result<String, Dead> {
    // The fingerprint is a digest of the labels; whoever sends none has these.
    let labels = || alert.get("labels").map(Value::to_string).unwrap_or_default();
    let alike = owned(alert, &["fingerprint"])?.unwrap_or_else(labels);
    Ok(format!("alert/{alike}/{began_at}"))
}
