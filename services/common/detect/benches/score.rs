//! What scoring a request costs: a small mix of our own, and the rows of the file that `PERIMETER_ROWS` names.
//!
//! `cargo bench -p detect` prints the time of a pass over all and how many requests that is a second. The bars are
//! 1.2 µs a benign request of an access log, 6 µs an attack, and 10 ms whatever 1 MiB holds.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use detect::detector::PI;
use detect::offline::rows::{Row, parse};
use detect::{Detector, Reader, Request};

const AGENT: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const BENIGN: &[&[u8]] = &[
    b"/",
    b"/products/1234?category=shoes&sort=price",
    b"/assets/app.3f9c1b.js",
    b"/search?q=summer+dress&page=2",
    b"/blog/2026/05/how-we-test",
];
const ATTACKS: &[&[u8]] = &[
    b"/item?id=1%27%20or%20%271%27=%271",
    b"/view?file=../../../../etc/passwd",
    b"/q?name=%3Cimg%20src=x%20onerror=alert(1)%3E",
    b"/run?host=127.0.0.1;cat%20/etc/hosts",
];

fn own(uris: &'static [&'static [u8]]) -> Vec<Request<'static>> {
    let request = |uri| Request {
        method: b"GET",
        uri,
        agent: Some(AGENT),
        referer: Some(b"https://shop.example/products"),
        ..Request::default()
    };
    uris.iter().copied().map(request).collect()
}

fn measure(bench: &mut Criterion, detector: &Detector, name: &str, requests: &[Request<'_>]) {
    let mut group = bench.benchmark_group(name);
    group.throughput(Throughput::Elements(requests.len() as u64));
    for (kind, mut reader) in [("plain", Reader::default()), ("remembering", Reader::remembering())]
    {
        group.bench_function(kind, |bench| {
            bench.iter(|| {
                for request in requests {
                    black_box(detector.score(&mut reader, request));
                }
            });
        });
    }
    group.finish();
}

/// One MiB of body that keeps as many passes busy as one can: each piece over and over, cut into as many values as are
/// read.
fn worst(bench: &mut Criterion, detector: &Detector) {
    let mut group = bench.benchmark_group("worst of 1 MiB");
    group.sample_size(10);
    for (name, piece) in [
        ("prose", "the union select committee met and/or sat. "),
        ("sql", "' or 1=1 union select (a) from b -- "),
        ("markup", "<a b='c' onx=alert(1) "),
        ("shell", "$(cat /etc/a;`ls -l`|| "),
        ("climb", "../..\\..;/"),
        ("percent", "%2525%2527"),
        ("pairs", "a[$b]=%27or(1)&"),
        ("json", "[\"'||(select 1)\",{}],"),
    ] {
        let body = piece.repeat((1 << 20) / piece.len());
        let request = Request { body: Some(body.as_bytes()), ..Request::default() };
        let mut reader = Reader::default();
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(detector.score(&mut reader, &request)));
        });
    }
    group.finish();
}

/// A fixed order that is not the file's.
fn shuffled(mut rows: Vec<Row>) -> Vec<Row> {
    let mut state = 1_u64;
    for at in (1..rows.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        rows.swap(at, (state >> 33) as usize % (at + 1));
    }
    rows
}

fn score(bench: &mut Criterion) {
    let detector = Detector::shipped(PI);
    for (name, uris) in [("own benign", BENIGN), ("own attacks", ATTACKS)] {
        measure(bench, &detector, name, &own(uris));
    }
    worst(bench, &detector);
    let Some(path) = std::env::var_os("PERIMETER_ROWS") else {
        eprintln!("PERIMETER_ROWS names no file of rows: only our own mix is measured");
        return;
    };
    let rows = shuffled(parse(&std::fs::read_to_string(path).unwrap()).unwrap());
    let benign = |row: &&Row| !row.attack() && row.source == "elastic-apache";
    let attack = |row: &&Row| row.attack() && row.tier == "core" && row.log_visible();
    let benign: Vec<_> = rows.iter().filter(benign).map(Row::logged).collect();
    let attacks: Vec<_> = rows.iter().filter(attack).map(Row::logged).collect();
    for (name, requests) in [("rows benign", benign), ("rows attacks", attacks)] {
        measure(bench, &detector, name, &requests);
    }
}

criterion_group!(benches, score);
criterion_main!(benches);
