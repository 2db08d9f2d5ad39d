//! The numbering of everything the model may weigh. Where a value stood is not among it: a place alone says nothing.

use crate::normalise::Marks;
use crate::signatures::Signatures;
use crate::structure::{markup::Markup, shell::Shell, sql::Sql};

/// Index of one weight of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Feature(pub u32);

/// Set, with value 1, in every reading that is not left at the quiet floor.
pub const BIAS: Feature = Feature(0);
/// One slot for each bit of [`Marks`], 32 in all.
pub const MARK_BASE: u32 = 1;
/// One slot for each bit of [`Sql`], 32 in all.
pub const SQL_BASE: u32 = MARK_BASE + BITS;
/// One slot for each bit of [`Shell`], 32 in all.
pub const SHELL_BASE: u32 = SQL_BASE + BITS;
/// One slot for each bit of [`Markup`], 32 in all.
pub const MARKUP_BASE: u32 = SHELL_BASE + BITS;
/// Counts of a plain text, 64 slots.
pub const LEXICAL_BASE: u32 = MARKUP_BASE + BITS;
/// One slot for each signature, by its position in the loaded [`Signatures`].
pub const SIGNATURE_BASE: u32 = LEXICAL_BASE + LEXICAL_SLOTS;
/// Hashed character n-grams.
pub const GRAM_BASE: u32 = SIGNATURE_BASE + SIGNATURE_SLOTS;
/// One more than the last feature.
pub const END: u32 = GRAM_BASE + GRAM_SLOTS;

/// What is taken off a sum that findings lift higher than they may; it weighs 1 in every model and is never learnt.
pub const HELD: Feature = Feature(u32::MAX);

pub const LEXICAL_SLOTS: u32 = 64;
pub const SIGNATURE_SLOTS: u32 = 4096;
pub const GRAM_SLOTS: u32 = 1 << 16;
const BITS: u32 = 32;

/// The feature of the signature at `position`.
pub fn signature(position: usize) -> Feature {
    debug_assert!(position < SIGNATURE_SLOTS as usize, "more signatures than slots");
    Feature(SIGNATURE_BASE + position as u32)
}

/// The position in the rule set of the signature that `feature` stands for.
pub fn position(feature: Feature) -> Option<usize> {
    (SIGNATURE_BASE..GRAM_BASE).contains(&feature.0).then(|| (feature.0 - SIGNATURE_BASE) as usize)
}

/// Whether `feature` is a hashed n-gram.
pub fn is_gram(feature: Feature) -> bool {
    (GRAM_BASE..END).contains(&feature.0)
}

/// Calls `add` with the feature of each bit set in `bits`, `base` being the first of its 32 slots.
pub fn bits(base: u32, bits: u32, mut add: impl FnMut(Feature)) {
    let mut rest = bits;
    while rest != 0 {
        add(Feature(base + rest.trailing_zeros()));
        rest &= rest - 1;
    }
}

/// The identifier of `feature`, stable between versions: what a model file and an explanation call it.
pub fn name(feature: Feature, signatures: &Signatures) -> String {
    let at = feature.0;
    let bit = |kind: &str, names: &[&str], base: u32| {
        let index = (at - base) as usize;
        names.get(index).map_or_else(|| format!("{kind}.{index}"), |name| flag(kind, name))
    };
    match at {
        0 => "bias".to_owned(),
        _ if feature == HELD => "limit.evidence_only".to_owned(),
        _ if at < SQL_BASE => bit("mark", Marks::NAMES, MARK_BASE),
        _ if at < SHELL_BASE => bit("sql", Sql::NAMES, SQL_BASE),
        _ if at < MARKUP_BASE => bit("shell", Shell::NAMES, SHELL_BASE),
        _ if at < LEXICAL_BASE => bit("markup", Markup::NAMES, MARKUP_BASE),
        _ if at < SIGNATURE_BASE => bit("lexical", crate::lexical::NAMES, LEXICAL_BASE),
        _ if at < GRAM_BASE => {
            let position = (at - SIGNATURE_BASE) as usize;
            signatures
                .get(position)
                .map_or_else(|| format!("signature.{position}"), |found| found.id.clone())
        }
        _ => format!("gram.{}", at.saturating_sub(GRAM_BASE)),
    }
}

/// A flag's identifier with its kind in front, once.
pub(crate) fn flag(kind: &str, name: &str) -> String {
    match name.strip_prefix(kind) {
        Some(rest) if rest.starts_with('.') => name.to_owned(),
        _ => format!("{kind}.{name}"),
    }
}
