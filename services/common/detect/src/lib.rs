//! Whether one request is an attack, how sure that is, and why.
//!
//! A request is [split](mod@split) into values; each value is [normalised](normalise) into readings, as the attacked
//! program would see it; [signatures] and the tokenisers of [structure] look at each reading; one linear model weighs
//! what they and the plain text say. The same request always gets the same score: there is no state, clock,
//! randomness or I/O here.

pub mod detector;
pub mod evidence;
pub mod features;
pub mod golden;
mod identity;
pub mod lexical;
pub mod model;
pub mod normalise;
pub mod offline;
mod percent;
pub mod request;
pub mod signatures;
pub mod split;
pub mod structure;

pub use detector::{Detector, Reader, Score};
pub use request::{Header, Part, Place, Request, Value};
