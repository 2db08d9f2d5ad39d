//! The steps that the world may take, and how often each is drawn.

use proptest::prelude::*;
use proptest::sample::select;
use schemas::{Action, Millis, Origin};

use super::{DAY_MS, OBSERVABLES};

/// What sets a decision apart from a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Simulated,
    Frozen,
    Unproved,
    /// Detected long before it was appended, so that `until` may have passed by then.
    Late,
}

/// One step of the world.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Decide {
        observable: usize,
        origin: Origin,
        action: Action,
        until_ms: Option<Millis>,
        kind: Kind,
    },
    /// Appends an earlier decision once more, as a retried request or a replay does.
    Repeat {
        back: usize,
    },
    /// `aware`: whoever asks has seen the freeze that stands.
    Control {
        frozen: bool,
        aware: bool,
    },
    Advance(Millis),
    Fold(usize),
    Commit,
    /// The fold dies and starts again from what it had committed.
    Crash,
    /// The fold is paused, and another takes over.
    Pause,
    /// The paused twin wakes, folds on and writes, having read nothing.
    Twin(usize),
    Read {
        reader: usize,
        records: usize,
    },
    Restart {
        reader: usize,
    },
    /// `leases` is compacted as far as the fold has read it.
    Compact,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let origins = select(vec![Origin::Operator, Origin::Pipeline, Origin::Feed]);
    let actions =
        prop_oneof![6 => Just(Action::Block), 3 => Just(Action::Allow), 1 => Just(Action::Observe)];
    let ends = select(vec![-5, 0, 1, 3, 5, 8, 20, 60, 3_650 * DAY_MS]);
    let kinds = prop_oneof![
        8 => Just(Kind::Plain), 1 => Just(Kind::Simulated), 1 => Just(Kind::Frozen), 1 => Just(Kind::Unproved),
        2 => Just(Kind::Late)
    ];
    let decide =
        (0..OBSERVABLES.len(), origins, actions, prop::option::weighted(0.95, ends), kinds)
            .prop_map(|(observable, origin, action, until_ms, kind)| Op::Decide {
                observable,
                origin,
                action,
                until_ms,
                kind,
            });
    prop_oneof![
        10 => decide,
        3 => (0..20usize).prop_map(|back| Op::Repeat { back }),
        2 => any::<(bool, bool)>().prop_map(|(frozen, aware)| Op::Control { frozen, aware }),
        4 => (0..6i64).prop_map(Op::Advance),
        6 => (1..5usize).prop_map(Op::Fold),
        2 => Just(Op::Commit),
        1 => Just(Op::Crash),
        1 => Just(Op::Pause),
        2 => (1..5usize).prop_map(Op::Twin),
        6 => (0..3usize, 1..8usize).prop_map(|(reader, records)| Op::Read { reader, records }),
        1 => (0..3usize).prop_map(|reader| Op::Restart { reader }),
        1 => Just(Op::Compact),
    ]
}

pub(crate) fn cases(normal: u32) -> ProptestConfig {
    let cases = if std::env::var_os("PERIMETER_DEEP").is_some() { normal * 20 } else { normal };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
