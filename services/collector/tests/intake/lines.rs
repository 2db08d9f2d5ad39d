//! However a stream is cut, its lines are the same.

use collector::logic::lines::{HEAD_BYTES_MAX, LINE_BYTES_MAX, Lines, Piece};
use proptest::prelude::*;

type Found = (u64, u64, Vec<u8>, bool);

fn found(piece: Piece<'_>) -> Found {
    (piece.offset, piece.next, piece.bytes.to_vec(), piece.too_long)
}

fn read(chunks: &[&[u8]]) -> Vec<Found> {
    let mut lines = Lines::default();
    let mut all = Vec::new();
    for chunk in chunks {
        lines.push(chunk);
        while let Some(piece) = lines.next_line() {
            all.push(found(piece));
        }
    }
    all.extend(lines.last_line().map(found));
    all
}

#[test]
fn a_line_that_is_too_long_is_one_line_and_hides_no_other() {
    let long = vec![b'a'; LINE_BYTES_MAX + 1];
    let stream = [b"one\r\n".as_slice(), &long, b"\ntwo\nrest"].concat();
    let long_end = 5 + long.len() as u64 + 1;
    let expected: Vec<Found> = vec![
        (0, 5, b"one".to_vec(), false),
        (5, long_end, vec![b'a'; HEAD_BYTES_MAX], true),
        (long_end, long_end + 4, b"two".to_vec(), false),
        (long_end + 4, long_end + 8, b"rest".to_vec(), false),
    ];
    assert_eq!(read(&[&stream]), expected);
    assert_eq!(read(&stream.chunks(1_000).collect::<Vec<_>>()), expected);
}

proptest! {
    #[test]
    fn the_cuts_between_reads_make_no_difference(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
        size in 1_usize..40,
    ) {
        prop_assert_eq!(read(&text.chunks(size).collect::<Vec<_>>()), read(&[&text]));
    }
}
