//! What an operator may ask for, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{DAY, HOUR, MINUTE, enforced};
use decider::logic::overrides::{Asked, Refused, Standing, Wish, decision, repeats};
use schemas::{Action, Mode, Origin, Reason};

const KEY: &str = "6f6ff0e6-6a0c-4b59-9b1b-7b8f0d3e5a11";
const NOW: i64 = 1_795_000_000_000;

fn block(observable: &str) -> Asked<'_> {
    Asked {
        wish: Wish::Block,
        observable,
        duration_ms: 15 * MINUTE,
        reason: "scanning us",
        idempotency_key: KEY,
        operator: "spiffe://perimeter/operator/ada",
        admin: true,
    }
}

fn unblock(observable: &str) -> Asked<'_> {
    Asked { wish: Wish::Unblock, ..block(observable) }
}

fn by_responder(asked: Asked<'_>) -> Asked<'_> {
    Asked { operator: "spiffe://perimeter/responder/bo", admin: false, ..asked }
}

/// What an operator decided about a network, for so long from now on.
fn standing(action: Action, network: &str, lasts: i64) -> Standing {
    let (network, decision_id) = (network.parse().unwrap(), uuid::Uuid::nil());
    Standing { network, action, until: NOW + lasts, decision_id }
}

#[track_caller]
fn check(asked: &Asked<'_>, expected: &str) {
    check_over(&[], asked, expected);
}

#[track_caller]
fn check_over(standing: &[Standing], asked: &Asked<'_>, expected: &str) {
    let answer = match decision(&enforced(), asked, standing, NOW) {
        Ok(decision) => format!(
            "{:?} {} for {} ms",
            decision.action,
            decision.observable,
            decision.until.unwrap() - NOW
        ),
        Err(Refused::Invalid(sentence)) => format!("invalid: {sentence}"),
        Err(Refused::Fuse(sentence)) => format!("fuse: {sentence}"),
        Err(Refused::Role(sentence)) => format!("role: {sentence}"),
    };
    assert!(answer.starts_with(expected), "{answer}");
}

#[test]
fn an_override_is_a_decision_of_origin_operator_under_the_callers_key() {
    let decision = decision(&enforced(), &block("81.2.69.142"), &[], NOW).unwrap();
    assert_eq!(decision.decision_id.to_string(), KEY);
    assert_eq!(
        (decision.origin, decision.reason, decision.mode),
        (Origin::Operator, Reason::Override, Mode::Enforced)
    );
    assert_eq!(decision.decided_by.as_deref(), Some("spiffe://perimeter/operator/ada"));
    assert_eq!(decision.explanation, "block 81.2.69.142 for 15 min: ada asked for it: scanning us");
}

#[test]
fn observables_are_canonical_and_a_bare_ipv6_address_is_its_network() {
    check(&block("81.2.69.0/24"), "Block 81.2.69.0/24 for 900000 ms");
    check(&block(" 81.2.69.77/32"), "Block 81.2.69.77 for 900000 ms");
    check(&block("2A00:1450:0:5::9"), "Block 2a00:1450:0:5::/64 for 900000 ms");
}

#[test]
fn a_network_with_bits_after_its_prefix_is_not_taken_for_one_of_the_two_that_may_be_meant() {
    for (text, remedy) in
        [("81.2.69.77/24", "81.2.69.0/24"), ("2a00:1450:0:5::9/64", "2a00:1450:0:5::/64")]
    {
        for asked in [block(text), unblock(text)] {
            check(
                &asked,
                &format!("invalid: '{text}' has bits set after its prefix; write {remedy}"),
            );
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    check(&Asked { reason: "  ", ..block("81.2.69.142") }, "invalid: a reason is required");
    check(
        &Asked { idempotency_key: "", ..block("81.2.69.142") },
        "invalid: the idempotency key '' is not a UUID",
    );
    check(&Asked { duration_ms: 0, ..block("81.2.69.142") }, "invalid: a block needs a duration");
    check(
        &Asked { duration_ms: 0, wish: Wish::Allow, ..block("81.2.69.142") },
        "invalid: an allow needs a duration",
    );
    check(&Asked { duration_ms: -1, ..block("81.2.69.142") }, "invalid: a duration of -1 ms");
    check(&Asked { duration_ms: 999, ..block("81.2.69.142") }, "invalid: a duration of 999 ms");
    check(&block("example.com"), "invalid: 'example.com' is not an IP address");
    let long = "x".repeat(2_000);
    check(&Asked { reason: &long, ..block("81.2.69.142") }, "invalid: the reason has 2000 bytes");
}

#[test]
fn f2_what_is_protected_or_too_wide_is_refused_by_name() {
    check(&block("192.168.1.0/24"), "fuse: 192.168.1.0/24 overlaps 192.168.0.0/16 (private)");
    check(&block("81.2.70.9"), "fuse: 81.2.70.9 overlaps 81.2.70.0/24 (office)");
    check(&block("127.0.0.1"), "fuse: 127.0.0.1 overlaps 127.0.0.0/8 (loopback)");
    check(&block("::ffff:10.0.0.1"), "fuse: 10.0.0.1 overlaps 10.0.0.0/8 (private)");
    for text in ["0.0.0.0/0", "::/0", "10.0.0.0/8", "203.0.113.42"] {
        check(&block(text), "fuse: ");
    }
    check(&block("77.0.0.0/16"), "fuse: 77.0.0.0/16 is wider than /24");
}

#[test]
fn tm9_what_is_too_long_is_refused_and_not_shortened() {
    check(
        &Asked { duration_ms: 8 * DAY, ..block("81.2.69.142") },
        "fuse: 192 h is longer than 168 h",
    );
    check(&Asked { duration_ms: i64::MAX, ..block("81.2.69.142") }, "fuse: ");
    check(
        &Asked { duration_ms: 7 * DAY, ..block("81.2.69.142") },
        "Block 81.2.69.142 for 604800000 ms",
    );
}

#[test]
fn an_unblock_is_an_allow_for_an_hour_of_whatever_may_be_blocked() {
    let unblock = |observable| Asked { duration_ms: 0, ..unblock(observable) };
    for text in ["81.2.69.142", "81.2.69.0/24", "2a00:1450:0:5::/64", "192.168.1.7"] {
        check(&unblock(text), &format!("Allow {text} for {HOUR} ms"));
    }
    check(
        &Asked { duration_ms: MINUTE, ..unblock("81.2.69.142") },
        "Allow 81.2.69.142 for 60000 ms",
    );
}

#[test]
fn what_stands_longer_than_is_asked_for_only_an_admin_ends() {
    let (block, unblock) = (block("81.2.69.142"), unblock("81.2.69.142"));
    for (action, asked) in
        [(Action::Allow, block), (Action::Block, block), (Action::Block, unblock)]
    {
        let long = standing(action, "81.2.69.142/32", 26 * HOUR);
        let verb = if action == Action::Allow { "allow" } else { "block" };
        let sentence = format!(
            "role: an operator's {verb} of 81.2.69.142 stands for another 26 h (decision {}), longer than what \
             spiffe://perimeter/responder/bo asks for; whoever has an operator's certificate may change it",
            long.decision_id
        );
        check_over(&[long], &by_responder(asked), &sentence);
        let verb = if asked.wish == Wish::Block { "Block" } else { "Allow" };
        let done = format!("{verb} 81.2.69.142 for 900000 ms");
        check_over(&[long], &asked, &done);
        for lasts in [-HOUR, MINUTE, 15 * MINUTE] {
            let brief = standing(action, "81.2.69.142/32", lasts);
            check_over(&[brief], &by_responder(asked), &done);
        }
    }
}

#[test]
fn an_unblock_leaves_a_longer_allow_as_long_as_it_is_and_an_allow_says_itself_how_long() {
    // What its own allow outranks already is no reason to refuse it.
    let long = standing(Action::Allow, "81.2.69.142/32", 26 * HOUR);
    let around = standing(Action::Block, "81.2.69.0/24", 50 * HOUR);
    let (unblock, kept) = (unblock("81.2.69.142"), "Allow 81.2.69.142 for 93600000 ms");
    check_over(&[long], &unblock, kept);
    check_over(&[around, long], &by_responder(unblock), kept);
    let allow = Asked { wish: Wish::Allow, ..unblock };
    check_over(&[long], &allow, "Allow 81.2.69.142 for 900000 ms");
}

#[test]
fn an_unblock_of_a_responder_outranks_no_longer_block_around_or_inside_it() {
    for (asked, network, other) in [
        ("81.2.69.0/24", "81.2.69.142/32", "81.2.69.142"),
        ("81.2.69.142", "81.2.69.0/24", "81.2.69.0/24"),
    ] {
        let (long, brief) = (26 * HOUR, 15 * MINUTE);
        let stands = |action, lasts| [standing(action, network, lasts)];
        let refused = format!("role: an operator's block of {other} stands for another 26 h");
        let done = format!("Allow {asked} for 900000 ms");
        check_over(&stands(Action::Block, long), &by_responder(unblock(asked)), &refused);
        check_over(&stands(Action::Block, brief), &by_responder(unblock(asked)), &done);
        check_over(&stands(Action::Allow, long), &by_responder(unblock(asked)), &done);
        check_over(&stands(Action::Block, long), &unblock(asked), &done);
        // A block outranks no operator's word.
        for action in [Action::Block, Action::Allow] {
            let done = format!("Block {asked} for 900000 ms");
            check_over(&stands(action, long), &by_responder(block(asked)), &done);
        }
    }
}

#[test]
fn a_key_answers_for_one_request_only() {
    let (rules, block, unblock) = (enforced(), block("81.2.69.142"), unblock("81.2.69.142"));
    let blocked = decision(&rules, &block, &[], NOW).unwrap();
    let unblocked = decision(&rules, &Asked { duration_ms: 0, ..unblock }, &[], NOW).unwrap();
    for (known, asked, same) in [
        (&blocked, block, true),
        (&blocked, Asked { observable: "81.2.69.142/32", ..block }, true),
        (&blocked, Asked { observable: "81.2.69.143", ..block }, false),
        (&blocked, Asked { duration_ms: MINUTE, ..block }, true),
        (&blocked, Asked { duration_ms: HOUR, ..block }, false),
        (&blocked, Asked { duration_ms: 0, ..block }, false),
        (&blocked, unblock, false),
        (&unblocked, block, false),
        (&unblocked, Asked { duration_ms: 0, ..unblock }, true),
        (&unblocked, Asked { duration_ms: 2 * HOUR, ..unblock }, false),
        (&unblocked, Asked { wish: Wish::Allow, duration_ms: 24 * HOUR, ..unblock }, false),
    ] {
        // The broker was away for a while, or its clock is behind.
        for appended_at in [NOW, NOW + 4 * MINUTE, NOW - MINUTE] {
            assert_eq!(repeats(&rules, known, appended_at, &asked), same, "{asked:?}");
        }
    }
    // The broker was away for longer than it was to last.
    for (known, asked) in [(&blocked, block), (&unblocked, Asked { duration_ms: 0, ..unblock })] {
        assert!(repeats(&rules, known, NOW + 2 * HOUR, &asked), "{asked:?}");
    }
}

#[test]
fn an_unblock_that_left_a_longer_allow_is_known_again() {
    let long = standing(Action::Allow, "81.2.69.142/32", 26 * HOUR);
    let (rules, unblock) = (enforced(), unblock("81.2.69.142"));
    let kept = decision(&rules, &unblock, &[long], NOW).unwrap();
    assert!(repeats(&rules, &kept, NOW, &unblock));
}
