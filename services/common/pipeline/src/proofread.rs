//! Dead letters for topics that are otherwise only followed.
//!
//! Several processes follow such a topic, and each passes over what it cannot read. So that it is dead-lettered once
//! and not by everybody, or by nobody, one group reads the topic as well and does nothing else.

use std::marker::PhantomData;

use anyhow::Result;
use schemas::Record;

use crate::run::{Group, run};
use crate::service::Context;
use crate::stage::{Outputs, Received, Stage};

/// Dead-letters what cannot be read on the topic of `R`, until shutdown. Nobody waits for that, so it reads in bulk.
pub async fn proofread<R: Record>(context: &Context, group: Group) -> Result<()> {
    let context = Context { bus: context.bus.clone().in_bulk(), ..context.clone() };
    run(&context, group, |_| Ok(Proofread::<R>::default())).await
}

/// A stage that answers every record with nothing. Whatever is not one is the runner's to dead-letter.
pub struct Proofread<R>(PhantomData<fn() -> R>);

impl<R> Default for Proofread<R> {
    fn default() -> Self {
        Proofread(PhantomData)
    }
}

impl<R: Record> Stage for Proofread<R> {
    type Input = R;

    fn handle(
        &mut self,
        _: &[Received<'_, R>],
        _: &mut Outputs,
    ) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Control, Topic};

    use super::*;
    use crate::bus::{Headers, Raw};
    use crate::worker::Worker;

    #[tokio::test]
    async fn what_is_no_record_is_a_dead_letter_and_what_is_one_is_answered_with_nothing() {
        let good = std::fs::read("../../../schemas/examples/control/v1/thaw.avro").unwrap();
        let raw = |offset, payload| Raw {
            topic: Topic::Controls,
            partition: 0,
            offset,
            timestamp: 0,
            key: b"all",
            payload,
            headers: Headers::NONE,
        };
        let mut worker = Worker::new(Proofread::<Control>::default(), 0);
        let produced = worker.work(&[raw(4, &good), raw(5, b"{}")]).await;
        assert_eq!((produced.dead_letters, produced.next_offset), (1, 6));
        let topics: Vec<&str> = produced.messages.iter().map(|m| m.topic.as_str()).collect();
        assert_eq!(topics, ["controls.dlq"]);
    }
}
