//! How long the peer and the detector take for the same requests, by turns, in the same run.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use detect::detector::PI;
use detect::offline::rows::Row;
use detect::{Detector, Reader, Request};
use nix::time::{ClockId, clock_gettime};

use crate::engine::{Engine, framed};

/// Passes of each over all requests. The fastest counts: the machine may have something else to do in between.
const ROUNDS: usize = 5;
/// A pass of ours is repeated for so long: one alone would be shorter than what disturbs it.
const PASS_MIN: Duration = Duration::from_millis(500);
/// What must hold against the peer as it ships, at paranoia level 1: how many times as long it takes.
const BENIGN_TIMES_MIN: f64 = 100.0;
const ATTACK_TIMES_MIN: f64 = 50.0;

/// Prints the table. Answers whether the detector is fast enough beside the peer.
pub(crate) fn report(rows: &[Row], engines: &mut [Engine]) -> Result<bool, Box<dyn Error>> {
    let benign = |row: &&Row| !row.attack() && row.source == "elastic-apache";
    let attack = |row: &&Row| row.attack() && row.tier == "core" && row.log_visible();
    let rows = shuffled(rows);
    let logged = |wanted: &dyn Fn(&&Row) -> bool| -> Vec<Request<'_>> {
        rows.iter().copied().filter(wanted).map(Row::logged).collect()
    };
    println!(
        "| requests | of | by | µs a request, fastest pass | slowest | times ours | times ours, remembering |"
    );
    println!("|---|--:|---|--:|--:|--:|--:|");
    let mut fast = true;
    for (name, requests, bar) in [
        ("benign", logged(&benign), BENIGN_TIMES_MIN),
        ("attacks", logged(&attack), ATTACK_TIMES_MIN),
    ] {
        fast &= measure(name, &requests, bar, engines)?;
    }
    Ok(fast)
}

fn measure(
    name: &str,
    requests: &[Request<'_>],
    bar: f64,
    engines: &mut [Engine],
) -> Result<bool, Box<dyn Error>> {
    let detector = Detector::shipped(PI);
    let mut ours = [
        ("ours", Reader::default(), Vec::new()),
        ("ours, remembering", Reader::remembering(), Vec::new()),
    ];
    let mut theirs = vec![Vec::new(); engines.len()];
    let frames: Vec<Vec<u8>> = requests.iter().map(framed).collect();
    for _ in 0..ROUNDS {
        for (_, reader, passes) in &mut ours {
            passes.push(pass(&detector, reader, requests)?);
        }
        for (engine, passes) in engines.iter_mut().zip(&mut theirs) {
            let took: Duration = engine.ask(&frames)?.iter().map(|answer| answer.took).sum();
            passes.push(micros(took, requests.len()));
        }
    }
    let bases = ours.each_ref().map(|(_, _, passes)| range(passes).0);
    for (by, _, passes) in &ours {
        let (fastest, slowest) = range(passes);
        println!("| {name} | {} | {by} | {fastest:.2} | {slowest:.2} | | |", requests.len());
    }
    let mut enough = true;
    for (engine, passes) in engines.iter().zip(&theirs) {
        let (fastest, slowest) = range(passes);
        let times = bases.map(|base| fastest / base);
        println!(
            "| {name} | {} | CRS PL{} | {fastest:.1} | {slowest:.1} | {:.0} | {:.0} |",
            requests.len(),
            engine.level,
            times[0],
            times[1]
        );
        if engine.level == 1 {
            enough = times.iter().all(|times| *times >= bar);
        }
    }
    if !enough {
        eprintln!("missed: {name}: the peer at level 1 takes less than {bar} times as long");
    }
    Ok(enough)
}

/// Processor time in µs a request of ours.
fn pass(
    detector: &Detector,
    reader: &mut Reader,
    requests: &[Request<'_>],
) -> Result<f64, Box<dyn Error>> {
    let (start, mut took, mut passes) = (processor_time()?, Duration::ZERO, 0);
    while took < PASS_MIN {
        for request in requests {
            black_box(detector.score(reader, request));
        }
        passes += 1;
        took = processor_time()?.saturating_sub(start);
    }
    Ok(micros(took, requests.len() * passes))
}

/// Of this thread; the peer tells its own by the same clock.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn micros(took: Duration, requests: usize) -> f64 {
    took.as_secs_f64() * 1e6 / requests.max(1) as f64
}

fn range(passes: &[f64]) -> (f64, f64) {
    let fold = |from, of: fn(f64, f64) -> f64| passes.iter().copied().fold(from, of);
    (fold(f64::INFINITY, f64::min), fold(0.0, f64::max))
}

/// A fixed order that is not the file's.
fn shuffled(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    let mut state = 1_u64;
    for at in (1..rows.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        rows.swap(at, (state >> 33) as usize % (at + 1));
    }
    rows
}
