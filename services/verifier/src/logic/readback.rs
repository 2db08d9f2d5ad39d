//! Level 2 at the WAF: what its sets hold when they are read back.
//!
//! A WAF shows a write late and not everywhere at once, so a read that lacks an address proves nothing but *absent
//! until seen*, and garbage proves nothing at all.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemas::{Effect, Millis, Phase};

use super::claim::{Record, State, Tracked};
use super::{AWS_WAF, Core, WAF_ABSENT_MS};

/// How often the sets are read while something is not proved there.
const READ_EAGER_MS: Millis = 250;
const READ_IDLE_MS: Millis = 5_000;
/// A read that was never answered is not waited for any longer.
const READ_LOST_MS: Millis = 10_000;

/// Which of the two sets to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadWaf {
    pub v4: bool,
    pub v6: bool,
    /// To be given back with what was read.
    pub asked_at: Millis,
}

/// What was read; `None` where that set was not asked for.
#[derive(Debug, Clone, Default)]
pub struct WafRead {
    pub v4: Option<IpSet>,
    pub v6: Option<IpSet>,
    /// Of the [`ReadWaf`] that is answered: what was written later may be missing.
    pub asked_at: Millis,
}

/// One set of networks, ready to be asked what it covers.
#[derive(Debug, Clone, Default)]
pub struct IpSet {
    networks: HashSet<IpNet>,
    lengths: BTreeSet<u8>,
}

impl FromIterator<IpNet> for IpSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let networks: HashSet<IpNet> =
            networks.into_iter().map(|network| network.trunc()).collect();
        let lengths = networks.iter().map(IpNet::prefix_len).collect();
        IpSet { networks, lengths }
    }
}

impl IpSet {
    /// Whether one entry covers all of `network`.
    pub fn covers(&self, network: IpNet) -> bool {
        let wider = self.lengths.iter().take_while(|length| **length <= network.prefix_len());
        wider.copied().any(|length| {
            let around = match network {
                IpNet::V4(v4) => Ipv4Net::new(v4.addr(), length).map(|net| IpNet::V4(net.trunc())),
                IpNet::V6(v6) => Ipv6Net::new(v6.addr(), length).map(|net| IpNet::V6(net.trunc())),
            };
            around.is_ok_and(|around| self.networks.contains(&around))
        })
    }

    /// Whether a block of `network` stands in the set: in one entry, or cut up around what is allowed inside it.
    fn holds(&self, network: IpNet, addresses: &[IpAddr]) -> bool {
        let client = matches!(network, IpNet::V4(_)) && network.prefix_len() == 32
            || matches!(network, IpNet::V6(_)) && network.prefix_len() >= 64;
        if client || addresses.is_empty() {
            return self.covers(network);
        }
        self.covers(network) || addresses.iter().all(|address| self.covers(IpNet::from(*address)))
    }
}

#[derive(Default)]
pub(super) struct Schedule {
    read_at: Millis,
    outstanding_since: Option<Millis>,
    /// Whether the last read was answered with no set.
    unreadable: bool,
}

impl Schedule {
    pub(super) fn due(&self) -> Millis {
        match self.outstanding_since {
            Some(since) => since + READ_LOST_MS,
            None => self.read_at,
        }
    }
}

impl Core {
    /// Asks for a read when one is due.
    pub(super) fn schedule_waf(&mut self, now: Millis) {
        if !self.reach.waf || self.watched.is_empty() {
            return;
        }
        let waiting = self.waf.outstanding_since.is_some_and(|since| now < since + READ_LOST_MS);
        let [v4, v6] = self.watched.open_in_waf();
        let eager = ReadWaf { v4, v6, asked_at: now };
        if eager.v4 || eager.v6 {
            // Something became unproved while the next read was still far off.
            self.waf.read_at = self.waf.read_at.min(now + READ_EAGER_MS);
        }
        if waiting || now < self.waf.read_at {
            return;
        }
        let idle = !eager.v4 && !eager.v6;
        let read = if idle { ReadWaf { v4: true, v6: true, asked_at: now } } else { eager };
        self.waf.read_at = now + if idle { READ_IDLE_MS } else { READ_EAGER_MS };
        self.waf.outstanding_since = Some(now);
        self.effects.read_waf = Some(read);
    }

    pub(super) fn waf_read(&mut self, read: Option<&WafRead>, now: Millis) {
        self.waf.outstanding_since = None;
        self.waf.unreadable = read.is_none();
        let Some(read) = read else { return };
        for id in self.watched.ids() {
            let Some(tracked) = self.watched.get(id) else { continue };
            let set = match tracked.network {
                IpNet::V4(_) => read.v4.as_ref(),
                IpNet::V6(_) => read.v6.as_ref(),
            };
            let Some(set) = set else { continue };
            let held = set.holds(tracked.network, &tracked.addresses);
            let settled = held == (tracked.state == State::Holding)
                && tracked.read_back_at.is_some()
                && tracked.missing_since.is_none();
            if !settled && read.asked_at >= tracked.since && tracked.state != State::Dormant {
                self.with(id, now, |core, tracked| core.read_back(tracked, held, now));
            }
        }
    }

    fn read_back(&mut self, tracked: &mut Tracked, held: bool, now: Millis) {
        match (tracked.state, held) {
            (State::Holding, true) => {
                tracked.read_back_at = Some(now);
                tracked.missing_since = None;
                let reason = "the set holds it".to_owned();
                self.record_in_waf(tracked, Phase::Apply, Effect::Effective, reason, now);
            }
            (State::Holding, false) if tracked.read_back_at.is_some() && now < tracked.until => {
                let since = *tracked.missing_since.get_or_insert(now);
                if now - since >= WAF_ABSENT_MS {
                    let reason = "the set held it and no longer does".to_owned();
                    self.record_in_waf(tracked, Phase::Apply, Effect::Absent, reason, now);
                }
            }
            (State::Lifting, false) => {
                tracked.read_back_at = Some(now);
                let reason = "the set no longer holds it".to_owned();
                self.record_in_waf(tracked, Phase::Lift, Effect::Effective, reason, now);
            }
            _ => {}
        }
    }

    pub(super) fn absent_in_waf(&mut self, tracked: &mut Tracked, now: Millis) {
        if self.reach.waf && tracked.read_back_at.is_none() {
            let reason = self.unseen("the set was not seen to hold it");
            self.record_in_waf(tracked, Phase::Apply, Effect::Absent, reason, now);
        }
    }

    pub(super) fn late_in_waf(&mut self, tracked: &mut Tracked, now: Millis) {
        if self.reach.waf && tracked.read_back_at.is_none() {
            // Not *ineffective*: a WAF may show the removal late although it took it in time.
            let reason = self.unseen("the set was not seen without it");
            self.record_in_waf(tracked, Phase::Lift, Effect::Partial, reason, now);
        }
    }

    fn unseen(&self, reason: &str) -> String {
        let why = if self.waf.unreadable { ": it could not be read" } else { "" };
        format!("{reason}{why}")
    }

    fn record_in_waf(
        &mut self,
        tracked: &mut Tracked,
        phase: Phase,
        effect: Effect,
        reason: String,
        now: Millis,
    ) {
        self.record(tracked, Record { point: AWS_WAF, level: 2, phase, effect, reason }, now);
    }
}
