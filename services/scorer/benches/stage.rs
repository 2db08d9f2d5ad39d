//! What scoring one event costs, from the bytes of its message to the detections, against decoding it alone.
//!
//! `cargo bench -p scorer` prints both and their ratio. Attacks are one in fifty.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use observe::Policy;
use pipeline::{Message, Raw, Worker};
use schemas::topic::partition_of_key;
use schemas::{Event, Provenance, Record, Topic};
use scorer::detectors::Detectors;
use scorer::logic::Memory;
use scorer::stage::Scorer;
use uuid::Uuid;

const NOW: i64 = 1_795_267_200_000;
const EVENTS: u32 = 4_096;
const ATTACK_EVERY: u32 = 50;
const POLICY: &str = "mode = \"enforced\"\n[logins]\nroutes = [\"/login\"]\n";

fn event(number: u32) -> Event {
    let spread = number.wrapping_mul(2_654_435_761);
    let client: IpAddr = if number % 3 == 2 {
        let [a, b, c, d] = spread.to_be_bytes().map(u16::from);
        [0x2a00, 0x1450, a << 8 | b, c << 8 | d, 0, 0, 0, 9].into()
    } else {
        (0x5100_0000 | spread & 0x00ff_ffff).to_be_bytes().into()
    };
    let uri = match number % 4 {
        _ if number.is_multiple_of(ATTACK_EVERY) => {
            "/products?id=7%20UNION%20SELECT%20username%2C%20password%20FROM%20users"
        }
        0 => "/products/4711?category=shoes&sort=price&page=2&utm_source=newsletter",
        1 => "/search?q=O%27Brien+or+O%27Neill",
        2 => "/static/vendor/menu.min.js",
        _ => "/",
    };
    Event {
        event_id: Uuid::from_u128(u128::from(number)),
        source: "file/web/var/log/access.log/8c1f6a520f5b5d0e9a3544f06b1e72d7".to_owned(),
        position: Some(i64::from(number)),
        uri: uri.to_owned(),
        status: Some(200),
        agent: Some(
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
        ),
        referer: Some("https://shop.example/products?category=shoes".to_owned()),
        ..Event::request(client, Provenance::SocketPeer, NOW + i64::from(number))
    }
}

/// The messages of one partition.
fn messages() -> Vec<Message> {
    let all = (0..EVENTS * 6).map(|number| Message::of(&event(number)).unwrap());
    all.filter(|message| partition_of_key(&message.key, Topic::Events.partitions()) == 0).collect()
}

fn batch(messages: &[Message]) -> Vec<Raw<'_>> {
    let numbered = messages.iter().zip(0_i64..);
    let raw =
        numbered.map(|(message, offset)| Raw::of(message, Topic::Events, 0, offset, NOW + offset));
    raw.collect()
}

fn decoded(batch: &[Raw<'_>]) -> usize {
    batch.iter().map(|raw| Event::decode(raw.payload).unwrap().uri.len()).sum()
}

/// A scorer that remembers nothing, over the whole batch.
fn scored(policy: &Policy, batch: &[Raw<'_>]) -> usize {
    let mut worker = Worker::new(Scorer::new(Memory::new(policy, &Detectors::shipped(), 0)), 0);
    let produced = block_on(worker.work(batch));
    assert_eq!(produced.dead_letters, 0);
    produced.messages.len()
}

fn stage(criterion: &mut Criterion) {
    let policy = Policy::parse(POLICY).unwrap();
    let messages = messages();
    let batch = batch(&messages);
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(batch.len() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| decoded(black_box(&batch))));
    group.bench_function("key", |bencher| {
        bencher.iter(|| batch.iter().filter(|raw| raw.decode::<Event>().is_ok()).count());
    });
    group.bench_function("score", |bencher| bencher.iter(|| scored(&policy, black_box(&batch))));
    group.finish();
    ratio(&policy, &batch);
}

/// The two in turn, in one run, so that what else the machine does hits both.
fn ratio(policy: &Policy, batch: &[Raw<'_>]) {
    const ROUNDS: usize = 51;
    let seconds = |work: &dyn Fn() -> usize| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| seconds(&|| scored(policy, batch)) / seconds(&|| decoded(batch)))
        .collect();
    ratios.sort_by(f64::total_cmp);
    #[allow(clippy::print_stdout, reason = "the figure is what this program is for")]
    {
        println!(
            "events/score: {} events; scoring one takes {:.1} times as long as decoding it alone",
            batch.len(),
            ratios[ROUNDS / 2]
        );
    }
}

criterion_group!(benches, stage);
criterion_main!(benches);
