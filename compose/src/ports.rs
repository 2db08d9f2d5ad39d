//! Free ports on loopback, chosen so that they are still free when their owner is restarted.

use std::net::TcpListener;

use anyhow::{Result, bail};
use rand::Rng as _;

/// The first port that the kernel gives to outgoing connections, unless it says otherwise.
const EPHEMERAL_FROM: u16 = 32_768;
const PORT_MIN: u16 = 15_000;
const TRIES_MAX: u32 = 2_000;

/// Finds `count` different ports that nobody listens on now.
///
/// They lie below the range that the kernel draws outgoing connections' ports from: thousands of the traffic's own
/// connections would otherwise sooner or later sit on the port of a service that is just being restarted.
pub fn free(count: usize) -> Result<Vec<u16>> {
    let before = ephemeral_from().unwrap_or(EPHEMERAL_FROM).max(PORT_MIN + 2_000);
    let mut held = Vec::with_capacity(count);
    let mut random = rand::rng();
    for _ in 0..TRIES_MAX {
        if held.len() == count {
            break;
        }
        // Held until all are found, so that no port is given twice.
        if let Ok(listener) =
            TcpListener::bind(("127.0.0.1", random.random_range(PORT_MIN..before)))
        {
            held.push(listener);
        }
    }
    let ports: Vec<u16> = held
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| address.port())
        .collect();
    if ports.len() < count {
        bail!(
            "could not find {count} free ports on 127.0.0.1 between {PORT_MIN} and {before}; stop what holds them"
        );
    }
    Ok(ports)
}

fn ephemeral_from() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_different_from_each_other() {
        let ports = super::free(40).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 40);
    }
}
