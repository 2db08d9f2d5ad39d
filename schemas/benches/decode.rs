//! What decoding costs: `EventView` in place against apache-avro, on the same message in one run (ADR 0002), and the
//! list for a provider at its largest.
//!
//! `cargo bench -p schemas` prints both and their ratio.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use schemas::effective::blocked_networks;
use schemas::{
    Action, Claim, Event, Generation, Lease, Observable, Origin, Protected, Provenance, Record,
    View,
};
use uuid::Uuid;

const NOW: i64 = 1_795_267_200_000;
const HEADER_BYTES: usize = 10;
const BLOCKS: u32 = 9_800;

/// An ordinary request, as Envoy's access log gives it.
fn event() -> Event {
    Event {
        event_id: Uuid::from_u128(0x6f96_19ff_8b86_d011_b42d_00c0_4fc9_64ff),
        source: "envoy/7f3a/1".to_owned(),
        position: Some(4_242),
        received_at: Some(NOW + 51),
        host: Some("shop.example".to_owned()),
        uri: "/products/4711?category=shoes&sort=price&page=2&utm_source=newsletter".to_owned(),
        status: Some(200),
        agent: Some(
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
        ),
        referer: Some("https://shop.example/products?category=shoes".to_owned()),
        ..Event::request("81.2.69.142".parse().unwrap(), Provenance::ProxyAsserted, NOW)
    }
}

fn decode(criterion: &mut Criterion) {
    let event = event();
    let mut message = Vec::new();
    event.encode(&mut message).unwrap();
    let schema = Schema::parse_str(include_str!("../avro/event.avsc")).unwrap();
    let reader = GenericDatumReader::builder(&schema).human_readable(true).build().unwrap();
    let ours = |message: &[u8]| {
        Event::decode(message).map(|view| view.uri.len() + view.source.len()).unwrap()
    };
    let theirs = |message: &[u8]| {
        let read: Event = reader.read_deser(&mut &message[HEADER_BYTES..]).unwrap();
        read.uri.len() + read.source.len()
    };
    let value = |message: &[u8]| reader.read_value(&mut &message[HEADER_BYTES..]).unwrap();
    assert_eq!(ours(&message), theirs(&message));

    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("decode/borrowed", |bencher| bencher.iter(|| ours(black_box(&message))));
    group.bench_function("decode/apache-avro-serde", |bencher| {
        bencher.iter(|| theirs(black_box(&message)))
    });
    group.bench_function("decode/apache-avro-value", |bencher| {
        bencher.iter(|| value(black_box(&message)))
    });
    let mut out = Vec::with_capacity(1024);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            event.encode(black_box(&mut out)).unwrap();
        });
    });
    group.finish();
    ratio(&message, ours, theirs);
}

/// The two in turn, in one run, so that what else the machine does hits both: the figure of the ADR.
fn ratio(message: &[u8], ours: impl Fn(&[u8]) -> usize, theirs: impl Fn(&[u8]) -> usize) {
    const ROUNDS: usize = 51;
    const MESSAGES: usize = 2_000;
    let seconds = |decode: &dyn Fn(&[u8]) -> usize| {
        let begun = Instant::now();
        (0..MESSAGES).for_each(|_| {
            black_box(decode(black_box(message)));
        });
        begun.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| seconds(&theirs) / seconds(&ours)).collect();
    ratios.sort_by(f64::total_cmp);
    #[allow(clippy::print_stdout, reason = "the figure is what this program is for")]
    {
        println!(
            "event/decode: {} bytes; borrowed is {:.1} times as fast as apache-avro",
            message.len(),
            ratios[ROUNDS / 2]
        );
    }
}

fn provider_list(criterion: &mut Criterion) {
    let mut view = View::default();
    for number in 0..BLOCKS {
        let address =
            IpAddr::V4((0x5102_0000 + number.wrapping_mul(2_654_435_761) % 0x20_0000).into());
        let claim = Claim {
            origin: Origin::Pipeline,
            action: Action::Block,
            until: NOW + 1,
            strikes: 1,
            decision_id: Uuid::nil(),
            decided_at: NOW,
            counts: true,
            provenance: Some(Provenance::SocketPeer),
            signature: None,
        };
        let generation = Generation { epoch: NOW, offset: i64::from(number) };
        let observable = Observable::client(address);
        view.apply(Lease {
            observable,
            generation,
            claims: vec![claim],
            recent_decisions: Vec::new(),
        });
    }
    let protected = Protected::special();
    criterion.bench_function("blocked_networks/9800", |bencher| {
        bencher.iter(|| blocked_networks(black_box(&view), &protected, NOW));
    });
}

criterion_group!(benches, decode, provider_list);
criterion_main!(benches);
