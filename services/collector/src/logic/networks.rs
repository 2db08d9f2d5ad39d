//! Who sends syslog: an address or an identity in, the sender out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use observe::logs::{Dates, Forwarded};
use schemas::observable::canonical_address;

/// Somebody who may send messages.
#[derive(Debug, Clone)]
pub struct Sender {
    pub name: String,
    pub peer: Peer,
    pub forwarded: Forwarded,
    pub dates: Dates,
    /// Whether a client's address is believed as far as the log's format allows; else it is what a feed says.
    pub authoritative: bool,
}

/// By what a sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    Network(IpNet),
    /// The SPIFFE URI of its certificate.
    Identity(String),
}

/// Everybody who may send messages; clones share the list.
#[derive(Debug, Clone)]
pub struct Senders(Arc<[Arc<Sender>]>);

impl Senders {
    pub fn new(senders: Vec<Sender>) -> Self {
        let mut senders: Vec<Arc<Sender>> = senders.into_iter().map(Arc::new).collect();
        // The narrowest network is asked first.
        senders.sort_by_key(|sender| match &sender.peer {
            Peer::Network(network) => u8::MAX - network.prefix_len(),
            Peer::Identity(_) => 0,
        });
        Senders(senders.into())
    }

    /// The sender in whose network an address lies; the narrowest one, if several.
    pub fn of_address(&self, address: IpAddr) -> Option<Arc<Sender>> {
        let address = canonical_address(address);
        self.find(|peer| matches!(peer, Peer::Network(network) if network.contains(&address)))
    }

    /// The sender of a certificate.
    pub fn of_identity(&self, identity: &str) -> Option<Arc<Sender>> {
        self.find(|peer| matches!(peer, Peer::Identity(known) if known == identity))
    }

    fn find(&self, is: impl Fn(&Peer) -> bool) -> Option<Arc<Sender>> {
        self.0.iter().find(|sender| is(&sender.peer)).cloned()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Network(network) => write!(f, "the network {network}"),
            Peer::Identity(identity) => write!(f, "the identity {identity}"),
        }
    }
}
