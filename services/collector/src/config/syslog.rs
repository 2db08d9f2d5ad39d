//! The file that `COLLECTOR_SYSLOG_FILE` names: where syslog arrives, who may send it, and how far each is believed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use observe::logs::{Dates, Forwarded};
use schemas::observable::canonical_network;
use serde::Deserialize;

use super::parts::{self, Word};
use crate::logic::networks::{Peer, Sender, Senders};

/// Most listeners.
const LISTENERS_MAX: usize = 16;
/// Most senders.
const SENDERS_MAX: usize = 1_024;

/// The syslog sources.
#[derive(Debug, Clone)]
pub struct Syslog {
    pub listeners: Vec<Listener>,
    pub senders: Senders,
}

/// Where messages arrive.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// How they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 6587.
    Tcp,
    /// RFC 5425.
    Tls,
    /// RFC 5426.
    Udp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    listener: Vec<Listener>,
    #[serde(default)]
    sender: Vec<FormSender>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormSender {
    name: String,
    network: Option<String>,
    identity: Option<String>,
    #[serde(default = "parts::auto")]
    format: String,
    program: Option<String>,
    #[serde(default)]
    utc_offset_minutes: i16,
    #[serde(default)]
    provenance: Word,
}

impl Transport {
    /// Its name, as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Udp => "udp",
        }
    }
}

impl Syslog {
    /// Reads and checks the file's text. Says what to write where it cannot be used.
    pub fn parse(text: &str) -> Result<Syslog, String> {
        let form: Form = toml::from_str(text).map_err(|error| super::sentence(text, &error))?;
        if form.listener.is_empty() || form.listener.len() > LISTENERS_MAX {
            return Err(format!(
                "it has {} [[listener]] entries; write 1 to {LISTENERS_MAX}, each with transport = \"tcp\", \"tls\" or \
                 \"udp\" and an address",
                form.listener.len()
            ));
        }
        if form.sender.is_empty() || form.sender.len() > SENDERS_MAX {
            return Err(format!(
                "it has {} [[sender]] entries; write 1 to {SENDERS_MAX}, each with a name and a network or an identity",
                form.sender.len()
            ));
        }
        let tls = form.listener.iter().any(|listener| listener.transport == Transport::Tls);
        let (mut names, mut peers) = (BTreeSet::new(), BTreeSet::new());
        let mut senders = Vec::with_capacity(form.sender.len());
        for form in form.sender {
            let sender = checked(form)?;
            if !names.insert(sender.name.clone()) {
                return Err(format!("the name {} stands twice", sender.name));
            }
            if !peers.insert(sender.peer.to_string()) {
                return Err(format!("two senders have {}", sender.peer));
            }
            if matches!(sender.peer, Peer::Identity(_)) && !tls {
                return Err(format!(
                    "the sender {} has an identity, which only a [[listener]] with transport = \"tls\" sees",
                    sender.name
                ));
            }
            senders.push(sender);
        }
        Ok(Syslog { listeners: form.listener, senders: Senders::new(senders) })
    }

    /// Whether a certificate of ours is needed.
    pub fn tls(&self) -> bool {
        self.listeners.iter().any(|listener| listener.transport == Transport::Tls)
    }
}

fn checked(form: FormSender) -> Result<Sender, String> {
    let name = parts::name(form.name)?;
    let peer = match (form.network, form.identity) {
        (Some(network), None) => Peer::Network(cidr(&network, &name)?),
        (None, Some(identity)) => Peer::Identity(parts::identity(identity, &name)?),
        _ => return Err(format!("the sender {name} needs a network or an identity, and not both")),
    };
    let format = parts::format(&form.format, &name)?;
    let dates: Dates = parts::dates(None, form.utc_offset_minutes, &name)?;
    let forwarded = Forwarded { format, program: form.program };
    Ok(Sender { name, peer, forwarded, dates, authoritative: form.provenance.authoritative() })
}

/// A network, or one address.
fn cidr(text: &str, of: &str) -> Result<IpNet, String> {
    let read = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network: IpNet = read.map_err(|_| {
        format!("network of {of}: '{text}' is no network such as 10.1.0.0/16 or 2001:db8::/32")
    })?;
    if network.addr() != network.network() {
        return Err(format!(
            "network of {of}: '{text}' has bits set after its prefix; write {} for the network, or an address alone",
            network.trunc()
        ));
    }
    Ok(canonical_network(network))
}
