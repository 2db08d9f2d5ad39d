//! What one line of an access log costs, from the file to the encoded event, against finding where lines end.
//!
//! `cargo bench -p collector` prints both and their ratio. The file lies in the page cache.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use collector::config::logs::Logs;
use collector::publish::Outgoing;
use collector::sources::files::Follower;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use observe::logs::{Dates, Format, Parser};
use observe::{Line, Trusted};
use tempfile::TempDir;
use uuid::Uuid;

/// 28 May 2026, the day of the lines.
const NOW: i64 = 1_780_000_000_000;
const LINES: u32 = 20_000;

fn log() -> String {
    let mut text = String::new();
    for number in 0..LINES {
        let spread = number.wrapping_mul(2_654_435_761);
        let [_, b, c, d] = spread.to_be_bytes();
        let client = if number % 3 == 2 {
            format!("2a00:1450:{b:x}{c:02x}:{d:x}::9")
        } else {
            format!("81.{b}.{c}.{d}")
        };
        writeln!(
            text,
            "{client} - - [28/May/2026:20:{:02}:{:02} +0000] \"GET /products/{number}?category=shoes&sort=price HTTP/1.1\" \
             200 {} \"https://shop.example/products\" \"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 \
             Firefox/145.0\"",
            number / 60 % 26,
            number % 60,
            number * 7
        )
        .unwrap();
    }
    text
}

fn split(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

fn parsed(parser: &mut Parser, text: &[u8]) -> usize {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter(|line| matches!(parser.line(line, NOW), Ok(Line::Event(_)))).count()
}

/// The whole file as messages, as many as it has lines.
fn collected(folder: &TempDir) -> usize {
    let settings = format!(
        "once = true\nhost = \"web\"\n[[file]]\npath = \"{}/access.log\"\nformat = \"combined\"",
        folder.path().display()
    );
    let logs = Logs::parse(&settings, "web").unwrap();
    let mut follower = Follower::open(logs, Trusted::default()).unwrap();
    let mut messages = 0;
    loop {
        let batch = follower.pass(NOW).unwrap();
        messages += batch.outgoing.len();
        follower.acknowledged(batch.places);
        if batch.idle {
            return messages;
        }
    }
}

fn lines(criterion: &mut Criterion) {
    let text = log();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("access.log"), &text).unwrap();
    let mut parser = Parser::new(Format::Combined, Trusted::default(), Dates::default());
    assert_eq!((split(text.as_bytes()), collected(&folder)), (LINES as usize, LINES as usize));
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(u64::from(LINES)));
    group.bench_function("split", |bencher| bencher.iter(|| split(black_box(text.as_bytes()))));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| parsed(&mut parser, black_box(text.as_bytes())));
    });
    group.bench_function("encode", |bencher| bencher.iter(|| encoded(&mut parser, &text)));
    group.bench_function("collect", |bencher| bencher.iter(|| collected(black_box(&folder))));
    group.finish();
    ratio(&text, &folder);
}

/// Parsed lines as messages, without a file and without ids.
fn encoded(parser: &mut Parser, text: &str) -> usize {
    let mut outgoing = Outgoing::default();
    for line in text.lines() {
        if let Ok(Line::Event(observation)) = parser.line(line.as_bytes(), NOW) {
            let event = observation.into_event(Uuid::nil(), "file/web".to_owned(), Some(1), NOW);
            outgoing.event(&event, NOW);
        }
    }
    outgoing.len()
}

/// The two in turn, in one run, so that what else the machine does hits both.
fn ratio(text: &str, folder: &TempDir) {
    const ROUNDS: usize = 31;
    let seconds = |work: &dyn Fn() -> usize| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| seconds(&|| collected(folder)) / seconds(&|| split(text.as_bytes())))
        .collect();
    ratios.sort_by(f64::total_cmp);
    #[allow(clippy::print_stdout, reason = "the figure is what this program is for")]
    {
        println!(
            "lines/collect: {} bytes a line; collecting one takes {:.0} times as long as finding its end",
            text.len() / LINES as usize,
            ratios[ROUNDS / 2]
        );
    }
}

criterion_group!(benches, lines);
criterion_main!(benches);
