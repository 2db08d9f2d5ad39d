//! The records that cross a process border, and the one fold that turns decisions into leases.
//!
//! Everything here is data in, data out: no I/O, no clock, no randomness.
//! [`record`] is the wire form, [`fold`] and [`effective`] are the two functions on which the safety of the
//! whole system rests, and [`reader`] says when a copy of the leases may be trusted.

pub mod control;
pub mod decision;
pub mod detection;
pub mod effective;
pub mod enforcement;
pub mod event;
pub mod fold;
pub mod lease;
pub mod observable;
pub mod outcome;
pub mod protected;
pub mod reader;
pub mod record;
pub mod registry;
pub mod snapshot;
mod text;
pub mod topic;
mod wire;

pub use control::{Control, Setting};
pub use decision::{Action, Decision, Mode, Origin, Provenance, Reason};
pub use detection::{Category, Detection, Evidence, Severity};
pub use effective::{Effective, View, effective};
pub use enforcement::{Enforcement, Phase, Status};
pub use event::{Activity, Event, EventView, Header};
pub use fold::{Appended, Folded, fold};
pub use lease::{Claim, Epoch, Generation, Lease, LeaseEntry, Position};
pub use observable::Observable;
pub use outcome::{Effect, Outcome, Verdict};
pub use protected::{Limits, Protected, Refusal};
pub use reader::{Hold, Reader};
pub use record::{DecodeError, EncodeError, Record};
pub use registry::SchemaIds;
pub use snapshot::{Snapshot, SourcePosition, Window};
pub use topic::{TOPICS, Topic, TopicSpec};

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;
