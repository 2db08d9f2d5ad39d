//! The page as a person reads it.

use proto::v1::{Evidence, Happening};

use super::*;

const DETECTED_AT: i64 = 1_795_266_001_000;

fn step(after_ms: i64, point: &str, level: i32, state: &str) -> Step {
    Step {
        at: DETECTED_AT + after_ms,
        point: point.to_owned(),
        phase: "apply".to_owned(),
        level,
        state: state.to_owned(),
        reason: String::new(),
        after_ms,
        since: "detection".to_owned(),
    }
}

fn lifted(after_ms: i64, point: &str, level: i32, state: &str) -> Step {
    let (phase, since) = ("lift".to_owned(), "until".to_owned());
    Step { after_ms, phase, since, ..step(15_000 + after_ms, point, level, state) }
}

fn blocked() -> ExplainReply {
    let evidence = Evidence {
        rule: "sql_injection/tautology".to_owned(),
        place: "query:id".to_owned(),
        value: "1' or '1'='1\u{1b}[2J".to_owned(),
        weight: 6.5,
        explanation: "a condition that is always true".to_owned(),
        event_id: "0190c0de-0000-5000-8000-000000000001".to_owned(),
    };
    let cause = Cause {
        detection_id: "0190c0de-0000-5000-8000-000000000002".to_owned(),
        detected_at: DETECTED_AT,
        category: "SQL injection".to_owned(),
        severity: "high".to_owned(),
        probability: 0.924,
        provenance: "socket_peer".to_owned(),
        evidence: vec![evidence],
    };
    let decision = Decision {
        action: "block".to_owned(),
        until: DETECTED_AT + 15_000,
        origin: "pipeline".to_owned(),
        strikes: 1,
        reason: "policy".to_owned(),
        explanation: "block 47.74.36.90 for 15 s: SQL injection, strike 1".to_owned(),
        detected_at: DETECTED_AT,
        ..Decision::default()
    };
    let episode = Episode {
        cause: Some(cause),
        decision: Some(decision),
        decided_at: DETECTED_AT + 12,
        steps: vec![
            step(21, "envoy/0", 0, "applied"),
            step(48, "envoy", 3, "effective"),
            lifted(11, "envoy/0", 0, "lifted"),
            lifted(64, "envoy", 3, "effective"),
        ],
        points: Vec::new(),
        standing: "ended".to_owned(),
        decision_id: "0190c0de-0000-5000-8000-000000000003".to_owned(),
        observable: "47.74.36.90".to_owned(),
    };
    ExplainReply {
        observable: "47.74.36.90".to_owned(),
        action: "allow".to_owned(),
        explanation: "nobody claims anything".to_owned(),
        protected: false,
        episodes: vec![episode],
        total: 1,
        controls: vec![Happening {
            at: DETECTED_AT - 60_000,
            kind: "control".to_owned(),
            text: "thaw: ada asked for it: the release is out".to_owned(),
            ..Happening::default()
        }],
        not_retained: Some(NotRetained {
            before: DETECTED_AT - 86_400_000,
            decision_ids: vec!["0190c0de-0000-5000-8000-000000000004".to_owned()],
        }),
    }
}

#[test]
fn the_page_tells_the_story_from_top_to_bottom() {
    let expected = "\
47.74.36.90  allow
  nobody claims anything

automation
2026-11-21 12:59:01Z  thaw: ada asked for it: the release is out

2026-11-21 13:00:01Z  47.74.36.90  ended
  block 47.74.36.90 for 15 s: SQL injection, strike 1
  decision 0190c0de-0000-5000-8000-000000000003
UTC           after         where        what
13:00:01.000  +0 ms         detected     SQL injection, high severity, 92.4 % sure; address by socket_peer
                            weight +6.5  sql_injection/tautology at query:id: a condition that is always true
                                         seen: 1' or '1'='1\u{FFFD}[2J
                                         event 0190c0de-0000-5000-8000-000000000001
13:00:01.012  +12 ms        decided      block until 2026-11-21 13:00:16Z, for 15s, strike 1; reason: policy
13:00:01.021  +21 ms        envoy/0      applied
13:00:01.048  +48 ms        envoy        level 3 effective
13:00:16.011  until +11 ms  envoy/0      lifted
13:00:16.064  until +64 ms  envoy        lift level 3 effective

not retained: what happened before 2026-11-20 13:00:01Z
not retained: 0190c0de-0000-5000-8000-000000000004
";
    assert_eq!(page(&blocked(), &Printer::plain()), expected);
}

#[test]
fn what_is_not_retained_is_not_called_nothing() {
    let empty = ExplainReply { episodes: Vec::new(), total: 0, protected: true, ..blocked() };
    let page = page(&empty, &Printer::plain());
    for sentence in
        ["nothing is retained about it", "not retained: what happened before", "protected"]
    {
        assert!(page.contains(sentence), "{page}");
    }
}

#[test]
fn the_document_has_the_whole_reply() {
    let document = document(&blocked());
    for (pointer, value) in [
        ("/episodes/0/cause/evidence/0/weight", json!(6.5)),
        ("/episodes/0/decision/until", json!(DETECTED_AT + 15_000)),
        ("/episodes/0/steps/1/level", json!(3)),
        ("/episodes/0/steps/3/since", json!("until")),
        ("/not_retained/before", json!(DETECTED_AT - 86_400_000)),
    ] {
        assert_eq!(document.pointer(pointer), Some(&value), "{pointer}");
    }
}
