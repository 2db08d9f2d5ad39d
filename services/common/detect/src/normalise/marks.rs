//! The steps that reading a value took.

use std::ops::{BitOr, BitOrAssign};

/// Steps that were needed to read a value: each is weak evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(pub u32);

impl Marks {
    pub const PERCENT: Self = Self(1);
    /// Percent-encoded what was percent-encoded already.
    pub const PERCENT_TWICE: Self = Self(1 << 1);
    pub const PERCENT_U: Self = Self(1 << 2);
    /// Percent-encoded letters, digits or `.-_`, which no encoder touches.
    pub const PERCENT_NEEDLESS: Self = Self(1 << 3);
    pub const ENTITY: Self = Self(1 << 4);
    pub const JSON_ESCAPE: Self = Self(1 << 5);
    pub const OVERLONG: Self = Self(1 << 6);
    pub const UTF7: Self = Self(1 << 7);
    pub const FULL_WIDTH: Self = Self(1 << 8);
    pub const LOOK_ALIKE: Self = Self(1 << 9);
    pub const NUL: Self = Self(1 << 10);
    /// A word of SQL or HTML with capitals inside.
    pub const MIXED_CASE: Self = Self(1 << 11);
    pub const SQL_COMMENT: Self = Self(1 << 12);
    pub const SQL_CONCAT: Self = Self(1 << 13);
    pub const SHELL_QUOTE: Self = Self(1 << 14);
    pub const SHELL_BRACE: Self = Self(1 << 15);
    pub const PATH_DOT: Self = Self(1 << 16);
    /// Climbs above where the path began.
    pub const PATH_UP: Self = Self(1 << 17);
    pub const BASE64: Self = Self(1 << 18);
    pub const HEX: Self = Self(1 << 19);
    pub const INVALID_UTF8: Self = Self(1 << 20);
    pub const CONTROL: Self = Self(1 << 21);
    /// A line break that was not one before decoding.
    pub const LINE_BREAK: Self = Self(1 << 22);
    /// Such a line break with something before and behind it.
    pub const LINE_INSIDE: Self = Self(1 << 23);

    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[
        "percent",
        "percent_twice",
        "percent_u",
        "percent_needless",
        "entity",
        "json_escape",
        "overlong",
        "utf7",
        "full_width",
        "look_alike",
        "nul",
        "mixed_case",
        "sql_comment",
        "sql_concat",
        "shell_quote",
        "shell_brace",
        "path_dot",
        "path_up",
        "base64",
        "hex",
        "invalid_utf8",
        "control",
        "line_break",
        "line_inside",
    ];

    /// What ordinary encoders leave: no reason to look closer.
    pub(crate) const ORDINARY: Self =
        Self(Self::PERCENT.0 | Self::INVALID_UTF8.0 | Self::LINE_BREAK.0 | Self::LINE_INSIDE.0);

    /// `mark` if `condition` holds, else nothing.
    #[must_use]
    pub const fn when(condition: bool, mark: Self) -> Self {
        if condition { mark } else { Self(0) }
    }

    /// Whether any of `marks` is set.
    #[must_use]
    pub const fn has(self, marks: Self) -> bool {
        self.0 & marks.0 != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Names of the bits that are set, in their order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| *name)
    }
}

impl BitOr for Marks {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
