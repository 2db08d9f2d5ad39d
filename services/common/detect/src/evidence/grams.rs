//! What n-grams add, and the pieces of text behind the strongest.

use std::ops::Range;

use super::{Grams, mask};
use crate::features::Feature;
use crate::lexical;

const PIECES: usize = 4;
/// Lengths of text tried for a piece: n-grams fold words and digits, so a piece may be longer than three bytes.
const LENGTHS: [usize; 4] = [3, 4, 6, 16];

/// Where the pieces are looked for.
pub(super) struct Text<'a> {
    pub(super) text: &'a [u8],
    /// The part of it that n-grams are read of.
    pub(super) counted: Range<usize>,
    /// The credentials in it, in order and apart.
    pub(super) masked: &'a [Range<usize>],
}

pub(super) fn summed(text: &Text<'_>, grams: &[(Feature, f32)]) -> Grams {
    let weight = grams.iter().map(|(_, weight)| weight).sum();
    let mut strongest: Vec<_> = grams.iter().copied().filter(|(_, weight)| *weight > 0.0).collect();
    strongest.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    strongest.truncate(PIECES);
    Grams { weight, pieces: find(text, &strongest) }
}

/// For each of `wanted`, the first and shortest piece of what is counted that has it and no credential.
fn find(text: &Text<'_>, wanted: &[(Feature, f32)]) -> Vec<String> {
    let mut buffers = lexical::Buffers::default();
    let mut pieces: Vec<Option<String>> = vec![None; wanted.len()];
    for length in LENGTHS {
        // Each credential is passed once: there may be thousands.
        let mut masked = text.masked.iter().peekable();
        for (at, piece) in text.text[text.counted.clone()].windows(length).enumerate() {
            if pieces.iter().all(Option::is_some) {
                break;
            }
            let start = text.counted.start + at;
            while masked.next_if(|run| run.end <= start).is_some() {}
            if masked.peek().is_some_and(|run| run.start < start + length) {
                continue;
            }
            lexical::read_with(piece, &mut buffers, &mut |feature, count| {
                let found = wanted.iter().position(|(wanted, _)| *wanted == feature && count > 0.0);
                if let Some(empty) = found.map(|at| &mut pieces[at]).filter(|slot| slot.is_none()) {
                    *empty = Some(mask::quote(piece, 0..0, &[]));
                }
            });
        }
    }
    let mut pieces: Vec<String> = pieces.into_iter().flatten().collect();
    pieces.dedup();
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features;

    #[test]
    fn a_piece_is_shown_if_it_is_counted_and_holds_no_credential() {
        let mut wanted = Vec::new();
        lexical::read(b"b'c", |feature, _| wanted.push((feature, 1.0)));
        wanted.retain(|(feature, _)| features::is_gram(*feature));
        let masked = [1..2, 5..6];
        for (counted, found) in
            [(0..11, &["b'c"][..]), (8..11, &["b'c"]), (0..10, &[]), (0..0, &[])]
        {
            let text = Text { text: b"b'c;b'c;b'c", counted, masked: &masked };
            assert_eq!(find(&text, &wanted), found, "{:?}", text.counted);
        }
    }
}
