//! The scorer on a log in memory: what it says, what it skips, and that no crash changes either.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

#[path = "../../common/pipeline/tests/counters/mod.rs"]
mod counters;
mod world;

use counters::Counters;
use schemas::{Category, Detection, Provenance, Severity};
use world::{MINUTE, SECOND, START, World, event};

#[track_caller]
fn check(events: &[schemas::Event], expected: &[&str]) {
    let mut world = World::new();
    world.append_all(events);
    world.run();
    let found: Vec<String> = world.detections().iter().map(text).collect();
    assert_eq!(found, expected);
}

fn text(detection: &Detection) -> String {
    let seconds = (detection.detected_at - START) as f64 / 1_000.0;
    format!("{seconds} {} {:?}", detection.observable, detection.category)
}

const ATTACK: &str = "/search?q=1'+or+'1'='1";

#[test]
fn an_attack_is_detected_at_once_and_then_every_two_seconds() {
    let at = |at| event(at).uri(ATTACK).build();
    check(
        &[at(0), at(100), at(1_999), at(2_000), at(3_000), at(20_000)],
        &[
            "0 81.2.69.142 SqlInjection",
            "2 81.2.69.142 SqlInjection",
            "20 81.2.69.142 SqlInjection",
        ],
    );
}

#[test]
fn the_fifth_failed_login_within_the_window_is_a_detection() {
    let failed = |at| event(at).uri("/login").status(401).build();
    check(&[0, 1, 2, 3].map(|n| failed(n * SECOND)), &[]);
    check(&[0, 1, 2, 3, 4].map(|n| failed(n * SECOND)), &["4 81.2.69.142 BruteForce"]);
    check(&[0, 20, 40, 60, 80, 100].map(|n| failed(n * SECOND)), &[]);
    let elsewhere = |n| event(n * SECOND).uri("/other").status(401).build();
    check(&[0, 1, 2, 3, 4].map(elsewhere), &[]);
    let spread = |n: i64| {
        event(n * SECOND).uri("/login").status(401).client(&format!("81.2.69.{n}")).build()
    };
    check(&[1, 2, 3, 4, 5].map(spread), &[]);
    let neighbours = |n: i64| {
        event(n * SECOND).uri("//login/").status(401).client(&format!("2a00:1450:0:5::{n}")).build()
    };
    check(&[1, 2, 3, 4, 5].map(neighbours), &["5 2a00:1450:0:5::/64 BruteForce"]);
}

#[test]
fn failures_that_made_a_detection_are_not_counted_again() {
    let failed = |at| event(at).uri("/login").status(401).build();
    let nine = (0..9).map(|n| failed(n * 3 * SECOND)).collect::<Vec<_>>();
    check(&nine, &["12 81.2.69.142 BruteForce"]);
    let ten = (0..10).map(|n| failed(n * 3 * SECOND)).collect::<Vec<_>>();
    check(&ten, &["12 81.2.69.142 BruteForce", "27 81.2.69.142 BruteForce"]);
    // Five more at once are worth a decision only a moment later, and are not forgotten till then.
    let many = (0..10).map(|n| failed(n * 10)).chain([failed(3 * SECOND)]).collect::<Vec<_>>();
    check(&many, &["0.04 81.2.69.142 BruteForce", "3 81.2.69.142 BruteForce"]);
}

#[test]
fn a_login_that_a_service_reports_needs_no_route() {
    let reported =
        |succeeded| (0..6).map(|n| event(n * SECOND).login(succeeded).build()).collect::<Vec<_>>();
    check(&reported(Some(false)), &["4 81.2.69.142 BruteForce"]);
    check(&reported(Some(true)), &[]);
    check(&reported(None), &[]);
}

#[test]
fn a_note_of_another_detector_hides_no_failed_login() {
    let noted = |n: i64| {
        let built = event(n * SECOND).uri("/login").status(401);
        built.finding("920350 Host header is a numeric IP address").build()
    };
    check(
        &[0, 1, 2, 3, 4].map(noted),
        &[
            "0 81.2.69.142 ProtocolAbuse",
            "2 81.2.69.142 ProtocolAbuse",
            "4 81.2.69.142 BruteForce",
            "4 81.2.69.142 ProtocolAbuse",
        ],
    );
}

#[test]
fn a_finding_is_told_where_the_request_says_nothing_and_never_hides_what_it_says() {
    let told = "AWS-AWSManagedRulesSQLiRuleSet SQLi_BODY";
    let blocked = |at| event(at).uri("/search").status(403).finding(told);
    check(&[blocked(0).build()], &["0 81.2.69.142 SqlInjection"]);
    check(
        &(0..30).map(|n| blocked(n * 100).build()).collect::<Vec<_>>(),
        &["0 81.2.69.142 SqlInjection", "2 81.2.69.142 SqlInjection"],
    );
    check(&[blocked(0).refused().build()], &[]);
    let mut world = World::new();
    world.append_all(&[blocked(0).build(), blocked(5 * SECOND).uri(ATTACK).build()]);
    world.run();
    let found = world.detections();
    let told: Vec<_> = found.iter().map(|one| (one.severity, one.category)).collect();
    assert_eq!(
        told,
        [(Severity::Low, Category::SqlInjection), (Severity::High, Category::SqlInjection)]
    );
    let finding = found.iter().map(|one| {
        let mut pieces = one.evidence.iter();
        pieces.find(|piece| piece.rule == "finding").map(|piece| piece.weight)
    });
    assert_eq!(finding.collect::<Vec<_>>(), [Some(0.0), Some(0.0)]);
}

#[test]
fn what_we_refused_keeps_its_payload_and_loses_its_status() {
    let refused = |at| event(at).uri("/login").status(401).refused().build();
    check(&[0, 1, 2, 3, 4].map(|n| refused(n * SECOND)), &[]);
    check(&[event(0).uri(ATTACK).status(403).refused().build()], &["0 81.2.69.142 SqlInjection"]);
}

#[test]
fn a_probe_is_never_scored() {
    check(&[event(0).uri(ATTACK).probe().build()], &[]);
}

#[test]
fn a_late_event_is_evidence_and_completes_nothing() {
    let late =
        |at: i64| event(at).uri("/login").status(401).received(START + at + 6 * MINUTE).build();
    let timely =
        |at: i64| event(at).uri("/login").status(401).received(START + at + SECOND).build();
    check(&[0, 1, 2, 3, 4].map(|n| late(n * SECOND)), &[]);
    check(&[late(0), late(1), late(2), late(3), timely(4)], &["0.004 81.2.69.142 BruteForce"]);
    // Published directly, the append time stands for the receipt.
    check(&[event(-6 * MINUTE).uri(ATTACK).direct().build()], &[]);
    check(&[event(-4 * MINUTE).uri(ATTACK).direct().build()], &["-240 81.2.69.142 SqlInjection"]);
}

#[test]
fn an_event_that_is_too_late_to_complete_anything_is_counted() {
    let counters = Counters::default();
    let _counting = metrics::set_default_local_recorder(&counters);
    let late = || counters.get("Key(perimeter_scorer_late_total)");
    scorer::stage::announce();
    assert_eq!(late(), Some(0), "it is shown before it rises");
    check(
        &[-6, -5, -4].map(|n| event(n * MINUTE).uri(ATTACK).direct().build()),
        &["-300 81.2.69.142 SqlInjection", "-240 81.2.69.142 SqlInjection"],
    );
    assert_eq!(late(), Some(1));
}

#[test]
fn the_future_is_a_dead_letter() {
    let mut world = World::new();
    world.append_all(&[
        event(31 * SECOND).uri(ATTACK).direct().build(),
        event(60 * MINUTE).uri(ATTACK).received(START + 60 * MINUTE).build(),
        event(29 * SECOND).uri(ATTACK).direct().build(),
    ]);
    world.run();
    let letters = world.log.messages("events.dlq");
    assert_eq!(letters.len(), 2);
    for (_, _, letter) in &letters {
        let class = letter.headers.iter().find(|(name, _)| *name == "perimeter-class");
        assert_eq!(class.map(|(_, class)| class.as_slice()), Some(&b"future"[..]));
    }
    assert_eq!(world.detections().len(), 1);
}

#[test]
fn a_repeat_counts_once_with_or_without_positions() {
    let failed = |n: i64| event(n).uri("/login").status(401).id(n);
    let twice = |build: &dyn Fn(i64) -> schemas::Event| {
        [build(1), build(2), build(1), build(2), build(3), build(4)]
    };
    check(&twice(&|n| failed(n).build()), &[]);
    check(&twice(&|n| failed(n).position("a", n).build()), &[]);
    check(
        &[1, 2, 3, 4, 5].map(|n| failed(n).position("a", n).build()),
        &["0.005 81.2.69.142 BruteForce"],
    );
    let sources = [1, 2, 3, 4, 5].map(|n| failed(n).position(&format!("s{n}"), 7).build());
    check(&sources, &["0.005 81.2.69.142 BruteForce"]);
}

#[test]
fn forged_lines_never_fill_a_proved_window() {
    let forged = |n| event(n).uri("/login").status(401).provenance(Provenance::LogText).build();
    let proved = event(5).uri("/login").status(401).build();
    check(&[forged(1), forged(2), forged(3), forged(4), proved], &[]);
    let mut world = World::new();
    world.append_all(&[1, 2, 3, 4, 5].map(forged));
    world.run();
    assert_eq!(world.detections()[0].provenance, Provenance::LogText);
}

#[test]
fn a_crash_after_any_step_changes_no_window_and_no_id() {
    let events = world::traffic(400);
    let mut calm = World::new();
    calm.append_all(&events);
    calm.run();
    let ids = calm.detection_ids();
    assert!(ids.len() > 20, "the traffic must be worth the proof: {}", ids.len());
    let (steps, memory) = (calm.steps, calm.memory());
    let snapshots = calm.log.messages("scorer-state").len();
    assert!(snapshots > 100, "a crash must fall between snapshots too: {snapshots}");
    for at in 1..=steps {
        let mut world = World::new();
        world.append_all(&events);
        world.run_crashing(&mut |step| step == at);
        assert_eq!(world.detection_ids(), ids, "crash after step {at} of {steps}");
        assert_eq!(world.memory(), memory, "crash after step {at} of {steps}");
    }
    for every in 2..40 {
        let mut world = World::new();
        world.append_all(&events);
        world.run_crashing(&mut |step| step % every == 0 && step / every < 60);
        assert_eq!(world.detection_ids(), ids, "crash after every {every} steps");
        assert_eq!(world.memory(), memory, "crash after every {every} steps");
    }
}

#[test]
fn every_event_appended_twice_gives_the_same_detections() {
    let events = world::traffic(200);
    let mut once = World::new();
    once.append_all(&events);
    once.run();
    let mut twice = World::new();
    for event in &events {
        twice.append_all(&[event.clone(), event.clone()]);
    }
    twice.run();
    assert_eq!(twice.detection_ids(), once.detection_ids());
}

#[test]
fn a_log_made_anew_is_read_from_its_beginning() {
    for stopped in [true, false] {
        let mut world = World::new();
        world.append_all(&world::traffic(100));
        world.run();
        world.log.recreate(schemas::Topic::Events);
        world.clock.advance(10 * SECOND);
        if stopped {
            world.restart();
        }
        let before = world.detections().len();
        world.append_all(&[event(10 * SECOND).uri(ATTACK).client("81.2.69.7").build()]);
        world.rewind();
        world.run();
        assert_eq!(world.detections().len(), before + 1, "stopped: {stopped}");
        world.restart();
        assert!(world.memory().iter().map(|bucket| bucket.windows.len()).sum::<usize>() <= 1);
    }
}
