//! What scoring costs by stage, and whether anything it answers has changed: for work on speed, where two builds are
//! compared in the same minute. The bars are measured by `cargo bench -p detect`.
//!
//! `speed FILE [PASSES] [--same | --worst | --only benign | --only attack]` prints, for the rows of FILE, the least time
//! of a pass; `--same` a checksum over every score and feature of every row, whole and as a log has it; `--worst` the
//! time of 1 MiB of odd bodies; `--only` leaves out the stages, so that a profile shows scoring alone.

#![allow(clippy::print_stdout, reason = "the figures go to the standard output")]

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::time::{Duration, Instant};

use detect::detector::PI;
use detect::lexical;
use detect::normalise::Normaliser;
use detect::offline::rows::{Row, parse};
use detect::signatures::{Flags, Hits};
use detect::split::split;
use detect::{Detector, Reader, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let text = std::fs::read_to_string(arguments.first().ok_or("no file of rows named")?)?;
    let passes = arguments.get(1).and_then(|word| word.parse().ok()).unwrap_or(20);
    let detector = Detector::shipped(PI);
    let rows = shuffled(parse(&text)?);
    if flag("--same") {
        println!("checksum {:016x}", checksum(&detector, &rows));
        return Ok(());
    }
    if flag("--worst") {
        worst(&detector, passes);
        return Ok(());
    }
    let benign = |row: &&Row| !row.attack() && row.source == "elastic-apache";
    let attack = |row: &&Row| row.attack() && row.tier == "core" && row.log_visible();
    let benign: Vec<_> = rows.iter().filter(benign).map(Row::logged).collect();
    let attacks: Vec<_> = rows.iter().filter(attack).map(Row::logged).collect();
    for (name, requests) in [("benign", &benign), ("attack", &attacks)] {
        if flag("--only") && !flag(name) {
            continue;
        }
        let (mut plain, mut kept) = (Reader::default(), Reader::remembering());
        let all = [
            (
                "score",
                least(passes, requests, |one| {
                    black_box(detector.score(&mut plain, one));
                }),
            ),
            (
                "remembering",
                least(passes, requests, |one| {
                    black_box(detector.score(&mut kept, one));
                }),
            ),
        ];
        let stages = if flag("--only") { None } else { Some(stages(&detector, passes, requests)) };
        for (kind, time) in all.into_iter().chain(stages.into_iter().flatten()) {
            println!(
                "{name:7} {kind:12} {:8.0} ns",
                time.as_nanos() as f64 / requests.len() as f64
            );
        }
    }
    Ok(())
}

/// The time of the fastest pass over all.
fn least(passes: usize, requests: &[Request<'_>], mut each: impl FnMut(&Request<'_>)) -> Duration {
    let pass = |_| {
        let start = Instant::now();
        requests.iter().for_each(&mut each);
        start.elapsed()
    };
    (0..passes).map(pass).min().unwrap_or_default()
}

/// What the stages take, each with those before it.
fn stages(
    detector: &Detector,
    passes: usize,
    requests: &[Request<'_>],
) -> [(&'static str, Duration); 5] {
    let (mut normaliser, mut hits, mut steps) = (Normaliser::default(), Hits::default(), 0);
    let mut upto = |stage: usize| {
        least(passes, requests, |request| {
            split(request, |value| {
                if stage == 0 {
                    black_box(&value);
                    return;
                }
                normaliser.read(&value, |reading| {
                    black_box(reading.quiet);
                    if stage == 1 {
                        return;
                    }
                    let flags = Flags::read(&value, reading, &mut steps);
                    black_box(&flags);
                    if stage == 2 {
                        return;
                    }
                    detector.signatures.run(&value, reading, &flags, &mut hits);
                    black_box(hits.positions());
                    if stage == 4 && !reading.quiet {
                        lexical::read(reading.text, |feature, count| {
                            black_box((feature, count));
                        });
                    }
                });
            });
        })
    };
    let stage = |name, time| (name, time);
    [
        stage("1 split", upto(0)),
        stage("2 normalise", upto(1)),
        stage("3 tokenise", upto(2)),
        stage("4 signatures", upto(3)),
        stage("5 lexical", upto(4)),
    ]
}

/// Everything that may be answered about `rows`.
fn checksum(detector: &Detector, rows: &[Row]) -> u64 {
    let (mut hasher, mut reader) = (DefaultHasher::new(), Reader::remembering());
    let mut one = |request: &Request<'_>| {
        let score = detector.score(&mut reader, request);
        (score.llr.to_bits(), score.best, score.not_read).hash(&mut hasher);
        split(request, |value| {
            detector.features(&mut reader, &value, &mut |index, feature, count| {
                (index, feature, count.to_bits()).hash(&mut hasher);
            });
        });
    };
    for row in rows {
        one(&row.logged());
        row.request(&mut one);
    }
    hasher.finish()
}

/// Bodies of 1 MiB, a few bytes over and over.
fn worst(detector: &Detector, passes: usize) {
    for piece in [
        "the union select committee met and/or sat. ",
        "' or 1=1 union select (a) from b -- ",
        "<a b='c' onx=alert(1) ",
        "$(cat /etc/a;`ls -l`|| ",
        "../..\\..;/",
        "%2525%2527",
        "a[$b]=%27or(1)&",
        "[\"'||(select 1)\",{}],",
    ] {
        let body = piece.repeat((1 << 20) / piece.len());
        let request = Request { body: Some(body.as_bytes()), ..Request::default() };
        let mut reader = Reader::default();
        let time = least(passes, &[request], |one| {
            black_box(detector.score(&mut reader, one));
        });
        println!("{piece:48} {time:9.3?}");
    }
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
