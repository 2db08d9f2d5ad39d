//! What one IP set should become, given what stands in it. Data in, data out.
//!
//! The list is always written whole, so the one mistake to avoid is to lose an entry that is not due: unknown is kept,
//! and only a reader that may write everything takes it away.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use schemas::effective::without;
use schemas::reader::{Mark, MayWrite};
use schemas::{Action, Millis, Position, View};

use super::networks::{Networks, minus};

/// Most entries we put in a set; AWS takes 10,000.
pub const ENTRIES_MAX: usize = 9_800;
const MARK_PREFIX: &str = "perimeter epoch=";

/// The address family of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(network: IpNet) -> Family {
        match network {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// The end of the set's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Family::V4 => "v4",
            Family::V6 => "v6",
        }
    }
}

/// Who wrote a set last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// Nobody of ours: the set is new.
    Nobody,
    By(Mark),
    /// It begins like our mark and cannot be read.
    Unreadable,
}

/// What stands in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub entries: Networks,
    /// Entries that are not networks of this family; kept as they are while unknown is kept.
    pub unreadable: Vec<String>,
    pub marked: Marked,
}

impl Found {
    /// Reads what a provider answered.
    pub fn read<'a>(
        family: Family,
        addresses: impl IntoIterator<Item = &'a str>,
        description: &str,
    ) -> Found {
        let mut unreadable = Vec::new();
        let mut entries = Vec::new();
        for text in addresses {
            match text.parse::<IpNet>() {
                Ok(network) if Family::of(network) == family => entries.push(network),
                _ => unreadable.push(text.to_owned()),
            }
        }
        Found { entries: entries.into_iter().collect(), unreadable, marked: read_mark(description) }
    }

    /// Who of ours wrote it last, as far as that can be read.
    pub fn mark(&self) -> Option<Mark> {
        match self.marked {
            Marked::By(mark) => Some(mark),
            Marked::Nobody | Marked::Unreadable => None,
        }
    }
}

/// The text of a mark, as a set's description carries it.
pub fn mark_text(mark: Mark) -> String {
    let Position { leases, controls } = mark.position;
    format!("{MARK_PREFIX}{} leases={leases} controls={controls}", mark.epoch)
}

fn read_mark(description: &str) -> Marked {
    let Some(rest) = description.strip_prefix(MARK_PREFIX) else { return Marked::Nobody };
    let parse = || {
        let mut parts = rest.split(' ');
        let epoch = parts.next()?.parse().ok()?;
        let leases = parts.next()?.strip_prefix("leases=")?.parse().ok()?;
        let controls = parts.next()?.strip_prefix("controls=")?.parse().ok()?;
        parts.next().is_none().then_some(Mark { epoch, position: Position { leases, controls } })
    };
    parse().map_or(Marked::Unreadable, Marked::By)
}

/// What may be written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: what is due is not known for sure.
    Nothing,
    /// Only the removal of what is due; the mark stays as it is.
    Due,
    /// Everything, and this mark.
    All(Mark),
}

impl Permission {
    /// `complete`: the leases were once read to their end. Before that, an end may be followed by a renewal not read
    /// yet, so that not even a removal is known to be due. The same holds behind a mark of a higher position.
    pub fn of(complete: bool, owner: bool, marked: Marked, may: MayWrite) -> Permission {
        match (complete, marked, may) {
            (false, _, _) | (_, _, MayWrite::ReadOnTo(_)) => Permission::Nothing,
            (_, Marked::Unreadable, _) | (_, _, MayWrite::OnlyDue) => Permission::Due,
            (_, _, MayWrite::All(mark)) if owner => Permission::All(mark),
            (_, _, MayWrite::All(_)) => Permission::Due,
        }
    }
}

/// What the leases want of one set.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub blocked: Networks,
    /// What is to be left as it stands, there or not: blocked for others, and not by this replica while it is frozen by
    /// itself.
    pub withheld: Networks,
    /// Networks of all leases, ended ones too: what is covered by them is known, everything else is not ours to judge.
    pub known: Networks,
    /// When each network was decided, for the order in which a full set takes them.
    pub decided_at: HashMap<IpNet, Millis>,
}

impl Desired {
    /// `blocked` is what is effectively blocked at `now`, and `withheld` what is to be left as it stands, of both
    /// families.
    pub fn of(
        family: Family,
        view: &View,
        blocked: &[IpNet],
        withheld: &[IpNet],
        now: Millis,
    ) -> Desired {
        let own = |network: &IpNet| Family::of(*network) == family;
        let mut decided_at = HashMap::new();
        for lease in view.leases().filter(|lease| own(&lease.observable.network())) {
            let blocks = lease
                .claims
                .iter()
                .filter(|claim| claim.action == Action::Block && claim.until > now);
            if let Some(first) = blocks.map(|claim| claim.decided_at).min() {
                decided_at.insert(lease.observable.network(), first);
            }
        }
        Desired {
            blocked: blocked.iter().copied().filter(own).collect(),
            withheld: withheld.iter().copied().filter(own).collect(),
            known: view.leases().map(|lease| lease.observable.network()).filter(own).collect(),
            decided_at,
        }
    }

    /// As this, given what stands in the set: what is withheld and stands there is to stay there.
    pub fn keeping<'a>(&'a self, found: &Found) -> Cow<'a, Desired> {
        let withheld: Vec<IpNet> = self.withheld.iter().collect();
        let away = minus(&withheld, &found.entries).into_iter().collect();
        let mut blocked = minus(&withheld, &away);
        if blocked.is_empty() {
            return Cow::Borrowed(self);
        }
        blocked.extend(self.blocked.iter());
        let blocked = IpNet::aggregate(&blocked).into_iter().collect();
        Cow::Owned(Desired { blocked, ..self.clone() })
    }
}

/// What a set is to hold, and whether that takes a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub write: bool,
    pub entries: Networks,
    /// Kept as they were found.
    pub unreadable: Vec<String>,
    /// The mark to leave; `None` leaves the one that is there.
    pub mark: Option<Mark>,
    /// Wanted, and not in the set because it is full.
    pub left_out: Networks,
    /// Found, wanted by nobody we know, and taken away by this write.
    pub drift: Vec<IpNet>,
}

/// What to write, if anything.
///
/// * May everything be written, the set becomes what is desired; a new owner (`mark_anew`) writes even if that changes
///   nothing, so that its mark stands.
/// * May only what is due be removed, an entry stays unless every part of it is known and not desired; parts that are
///   still desired, and parts nobody knows, stay.
pub fn plan(found: &Found, desired: &Desired, permission: Permission, mark_anew: bool) -> Plan {
    match permission {
        Permission::Nothing => as_found(found),
        Permission::Due => {
            let entries = without_due(found, desired);
            let write = entries != found.entries;
            Plan { write, entries, ..as_found(found) }
        }
        Permission::All(mark) => {
            let (entries, left_out) = fitting(found, desired);
            let unknown = |entry: &IpNet| {
                desired.known.overlapping(*entry).is_empty()
                    && desired.blocked.overlapping(*entry).is_empty()
            };
            let drift = found.entries.iter().filter(unknown).collect();
            let write = mark_anew || entries != found.entries || !found.unreadable.is_empty();
            Plan { write, entries, unreadable: Vec::new(), mark: Some(mark), left_out, drift }
        }
    }
}

fn as_found(found: &Found) -> Plan {
    Plan {
        write: false,
        entries: found.entries.clone(),
        unreadable: found.unreadable.clone(),
        mark: None,
        left_out: Networks::default(),
        drift: Vec::new(),
    }
}

fn without_due(found: &Found, desired: &Desired) -> Networks {
    let mut kept = Vec::new();
    for entry in found.entries.iter() {
        if desired.blocked.covering(entry).is_some() {
            kept.push(entry);
            continue;
        }
        let wanted = desired.blocked.overlapping(entry);
        let known = desired.known.overlapping(entry);
        if known.is_empty() {
            kept.push(entry);
            continue;
        }
        let mut parts = without(entry, &known);
        parts.extend(wanted);
        kept.extend(IpNet::aggregate(&parts));
    }
    // Cutting an entry up must not overfill the set: then it stays whole until an owner writes everything.
    let kept: Networks = kept.into_iter().collect();
    if kept.len() > ENTRIES_MAX && kept.len() > found.entries.len() {
        found.entries.clone()
    } else {
        kept
    }
}

/// What fits: first what the set already holds, then in the order of the decisions. Nothing held is pushed out.
fn fitting(found: &Found, desired: &Desired) -> (Networks, Networks) {
    if desired.blocked.len() <= ENTRIES_MAX {
        return (desired.blocked.clone(), Networks::default());
    }
    let mut decided: HashMap<IpNet, Millis> = HashMap::new();
    for (network, at) in &desired.decided_at {
        for wanted in desired.blocked.overlapping(*network) {
            let first = decided.entry(wanted).or_insert(*at);
            *first = (*first).min(*at);
        }
    }
    let mut order: Vec<IpNet> = desired.blocked.iter().collect();
    order.sort_by_cached_key(|network| {
        let new = found.entries.overlapping(*network).is_empty();
        (new, decided.get(network).copied().unwrap_or(Millis::MAX), *network)
    });
    let left_out: BTreeSet<IpNet> = order.split_off(ENTRIES_MAX).into_iter().collect();
    (order.into_iter().collect(), left_out.into_iter().collect())
}
