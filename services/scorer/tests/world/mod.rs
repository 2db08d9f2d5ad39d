//! One partition of the scorer on a log in memory, driven step by step as the runner drives it on Kafka.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use observe::Policy;
use pipeline::memory::Log;
use pipeline::{Assigned, Bus, Clock, Message, Worker};
use schemas::{Activity, Detection, Event, Millis, Provenance, Record, Snapshot, Topic};
use scorer::detectors::Detectors;
use scorer::stage::{Scorer, open};
use uuid::Uuid;

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const START: Millis = 1_780_000_000_000;
const GROUP: &str = "scorer";
const BATCH: usize = 7;
/// Batches handled before the first of them is committed, as pipelining does.
const AHEAD: usize = 2;

pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) steps: usize,
    /// Each partition's worker, and the offset it reads next.
    workers: BTreeMap<i32, (Worker<Scorer>, i64)>,
}

/// The process was killed.
struct Killed;

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual(START);
        World { log: Log::new(clock.clone()), clock, steps: 0, workers: BTreeMap::new() }
    }

    /// Appends events; the clock follows their times, as a broker's would.
    pub(crate) fn append_all(&mut self, events: &[Event]) {
        for event in events {
            if let Some(received_at) = event.received_at.filter(|at| *at <= START + 10 * MINUTE) {
                self.clock.advance((received_at - self.clock.now()).max(0));
            }
            self.log.append(Message::of(event).unwrap());
        }
    }

    pub(crate) fn run(&mut self) {
        self.run_crashing(&mut |_| false);
    }

    /// Runs until all is committed; `crash` says after which steps the process is killed.
    pub(crate) fn run_crashing(&mut self, crash: &mut dyn FnMut(usize) -> bool) {
        for partition in 0..Topic::Events.partitions() {
            while self.partition(partition, crash).is_err() {
                self.workers.remove(&partition);
            }
        }
    }

    /// Restores every worker that ran.
    pub(crate) fn restart(&mut self) {
        for partition in self.workers.keys().copied().collect::<Vec<_>>() {
            let worker = self.open(partition);
            self.workers.insert(partition, worker);
        }
    }

    /// Reads on from the beginning, as a consumer does whose offset no longer exists.
    pub(crate) fn rewind(&mut self) {
        self.workers.values_mut().for_each(|(_, next)| *next = 0);
    }

    pub(crate) fn detections(&self) -> Vec<Detection> {
        let messages = self.log.messages("detections");
        messages
            .iter()
            .map(|(_, _, message)| Detection::decode(&message.payload).unwrap())
            .collect()
    }

    /// Each detection once: a repeat has the same id and must have the same content.
    pub(crate) fn detection_ids(&self) -> BTreeMap<Uuid, String> {
        let mut found = BTreeMap::new();
        for detection in self.detections() {
            let content = format!("{detection:?}");
            let before = found.insert(detection.detection_id, content.clone());
            assert!(before.is_none_or(|before| before == content), "a repeat differs");
        }
        found
    }

    /// Everything every worker remembers.
    pub(crate) fn memory(&self) -> Vec<Snapshot> {
        self.workers.values().flat_map(|(worker, _)| worker.stage().memory().export()).collect()
    }

    fn open(&self, partition: i32) -> (Worker<Scorer>, i64) {
        let committed = self.log.committed(GROUP, Topic::Events, partition);
        let read_back = Bus::in_memory(self.log.clone()).read_back();
        let scorer =
            open(&policy(), &Detectors::shipped(), &Assigned { partition, committed, read_back })
                .unwrap();
        (Worker::new(scorer, partition), committed)
    }

    fn partition(&mut self, id: i32, crash: &mut dyn FnMut(usize) -> bool) -> Result<(), Killed> {
        if !self.workers.contains_key(&id) {
            let opened = self.open(id);
            self.workers.insert(id, opened);
        }
        let (log, steps) = (self.log.clone(), &mut self.steps);
        let (worker, next) = self.workers.get_mut(&id).expect("it was opened above");
        let mut step = || {
            *steps += 1;
            if crash(*steps) { Err(Killed) } else { Ok(()) }
        };
        let mut uncommitted = Vec::new();
        loop {
            let batch = log.batch(Topic::Events, id, *next, BATCH);
            if !batch.is_empty() {
                let produced = worker.work(&batch.raws()).now_or_never();
                let produced = produced.expect("the scorer waits for nothing");
                *next = batch.next_offset();
                step()?;
                for message in produced.messages {
                    log.append(message);
                    step()?;
                }
                uncommitted.push(produced.next_offset);
            }
            let drained = batch.is_empty();
            if uncommitted.is_empty() && drained {
                return Ok(());
            }
            if uncommitted.len() > AHEAD || drained {
                let committed = uncommitted.remove(0);
                log.commit(GROUP, Topic::Events, id, committed);
                step()?;
                for message in worker.committed(committed) {
                    log.append(message);
                    step()?;
                }
            }
        }
    }
}

pub(crate) fn policy() -> Policy {
    Policy::parse("[logins]\nroutes = [\"/login\"]\nfailures = 5\nwindow_seconds = 60\n").unwrap()
}

/// A mix of visitors and attackers from a few networks, positions and none, repeats and lateness among them.
pub(crate) fn traffic(count: i64) -> Vec<Event> {
    let mut state: u64 = 7;
    let mut draw = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut events: Vec<Event> = Vec::new();
    for n in 0..count {
        if n > 5 && draw(10) == 0 {
            let repeated = events[events.len() - 1 - draw(5) as usize].clone();
            events.push(repeated);
            continue;
        }
        let at = n * 150 - draw(3_000) as i64;
        let client = format!("81.2.{}.{}", 60 + draw(3), 1 + draw(6));
        let built = event(at).client(&client).id(n).received(START + n * 150 + 3_000);
        let built = if draw(2) == 0 { built.position(&format!("s{}", draw(3)), n) } else { built };
        events.push(match draw(4) {
            0 => built.uri("/search?q=1'+or+'1'='1").build(),
            1 => built.uri("/shoes?size=42").build(),
            _ => built.uri("/login").status(401).build(),
        });
    }
    events
}

pub(crate) struct Builder(Event);

/// An ordinary request at `at` ms after the start.
pub(crate) fn event(at: Millis) -> Builder {
    Builder(Event {
        event_id: Uuid::from_u128(0x1000_0000 + (at + 1_000_000_000) as u128),
        source: "direct".to_owned(),
        received_at: Some(START + at.max(0)),
        status: Some(200),
        ..Event::request("81.2.69.142".parse().unwrap(), Provenance::ProxyAsserted, START + at)
    })
}

macro_rules! setters {
    ($($name:ident($($argument:ident: $kind:ty),*) |$event:ident| $body:expr;)*) => {
        impl Builder {
            $(pub(crate) fn $name(mut self, $($argument: $kind),*) -> Self {
                let $event = &mut self.0;
                $body;
                self
            })*

            pub(crate) fn build(self) -> Event {
                self.0
            }
        }
    };
}
setters! {
    uri(uri: &str) |event| event.uri = uri.to_owned();
    status(status: i32) |event| event.status = Some(status);
    client(client: &str) |event| event.client = client.parse().unwrap();
    id(id: i64) |event| event.event_id = Uuid::from_u128(id as u128);
    provenance(provenance: Provenance) |event| event.provenance = provenance;
    received(at: Millis) |event| event.received_at = Some(at);
    direct() |event| event.received_at = None;
    refused() |event| event.refused_by_us = true;
    probe() |event| event.probe = true;
    login(succeeded: Option<bool>) |event| {
        event.activity = Activity::Login;
        event.succeeded = succeeded;
        event.uri.clear();
        event.status = None;
    };
    finding(told: &str) |event| {
        event.activity = Activity::Finding;
        event.finding = Some(told.to_owned());
    };
    position(source: &str, position: i64) |event| {
        event.source = source.to_owned();
        event.position = Some(position);
    };
}
