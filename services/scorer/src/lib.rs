//! Turns events into detections.
//!
//! One [`stage::Scorer`] owns one partition of `events`. It asks every rule ([`logic::rules`]) about every event,
//! counts hits in windows of event time ([`logic::windows`]), and pushes a detection when a window is complete. What
//! it remembers goes to `scorer-state` ([`logic::snapshot`]), so that whoever takes the partition over goes on as if
//! nothing had happened: same windows, same detection ids.
//!
//! What is not here: any decision, any clock. Time is the events' own, and the broker's append time.

pub mod config;
pub mod detectors;
pub mod logic;
pub mod reload;
pub mod stage;

use pipeline::{Context, Group};
use schemas::Snapshot;

pub use config::Config;
use detectors::Detectors;
use reload::Watched;

/// Consumer group of the scorers.
pub const GROUP: Group = Group("scorer");
/// Consumer group that dead-letters what is no snapshot.
const SNAPSHOTS: Group = Group("scorer-state");

/// Scores until shutdown.
pub async fn start(config: Config, context: Context) -> anyhow::Result<()> {
    stage::announce();
    let Config { policy, files } = config;
    let detectors = Detectors::shipped();
    let mut watched = Watched::new(files);
    // The first look comes before the first event: what is configured is in force from the beginning.
    watched.look(&detectors, context.clock.now());
    let (handle, clock) = (detectors.clone(), context.clock.clone());
    let look = move || watched.look(&handle, clock.now());
    let looking = pipeline::repeat(reload::INTERVAL, context.shutdown.clone(), look);
    let scored =
        pipeline::run(&context, GROUP, move |assigned| stage::open(&policy, &detectors, &assigned));
    let proofread = pipeline::proofread::<Snapshot>(&context, SNAPSHOTS);
    futures::future::try_join3(scored, proofread, looking).await.map(|_| ())
}
