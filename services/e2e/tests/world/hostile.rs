//! Hostile Avro on every topic: dead letters with a reason, bounded memory, no restart, and the loop still closes.

use std::time::Duration;

use schemas::{Event, Provenance, Record as _, Topic};
use uuid::Uuid;

use super::kit::{SERVICES, World, figure, now};
use super::log::Log;
use super::{addresses, closes, truth};

const OVERSIZED_BYTES: usize = 600 * 1024;
const OVERSIZED_COUNT: usize = 8;
/// No service holds more than this, whatever comes (`reliability.md`, K9).
const MEMORY_MAX_MIB: u64 = 256;
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// One hostile message, and the class under which it must be found among the dead letters.
struct Hostile {
    class: &'static str,
    partition: Option<i32>,
    key: Vec<u8>,
    payload: Vec<u8>,
}

#[tokio::test]
async fn k9_hostile_avro_on_every_topic_is_dead_lettered_and_hurts_nothing() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let pids = SERVICES.map(|service| world.pid(service));
    let mut expected = Vec::new();
    let mut sent = 0;
    for topic in Topic::ALL {
        for hostile in hostile(topic, &example(topic)) {
            let at =
                log.publish_raw(topic, hostile.partition, &hostile.key, &hostile.payload).await;
            sent += 1;
            expected.push((topic.name(), at, hostile.class));
        }
    }
    let dead = expected.len();
    for (topic, (partition, offset), class) in expected {
        let what = format!("the dead letter of {topic}/{partition}/{offset}, {class}");
        let letter = log
            .wait(&what, ANSWERED_WITHIN, |read| {
                let mut dead = read.dead.iter().filter(|dead| dead.topic == topic);
                dead.find(|dead| (dead.partition, dead.offset) == (partition, offset)).cloned()
            })
            .await;
        assert_eq!(letter.class, class, "{topic}: {}", letter.reason);
        assert!(!letter.reason.is_empty());
    }
    closes::closes(&world, &log).await;
    let mut most_mib = 0;
    for (service, pid) in SERVICES.iter().zip(pids) {
        assert_eq!(world.pid(service), pid, "{service} was started again");
        let memory_mib = world.memory_mib(service);
        assert!(memory_mib < MEMORY_MAX_MIB, "{service} holds {memory_mib} MiB");
        most_mib = most_mib.max(memory_mib);
    }
    figure(&format!(
        "K9: {sent} hostile messages on 8 topics, {dead} dead letters; at most {most_mib} MiB; 0 restarts"
    ));
    // What was passed over once is met again by whoever starts and reads from the beginning.
    for service in ["scorer", "decider", "executor-0", "verifier"] {
        world.restart(service).await;
    }
    closes::closes(&world, &log).await;
}

fn hostile(topic: Topic, (key, record): &(Vec<u8>, Vec<u8>)) -> Vec<Hostile> {
    let header = &record[..10];
    let mut all = Vec::new();
    let mut push = |class, key: &[u8], payload: Vec<u8>| {
        all.push(Hostile { class, partition: None, key: key.to_vec(), payload });
    };
    push("too_short", key, Vec::new());
    push("too_short", key, record[..7].to_vec());
    push("malformed", key, record[..record.len() / 2].to_vec());
    push("malformed", key, [record, &[0][..]].concat());
    push("wrong_magic", key, [&[0xC3, 0x02], &record[2..]].concat());
    push("wrong_magic", key, b"{\"event\": \"in JSON, as somebody else would\"}".to_vec());
    push("unknown_schema", key, [&record[..2], &[7; 8], &record[10..]].concat());
    // Confluent's framing, with an id that no registry was asked for.
    push("unknown_schema", key, [&[0, 0, 0, 0, 7], &record[10..]].concat());
    push("too_short", key, vec![0, 0, 0]);
    // A length of nearly 2^63, which must not be allocated, and one without an end.
    let longest = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    push("malformed", key, [header, &longest, &[b'x'; 64]].concat());
    push("malformed", key, [header, &[0xFF; 40][..]].concat());
    // 500 MB in 5 bytes.
    push("malformed", key, [header, &[0x80, 0x94, 0xEB, 0xDC, 0x03], &[b'x'; 64]].concat());
    for _ in 0..OVERSIZED_COUNT {
        push("too_large", key, [header, &vec![0x41; OVERSIZED_BYTES]].concat());
    }
    push("wrong_key", b"81.2.69.1/somebody-elses", record.clone());
    push("wrong_key", b"", record.clone());
    if topic.partitions() > 1 {
        let own = schemas::topic::partition_of_key(key, topic.partitions());
        let partition = Some((own + 1) % topic.partitions());
        all.push(Hostile {
            class: "wrong_key",
            partition,
            key: key.clone(),
            payload: record.clone(),
        });
    }
    all
}

/// A good record of a topic, with its key.
fn example(topic: Topic) -> (Vec<u8>, Vec<u8>) {
    let mut payload = Vec::new();
    match topic {
        Topic::Events => {
            let event = event();
            event.encode(&mut payload).unwrap();
            (event.key().into_bytes(), payload)
        }
        Topic::Decisions => {
            let decision = truth::block("81.2.69.7".parse().unwrap(), now() + 1_000);
            decision.encode(&mut payload).unwrap();
            (decision.key().into_bytes(), payload)
        }
        Topic::Detections => stored("detection/v1/sql-injection", b"81.2.69.142"),
        Topic::ScorerState => stored("snapshot/v1/bucket", b"0/0"),
        Topic::Leases => stored("lease/v1/two-claims", b"81.2.69.142"),
        Topic::Enforcements => stored("enforcement/v1/applied", b"81.2.69.142"),
        Topic::Outcomes => stored("outcome/v1/effective", b"81.2.69.142"),
        Topic::Controls => stored("control/v1/thaw", b"all"),
    }
}

fn stored(name: &str, key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let file = format!("{}/../../schemas/examples/{name}.avro", env!("CARGO_MANIFEST_DIR"));
    (key.to_vec(), std::fs::read(file).unwrap())
}

fn event() -> Event {
    Event {
        event_id: Uuid::new_v4(),
        source: "e2e/hostile".to_owned(),
        status: Some(200),
        ..Event::request(addresses::v4(), Provenance::ProxyAsserted, now())
    }
}
