//! The reconcile loop of a pair of IP sets, without its I/O: it says what to do next and is told how that went.
//! Data in, data out.
//!
//! Every write begins with a fresh read, whose lock token makes read, compare and swap one act, and is computed anew
//! from the leases. Writes of both sets share one pace, because the provider counts them together.

mod missed;

use std::borrow::Cow;

use ipnet::IpNet;
use schemas::effective::{blocked_by_log, blocked_networks};
use schemas::reader::{Mark, MayWrite};
use schemas::{Enforcement, Millis, Position, Protected, View};

use super::acts::{Acts, Held, Scope, Stands, Wanted, wanted};
use super::freeze::WITHHELD;
use super::ip_set::{Desired, Family, Found, Marked, Permission, Plan, mark_text, plan};
use super::networks::{Networks, minus};
use super::pace::{BackOff, Pace};

/// 0.8 writes a second; AWS takes 1 for the whole account and region.
const WRITE_INTERVAL_MS: Millis = 1_250;
/// How often a set is read when nothing changes.
const READ_INTERVAL_MS: Millis = 5_000;
/// How old a read may be to write upon.
const FRESH_MS: Millis = 250;
/// How long others leave a removal that is due to the owner.
const OWNER_FIRST_MS: Millis = 3_000;
const BACK_OFF_FIRST_MS: Millis = 500;
/// With the read and the write that follow, less than the half minute after which all must be equal again.
const BACK_OFF_MAX_MS: Millis = 20_000;
/// Lost races in a row before the next round.
const CONFLICTS_MAX: u32 = 3;
/// Longest wait; a change of the leases or of ownership ends it earlier.
const WAIT_MAX_MS: Millis = 1_000;

/// What a provider answered to a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub addresses: Vec<String>,
    pub description: String,
    pub lock_token: String,
}

/// Why a write was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteFault {
    /// Somebody else wrote since the read: read again and compute anew.
    Conflict,
    /// The provider will not take this list, and why.
    Refused(String),
    /// It could not be reached, answered nonsense, or was busy: hold and try again later.
    Unavailable(String),
}

/// A write to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub family: Family,
    /// The whole list.
    pub addresses: Vec<String>,
    /// Our mark, or the description as it was read.
    pub description: String,
    pub lock_token: String,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Read(Family),
    Write(Write),
    /// Nothing before this time, unless the leases or the ownership change.
    Wait(Millis),
}

/// The leases as the loop sees them at one moment.
pub struct Sight {
    v4: Desired,
    v6: Desired,
    wanted: Vec<Wanted>,
    complete: bool,
    /// The term of the owner, when this replica is it.
    term: Option<u64>,
    /// The next time at which a claim ends.
    next_end: Option<Millis>,
}

impl Sight {
    pub fn of(
        view: &View,
        complete: bool,
        protected: &Protected,
        term: Option<u64>,
        now: Millis,
    ) -> Sight {
        let at = if term.is_some() { now } else { now - OWNER_FIRST_MS };
        let (mut blocked, mut withheld) = standing(view, protected, at);
        if at < now {
            // An allow that ended since then gave way to a block: what holds now is not due either.
            let (also_blocked, also_withheld) = standing(view, protected, now);
            blocked.extend(also_blocked);
            blocked = IpNet::aggregate(&blocked);
            withheld.extend(also_withheld);
            withheld = IpNet::aggregate(&withheld);
        }
        let claims = view.leases().flat_map(|lease| &lease.claims);
        let next_end = claims.map(|claim| claim.until).filter(|until| *until > at).min();
        Sight {
            v4: Desired::of(Family::V4, view, &blocked, &withheld, at),
            v6: Desired::of(Family::V6, view, &blocked, &withheld, at),
            wanted: wanted(view, protected, now),
            complete,
            term,
            next_end: next_end.map(|until| until + (now - at)),
        }
    }

    /// What is wanted of one set, whatever stands in it.
    pub fn desired(&self, family: Family) -> &Desired {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// What is to be blocked, and what is to be left as it stands: where this replica is frozen by itself, everything about
/// which it and the others answer differently.
fn standing(view: &View, protected: &Protected, now: Millis) -> (Vec<IpNet>, Vec<IpNet>) {
    let here = blocked_networks(view, protected, now);
    if view.frozen_here().is_none() {
        return (here, Vec::new());
    }
    let by_log = blocked_by_log(view, protected, now);
    let only_here: Networks = minus(&here, &by_log.iter().copied().collect()).into_iter().collect();
    let mut withheld = minus(&by_log, &here.iter().copied().collect());
    withheld.extend(only_here.iter());
    (minus(&here, &only_here), withheld)
}

/// How many networks are wanted, held, and different.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub desired: usize,
    pub actual: usize,
    pub diff: usize,
    pub left_out: usize,
    /// How many networks are wanted in the set that has the most, of those that fit into one.
    pub fullest: usize,
}

/// The loop's state.
pub struct WafLoop {
    sets: [Set; 2],
    pace: Pace,
    acts: Acts,
}

struct Set {
    family: Family,
    found: Option<(Found, Read, Millis)>,
    /// What is being written, and the owner's term it is written in.
    writing: Option<(Plan, Option<u64>)>,
    marked_term: Option<u64>,
    /// What must be read first, as it was last said.
    read_on_to: Option<Position>,
    left_out: Networks,
    read_back_off: BackOff,
    write_back_off: BackOff,
    conflicts: u32,
    refused: Option<String>,
    read_again: bool,
}

impl WafLoop {
    pub fn new(point: &str) -> Self {
        let sets = [Set::new(Family::V4), Set::new(Family::V6)];
        WafLoop { sets, pace: Pace::every(WRITE_INTERVAL_MS), acts: Acts::new(point) }
    }

    /// What to do now. `may_write` is the reader's answer to the mark that stands in a set.
    pub fn next(
        &mut self,
        sight: &Sight,
        may_write: impl Fn(Option<Mark>) -> MayWrite,
        now: Millis,
    ) -> Step {
        let mut wait = sight.next_end.unwrap_or(Millis::MAX).min(now + WAIT_MAX_MS);
        for set in &mut self.sets {
            let held_off = set.read_back_off.until().max(set.write_back_off.until());
            if now < held_off {
                wait = wait.min(held_off);
                continue;
            }
            let Some((found, read, read_at)) = &set.found else { return Step::Read(set.family) };
            if set.read_again || now - read_at >= READ_INTERVAL_MS {
                return Step::Read(set.family);
            }
            wait = wait.min(read_at + READ_INTERVAL_MS);
            let may = may_write(found.mark());
            set.read_on_to = match may {
                MayWrite::ReadOnTo(position) => Some(position),
                MayWrite::All(_) | MayWrite::OnlyDue => None,
            };
            let planned = set.plan(found, sight, may);
            set.left_out = planned.left_out.clone();
            if !planned.write {
                continue;
            }
            if now < self.pace.next_at() {
                wait = wait.min(self.pace.next_at());
                continue;
            }
            if now - read_at > FRESH_MS {
                return Step::Read(set.family);
            }
            self.pace.taken(now);
            let write = set.write(read.clone(), &planned);
            set.writing = Some((planned, sight.term));
            return Step::Write(write);
        }
        Step::Wait(wait)
    }

    /// Learns what a read answered. An answer that is no set of ours is a fault, never an empty set.
    pub fn read(&mut self, family: Family, answer: Result<Read, String>, now: Millis, jitter: f64) {
        let set = self.set(family);
        match answer {
            Ok(read) => {
                let addresses = read.addresses.iter().map(String::as_str);
                let found = Found::read(family, addresses, &read.description);
                set.found = Some((found, read, now));
                set.read_again = false;
                set.read_back_off.succeeded();
            }
            Err(_) => set.read_back_off.failed(now, jitter),
        }
    }

    /// Learns how the write went that [`WafLoop::next`] asked for.
    pub fn written(
        &mut self,
        family: Family,
        answer: Result<(), WriteFault>,
        now: Millis,
        jitter: f64,
    ) {
        let set = self.set(family);
        let Some((planned, term)) = set.writing.take() else { return };
        set.read_again = true;
        match answer {
            Ok(()) => set.acknowledged(planned, term),
            Err(WriteFault::Conflict) => {
                set.conflicts += 1;
                if set.conflicts >= CONFLICTS_MAX {
                    set.conflicts = 0;
                    set.write_back_off.failed(now, jitter);
                }
            }
            Err(WriteFault::Refused(reason)) => {
                set.refused = Some(reason);
                set.write_back_off.failed(now, jitter);
            }
            Err(WriteFault::Unavailable(_)) => set.write_back_off.failed(now, jitter),
        }
        // Both sets share the pace: the other one goes first next time.
        if self.sets[0].family == family {
            self.sets.swap(0, 1);
        }
    }

    /// What to publish, at most `room` records. Only the owner speaks for the point.
    pub fn settle(&mut self, sight: &Sight, now: Millis, room: usize) -> Vec<Enforcement> {
        if sight.term.is_none() || self.sets.iter().any(|set| set.found.is_none()) {
            return Vec::new();
        }
        let sets = self.sets.each_ref().map(|set| (set, set.desired(sight)));
        self.acts.settle(&sight.wanted, Scope::All, now, room, |claim| {
            let family = Family::of(claim.observable.network());
            let set = sets.iter().find(|(set, _)| set.family == family);
            set.map_or(Held::NotYet, |(set, desired)| set.held(claim, desired))
        })
    }

    /// What both sets together come to.
    pub fn figures(&self, sight: &Sight) -> Figures {
        let mut figures = Figures::default();
        for set in &self.sets {
            let desired = &set.desired(sight).blocked;
            figures.desired += desired.len();
            figures.fullest = figures.fullest.max(desired.len());
            figures.left_out += set.left_out.len();
            let Some((found, ..)) = &set.found else {
                figures.diff += desired.len();
                continue;
            };
            let both = desired.iter().filter(|network| found.entries.contains(*network)).count();
            figures.actual += found.entries.len();
            figures.diff += desired.len() + found.entries.len() - 2 * both;
        }
        figures
    }

    /// Up to where this replica must read before it may write a set; until then it removes nothing from it.
    pub fn read_on_to(&self) -> Option<Position> {
        self.sets.iter().find_map(|set| set.read_on_to)
    }

    /// Entries of the last plan that nobody we know asked for.
    pub fn drift(&self) -> Vec<String> {
        let planned = self.sets.iter().filter_map(|set| set.writing.as_ref());
        planned.flat_map(|(plan, _)| &plan.drift).map(ToString::to_string).collect()
    }

    fn set(&mut self, family: Family) -> &mut Set {
        let index = usize::from(self.sets[0].family != family);
        &mut self.sets[index]
    }
}

impl Set {
    fn new(family: Family) -> Self {
        Set {
            family,
            found: None,
            writing: None,
            marked_term: None,
            read_on_to: None,
            left_out: Networks::default(),
            read_back_off: BackOff::new(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS),
            write_back_off: BackOff::new(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS),
            conflicts: 0,
            refused: None,
            read_again: false,
        }
    }

    fn plan(&self, found: &Found, sight: &Sight, may: MayWrite) -> Plan {
        let permission = Permission::of(sight.complete, sight.term.is_some(), found.marked, may);
        let mark_anew = sight.term.is_some() && sight.term != self.marked_term;
        plan(found, &self.desired(sight), permission, mark_anew)
    }

    /// What is wanted of this set, as it stands.
    fn desired<'a>(&self, sight: &'a Sight) -> Cow<'a, Desired> {
        let desired = sight.desired(self.family);
        match &self.found {
            Some((found, ..)) => desired.keeping(found),
            None => Cow::Borrowed(desired),
        }
    }

    fn write(&self, read: Read, planned: &Plan) -> Write {
        let entries = planned.entries.iter().map(|network| network.to_string());
        Write {
            family: self.family,
            addresses: entries.chain(planned.unreadable.iter().cloned()).collect(),
            description: planned.mark.map_or(read.description, mark_text),
            lock_token: read.lock_token,
        }
    }

    fn acknowledged(&mut self, planned: Plan, term: Option<u64>) {
        if planned.mark.is_some() {
            self.marked_term = term;
        }
        if let Some((found, ..)) = &mut self.found {
            found.marked = planned.mark.map_or(found.marked, Marked::By);
            found.entries = planned.entries;
            found.unreadable = planned.unreadable;
        }
        self.left_out = planned.left_out;
        self.conflicts = 0;
        self.refused = None;
        self.write_back_off.succeeded();
        self.read_again = false;
    }

    fn held(&self, claim: &Wanted, desired: &Desired) -> Held {
        let Some((found, ..)) = &self.found else { return Held::NotYet };
        let network = claim.observable.network();
        let standing = found.entries.overlapping(network);
        if claim.stands == Stands::Withheld && standing.is_empty() {
            return Held::Failed(WITHHELD.to_owned());
        }
        if !self.left_out.overlapping(network).is_empty() {
            return Held::Failed("capacity: the IP set is full".to_owned());
        }
        if standing == desired.blocked.overlapping(network) {
            return Held::AsWanted;
        }
        match &self.refused {
            Some(reason) => Held::Failed(reason.clone()),
            None => Held::NotYet,
        }
    }
}
