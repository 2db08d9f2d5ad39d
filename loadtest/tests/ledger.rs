//! What counts as proved, leaked, kept, expired and lifted; and what the story and the report say of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::time::Duration;

use common::{Block, incident};
use loadtest::ledger::{Ledger, News};
use loadtest::report::{Context, Report};
use loadtest::story::{Paint, line, table};
use loadtest::traffic::http::Answer;
use loadtest::watch::{Growth, Seeable, Seen};
use schemas::{Action, Decision, Effect, Enforcement, Mode, Outcome, Phase, Reason, Status};

const ADDRESS: &str = "81.2.69.142";
const CANARY: usize = 99;

/// What happened, in order. The block is detected at 1,000 and ends at 16,000.
#[derive(Debug, Clone, Copy)]
enum Fact {
    Detected,
    Observed,
    Simulated,
    Decided,
    Leased,
    Applied(&'static str, i64),
    Failed(&'static str),
    Verified(&'static str, i32, i64),
    Lifted(i32, i64),
    /// Sent, and answered by the application.
    Answered(i64, i64),
    /// Sent, and answered by anybody else.
    Refused(i64, i64),
}
use Fact::*;

/// A loop that closes.
const CLOSED: [Fact; 12] = [
    Detected,
    Decided,
    Leased,
    Applied("envoy/0", 1_100),
    Applied("envoy/1", 1_120),
    Verified("envoy/0", 1, 1_130),
    Verified("envoy", 2, 1_150),
    Verified("envoy", 3, 1_200),
    Verified("aws-waf", 2, 1_400),
    Refused(8_000, 8_005),
    Answered(16_100, 16_105),
    Lifted(3, 16_400),
];

fn block() -> Block {
    Block::new(ADDRESS.parse().unwrap(), 1_000, 16_000)
}

fn seen(record: Seeable, published_at: i64) -> Seen {
    Seen { record, published_at }
}

fn tell(ledger: &mut Ledger, id: usize, fact: Fact) -> Option<News> {
    let block = block();
    let observe = Decision {
        action: Action::Observe,
        until: None,
        reason: Reason::BelowFloor,
        ..block.decision()
    };
    let simulated = Decision { mode: Mode::Simulated, ..block.decision() };
    let answer = |sent_at, answered_at, by_application| Answer {
        sent_at,
        answered_at,
        by_application,
        status: Some(200),
        detail: String::new(),
    };
    let enforcement = |point, status, at| -> Enforcement { block.enforcement(point, status, at) };
    match fact {
        Detected => ledger.seen(seen(Seeable::Detection(block.detection()), 1_010)),
        Observed => ledger.seen(seen(Seeable::Decision(observe), 1_030)),
        Simulated => ledger.seen(seen(Seeable::Decision(simulated), 1_030)),
        Decided => ledger.seen(seen(Seeable::Decision(block.decision()), 1_030)),
        Leased => ledger.seen(seen(Seeable::Lease(block.lease()), 1_060)),
        Applied(point, at) => {
            ledger.seen(seen(Seeable::Enforcement(enforcement(point, Status::Applied, at)), at))
        }
        Failed(point) => ledger
            .seen(seen(Seeable::Enforcement(enforcement(point, Status::Failed, 1_100)), 1_100)),
        Verified(point, level, at) => {
            ledger.seen(seen(Seeable::Outcome(block.outcome(point, level, Phase::Apply, at)), at))
        }
        Lifted(level, at) => {
            ledger.seen(seen(Seeable::Outcome(block.outcome("envoy", level, Phase::Lift, at)), at))
        }
        Answered(sent, at) => ledger.attacker(id, &answer(sent, at, true)),
        Refused(sent, at) => ledger.attacker(id, &answer(sent, at, false)),
    }
}

fn report_of(facts: &[Fact]) -> Report {
    let mut ledger = Ledger::default();
    ledger.begin(incident(7, ADDRESS), 900);
    for fact in facts {
        tell(&mut ledger, 7, *fact);
    }
    report(&ledger, false)
}

fn report(ledger: &Ledger, interrupted: bool) -> Report {
    Report::new(ledger, &Context { interrupted, ..context() })
}

fn context() -> Context {
    Context {
        seed: 1,
        seconds: 30,
        canary: CANARY,
        interrupted: false,
        headless: false,
        begun: true,
        growth: Some(Growth { events: 5, dead_letters: 0 }),
    }
}

/// `expected`: what was counted, then what failed.
#[track_caller]
fn check(facts: &[Fact], counted: &str, failed: &str) {
    let report = report_of(facts);
    let flag = |count: usize, word: &'static str| if count > 0 { word } else { "-" };
    let found = format!(
        "{} {} {} {} leaked {} kept {}",
        flag(report.proved, "proved"),
        flag(report.waf_read_back, "waf"),
        flag(report.expired, "expired"),
        flag(report.lift_proved, "lifted"),
        report.leaked,
        report.kept
    );
    assert_eq!(found, counted, "{facts:?}");
    let failures = report.failures.join("; ");
    assert_eq!(report.closed(), failed.is_empty(), "{failures}");
    assert!(failures.contains(failed), "{failures}");
}

/// [`CLOSED`] without some of its facts, and with others at the end.
fn changed(without: impl Fn(Fact) -> bool, with: &[Fact]) -> Vec<Fact> {
    CLOSED.into_iter().filter(|fact| !without(*fact)).chain(with.iter().copied()).collect()
}

#[test]
fn a_loop_that_closed_has_no_failures() {
    check(&CLOSED, "proved waf expired lifted leaked 0 kept 0", "");
    let report = report_of(&CLOSED);
    assert_eq!((report.time_to_proof_ms.p50, report.lift_proved_ms.max), (200, 400));
    let stages = report.stages_ms;
    let stages = [stages.detected, stages.decided, stages.leased, stages.applied, stages.proved];
    assert_eq!(stages, [10, 20, 30, 60, 80]);
}

#[test]
fn order_between_topics_and_repeats_change_nothing() {
    let mut backwards = CLOSED;
    backwards[..9].reverse();
    check(&backwards, "proved waf expired lifted leaked 0 kept 0", "");
    let twice: Vec<Fact> = CLOSED.iter().flat_map(|fact| [*fact, *fact]).collect();
    check(&twice, "proved waf expired lifted leaked 0 kept 0", "");
}

#[test]
fn an_answer_between_proof_and_end_is_a_leak() {
    for (sent, answered, leaked) in [
        (1_200, 1_230, 0),
        (1_201, 1_230, 1),
        (15_790, 15_800, 1),
        (15_790, 15_801, 0),
        (16_000, 16_001, 0),
    ] {
        let counted = format!("proved waf expired lifted leaked {leaked} kept 0");
        let failed =
            if leaked > 0 { "answered by the application while the block was proved" } else { "" };
        check(&changed(|_| false, &[Answered(sent, answered)]), &counted, failed);
    }
}

#[test]
fn a_refusal_long_after_the_end_is_kept() {
    for (sent, kept) in [(15_999, 0), (17_999, 0), (18_000, 1)] {
        let counted = format!("proved waf expired lifted leaked 0 kept {kept}");
        let failed =
            if kept > 0 { "were refused more than 2000 ms after the block's end" } else { "" };
        check(&changed(|_| false, &[Refused(sent, sent + 5)]), &counted, failed);
    }
}

#[test]
fn what_is_missing_is_named() {
    check(&[], "- - - - leaked 0 kept 0", "it was not detected");
    check(&[Detected], "- - - - leaked 0 kept 0", "nothing in topic decisions");
    check(&[Detected, Observed], "- - - - leaked 0 kept 0", "(BelowFloor)");
    check(
        &[Detected, Simulated],
        "- - - - leaked 0 kept 0",
        "simulated, as the policy file's mode says",
    );
    check(&[Detected, Decided], "- - - - leaked 0 kept 0", "nothing in topic leases");
    check(&CLOSED[..6], "- - - - leaked 0 kept 0", "at Envoy: level 2 is missing");
    check(&CLOSED[..7], "- - - - leaked 0 kept 0", "at Envoy: level 3 is missing");
    let waf = |fact| matches!(fact, Verified("aws-waf", ..));
    let failed = changed(waf, &[Failed("aws-waf"), Verified("aws-waf", 1, 1_300)]);
    check(
        &failed,
        "proved - expired lifted leaked 0 kept 0",
        "in the WAF: level 2 is missing (aws-waf: capacity)",
    );
    let lift = |fact| matches!(fact, Lifted(..));
    check(
        &changed(lift, &[Lifted(1, 16_100)]),
        "proved waf expired - leaked 0 kept 0",
        "level 2 is missing",
    );
    let answer = |fact| matches!(fact, Answered(..));
    check(&changed(answer, &[]), "proved waf - lifted leaked 0 kept 0", "no request was answered");
    check(
        &changed(answer, &[Answered(18_001, 18_010)]),
        "proved waf - lifted leaked 0 kept 0",
        "only more than",
    );
}

#[test]
fn a_return_from_the_same_address_is_an_incident_of_its_own() {
    let mut ledger = Ledger::default();
    ledger.begin(incident(1, ADDRESS), 900);
    for fact in CLOSED {
        tell(&mut ledger, 1, fact);
    }
    ledger.begin(incident(2, ADDRESS), 20_000);
    // A straggler of the first incident, and then the second's own.
    tell(&mut ledger, 2, Detected);
    let again = Block::new(ADDRESS.parse().unwrap(), 20_500, 50_500);
    ledger.seen(seen(Seeable::Decision(Decision { strikes: 2, ..again.decision() }), 20_520));
    assert_eq!(ledger.progress(2).proved_until, None);
    ledger.seen(seen(Seeable::Outcome(again.outcome("envoy", 3, Phase::Apply, 20_700)), 20_700));
    assert_eq!(ledger.progress(2).proved_until, Some(50_500));
    let report = report(&ledger, true);
    assert_eq!((report.incidents, report.proved, report.lift_proved), (2, 2, 1));
    assert_eq!(report.kinds[0].strikes_max, 2);
    assert!(report.closed(), "cut short by a signal is no failure: {:?}", report.failures);
}

#[test]
fn an_interrupt_proves_nothing_by_itself() {
    let interrupted = Context { interrupted: true, ..context() };
    let headless = Context { headless: true, ..interrupted };
    let failures = |facts: &[Fact], context: &Context| {
        let mut ledger = Ledger::default();
        ledger.begin(incident(7, ADDRESS), 900);
        for fact in facts {
            tell(&mut ledger, 7, *fact);
        }
        Report::new(&ledger, context).failures
    };
    assert!(failures(&CLOSED, &interrupted).is_empty(), "somebody saw one incident to its end");
    let before = "the run was interrupted before any incident was over";
    assert_eq!(failures(&CLOSED[..9], &interrupted), [before]);
    assert_eq!(Report::new(&Ledger::default(), &interrupted).failures, [before]);
    let never_begun = Context { begun: false, ..interrupted };
    assert_eq!(Report::new(&Ledger::default(), &never_begun).failures, [before]);
    assert_eq!(failures(&CLOSED, &headless), ["the run was interrupted"]);
}

#[test]
fn the_canary_is_not_counted_and_a_run_without_incidents_fails() {
    let mut ledger = Ledger::default();
    ledger.begin(incident(CANARY, ADDRESS), 900);
    for fact in CLOSED {
        tell(&mut ledger, CANARY, fact);
    }
    let report = report(&ledger, false);
    assert_eq!((report.incidents, report.canary_time_to_proof_ms), (0, Some(200)));
    assert_eq!(report.failures, ["there was no incident at all"]);
}

#[test]
fn a_good_visitor_refused_is_a_failure() {
    let mut ledger = Ledger::default();
    let detail = "no answer within 5 s".to_owned();
    let answer =
        Answer { sent_at: 1, answered_at: 5_001, by_application: false, status: None, detail };
    let news = ledger.good("2a00:1450::9".parse().unwrap(), "/search?q=O%27Brien", &answer);
    assert!(matches!(news, Some(News::Refused { .. })));
    let report = report(&ledger, false);
    assert_eq!((report.good_requests, report.good_refused, report.requests_completed), (1, 1, 0));
    assert!(
        report.failures[1].contains("the first: /search?q=O%27Brien from 2a00:1450::9: no answer")
    );
}

#[test]
fn the_story_tells_each_thing_once_and_quotes_safely() {
    let mut ledger = Ledger::default();
    ledger.begin(incident(7, ADDRESS), 900);
    let repeats = CLOSED.iter().flat_map(|fact| [*fact, *fact]);
    let told: Vec<News> = repeats.filter_map(|fact| tell(&mut ledger, 7, fact)).collect();
    let lost =
        Outcome { effect: Effect::Absent, ..block().outcome("envoy", 3, Phase::Apply, 5_000) };
    let lost = ledger.seen(seen(Seeable::Outcome(lost), 5_000));
    let lines = told
        .iter()
        .chain(&lost)
        .filter_map(|news| line(Duration::from_millis(1_250), news, Paint::Plain));
    let expected = "
    1.2 s  detection  81.2.69.142                SQL injection, p=0.99, High: sqli-union in query:id: \"1' union select ·[31m password\"
    1.2 s  decision   81.2.69.142                block for 15 s, strike 1: severity high is blocked (Policy)
    1.2 s  level 1    81.2.69.142                envoy/0: acknowledged after 130 ms
    1.2 s  level 2    81.2.69.142                envoy: read back after 150 ms
    1.2 s  level 3    81.2.69.142                envoy: probed after 200 ms
    1.2 s  level 2    81.2.69.142                aws-waf: read back after 400 ms
    1.2 s  expired    81.2.69.142                the application answers again, 105 ms after the block's end
    1.2 s  level 3    81.2.69.142                envoy: lift probed, 400 ms after its end
    1.2 s  level 3    81.2.69.142                envoy: no longer effective: ";
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected.trim_start_matches('\n'));
}

#[test]
fn the_table_ends_with_what_the_run_came_to() {
    let text = table(&report_of(&CLOSED), Paint::Plain);
    assert!(text.contains("SQL injection      IPv4           1         1         1"), "{text}");
    assert!(text.contains("time to proof   p50 200 ms, p99 200 ms, max 200 ms"), "{text}");
    assert!(text.trim_end().ends_with("every block proved, held and lifted on time"), "{text}");
    let text = table(&report_of(&[]), Paint::Plain);
    assert!(
        text.contains("FAILED: incident 7 (SQL injection from 81.2.69.142): it was not detected"),
        "{text}"
    );
    assert!(text.trim_end().ends_with("the loop did not close"), "{text}");
}
