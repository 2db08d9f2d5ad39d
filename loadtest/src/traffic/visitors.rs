//! Ordinary visitors: an open loop, so a slow answer delays nobody's next request.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Input;
use super::http::Edge;
use super::plan::{GOOD_PER_SECOND, Visitors};

/// Sends `visitors`' requests at their rate until `stop`, and tells `inputs` what became of each.
///
/// At most rate × time-out requests are outstanding: about 750.
pub async fn browse(
    edge: Edge,
    mut visitors: Visitors,
    inputs: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / GOOD_PER_SECOND);
    // A tick that came late is made up for: the rate is the schedule's, not ours.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let (address, request) = visitors.next_request();
        let (edge, inputs) = (edge.clone(), inputs.clone());
        tokio::spawn(async move {
            let answer = edge.ask(address, &request).await;
            // The receiver is gone only when the run is over.
            inputs.send(Input::Good { address, target: request.target, answer }).await.ok();
        });
    }
}
