//! A world in memory for the executor's tests: the log, a copy of the leases, and a clock that a test moves.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod tls;

use pipeline::memory::Log;
use pipeline::{
    Bus, Clock, Context, Follow as _, Health, Leases, LeasesSink, Message, Tls, Update, Worker,
};
use schemas::observable::representative;
use schemas::{
    Action, Control, Decision, Enforcement, Epoch, LeaseEntry, Limits, Millis, Origin, Protected,
    Provenance, Reason, Record, Topic,
};
use uuid::Uuid;

use executor::stage::Restoring;
use executor::{FoldStage, Fuses, Ownership};

pub const EPOCH: Millis = 1_763_700_000_000;
pub const START: Millis = EPOCH + 1_000;

pub struct World {
    pub clock: Clock,
    pub log: Log,
    pub leases: Leases,
    pub ownership: Ownership,
    sink: LeasesSink,
    read: [i64; 2],
}

impl World {
    /// A world whose topics were made and whose copy of the leases is not read yet.
    pub fn unread() -> World {
        let clock = Clock::manual(START);
        let log = Log::new(clock.clone());
        let leases = Leases::default();
        let sink = leases.sink();
        World { clock, log, leases, ownership: Ownership::default(), sink, read: [0, 0] }
    }

    /// A world with an epoch record, read to the end.
    pub fn new() -> World {
        let mut world = World::unread();
        world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() }));
        world.follow();
        world
    }

    /// What the parts of a replica of this world share.
    pub fn context(&self, replica: u32, tls: Option<Tls>) -> Context {
        Context {
            service: "executor",
            replica,
            bus: Bus::in_memory(self.log.clone()),
            clock: self.clock.clone(),
            health: Health::default(),
            shutdown: Default::default(),
            tls,
        }
    }

    pub fn append<R: Record>(&self, record: &R) -> (i32, i64) {
        self.log.append(Message::of(record).unwrap())
    }

    /// Reads `leases` and `controls` to their ends.
    pub fn follow(&mut self) {
        let now = self.clock.now();
        for (index, topic) in [Topic::Leases, Topic::Controls].into_iter().enumerate() {
            let (sink, from) = (&mut self.sink, self.read[index]);
            let each = &mut |raw: pipeline::Raw<'_>| sink.update(Update::Record(raw));
            self.read[index] = self.log.poll(topic, 0, from, usize::MAX / 2, each);
        }
        for (index, topic) in [Topic::Leases, Topic::Controls].into_iter().enumerate() {
            let end = self.read[index];
            self.sink.update(Update::End { topic, partition: 0, end, now });
            self.sink.update(Update::Reached { topic, partition: 0, end, now });
        }
    }

    /// Tells the copy of the leases that a topic was made anew.
    pub fn restarted(&mut self, topic: Topic) {
        self.sink.update(Update::Restarted { topic, partition: 0 });
    }

    /// A fold of one partition, restored as at an assignment.
    pub fn worker(&self, partition: i32) -> Worker<FoldStage> {
        let mut restoring = Restoring::new(partition);
        self.log.poll(Topic::Leases, 0, 0, usize::MAX / 2, &mut |raw| {
            restoring.take(raw.offset, raw.decode::<LeaseEntry>().unwrap());
        });
        let fuses = Fuses { protected: Protected::special(), limits: Limits::default() };
        let owned = self.ownership.take(partition);
        let stage = FoldStage::new(partition, restoring.done(), fuses, self.leases.clone(), owned);
        Worker::new(stage, partition)
    }

    /// Folds everything not committed yet, in every partition, from fresh stages; commits what may be committed.
    pub async fn fold(&mut self) {
        for partition in 0..Topic::Decisions.partitions() {
            let mut worker = self.worker(partition);
            self.work(&mut worker).await;
        }
        self.follow();
    }

    /// Hands one worker what it has not committed; publishes what it answers. Answers whether it held.
    pub async fn work(&self, worker: &mut Worker<FoldStage>) -> bool {
        let partition = worker.partition();
        let from = self.log.committed("executor", Topic::Decisions, partition);
        let batch = self.log.batch(Topic::Decisions, partition, from, usize::MAX / 2);
        if batch.is_empty() {
            return false;
        }
        let produced = worker.work(&batch.raws()).await;
        for message in produced.messages {
            self.log.append(message);
        }
        self.log.commit("executor", Topic::Decisions, partition, produced.next_offset);
        produced.held.is_some()
    }

    /// Appends a decision and folds it.
    pub async fn decide(&mut self, decision: &Decision) {
        self.append(decision);
        self.fold().await;
    }

    pub fn freeze(&mut self, frozen: bool) {
        let control = Control {
            control_id: Uuid::from_u128(self.clock.now() as u128),
            scope: schemas::control::SCOPE_ALL.to_owned(),
            frozen,
            frozen_since: None,
            requested_at: self.clock.now(),
            requested_by: "spiffe://perimeter/operator/ada".to_owned(),
            reason: "test".to_owned(),
            mode: None,
        };
        self.append(&control);
        self.follow();
    }

    /// The refusals and other acts published so far.
    pub fn enforcements(&self) -> Vec<Enforcement> {
        let messages = self.log.messages(Topic::Enforcements.name());
        messages
            .iter()
            .map(|(_, _, message)| Enforcement::decode(&message.payload).unwrap())
            .collect()
    }

    /// Whether the copy of the leases blocks what stands for `observable`.
    pub fn blocks(&self, observable: &str) -> bool {
        let observable: schemas::Observable = observable.parse().unwrap();
        let address = representative(observable.network());
        let now = self.clock.now();
        self.leases.read(|reader| {
            let effective = schemas::effective(reader.view(), &Protected::special(), address, now);
            effective.action() == Action::Block
        })
    }
}

/// A block by the pipeline. The id is a function of the observable and the end.
pub fn block(observable: &str, until: Millis) -> Decision {
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{observable}/{until}").as_bytes()),
        until: Some(until),
        strikes: 1,
        provenance: Some(Provenance::ProxyAsserted),
        ..Decision::by_pipeline(Action::Block, observable.parse().unwrap())
    }
}

/// The same by a feed.
pub fn feed(observable: &str, until: Millis) -> Decision {
    let id = format!("{observable}/{until}/feed");
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()),
        origin: Origin::Feed,
        ..block(observable, until)
    }
}

/// An operator's word.
pub fn operator(action: Action, observable: &str, until: Millis) -> Decision {
    let id = format!("{observable}/{until}/{action:?}/operator");
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()),
        action,
        origin: Origin::Operator,
        reason: Reason::Override,
        provenance: None,
        decided_by: Some("spiffe://perimeter/operator/ada".to_owned()),
        ..block(observable, until)
    }
}
