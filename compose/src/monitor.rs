//! Watches a running world while traffic flows: raises the alarm when requests pass unasked, and notes when traffic
//! begins.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;

use crate::terminal::say;
use crate::world::World;
use crate::{envoy, http};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// More requests than this between two looks come from visitors, not from the canary or from probes.
const TRAFFIC_MIN: u64 = 50;
/// How often the collector met a probe that was not ours.
const FORGED: &str = "perimeter_collector_probe_forged_total";

/// What was seen so far.
#[derive(Default)]
pub struct Monitor {
    seen: Mutex<Seen>,
    traffic: Notify,
}

/// The last readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub fail_open_requests: Option<u64>,
    pub requests_completed: Option<u64>,
    pub probe_forged: Option<u64>,
    forged_in_this_life: u64,
}

impl Monitor {
    /// Looks until dropped.
    pub async fn run(&self, world: &World) {
        loop {
            self.look(world).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks once; answers everything seen so far.
    pub async fn look(&self, world: &World) -> Seen {
        let description = world.description();
        let admin = description.envoy.admin;
        let (failed_open, completed) =
            tokio::join!(envoy::failed_open(&admin), envoy::completed(&admin));
        let collector = description
            .services
            .get("collector")
            .and_then(|service| service.addresses.get("admin"));
        let metrics = match collector {
            Some(address) => http::get(address, "/metrics").await.ok().map(|(_, text)| text),
            None => None,
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(count) = failed_open {
            let before = seen.fail_open_requests.replace(count).unwrap_or(0);
            if count > before {
                say(format!(
                    "  ‼ ALARM: {} requests passed unasked: no executor answered Envoy",
                    count - before
                ));
            }
        }
        if let Ok(count) = completed {
            let before = seen.requests_completed.replace(count).unwrap_or(count);
            if count.saturating_sub(before) >= TRAFFIC_MIN {
                self.traffic.notify_one();
            }
        }
        if let Some(text) = metrics {
            seen.forged(http::metric(&text, FORGED).unwrap_or(0.0));
        }
        *seen
    }

    /// Waits until visitors come.
    pub async fn traffic(&self) {
        self.traffic.notified().await;
    }
}

impl Seen {
    /// Adds up a counter that begins again at every restart.
    fn forged(&mut self, value: f64) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter is whole and not negative"
        )]
        let value = value as u64;
        let new =
            if value < self.forged_in_this_life { value } else { value - self.forged_in_this_life };
        self.forged_in_this_life = value;
        self.probe_forged = Some(self.probe_forged.unwrap_or(0) + new);
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_counter_that_begins_again_is_summed() {
        let mut seen = Seen::default();
        for value in [0.0, 3.0, 5.0, 1.0, 4.0] {
            seen.forged(value);
        }
        assert_eq!(seen.probe_forged, Some(9));
    }
}
