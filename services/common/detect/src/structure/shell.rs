//! What a text is as shell.

/// What was found, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shell(pub u32);

impl Shell {
    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[];
}

/// Reads `text` (a view of a [reading](crate::normalise::Reading)). `steps` counts the bytes and tokens looked at.
pub fn read(text: &[u8], steps: &mut u64) -> Shell {
    let _ = (text, steps);
    Shell::default()
}
