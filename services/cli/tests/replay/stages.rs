//! The same events through the replay, and through the stages on the log in memory.

use std::sync::Arc;

use cli::replay::Replay;
use decider::restore::restore;
use decider::stage::SharedNetworks;
use decider::tail::Pasts;
use decider::{Decide, Rules};
use futures::FutureExt as _;
use observe::Policy;
use pipeline::memory::Log;
use pipeline::{Assigned, Bus, Clock, Leases, Message, Stage, Worker};
use proptest::prelude::*;
use schemas::{Decision, Detection, Event, Millis, Provenance, Record, Topic};
use uuid::Uuid;

const START: Millis = 1_780_000_000_000;
const POLICY: &str = r#"
mode = "enforced"
[ladder]
steps_seconds = [5, 20, 60]
[limits]
strike_memory_seconds = 120
[logins]
routes = ["/login"]
failures = 3
window_seconds = 10
[protected]
networks = [{ network = "81.2.70.0/24", name = "office" }]
"#;

/// Scorer and decider, every partition of both, driven one event at a time.
struct Stages {
    log: Log,
    clock: Clock,
    scorers: Vec<(Worker<scorer::stage::Scorer>, i64)>,
    deciders: Vec<(Worker<Decide>, i64)>,
}

impl Stages {
    fn new(policy: &Policy) -> Self {
        let clock = Clock::manual(START);
        let log = Log::new(clock.clone());
        let (rules, pasts) = (Arc::new(Rules::new(policy.clone())), Pasts::default());
        let assigned = |partition| Assigned {
            partition,
            committed: 0,
            read_back: Bus::in_memory(log.clone()).read_back(),
        };
        let scorers = (0..Topic::Events.partitions()).map(|id| {
            (
                Worker::new(
                    scorer::stage::open(
                        policy,
                        &scorer::detectors::Detectors::shipped(),
                        &assigned(id),
                    )
                    .unwrap(),
                    id,
                ),
                0,
            )
        });
        let deciders = (0..Topic::Detections.partitions()).map(|id| {
            let past = restore(&assigned(id), &rules, &pasts, START).unwrap();
            let (leases, networks) = (Leases::default(), SharedNetworks::default());
            (Worker::new(Decide::new(rules.clone(), past, leases, networks), id), 0)
        });
        let (scorers, deciders) = (scorers.collect(), deciders.collect());
        Stages { log, clock, scorers, deciders }
    }

    fn event(&mut self, event: &Event) {
        self.clock.advance(event.observed_at - self.clock.now());
        self.log.append(Message::of(event).unwrap());
        for (worker, next) in &mut self.scorers {
            work(&self.log, worker, Topic::Events, next);
        }
        for (worker, next) in &mut self.deciders {
            work(&self.log, worker, Topic::Detections, next);
        }
    }

    fn decisions(&self) -> Vec<Decision> {
        let messages = self.log.messages(Decision::TOPIC.name());
        messages.iter().map(|(_, _, message)| Decision::decode(&message.payload).unwrap()).collect()
    }
}

/// Handles what one partition got, and appends what came of it.
fn work<S: Stage>(log: &Log, worker: &mut Worker<S>, topic: Topic, next: &mut i64) {
    let batch = log.batch(topic, worker.partition(), *next, 1_000);
    *next = batch.next_offset();
    if batch.is_empty() {
        return;
    }
    let produced = worker.work(&batch.raws()).now_or_never();
    let produced = produced.expect("neither stage waits for anything");
    assert_eq!(produced.dead_letters, 0);
    for message in produced.messages {
        log.append(message);
    }
}

/// What one visitor did, and how long after the last thing that anybody did.
type Step = (Millis, u8, u8);

fn events(steps: &[Step]) -> Vec<Event> {
    let mut at = START;
    let event = |(number, (after, client, what)): (usize, &Step)| {
        at += after;
        let (uri, status) = match what {
            0 => ("/shoes?size=42", 200),
            1 => ("/s?q=1+union+select+password,2+from+users--", 200),
            2 => ("/static/../../../../etc/passwd", 404),
            _ => ("/login", 401),
        };
        let client = format!("81.2.{}.{}", 69 + client % 2, client).parse().unwrap();
        Event {
            event_id: Uuid::from_u128(number as u128),
            source: "test".to_owned(),
            position: Some(number as i64),
            received_at: Some(at),
            uri: uri.to_owned(),
            status: Some(status),
            ..Event::request(client, Provenance::SocketPeer, at)
        }
    };
    steps.iter().enumerate().map(event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_replay_decides_what_the_stages_decide(
        steps in prop::collection::vec((0_i64..4_000, 0_u8..6, 0_u8..6), 1..150),
    ) {
        let policy = Policy::parse(POLICY).unwrap();
        let (mut replay, mut stages) = (Replay::new(policy.clone()), Stages::new(&policy));
        let mut replayed = Vec::new();
        for event in events(&steps) {
            replay.event(&event.view(), &mut replayed).unwrap();
            stages.event(&event);
        }
        let mut staged = stages.decisions();
        let order = |decision: &Decision| decision.decision_id;
        replayed.sort_by_key(order);
        staged.sort_by_key(order);
        prop_assert_eq!(replayed, staged);
    }
}

#[test]
fn strikes_grow_with_every_block_that_ended_and_are_forgotten_in_time() {
    let attack = |after| (after, 1, 1);
    let steps = [attack(0), attack(2_500), attack(3_000), attack(21_000), attack(300_000)];
    let mut replay = Replay::new(Policy::parse(POLICY).unwrap());
    let mut decisions = Vec::new();
    let steps = steps.map(|(after, client, what)| (after, client * 2, what));
    for event in events(&steps) {
        replay.event(&event.view(), &mut decisions).unwrap();
    }
    let told: Vec<String> = decisions
        .iter()
        .map(|decision| format!("{:?} {} {:?}", decision.action, decision.strikes, decision.reason))
        .collect();
    let expected = [
        "Block 1 Policy",
        "Observe 0 InForce",
        "Block 2 Policy",
        "Block 3 Policy",
        "Block 1 Policy",
    ];
    assert_eq!(told, expected);
    assert_eq!(Detection::TOPIC.partitions(), Decision::TOPIC.partitions());
}
