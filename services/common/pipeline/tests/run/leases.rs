//! When a copy of the leases lets its process write to a provider: never on less than somebody else knew.

use pipeline::{Follow as _, Leases, LeasesSink, Message, Raw, Update};
use schemas::reader::{Mark, MayWrite};
use schemas::{Epoch, Hold, LeaseEntry, Millis, Position, Reader, Topic};

/// As in the program: how long the reading thread may not turn, and how long a broker may be silent.
const TURN_MS_MAX: Millis = 2_500;
const PATIENCE_MS: Millis = 10_000;

const EPOCH: Millis = 7;

fn position(leases: i64) -> Position {
    Position { leases, controls: 0 }
}

fn mark(leases: i64) -> Mark {
    Mark { epoch: EPOCH, position: position(leases) }
}

/// A copy that has read one record, the epoch's.
fn read() -> (Leases, LeasesSink) {
    let leases = Leases::default();
    let mut sink = leases.sink();
    epoch(&mut sink, 0, Epoch { epoch: EPOCH, replaces: Vec::new() });
    ends(&mut sink, 1, 1_000);
    (leases, sink)
}

fn epoch(sink: &mut LeasesSink, offset: i64, record: Epoch) {
    let message = Message::of(&LeaseEntry::Epoch(record)).unwrap();
    sink.update(Update::Record(Raw::of(&message, Topic::Leases, 0, offset, 0)));
}

/// The copy has read to there, and that is the end.
fn reaches(sink: &mut LeasesSink, leases: i64, now: Millis) {
    for (topic, end) in [(Topic::Leases, leases), (Topic::Controls, 0)] {
        sink.update(Update::End { topic, partition: 0, end, now });
        sink.update(Update::Reached { topic, partition: 0, end, now });
    }
    sink.update(Update::Tick { now });
}

/// The broker tells that `leases` ends there.
fn ends(sink: &mut LeasesSink, leases: i64, now: Millis) {
    for (topic, end) in [(Topic::Leases, leases), (Topic::Controls, 0)] {
        sink.update(Update::End { topic, partition: 0, end, now });
        if end <= 1 {
            sink.update(Update::Reached { topic, partition: 0, end, now });
        }
    }
    sink.update(Update::Tick { now });
}

#[test]
fn nothing_is_written_on_what_was_known_before_a_sleep() {
    let (leases, mut sink) = read();
    assert_eq!(leases.may_write(None, 1_000 + TURN_MS_MAX), MayWrite::All(mark(1)));
    assert_eq!(leases.may_write(None, 9_000), MayWrite::ReadOnTo(position(1)), "it slept");
    ends(&mut sink, 3, 9_000);
    assert_eq!(leases.may_write(None, 9_000), MayWrite::ReadOnTo(position(3)), "it is behind");
    ends(&mut sink, 1, 9_100);
    assert_eq!(leases.may_write(None, 9_100), MayWrite::All(mark(1)));
}

#[test]
fn a_broker_that_goes_away_before_it_gives_what_it_told_of_keeps_nothing_that_is_due() {
    let (leases, mut sink) = read();
    ends(&mut sink, 3, 2_000);
    let gone = 2_000 + PATIENCE_MS + 1;
    for (now, found, expected) in [
        (gone - 1, None, MayWrite::ReadOnTo(position(3))),
        (gone, None, MayWrite::OnlyDue),
        (gone, Some(mark(1)), MayWrite::OnlyDue),
        // Somebody else has read further, and is the one to remove.
        (gone, Some(mark(2)), MayWrite::ReadOnTo(position(2))),
    ] {
        sink.update(Update::Tick { now });
        assert_eq!(leases.may_write(found, now), expected, "{found:?} at {now}");
    }
    ends(&mut sink, 3, gone + 1);
    assert_eq!(leases.may_write(None, gone + 1), MayWrite::ReadOnTo(position(3)), "it is back");
}

#[test]
fn a_log_that_ends_before_what_a_provider_was_written_from_is_a_reason_to_hold() {
    let (leases, mut sink) = read();
    let ahead = Some(mark(5));
    assert_eq!(leases.may_write(ahead, 1_000), MayWrite::ReadOnTo(position(5)));
    // Away, the broker confirms nothing.
    let later = 1_000 + PATIENCE_MS;
    sink.update(Update::Tick { now: later });
    assert_eq!(leases.may_write(ahead, later), MayWrite::ReadOnTo(position(5)));
    ends(&mut sink, 1, later - 1);
    assert_eq!(leases.may_write(ahead, later), MayWrite::ReadOnTo(position(5)), "not long yet");
    ends(&mut sink, 1, later);
    assert_eq!(leases.may_write(Some(mark(4)), later), MayWrite::OnlyDue);
    let hold = Hold::EndBelow { reached: position(5), end: position(1), held: Some(EPOCH) };
    assert_eq!(leases.read(|reader| reader.hold()), Some(hold));
    assert_eq!(leases.may_write(None, later), MayWrite::OnlyDue, "nor may it write elsewhere");
    // A broker that was cut off tells the rest once it is back, and nothing was lost.
    reaches(&mut sink, 6, later);
    assert_eq!(leases.may_write(ahead, later), MayWrite::All(mark(6)));
}

#[test]
fn what_somebody_had_read_further_is_known_until_the_copy_comes_there() {
    let (leases, mut sink) = read();
    assert_eq!(leases.read_on_to(), None, "nobody wrote to a provider");
    for (found, expected) in [
        (None, None),
        (Some(mark(1)), None),
        (Some(mark(5)), Some(position(5))),
        // The other set was written by somebody who had read less.
        (Some(mark(3)), Some(position(5))),
    ] {
        leases.may_write(found, 1_000);
        assert_eq!(leases.read_on_to(), expected, "{found:?}");
    }
    reaches(&mut sink, 4, 2_000);
    assert_eq!(leases.read_on_to(), Some(position(5)));
    reaches(&mut sink, 5, 2_500);
    assert_eq!(leases.read_on_to(), None);
    reaches(&mut sink, 5, 60_000);
    assert_eq!(leases.read(Reader::hold), None);
}

#[test]
fn a_log_that_lost_its_tail_is_held_though_the_provider_is_asked_no_more() {
    let (leases, mut sink) = read();
    leases.may_write(Some(mark(5)), 1_000);
    reaches(&mut sink, 2, 1_000 + PATIENCE_MS - 1);
    assert_eq!(leases.read(Reader::hold), None, "not long yet");
    reaches(&mut sink, 2, 1_000 + PATIENCE_MS);
    let hold = Hold::EndBelow { reached: position(5), end: position(2), held: Some(EPOCH) };
    assert_eq!(leases.read(Reader::hold), Some(hold));
}

#[test]
fn a_mark_counts_before_the_log_is_read_and_against_it_only_afterwards() {
    let leases = Leases::default();
    let mut sink = leases.sink();
    leases.may_write(Some(mark(5)), 1_000);
    epoch(&mut sink, 0, Epoch { epoch: EPOCH, replaces: Vec::new() });
    assert_eq!(leases.read_on_to(), Some(position(5)));
    // A log that takes long to read.
    let read = 1_000 + 3 * PATIENCE_MS;
    reaches(&mut sink, 1, read);
    assert_eq!((leases.read(Reader::hold), leases.read_on_to()), (None, Some(position(5))));
    reaches(&mut sink, 1, read + PATIENCE_MS);
    assert!(leases.read(Reader::hold).is_some());
}

#[test]
fn a_mark_of_topics_that_were_replaced_is_no_reason_to_hold() {
    let (leases, mut sink) = read();
    assert_eq!(leases.may_write(Some(mark(50)), 1_000), MayWrite::ReadOnTo(position(50)));
    epoch(&mut sink, 1, Epoch { epoch: EPOCH + 1, replaces: vec![EPOCH] });
    let later = 1_000 + PATIENCE_MS;
    reaches(&mut sink, 2, later);
    assert_eq!(leases.read_on_to(), None);
    let anew = Mark { epoch: EPOCH + 1, position: position(3) };
    assert_eq!(leases.may_write(Some(anew), later), MayWrite::ReadOnTo(position(3)));
    assert_eq!(leases.read(Reader::hold), None);
}
