//! Keeps reading whole topics by manual assignment: for copies of the leases, the controls and indexes.
//!
//! No group, no commit: whoever follows has its state in memory and reads from its chosen place at every start.

use anyhow::Result;
use schemas::{Millis, Topic};

use crate::bus::{Bus, From, Raw};
use crate::service::Context;

/// What a follower learns, in order, on one thread.
#[derive(Debug)]
pub enum Update<'a> {
    /// The next record.
    Record(Raw<'a>),
    /// Where the partition ends at this moment; nothing was read since it was asked.
    End { topic: Topic, partition: i32, end: i64, now: Millis },
    /// Everything below `end` was read.
    Reached { topic: Topic, partition: i32, end: i64, now: Millis },
    /// The partition goes on at a lower offset than was read before: it was made anew.
    Restarted { topic: Topic, partition: i32 },
    /// A turn ended: every 50 ms while there is nothing to read, every half second while there is always more, about every
    /// second while the broker does not answer.
    Tick { now: Millis },
}

/// Somebody who follows topics.
pub trait Follow: Send + 'static {
    /// Takes in one update. Must be quick: it is called on the reading thread.
    fn update(&mut self, update: Update<'_>);
}

/// Follows all partitions of `topics` until shutdown. Survives the broker's absence.
pub async fn follow(
    context: &Context,
    topics: &[(Topic, From)],
    mut sink: impl Follow,
) -> Result<()> {
    let Bus::Kafka(kafka) = context.bus.clone() else {
        anyhow::bail!("only a bus on Kafka can be followed; a test feeds the sink itself");
    };
    let (topics, shutdown, clock) =
        (topics.to_vec(), context.shutdown.clone(), context.clock.clone());
    tokio::task::spawn_blocking(move || kafka.follow(&topics, &shutdown, &clock, &mut sink)).await?
}
