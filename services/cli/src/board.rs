//! The live board's state: what a decider says, folded into what a screen shows. No terminal, no network, no clock.
//!
//! Everything is bounded: a board that runs for a week is as large as one that runs for an hour.

pub(crate) mod view;

use std::collections::{BTreeMap, VecDeque};

use proto::v1::{ClaimState, Happening, ListReply, StatusReply};

/// Most decisions and most sights that are remembered; a screen shows fewer.
const LINES_MAX: usize = 100;
/// Rates are over this long.
const RATE_WINDOW_MS: i64 = 10_000;
/// Most happenings that a rate is counted from; beyond, it is shown too low and never costs memory.
const RATE_SAMPLES_MAX: usize = 20_000;
/// The stages in the order of the loop.
pub(crate) const KINDS: [&str; 4] = ["detection", "decision", "enforcement", "outcome"];

/// What the board learns.
#[derive(Debug, Clone)]
pub(crate) enum Update {
    Status(StatusReply),
    Claims(ListReply),
    Happening(Happening),
    /// The decider does not answer, and why.
    Lost(String),
}

/// What visitors from a watched address met, as the verifier saw it through Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    Refused,
    LetIn,
    /// Let in although blocked.
    GotThrough,
    /// Refused although the block is over.
    StillRefused,
}

/// Everything on the screen.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) status: Option<StatusReply>,
    pub(crate) claims: Vec<ClaimState>,
    pub(crate) claims_total: i64,
    /// Newest first.
    pub(crate) decisions: VecDeque<Happening>,
    pub(crate) sights: VecDeque<(Sight, Happening)>,
    pub(crate) seen: BTreeMap<Sight, u64>,
    /// Why nothing new comes, while nothing does.
    pub(crate) lost: Option<String>,
    arrivals: BTreeMap<&'static str, VecDeque<i64>>,
}

impl Board {
    /// Takes in what was learnt at `now`.
    pub(crate) fn apply(&mut self, update: Update, now: i64) {
        match update {
            Update::Lost(why) => self.lost = Some(why),
            Update::Status(status) => {
                self.status = Some(status);
                self.lost = None;
            }
            Update::Claims(mut list) => {
                // What ends next comes first: that is what will change.
                list.claims.sort_by(|a, b| {
                    (a.until, &a.observable, &a.origin).cmp(&(b.until, &b.observable, &b.origin))
                });
                self.claims = list.claims;
                self.claims_total = list.total;
            }
            Update::Happening(happening) => self.happened(happening, now),
        }
    }

    /// How many of a kind happen in a second, lately.
    pub(crate) fn rate(&self, kind: &str, now: i64) -> f64 {
        let arrivals = self.arrivals.get(kind).into_iter().flatten();
        let lately = arrivals.filter(|at| now - **at < RATE_WINDOW_MS).count();
        lately as f64 * 1_000.0 / RATE_WINDOW_MS as f64
    }

    /// The claims whose time is not over, the next to end first.
    pub(crate) fn active(&self, now: i64) -> impl Iterator<Item = &ClaimState> {
        self.claims.iter().filter(move |claim| claim.until > now)
    }

    fn happened(&mut self, happening: Happening, now: i64) {
        if let Some(kind) = KINDS.into_iter().find(|kind| *kind == happening.kind) {
            let arrivals = self.arrivals.entry(kind).or_default();
            arrivals.push_back(now);
            while arrivals.len() > RATE_SAMPLES_MAX
                || arrivals.front().is_some_and(|at| now - at >= RATE_WINDOW_MS)
            {
                arrivals.pop_front();
            }
        }
        match happening.kind.as_str() {
            "decision" | "control" => {
                self.decisions.push_front(happening);
                self.decisions.truncate(LINES_MAX);
            }
            "outcome" => {
                if let Some(sight) = sight(&happening.text) {
                    *self.seen.entry(sight).or_default() += 1;
                    self.sights.push_front((sight, happening));
                    self.sights.truncate(LINES_MAX);
                }
            }
            _ => {}
        }
    }
}

/// What an outcome says about visitors: only what was seen through Envoy, by a probe (level 3) or in traffic (level 4).
fn sight(text: &str) -> Option<Sight> {
    let mut words = text.split_whitespace();
    let phase = words.next()?;
    let through_envoy = words.next() == Some("envoy") && words.next() == Some("level");
    let level: i32 = words.next()?.parse().ok()?;
    if !through_envoy || level < 3 {
        return None;
    }
    let effective = words.next()?.trim_end_matches(':') == "effective";
    match (phase, effective) {
        ("apply", true) => Some(Sight::Refused),
        ("apply", false) => Some(Sight::GotThrough),
        ("lift", true) => Some(Sight::LetIn),
        ("lift", false) => Some(Sight::StillRefused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(kind: &str, text: &str) -> Update {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        Update::Happening(Happening { kind, text, ..Happening::default() })
    }

    #[test]
    fn what_visitors_saw_is_told_by_probes_and_traffic_at_envoy() {
        for (text, expected) in [
            ("apply envoy level 3 effective after 640 ms", Some(Sight::Refused)),
            ("apply envoy level 4 effective", Some(Sight::Refused)),
            ("apply envoy level 3 absent: a probe passed", Some(Sight::GotThrough)),
            (
                "apply envoy level 3 partial after 2 ms: envoy/1 let it pass",
                Some(Sight::GotThrough),
            ),
            ("lift envoy level 3 effective", Some(Sight::LetIn)),
            ("lift envoy level 3 ineffective: late", Some(Sight::StillRefused)),
            ("apply envoy level 2 effective", None),
            ("apply aws-waf level 2 effective", None),
            ("", None),
        ] {
            assert_eq!(sight(text), expected, "{text}");
        }
    }

    #[test]
    fn rates_are_of_the_last_seconds_and_everything_stays_bounded() {
        let mut board = Board::default();
        for at in 0..30_000 {
            board.apply(happening("decision", "observe"), at);
        }
        assert!((board.rate("decision", 30_000) - 1_000.0).abs() < 1.0);
        assert!(board.rate("decision", 45_000) < f64::EPSILON);
        assert!(board.rate("outcome", 30_000) < f64::EPSILON);
        assert_eq!(board.decisions.len(), LINES_MAX);
        assert!(board.arrivals.values().all(|arrivals| arrivals.len() <= RATE_SAMPLES_MAX));
    }

    #[test]
    fn an_answer_ends_the_loss_and_what_ends_next_comes_first() {
        let mut board = Board::default();
        board.apply(Update::Lost("gone".to_owned()), 0);
        assert!(board.lost.is_some());
        board.apply(Update::Status(StatusReply::default()), 1);
        assert!(board.lost.is_none());
        let claim = |observable: &str, until| ClaimState {
            observable: observable.to_owned(),
            until,
            ..ClaimState::default()
        };
        let claims = vec![claim("b", 30), claim("a", 20), claim("c", 10)];
        board.apply(Update::Claims(ListReply { claims, total: 3 }), 2);
        let active: Vec<&str> = board.active(10).map(|claim| claim.observable.as_str()).collect();
        assert_eq!(active, ["a", "b"]);
    }
}
