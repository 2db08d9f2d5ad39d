//! Signatures: what an attack looks like, each with its reason.
//!
//! A [pack] is read and validated, [compiled](compile) with all the others, and [run] on each reading, or, if it is about
//! the [whole] request, once. Packs of others are [signed](signing). An [exception](except) hides a signature at one place
//! for a time.

pub mod built_in;
pub mod compile;
pub mod except;
mod literals;
mod lookalike;
mod matching;
mod musts;
pub mod pack;
mod pieces;
pub mod places;
mod prefix;
mod required;
pub mod run;
pub mod signing;
mod symbols;
mod target;
pub mod whole;

pub use built_in::packs;
pub use compile::Signatures;
pub use except::{Except, Exceptions};
pub use pack::PackError;
pub use places::Places;
pub use run::{Flags, Hits};
pub use whole::Whole;

/// Which text of a [reading](crate::normalise::Reading) a signature reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    #[default]
    Text,
    Sql,
    Shell,
    Path,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Text, Self::Sql, Self::Shell, Self::Path];

    /// The bytes of `reading` in this view.
    pub fn of<'a>(self, reading: &crate::normalise::Reading<'a>) -> &'a [u8] {
        match self {
            Self::Text => reading.text,
            Self::Sql => reading.sql,
            Self::Shell => reading.shell,
            Self::Path => reading.path,
        }
    }
}

/// The place of what no single value shows, in explanations.
pub const WHOLE: &str = "request";

/// How bad it is if the signature is right.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// One signature, validated.
#[derive(Debug, Clone)]
pub struct Signature {
    pub id: String,
    /// Name of the pack it came from.
    pub pack: String,
    pub category: String,
    pub places: Places,
    pub view: View,
    pub severity: Severity,
    /// Number in the Common Weakness Enumeration.
    pub cwe: u32,
    /// MITRE ATT&CK technique.
    pub attack: String,
    /// Log-odds that a hit adds before anything was learnt.
    pub prior: f32,
    /// Whether a hit may suffice alone before anything was learnt.
    pub decisive: bool,
    /// Whether a plain question to a database, as tools ask it on purpose, hits as well.
    pub asks: bool,
    pub explanation: String,
    pub needs: Vec<String>,
    pub pattern: Option<String>,
    /// Flags and marks that must all be set.
    pub flags: Flags,
    /// What it asks of the request as a whole; such a signature looks at no value.
    pub request: Option<Whole>,
    /// Raw values, or for one about the whole request the text of requests, that must hit.
    pub hits: Vec<String>,
    /// The same, that must not.
    pub misses: Vec<String>,
}

impl Signature {
    /// Whether it is of a pack that comes with this version.
    pub fn built_in(&self) -> bool {
        packs().iter().any(|(name, _)| *name == self.pack)
    }

    /// Where it looks, as a pack says it.
    pub fn looks_at(&self) -> Vec<String> {
        match self.request {
            Some(_) => vec![WHOLE.to_owned()],
            None => self.places.words(),
        }
    }

    /// The weight of a hit of which nothing was learnt: the prior, cut so that it stays within `room`, what is missing
    /// to *alone* without it, unless the signature is decisive.
    pub fn prior_within(&self, room: f32) -> f32 {
        const MARGIN: f32 = 0.1;
        if self.decisive { self.prior } else { self.prior.min((room - MARGIN).max(0.0)) }
    }
}
