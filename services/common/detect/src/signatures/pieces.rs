//! Strings that are looked for: how they are written, and how often they are met.

use super::symbols::FREQUENCIES;

/// A string of bytes, with [`START`] or [`END`] where it must be at the edge of the text.
pub(super) type Piece = Vec<u16>;
/// The beginning of the text, before its first byte.
pub(super) const START: u16 = 256;
/// The end of the text, behind its last byte.
pub(super) const END: u16 = 257;

/// How often one of `strings` is met at a place of an ordinary text.
pub(super) fn cost(strings: &[Piece]) -> f32 {
    // Few texts end where they would have to.
    let edge = |piece: &Piece| if bytes(piece).len() < piece.len() { 0.25 } else { 1.0 };
    strings.iter().map(|string| rarest(&bytes(string)).1 * edge(string)).sum()
}

/// A string that may stand anywhere.
pub(super) fn piece(bytes: &[u8]) -> Piece {
    bytes.iter().map(|byte| u16::from(*byte)).collect()
}

/// What `piece` has without its edges.
pub(super) fn bytes(piece: &Piece) -> Vec<u8> {
    piece.iter().filter_map(|unit| u8::try_from(*unit).ok()).collect()
}

/// Where the rarest three bytes of `string` begin (or all of a shorter one), and how often they are met.
pub(super) fn rarest(string: &[u8]) -> (usize, f32) {
    let pieces = string.windows(string.len().clamp(1, 3)).enumerate();
    let all = pieces.map(|(at, piece)| (at, FREQUENCIES.of(piece)));
    all.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, f32::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_cost_by_their_rarest_part_and_less_at_an_edge() {
        let one = |text: &[u8]| cost(&[piece(text)]);
        assert!(one(b"the") > one(b"qjx"));
        assert_eq!(one(b"theqjxthe"), one(b"qjx"));
        assert_eq!(rarest(b"theqjxthe").0, 3);
        assert_eq!(cost(&[piece(b"the"), piece(b"qjx")]), one(b"the") + one(b"qjx"));
        assert_eq!(cost(&[[&[START], &piece(b"the")[..]].concat()]), one(b"the") / 4.0);
        assert_eq!(cost(&[piece(b"")]), f32::INFINITY);
    }
}
