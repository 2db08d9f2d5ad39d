//! However a stream of syslog is cut, its messages are the same, whichever way each of them ends.

use collector::logic::frames::{Frames, MESSAGE_BYTES_MAX};
use collector::logic::lines::{HEAD_BYTES_MAX, Piece};
use proptest::prelude::*;

type Found = (u64, Vec<u8>, bool);

fn found(piece: Piece<'_>) -> Found {
    (piece.offset, piece.bytes.to_vec(), piece.too_long)
}

/// The messages of a stream, and what was left in the middle of one.
fn read(chunks: &[&[u8]]) -> (Vec<Found>, Option<Vec<u8>>) {
    let (mut frames, mut all) = (Frames::default(), Vec::new());
    for chunk in chunks {
        frames.push(chunk);
        while let Some(piece) = frames.next_frame() {
            all.push(found(piece));
        }
    }
    let left = frames.rest().map(|piece| piece.bytes.to_vec());
    assert!(!frames.pending());
    (all, left)
}

#[track_caller]
fn check(stream: &[u8], messages: &[(u64, &str)], left: Option<&str>) {
    let expected: Vec<Found> =
        messages.iter().map(|(at, text)| (*at, text.as_bytes().to_vec(), false)).collect();
    let left = left.map(|left| left.as_bytes().to_vec());
    for size in [1, 2, 3, 7, stream.len().max(1)] {
        let chunks: Vec<&[u8]> = stream.chunks(size).collect();
        assert_eq!(read(&chunks), (expected.clone(), left.clone()), "in pieces of {size}");
    }
}

#[test]
fn each_message_says_how_it_ends() {
    check(b"", &[], None);
    check(b"<1>a\n<2>b\n", &[(0, "<1>a"), (5, "<2>b")], None);
    check(b"4 <1>a4 <2>b", &[(0, "<1>a"), (6, "<2>b")], None);
    check(
        b"<1>a\n6 <2>b\nc<3>d\n4 <4>e",
        &[(0, "<1>a"), (5, "<2>b\nc"), (13, "<3>d"), (18, "<4>e")],
        None,
    );
    check(b"<1>a\n<2>b", &[(0, "<1>a")], Some("<2>b"));
    check(b"4 <1>a9 <2>b", &[(0, "<1>a")], Some("9 <2>b"));
    check(b"12", &[], Some("12"));
    check(b"5 <1>a\n\n", &[(0, "<1>a\n"), (7, "")], None);
    // What only looks like a count.
    check(b"2026-11-21 <1>a\n", &[(0, "2026-11-21 <1>a")], None);
    check(b"0 a\n1234567890 b\n", &[(0, "0 a"), (4, "1234567890 b")], None);
}

#[test]
fn a_message_that_is_too_long_is_one_and_hides_no_other() {
    let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
    let head = vec![b'x'; HEAD_BYTES_MAX];
    let just = "y".repeat(MESSAGE_BYTES_MAX);
    for (stream, next) in [
        (format!("{long}\n"), MESSAGE_BYTES_MAX as u64 + 2),
        (format!("{} {long}", long.len()), long.len() as u64 + 6),
    ] {
        let whole = format!("{stream}{} {just}<1>a\n", just.len());
        let expected = vec![
            (0, head.clone(), true),
            (next, just.clone().into_bytes(), false),
            (next + 6 + just.len() as u64, b"<1>a".to_vec(), false),
        ];
        for size in [100, 1_000, 65_537, whole.len()] {
            let chunks: Vec<&[u8]> = whole.as_bytes().chunks(size).collect();
            assert_eq!(read(&chunks), (expected.clone(), None), "in pieces of {size}");
        }
    }
    let (all, left) = read(&[b"99999999 abc"]);
    assert_eq!((all, left), (vec![], Some(b"abc".to_vec())));
}

proptest! {
    #[test]
    fn the_cuts_between_reads_make_no_difference(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b'3'), Just(b'1'), any::<u8>()], 0..200),
        size in 1_usize..40,
    ) {
        prop_assert_eq!(read(&text.chunks(size).collect::<Vec<_>>()), read(&[&text]));
    }

    #[test]
    fn every_message_comes_out_as_it_went_in(
        messages in proptest::collection::vec(("<[0-9]{1,3}>[ -~]{0,40}", any::<bool>()), 0..12),
    ) {
        let mut stream = String::new();
        for (text, counted) in &messages {
            stream += &if *counted { format!("{} {text}", text.len()) } else { format!("{text}\n") };
        }
        let (all, left) = read(&[stream.as_bytes()]);
        let texts: Vec<Vec<u8>> = all.into_iter().map(|(_, bytes, _)| bytes).collect();
        let expected: Vec<Vec<u8>> = messages.into_iter().map(|(text, _)| text.into_bytes()).collect();
        prop_assert_eq!((texts, left), (expected, None));
    }
}
