//! When a reader holds, and what it may then write: unknown is not empty.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use schemas::reader::{Mark, MayWrite};
use schemas::{
    Action, Claim, Epoch, Generation, Hold, Lease, LeaseEntry, Observable, Origin, Position, Reader,
};
use uuid::Uuid;

const FIRST: i64 = 1_795_000_000_000;
const SECOND: i64 = FIRST + 60_000;
const THIRD: i64 = FIRST + 120_000;
const NOW: i64 = FIRST + 200_000;

/// One thing that a reader learns, written as short as a line of a log.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The epoch record, and the epochs it replaces.
    Epoch(i64, &'static [i64]),
    /// A block of 81.2.69.N by a decision of this epoch and offset.
    Lease(u8, i64, i64),
    /// Both topics were read to these ends.
    Reached(i64, i64),
    /// Both topics end here.
    Ends(i64, i64),
    Restart,
    /// A provider shows this mark.
    Mark(i64, i64, i64),
}
use Step::{Ends, Epoch as E, Lease as L, Mark as M, Reached, Restart};

fn lease(host: u8, epoch: i64, offset: i64) -> Lease {
    let claim = Claim {
        origin: Origin::Pipeline,
        action: Action::Block,
        until: NOW + offset + 1,
        strikes: 1,
        decision_id: Uuid::from_u128(offset as u128),
        decided_at: NOW,
        counts: true,
        provenance: None,
        signature: None,
    };
    let observable: Observable = format!("81.2.69.{host}").parse().unwrap();
    Lease {
        observable,
        generation: Generation { epoch, offset },
        claims: vec![claim],
        recent_decisions: Vec::new(),
    }
}

fn run(steps: &[Step]) -> Reader {
    let mut reader = Reader::default();
    for step in steps {
        let next = reader.position().leases;
        match *step {
            E(epoch, replaces) => {
                reader.lease(next, LeaseEntry::Epoch(Epoch { epoch, replaces: replaces.to_vec() }));
            }
            L(host, epoch, offset) => {
                reader.lease(next, LeaseEntry::Lease(lease(host, epoch, offset)));
            }
            Reached(leases, controls) => reader.reached(Position { leases, controls }),
            Ends(leases, controls) => reader.ends(Position { leases, controls }),
            Restart => reader.restart(),
            M(epoch, leases, controls) => {
                reader.may_write(Some(Mark { epoch, position: Position { leases, controls } }));
            }
        }
    }
    reader
}

/// What is held, why it holds, and what it may write where nobody wrote yet.
#[track_caller]
fn check(steps: &[Step], held: &[&str], hold: Option<Hold>, write: &str) {
    let mut reader = run(steps);
    let mut found: Vec<String> = reader
        .view()
        .leases()
        .map(|lease| format!("{} {}", lease.observable, lease.generation.offset))
        .collect();
    found.sort();
    assert_eq!(found, held, "held after {steps:?}");
    assert_eq!(reader.hold(), hold, "after {steps:?}");
    let answer = match reader.may_write(None) {
        MayWrite::All(mark) => {
            format!("all at {}/{}", mark.position.leases, mark.position.controls)
        }
        MayWrite::OnlyDue => "only due".to_owned(),
        MayWrite::ReadOnTo(position) => {
            format!("read on to {}/{}", position.leases, position.controls)
        }
    };
    assert_eq!(answer, write, "after {steps:?}");
}

fn end_below(reached: (i64, i64), end: (i64, i64)) -> Option<Hold> {
    let position = |(leases, controls)| Position { leases, controls };
    Some(Hold::EndBelow { reached: position(reached), end: position(end), held: Some(FIRST) })
}

#[test]
fn a_reader_holds_until_it_has_read_both_topics_to_their_ends() {
    check(&[], &[], Some(Hold::NotRead), "only due");
    check(&[E(FIRST, &[])], &[], Some(Hold::NotRead), "only due");
    check(&[E(FIRST, &[]), L(1, FIRST, 0)], &["81.2.69.1 0"], Some(Hold::NotRead), "only due");
    check(&[E(FIRST, &[]), L(1, FIRST, 0), Reached(2, 0)], &["81.2.69.1 0"], None, "all at 2/0");
    // A compacted topic ends behind its last record.
    check(&[E(FIRST, &[]), Reached(9, 4)], &[], None, "all at 9/4");
}

#[test]
fn a_reader_holds_while_nobody_has_said_when_the_topics_were_made() {
    check(&[Reached(0, 0)], &[], Some(Hold::NoEpoch), "only due");
    check(&[L(1, FIRST, 0), Reached(1, 0)], &["81.2.69.1 0"], Some(Hold::NoEpoch), "only due");
    check(&[L(1, FIRST, 0), Reached(1, 0), E(FIRST, &[])], &["81.2.69.1 0"], None, "all at 2/0");
}

#[test]
fn a_higher_or_equal_generation_replaces_and_a_lower_one_never_does() {
    let read = [E(FIRST, &[]), L(1, FIRST, 5), Reached(2, 0)];
    check(&[&read[..], &[L(1, FIRST, 6)]].concat(), &["81.2.69.1 6"], None, "all at 3/0");
    check(&[&read[..], &[L(1, FIRST, 5)]].concat(), &["81.2.69.1 5"], None, "all at 3/0");
    check(&[&read[..], &[L(1, FIRST, 4)]].concat(), &["81.2.69.1 5"], None, "all at 3/0");
}

#[test]
fn another_epoch_is_another_world_until_it_is_adopted() {
    let read = [E(FIRST, &[]), L(1, FIRST, 5), Reached(2, 0)];
    let other = Some(Hold::OtherEpoch { held: FIRST, found: SECOND });
    check(&[&read[..], &[E(SECOND, &[])]].concat(), &["81.2.69.1 5"], other, "only due");
    // What the other world says is kept aside, even for what is held.
    check(
        &[&read[..], &[E(SECOND, &[]), L(1, SECOND, 0), L(2, SECOND, 1)]].concat(),
        &["81.2.69.1 5"],
        other,
        "only due",
    );
    // The same epoch again settles nothing.
    check(
        &[&read[..], &[E(SECOND, &[]), E(FIRST, &[])]].concat(),
        &["81.2.69.1 5"],
        other,
        "only due",
    );
    // Adoption takes in what was kept aside.
    check(
        &[&read[..], &[L(1, THIRD, 9), L(2, THIRD, 3), E(THIRD, &[FIRST])]].concat(),
        &["81.2.69.1 9", "81.2.69.2 3"],
        None,
        "all at 5/0",
    );
    check(
        &[&read[..], &[E(SECOND, &[]), L(2, THIRD, 3), E(THIRD, &[FIRST, SECOND])]].concat(),
        &["81.2.69.1 5", "81.2.69.2 3"],
        None,
        "all at 5/0",
    );
    // One that does not name what is held settles nothing.
    check(
        &[&read[..], &[L(2, THIRD, 3), E(THIRD, &[SECOND])]].concat(),
        &["81.2.69.1 5"],
        Some(Hold::OtherEpoch { held: FIRST, found: THIRD }),
        "only due",
    );
    // After it, a late write of the old world is below everything.
    check(
        &[&read[..], &[L(1, THIRD, 2), E(THIRD, &[FIRST]), L(1, FIRST, 99)]].concat(),
        &["81.2.69.1 2"],
        None,
        "all at 5/0",
    );
}

#[test]
fn an_end_below_what_was_read_is_no_end() {
    let read = [E(FIRST, &[]), L(1, FIRST, 5), L(2, FIRST, 6), Reached(9, 4)];
    let held = ["81.2.69.1 5", "81.2.69.2 6"];
    check(&[&read[..], &[Ends(9, 4)]].concat(), &held, None, "all at 9/4");
    check(&[&read[..], &[Ends(12, 4)]].concat(), &held, None, "all at 9/4");
    check(&[&read[..], &[Ends(8, 4)]].concat(), &held, end_below((9, 4), (8, 4)), "only due");
    check(&[&read[..], &[Ends(9, 3)]].concat(), &held, end_below((9, 4), (9, 3)), "only due");
    // Reaching the new end, or reading on there, settles nothing.
    check(
        &[&read[..], &[Ends(1, 0), Reached(1, 0)]].concat(),
        &held,
        end_below((9, 4), (1, 0)),
        "only due",
    );
    check(
        &[&read[..], &[Restart, Reached(2, 0)]].concat(),
        &held,
        end_below((9, 4), (0, 0)),
        "only due",
    );
    check(
        &[&read[..], &[Restart, E(FIRST, &[]), L(1, FIRST, 9), Reached(2, 0)]].concat(),
        &held,
        end_below((9, 4), (0, 0)),
        "only due",
    );
}

#[test]
fn topics_made_anew_are_taken_in_by_adoption_and_nothing_held_is_lost_by_it() {
    let read = [E(FIRST, &[]), L(1, FIRST, 5), L(2, FIRST, 6), Reached(9, 4)];
    let anew = [Ends(1, 0), Restart, E(SECOND, &[]), L(3, SECOND, 0)];
    let before = [&read[..], &anew].concat();
    check(&before, &["81.2.69.1 5", "81.2.69.2 6"], end_below((9, 4), (1, 0)), "only due");
    let adopted = [L(1, THIRD, 0), L(3, THIRD, 0), E(THIRD, &[FIRST, SECOND]), Reached(5, 0)];
    let after = [&before[..], &adopted].concat();
    check(&after, &["81.2.69.1 0", "81.2.69.2 6", "81.2.69.3 0"], None, "all at 5/0");
    // Whoever starts after all that sees the same, less what only the old topics knew.
    let fresh = [&anew[2..], &adopted].concat();
    check(&fresh, &["81.2.69.1 0", "81.2.69.3 0"], None, "all at 5/0");
    // And so does one who starts after the broker compacted the replaced epoch record away.
    let compacted = [&anew[3..], &adopted].concat();
    check(&compacted, &["81.2.69.1 0", "81.2.69.3 0"], None, "all at 5/0");
}

#[track_caller]
fn check_mark(steps: &[Step], mark: (i64, i64, i64), expected: MayWrite, hold: Option<Hold>) {
    let mut reader = run(steps);
    let (epoch, leases, controls) = mark;
    let mark = Mark { epoch, position: Position { leases, controls } };
    assert_eq!(reader.may_write(Some(mark)), expected, "{mark:?} after {steps:?}");
    assert_eq!(reader.hold(), hold, "{mark:?} after {steps:?}");
}

#[test]
fn who_wrote_to_a_provider_after_reading_further_is_followed_first() {
    let read = [E(FIRST, &[]), Reached(9, 4)];
    let position = |leases, controls| Position { leases, controls };
    let all = MayWrite::All(Mark { epoch: FIRST, position: position(9, 4) });
    for (leases, controls) in [(9, 4), (0, 0), (8, 4), (9, 3)] {
        check_mark(&read, (FIRST, leases, controls), all, None);
    }
    for (leases, controls) in [(10, 4), (9, 5), (10, 0), (0, 5)] {
        check_mark(
            &read,
            (FIRST, leases, controls),
            MayWrite::ReadOnTo(position(leases, controls)),
            None,
        );
    }
}

#[test]
fn a_provider_of_another_epoch_is_not_ours_to_change_until_it_is_adopted() {
    let read = [E(SECOND, &[]), Reached(9, 4)];
    for foreign in [FIRST, THIRD] {
        let hold = Some(Hold::OtherEpoch { held: SECOND, found: foreign });
        check_mark(&read, (foreign, 0, 0), MayWrite::OnlyDue, hold);
        check_mark(
            &[&read[..], &[M(foreign, 0, 0)]].concat(),
            (SECOND, 0, 0),
            MayWrite::OnlyDue,
            hold,
        );
    }
    // A reader that holds for another reason does not blame the provider.
    check_mark(&[E(SECOND, &[])], (FIRST, 0, 0), MayWrite::OnlyDue, Some(Hold::NotRead));
    check_mark(&[Reached(9, 4)], (FIRST, 0, 0), MayWrite::OnlyDue, Some(Hold::NoEpoch));
}

#[test]
fn after_adoption_what_the_replaced_epochs_wrote_is_ours() {
    let position = |leases, controls| Position { leases, controls };
    let adopted = [E(FIRST, &[]), Reached(1, 0), E(THIRD, &[FIRST, SECOND]), Reached(9, 4)];
    let fresh = [E(THIRD, &[FIRST, SECOND]), Reached(9, 4)];
    let all = MayWrite::All(Mark { epoch: THIRD, position: position(9, 4) });
    for steps in [&adopted[..], &fresh[..]] {
        for epoch in [FIRST, SECOND, THIRD] {
            check_mark(steps, (epoch, 1, 1), all, None);
        }
        // A position of a replaced epoch counts other topics' records, so it says nothing about ours.
        check_mark(steps, (FIRST, 99, 99), all, None);
    }
    // The foreign mark was seen first, then adopted.
    let seen_first =
        [E(SECOND, &[]), Reached(1, 0), M(FIRST, 0, 0), E(THIRD, &[FIRST, SECOND]), Reached(9, 4)];
    check_mark(&seen_first, (FIRST, 1, 1), all, None);
    // A late epoch record of a replaced epoch is one more late write, and no reason to hold.
    let late = [&adopted[..], &[E(FIRST, &[])]].concat();
    check(&late, &[], None, "all at 10/4");
    check(&[&late[..], &[L(1, FIRST, 9)]].concat(), &[], None, "all at 11/4");
}
