//! Does all traffic seem to come from one proxy? Addresses in, an alarm out.
//!
//! Where a proxy in front is not in the policy's `[proxies]`, every request seems to be the proxy's own. Such an
//! address is never acted against (it is special, or a proxy of the policy's: both are protected), so without an alarm
//! nobody would notice that nothing is watched.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use schemas::{Millis, Protected};

/// How long addresses are counted before they are judged.
pub const WINDOW_MS: Millis = 60 * 1_000;
/// Fewer events than this say nothing.
pub const EVENTS_MIN: u64 = 1_000;
/// The share of one address, in percent, above which it must be a proxy.
pub const SHARE_PERCENT: u64 = 95;
/// Most addresses counted apart within one window. One that makes up nearly all of them is there long before.
const ADDRESSES_MAX: usize = 1_024;

/// Counts the addresses of one window after another.
#[derive(Debug)]
pub struct Peers {
    protected: Protected,
    began_at: Option<Millis>,
    events: u64,
    /// Only addresses that are protected: any other may be a client, however busy.
    counts: HashMap<IpAddr, u64>,
    told: bool,
}

/// Nearly all events of a window name one protected address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneProxy {
    pub address: IpAddr,
    pub events: u64,
    pub of: u64,
}

impl Peers {
    /// `protected` as the policy says it, its proxies included.
    pub fn new(protected: Protected) -> Self {
        Peers { protected, began_at: None, events: 0, counts: HashMap::new(), told: false }
    }

    /// Counts an event of `client`. Answers once a window, as soon as there is enough to tell.
    pub fn count(&mut self, client: IpAddr, now: Millis) -> Option<OneProxy> {
        if self.began_at.is_none_or(|began_at| now - began_at >= WINDOW_MS) {
            self.began_at = Some(now);
            self.events = 0;
            self.counts.clear();
            self.told = false;
        }
        self.events += 1;
        if self.told {
            return None;
        }
        let events = match self.counts.get_mut(&client) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                if self.counts.len() < ADDRESSES_MAX
                    && self.protected.overlap(IpNet::from(client)).is_some()
                {
                    self.counts.insert(client, 1);
                }
                return None;
            }
        };
        self.told = self.events >= EVENTS_MIN && events * 100 > self.events * SHARE_PERCENT;
        self.told.then_some(OneProxy { address: client, events, of: self.events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `one` is told for a proxy when it sends `share` of every hundred events, `pause_ms` apart.
    #[track_caller]
    fn check(one: &str, share: u64, pause_ms: Millis, told: bool) {
        let proxy = "81.2.69.144/32".parse().unwrap();
        let mut peers = Peers::new(Protected::with([(proxy, "trusted proxy".to_owned())]));
        let one: IpAddr = one.parse().unwrap();
        let found = (0..2_000).find_map(|number: u64| {
            let other = IpAddr::from([81, 2, 70, (number % 250) as u8]);
            let client = if number % 100 < share { one } else { other };
            peers.count(client, number as Millis * pause_ms)
        });
        assert_eq!(found.map(|found| found.address), told.then_some(one));
        if let Some(found) = found {
            assert!(found.of >= EVENTS_MIN, "{found:?}");
        }
    }

    #[test]
    fn a_private_address_or_a_proxy_with_nearly_all_events_is_told() {
        check("10.0.0.5", 97, 1, true);
        check("fd00::5", 100, 1, true);
        check("81.2.69.144", 97, 1, true);
    }

    #[test]
    fn a_busy_client_a_mixture_and_a_trickle_are_not() {
        check("81.2.69.142", 100, 1, false);
        check("10.0.0.5", 90, 1, false);
        check("10.0.0.5", 100, 100, false);
    }
}
