//! What a replay came to, summed up: who was acted against for what, and how many that was of all.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemas::{Action, Category, Decision, Event, Millis, Observable};
use serde_json::{Value, json};

use crate::commands::show::{self, word};
use crate::output::{Cell, Printer, Tone, cell};

/// Most clients that are told apart; beyond them their number is a least one.
const CLIENTS_MAX: usize = 1_000_000;
/// Most observables of which decisions are counted.
const OBSERVABLES_MAX: usize = 100_000;
/// How many of the most affected observables a person is shown who does not say how many.
const SHOWN: usize = 10;

/// Counts as events and decisions come.
#[derive(Default)]
pub(crate) struct Summary {
    events: u64,
    clients: HashSet<Observable>,
    observables: HashMap<Observable, Affected>,
    /// Decisions about further observables than are told apart.
    unattributed: u64,
    decisions: BTreeMap<(String, String), u64>,
    first_at: Option<Millis>,
    last_at: Option<Millis>,
}

/// What happened to one observable.
#[derive(Debug, Default, Clone, Copy)]
struct Affected {
    decisions: u64,
    acted: u64,
    strikes: i32,
    first_at: Millis,
    last_at: Millis,
}

impl Summary {
    pub(crate) fn event(&mut self, event: &Event) {
        self.events += 1;
        let at = event.observed_at;
        self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
        self.last_at = self.last_at.max(Some(at));
        let client = Observable::client(event.client);
        if self.clients.len() < CLIENTS_MAX {
            self.clients.insert(client);
        }
    }

    pub(crate) fn decision(&mut self, decision: &Decision) {
        let category = decision.category.unwrap_or(Category::Other);
        *self.decisions.entry((word(category), word(decision.action))).or_default() += 1;
        if self.observables.len() >= OBSERVABLES_MAX
            && !self.observables.contains_key(&decision.observable)
        {
            self.unattributed += 1;
            return;
        }
        let at = decision.detected_at.unwrap_or_default();
        let affected = self.observables.entry(decision.observable.clone()).or_insert(Affected {
            first_at: at,
            last_at: at,
            ..Affected::default()
        });
        affected.decisions += 1;
        affected.acted += u64::from(decision.action != Action::Observe);
        affected.strikes = affected.strikes.max(decision.strikes);
        affected.first_at = affected.first_at.min(at);
        affected.last_at = affected.last_at.max(at);
    }

    /// Prints it, as one document or as tables. `unread` are the lines that could not be read, `top` is how many
    /// observables are to be shown.
    pub(crate) fn print(
        &self,
        unread: u64,
        top: Option<usize>,
        printer: &Printer,
    ) -> std::io::Result<()> {
        if printer.json() {
            return printer.document(&self.document(unread, top));
        }
        let times = [self.first_at, self.last_at].map(|at| show::time(at.unwrap_or(0)));
        let share = 100.0 * self.acted_against() as f64 / self.clients.len().max(1) as f64;
        let clients = format!(
            "{}{}, of which {} acted against ({share:.2} %)",
            if self.clients.len() == CLIENTS_MAX { "at least " } else { "" },
            self.clients.len(),
            self.acted_against()
        );
        printer.table(
            &["", ""],
            &[
                vec![cell("events"), cell(format!("{}, {unread} lines not read", self.events))],
                vec![cell("from"), cell(&times[0])],
                vec![cell("to"), cell(&times[1])],
                vec![cell("clients"), cell(clients)],
            ],
        )?;
        if self.decisions.is_empty() {
            return printer.line("nothing to decide");
        }
        printer.line("")?;
        let rows: Vec<Vec<Cell>> = self
            .decisions
            .iter()
            .map(|((category, action), count)| {
                let tone = if action == "observe" { Tone::Plain } else { Tone::Bad };
                vec![cell(category), Cell(action.clone(), tone), cell(count.to_string())]
            })
            .collect();
        printer.table(&["category", "action", "decisions"], &rows)?;
        printer.line("")?;
        self.print_observables(top.unwrap_or(SHOWN), printer)
    }

    fn print_observables(&self, top: usize, printer: &Printer) -> std::io::Result<()> {
        let all = self.most_affected();
        let (shown, left) = all.split_at(top.min(all.len()));
        let rows: Vec<Vec<Cell>> = shown
            .iter()
            .map(|(observable, affected)| {
                vec![
                    cell(observable.to_string()),
                    cell(affected.decisions.to_string()),
                    cell(affected.acted.to_string()),
                    cell(affected.strikes.to_string()),
                    cell(show::time(affected.first_at)),
                    cell(show::time(affected.last_at)),
                ]
            })
            .collect();
        printer.table(
            &["observable", "decisions", "acted", "strikes", "first at", "last at"],
            &rows,
        )?;
        if !left.is_empty() {
            let acted = left.iter().filter(|(_, affected)| affected.acted > 0).count();
            printer.line(&format!(
                "{} more not shown, {acted} of them acted against; --top {} shows all",
                left.len(),
                all.len()
            ))?;
        }
        if self.unattributed > 0 {
            printer.line(&format!(
                "{} decision(s) about further observables, which are not told apart",
                self.unattributed
            ))?;
        }
        Ok(())
    }

    fn document(&self, unread: u64, top: Option<usize>) -> Value {
        let decisions = self.decisions.iter().map(|((category, action), count)| {
            json!({ "category": category, "action": action, "decisions": count })
        });
        let all = self.most_affected();
        let shown = top.unwrap_or(all.len()).min(all.len());
        let observables = all[..shown].iter().map(|(observable, affected)| {
            json!({
                "observable": observable.to_string(),
                "decisions": affected.decisions,
                "acted": affected.acted,
                "strikes": affected.strikes,
                "first_at": affected.first_at,
                "last_at": affected.last_at,
            })
        });
        json!({
            "events": self.events,
            "unread": unread,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "clients": self.clients.len(),
            "clients_acted_against": self.acted_against(),
            "decisions": decisions.collect::<Vec<_>>(),
            "observables": observables.collect::<Vec<_>>(),
            "observables_not_shown": all.len() - shown,
            "decisions_not_attributed": self.unattributed,
        })
    }

    fn acted_against(&self) -> usize {
        self.observables.values().filter(|affected| affected.acted > 0).count()
    }

    /// All of them: those acted against first, by actions and then by decisions.
    fn most_affected(&self) -> Vec<(&Observable, Affected)> {
        let mut all: Vec<(&Observable, Affected)> =
            self.observables.iter().map(|(observable, affected)| (observable, *affected)).collect();
        all.sort_by_key(|(observable, affected)| {
            (std::cmp::Reverse((affected.acted, affected.decisions)), observable.to_string())
        });
        all
    }
}
