//! The report: through JSON and back, in words, and held against its bounds.

use loadtest::load::expected::{Blocks, Found, Quantiles};
use loadtest::load::lag::{Sample, Trend};
use loadtest::load::report::{Leg, Machine, Overrides, Report, Step, text};
use loadtest::load::thresholds::Thresholds;
use loadtest::load::usage::Process;

fn quantiles(p99: f64) -> Quantiles {
    Quantiles { count: 400, p50: 3.5, p90: 8.25, p99, p999: 2.0 * p99, max: 3.0 * p99 }
}

fn process(name: &str, cpu_seconds: f64, cpu_share: f64) -> Process {
    let name = name.to_owned();
    Process { name, cpu_seconds, cpu_share, peak_rss_bytes: 300 << 20, restarted: false }
}

/// A leg at 120,000/s that is as good as it has to be.
fn leg() -> Leg {
    let trend = Trend {
        samples: 90,
        behind_median: 9_000.0,
        slope_per_second: -12.5,
        noise_per_second: 600.0,
        flat: true,
    };
    Leg {
        rate: 120_000.0,
        seconds: 30.0,
        sent: 3_600_000,
        published: 3_600_000,
        published_per_second: 120_010.0,
        scored_per_second: 120_005.5,
        found: Found {
            attacks: 72_000,
            expected: 15_000,
            seen: 15_000,
            repeated: 2,
            unexpected: 0,
        },
        detected_ms: quantiles(40.0),
        published_ms: quantiles(35.0),
        proved_ms: quantiles(120.0),
        blocks: Blocks { decided: 400, proved: 400 },
        trend: Some(trend),
        behind_max: 42_000,
        drained_after_seconds: Some(0.4),
        overrides: Some(Overrides {
            asked: 30,
            reply_ms: quantiles(20.0),
            lease_ms: quantiles(60.0),
            ..Overrides::default()
        }),
        processes: vec![
            process("scorer", 24.0, 0.4),
            process("kafka", 16.0, 0.3),
            process("loadtest", 15.0, 0.3),
        ],
        samples: vec![Sample { seconds: 0.25, due: 30_000, published: 29_000, lag: 4_000 }],
        held: true,
        ..Leg::default()
    }
}

fn report(leg: Leg) -> Report {
    Report {
        what: "events".to_owned(),
        machine: Machine { cores: 2, memory_bytes: 24 << 30, release: true },
        seed: 7,
        attacks: 0.02,
        attackers: 1_000,
        clients: 10_000,
        legs: vec![leg],
        ..Report::default()
    }
}

const BOUNDS: Thresholds = Thresholds {
    min_rate: Some(120_000.0),
    max_p99_ms: Some(50.0),
    max_proved_ms: Some(250.0),
    max_lag: Some(50_000),
    min_per_cpu_second: Some(60_000.0),
    max_override_ms: Some(1_000.0),
    max_gone_seconds: Some(60.0),
    max_rss_mib: Some(512),
};

#[track_caller]
fn check(change: impl FnOnce(&mut Leg), expected: &str) {
    let mut leg = leg();
    change(&mut leg);
    leg.held = BOUNDS.held(&leg);
    let missed = BOUNDS.missed(&report(leg));
    match missed.as_slice() {
        [] => assert_eq!(expected, ""),
        [one] => assert!(!expected.is_empty() && one.contains(expected), "{one}"),
        more => panic!("{more:?}"),
    }
}

#[test]
fn each_bound_that_is_broken_is_one_sentence() {
    check(|_| {}, "");
    check(|leg| leg.scored_per_second = 119_000.0, "119000/s were scored");
    check(|leg| leg.detected_ms.p99 = 51.0, "p99 is 51.0 ms");
    check(|leg| leg.detected_ms.count = 0, "no detection was timed");
    check(|leg| leg.proved_ms.p99 = 251.0, "p99 251.0 ms; not all, or not within 250 ms");
    check(|leg| leg.blocks.proved = 399, "399 of 400 blocks were proved");
    check(|leg| leg.blocks = Blocks::default(), "0 of 0 blocks were proved");
    check(|leg| leg.behind_max = 60_000, "60000 records were behind");
    check(|leg| leg.processes[0].cpu_seconds = 60.0, "a CPU second carries");
    check(|leg| leg.processes[2].cpu_seconds = 600.0, "");
    check(|leg| leg.overrides.as_mut().unwrap().lease_ms.p99 = 1_200.0, "overrides: p99 1200.0 ms");
    check(|leg| leg.overrides.as_mut().unwrap().failed = 1, "1 failed");
    check(|leg| leg.overrides = None, "overrides");
    check(|leg| leg.processes[1].peak_rss_bytes = 600 << 20, "a process took 600 MiB");
}

#[test]
fn what_is_a_failure_needs_no_bound() {
    check(|leg| leg.found.seen -= 3, "3 of 15000 detections did not come");
    check(|leg| leg.found.unexpected = 1, "1 detections that nothing asks for");
    check(|leg| leg.dead_letters = 2, "2 dead letters");
    check(|leg| leg.drained_after_seconds = None, "not everything was scored");
    check(|leg| leg.trend.as_mut().unwrap().flat = false, "the lag grows");
    check(|leg| leg.processes[0].restarted = true, "scorer was restarted");
}

#[test]
fn a_step_is_held_against_its_own_bound() {
    let stepped = |gone_after_seconds| {
        move |leg: &mut Leg| {
            leg.trend = None;
            leg.step = Some(Step { over: 10_000.0, seconds: 60.0, gone_after_seconds });
        }
    };
    check(stepped(Some(12.0)), "");
    check(stepped(Some(61.0)), "not gone within 60 s");
    check(stepped(None), "not gone within 60 s");
}

#[test]
fn of_a_sweep_the_highest_rate_held_counts() {
    let broken = Leg { rate: 180_000.0, held: false, dead_letters: 9, ..leg() };
    let sweep =
        |held_rate| Report { legs: vec![leg(), broken.clone()], held_rate, ..report(leg()) };
    assert!(BOUNDS.missed(&sweep(Some(120_000.0))).is_empty());
    let missed = BOUNDS.missed(&sweep(Some(100_000.0)));
    assert!(missed.len() == 1 && missed[0].contains("highest rate held"), "{missed:?}");
}

#[test]
fn a_report_comes_back_from_json_as_it_was_and_says_what_it_must() {
    let mut report = report(leg());
    report.legs[0].step = Some(Step { over: 5.0, seconds: 2.5, gone_after_seconds: None });
    report.missed.push("p99".to_owned());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let told = text(&report);
    for said in [
        "120006/s scored",
        "flat",
        "90000 records per CPU second",
        "scorer",
        "MISSED  p99",
        "gone after never",
        "400 of 400 blocks proved",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
}
