//! Dead letters as an operator meets them: what each says, and whether its record may go back.
//!
//! What is read and published goes through `pipeline`; printing is the command's part.

mod letter;
mod replay;
pub mod text;

pub use letter::{Counts, Place, Row, Selection};
pub use replay::{Outcome, Replay, Replayed, judge, replay, replayable};
