//! Attackers: attack until the block is proved, then ask plainly until well after its end, then return.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use schemas::Millis;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Input;
use super::http::{Edge, now};
use super::plan::{Attacker, IncidentPlan, Request, attack, plain};

const ATTACK_INTERVAL: Duration = Duration::from_millis(125);
const PLAIN_INTERVAL: Duration = Duration::from_millis(200);
/// How long after `until` the plain requests go on, so that a block kept too long is seen.
pub const WATCH_AFTER_UNTIL_MS: Millis = 3_500;

/// How far one incident has come, as its attacker needs to know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// End of the block that was proved at level 3; absent until then.
    pub proved_until: Option<Millis>,
    pub lift_proved: bool,
}

/// Plays one attacker's incidents, beginning none after `last_begin`.
pub async fn play(
    edge: Edge,
    attacker: Attacker,
    begun: Instant,
    last_begin: Duration,
    inputs: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let first = begun + attacker.begins_after;
    tokio::select! {
        () = tokio::time::sleep_until(first) => {}
        () = stop.cancelled() => return,
    }
    for (round, incident) in attacker.incidents.into_iter().enumerate() {
        // The first is never skipped: it is planned to begin in time, if the timer fires a little late or not.
        if stop.is_cancelled() || (round > 0 && begun.elapsed() > last_begin) {
            return;
        }
        incident_of(&edge, incident, &inputs, &stop).await;
    }
}

/// One incident from its first request to its proved lift, or until `stop`.
pub async fn incident_of(
    edge: &Edge,
    incident: IncidentPlan,
    inputs: &mpsc::Sender<Input>,
    stop: &CancellationToken,
) {
    let (progress, mut watched) = watch::channel(Progress::default());
    inputs.send(Input::Begun { plan: incident.clone(), at: now(), progress }).await.ok();
    let mut rng = ChaCha8Rng::seed_from_u64(incident.id as u64);
    let mut ticks = every(ATTACK_INTERVAL);
    let until = loop {
        tokio::select! {
            _ = ticks.tick() => {
                send(edge, &incident, attack(incident.category, incident.agent, &mut rng), inputs);
            }
            Ok(()) = watched.changed() => {}
            () = stop.cancelled() => return,
        }
        let proved_until = watched.borrow_and_update().proved_until;
        if let Some(until) = proved_until {
            break until;
        }
    };
    let mut ticks = every(PLAIN_INTERVAL);
    while !(watched.borrow().lift_proved && now() > until + WATCH_AFTER_UNTIL_MS) {
        tokio::select! {
            _ = ticks.tick() => send(edge, &incident, plain(incident.agent), inputs),
            () = stop.cancelled() => return,
        }
    }
}

/// Sends without waiting for the answer: the schedule is open here as well.
fn send(edge: &Edge, incident: &IncidentPlan, request: Request, inputs: &mpsc::Sender<Input>) {
    let (edge, inputs, id, address) = (edge.clone(), inputs.clone(), incident.id, incident.address);
    tokio::spawn(async move {
        let answer = edge.ask(address, &request).await;
        inputs.send(Input::Attacker { id, answer }).await.ok();
    });
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    // After a pause of the whole machine an attacker does not make up for it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
