//! Where each kind of feature has its slots. Places are not features.

/// One column of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feature(pub u32);

pub const BIAS: Feature = Feature(0);
pub const MARK_BASE: u32 = 1;
pub const SQL_BASE: u32 = MARK_BASE + 32;
pub const SHELL_BASE: u32 = SQL_BASE + 32;
pub const MARKUP_BASE: u32 = SHELL_BASE + 32;
pub const LEXICAL_BASE: u32 = MARKUP_BASE + 32;
pub const SIGNATURE_BASE: u32 = LEXICAL_BASE + 64;
pub const GRAM_BASE: u32 = SIGNATURE_BASE + 4096;
pub const GRAM_SLOTS: u32 = 1 << 16;
pub const END: u32 = GRAM_BASE + GRAM_SLOTS;
