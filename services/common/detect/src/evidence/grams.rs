//! What n-grams add, and the pieces of text behind the strongest.

use super::{Grams, mask};
use crate::features::Feature;
use crate::lexical;
use crate::normalise::Reading;

const PIECES: usize = 4;
/// Lengths of text tried for a piece: n-grams fold words and digits, so a piece may be longer than three bytes.
const LENGTHS: [usize; 4] = [3, 4, 6, 16];

/// `masked`: nothing of the value is to be shown.
pub(super) fn summed(masked: bool, reading: &Reading<'_>, grams: &[(Feature, f32)]) -> Grams {
    let weight = grams.iter().map(|(_, weight)| weight).sum();
    let mut strongest: Vec<_> = grams.iter().copied().filter(|(_, weight)| *weight > 0.0).collect();
    strongest.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    strongest.truncate(PIECES);
    let pieces = if masked { Vec::new() } else { find(reading.text, &strongest) };
    Grams { weight, pieces }
}

/// For each of `wanted`, the first and shortest piece of `text` that has it and no credential.
fn find(text: &[u8], wanted: &[(Feature, f32)]) -> Vec<String> {
    let masked = mask::runs(text);
    let mut buffers = lexical::Buffers::default();
    let mut pieces: Vec<Option<String>> = vec![None; wanted.len()];
    for length in LENGTHS {
        for (start, piece) in text.windows(length).enumerate() {
            if pieces.iter().all(Option::is_some) {
                break;
            }
            if masked.iter().any(|run| run.start < start + length && start < run.end) {
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
