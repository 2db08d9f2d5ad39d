//! Whose address it is: by table, and by 10,000 generated chains against a slow reference (row S2).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::IpAddr;

use ipnet::IpNet;
use observe::{Client, Trusted, client_address};
use proptest::prelude::*;
use schemas::Provenance;

/// Proxies of the tests: two networks, one address of each version, and the loopback that Envoy's peer often is.
const PROXIES: [&str; 5] =
    ["127.0.0.1/32", "::1/128", "10.9.0.0/16", "198.18.7.7/32", "2001:db8:99::/48"];
/// The host's own addresses.
const INTERFACES: [&str; 2] = ["172.31.5.4", "2a02:8071:1::5"];

fn trusted() -> Trusted {
    let proxies: Vec<IpNet> = PROXIES.iter().map(|text| text.parse().unwrap()).collect();
    Trusted::new(&proxies, INTERFACES.iter().map(|text| text.parse().unwrap()))
}

#[track_caller]
fn check(peer: &str, forwarded_for: &[&str], expected: &str) {
    let answer = client_address(peer.parse().unwrap(), forwarded_for.iter().copied(), &trusted());
    let how = match answer.provenance {
        Provenance::SocketPeer => "peer",
        Provenance::ProxyAsserted => "proxy",
        _ => "neither",
    };
    assert_eq!(
        format!("{} by {how}", answer.address),
        expected,
        "peer {peer}, header {forwarded_for:?}"
    );
}

#[test]
fn the_header_of_a_stranger_is_ignored() {
    check("81.2.69.142", &[], "81.2.69.142 by peer");
    check("81.2.69.142", &["8.8.8.8"], "81.2.69.142 by peer");
    check("81.2.69.142", &["127.0.0.1"], "81.2.69.142 by peer");
    check("172.31.5.4", &["8.8.8.8"], "172.31.5.4 by peer");
    check("127.0.0.2", &["8.8.8.8"], "127.0.0.2 by peer");
    check("::ffff:81.2.69.142", &["8.8.8.8"], "81.2.69.142 by peer");
}

#[test]
fn the_rightmost_hop_that_is_not_ours_is_the_client() {
    check("127.0.0.1", &["81.2.69.142"], "81.2.69.142 by proxy");
    check("::ffff:127.0.0.1", &["81.2.69.142"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["8.8.8.8, 81.2.69.142"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["8.8.8.8, 81.2.69.142, 10.9.1.1"], "81.2.69.142 by proxy");
    check(
        "10.9.3.3",
        &["8.8.8.8, 81.2.69.142, 198.18.7.7,2001:db8:99::4 ,10.9.1.1"],
        "81.2.69.142 by proxy",
    );
    check("127.0.0.1", &["8.8.8.8", "81.2.69.142", "10.9.1.1"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["81.2.69.142, 10.200.0.1"], "10.200.0.1 by proxy");
}

#[test]
fn a_loopback_peer_may_name_the_hosts_own_address_and_nobody_else_may() {
    check("127.0.0.1", &["81.2.69.142, 172.31.5.4"], "81.2.69.142 by proxy");
    check("::1", &["81.2.69.142, 2a02:8071:1::5"], "81.2.69.142 by proxy");
    check("10.9.3.3", &["81.2.69.142, 172.31.5.4"], "172.31.5.4 by proxy");
    // The own address stands for the peer, so it is never the answer, whatever follows.
    check("127.0.0.1", &["172.31.5.4"], "127.0.0.1 by peer");
    check("127.0.0.1", &["rubbish, 172.31.5.4"], "127.0.0.1 by peer");
    check("127.0.0.1", &["rubbish, 10.9.1.1, 172.31.5.4"], "10.9.1.1 by proxy");
}

#[test]
fn without_a_hop_outside_the_answer_is_a_proxy_and_proxies_are_protected() {
    check("127.0.0.1", &[], "127.0.0.1 by peer");
    check("127.0.0.1", &[""], "127.0.0.1 by peer");
    check("127.0.0.1", &[" , ,"], "127.0.0.1 by peer");
    check("127.0.0.1", &["10.9.1.1, 198.18.7.7"], "127.0.0.1 by peer");
    check("127.0.0.1", &["8.8.8.8, unknown"], "127.0.0.1 by peer");
    check("127.0.0.1", &["8.8.8.8, unknown, 10.9.1.1"], "10.9.1.1 by proxy");
}

#[test]
fn a_hop_is_read_with_port_brackets_and_zone() {
    check("127.0.0.1", &["81.2.69.142:443"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["\t 81.2.69.142 \t"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["2a00:1450::9"], "2a00:1450::9 by proxy");
    check("127.0.0.1", &["[2a00:1450::9]"], "2a00:1450::9 by proxy");
    check("127.0.0.1", &["[2A00:1450:0::9]:443"], "2a00:1450::9 by proxy");
    check("127.0.0.1", &["fe80::9%eth0"], "fe80::9 by proxy");
    check("127.0.0.1", &["[fe80::9%eth0.4]:80"], "fe80::9 by proxy");
    check("127.0.0.1", &["::ffff:81.2.69.142"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["[::ffff:5102:458e]:80"], "81.2.69.142 by proxy");
    check("127.0.0.1", &["81.2.69.142, ::ffff:10.9.1.1"], "81.2.69.142 by proxy");
}

#[test]
fn rubbish_ends_the_walk() {
    let rubbish = [
        "unknown",
        "_hidden",
        "8.8.8",
        "8.8.8.8.8",
        "08.8.8.8",
        "8.8.8.256",
        "0x8.8.8.8",
        "134744072",
        "8.8.8.8:",
        "8.8.8.8:x",
        "8.8.8.8:70000",
        "8.8.8.8:+80",
        "8.8.8.8/32",
        "[8.8.8.8]",
        "[2a00::1",
        "[2a00::1]80",
        "[2a00::1]:",
        "2a00:::1",
        "2a00::1%",
        "2a00::1%a b",
        "2a00::g",
        "\"8.8.8.8\"",
        "for=8.8.8.8",
        "8.8.8.8 9.9.9.9",
        "8.8.8.8;",
        "8.8.8.8\u{a0}",
        "٨.٨.٨.٨",
        "localhost",
        "-",
        "%",
        "[]",
        ":",
        "::ffff:8.8.8.8:80:1:2:3:4:5:6",
    ];
    for hop in rubbish {
        check("127.0.0.1", &[&format!("9.9.9.9, {hop}, 10.9.1.1")], "10.9.1.1 by proxy");
        check("127.0.0.1", &[&format!("9.9.9.9, {hop}")], "127.0.0.1 by peer");
    }
}

#[test]
fn a_header_too_long_to_read_names_nobody() {
    let long = format!("8.8.8.8{}", " ".repeat(10_240));
    check("127.0.0.1", &[&long], "127.0.0.1 by peer");
    check("127.0.0.1", &["x".repeat(10_240).as_str(), "81.2.69.142"], "81.2.69.142 by proxy");
    check("127.0.0.1", &[&format!("8.8.8.8,{}10.9.1.1", ",".repeat(60))], "10.9.1.1 by proxy");
    check("127.0.0.1", &[&format!("8.8.8.8{}", ", 10.9.1.1".repeat(1_000))], "10.9.1.1 by proxy");
    check("127.0.0.1", &[&format!("8.8.8.8{}", ", 10.9.1.1".repeat(31))], "8.8.8.8 by proxy");
    check("127.0.0.1", &[&"9".repeat(10_240)], "127.0.0.1 by peer");
}

/// One element of a chain: what stands there, and who it is to the reference, which never parses.
#[derive(Debug, Clone)]
enum Hop {
    Empty,
    Rubbish(String),
    Own(String, IpAddr),
    Proxy(String, IpAddr),
    Stranger(String, IpAddr),
}

impl Hop {
    fn text(&self) -> &str {
        match self {
            Hop::Empty => "",
            Hop::Rubbish(text)
            | Hop::Own(text, _)
            | Hop::Proxy(text, _)
            | Hop::Stranger(text, _) => text,
        }
    }
}

/// The rule again, from its sentence: drop what follows from nobody, look at the last one left.
fn reference(peer: Hop, mut chain: Vec<Hop>) -> Client {
    let (Hop::Own(_, address) | Hop::Proxy(_, address) | Hop::Stranger(_, address)) = peer else {
        unreachable!()
    };
    let by_peer = Client { address, provenance: Provenance::SocketPeer };
    if !matches!(peer, Hop::Proxy(..)) {
        return by_peer;
    }
    chain.retain(|hop| !matches!(hop, Hop::Empty));
    if address.is_loopback() {
        chain.retain(|hop| !matches!(hop, Hop::Own(..)));
    }
    let proxies = chain.iter().rev().take_while(|hop| matches!(hop, Hop::Proxy(..))).count();
    let outside = chain.len().checked_sub(proxies + 1).map(|index| &chain[index]);
    let named = match outside {
        None => return by_peer,
        Some(Hop::Stranger(_, address) | Hop::Own(_, address)) => Some(*address),
        Some(_) => match chain.get(chain.len() - proxies) {
            Some(Hop::Proxy(_, address)) => Some(*address),
            _ => None,
        },
    };
    named.map_or(by_peer, |address| Client { address, provenance: Provenance::ProxyAsserted })
}

/// An address as some proxy might write it.
fn written(address: IpAddr) -> impl Strategy<Value = String> {
    let forms = match address {
        IpAddr::V4(v4) => vec![
            format!("{v4}"),
            format!("{v4}:51234"),
            format!("  {v4}\t"),
            format!("::ffff:{v4}"),
            format!("[::FFFF:{v4}]:9"),
        ],
        IpAddr::V6(v6) => {
            vec![
                format!("{v6}"),
                format!("[{v6}]"),
                format!(" [{v6}]:443"),
                format!("{v6}%en0"),
                format!("[{v6}%7]:1"),
            ]
        }
    };
    proptest::sample::select(forms)
}

fn among(
    addresses: &'static [&'static str],
    hop: fn(String, IpAddr) -> Hop,
) -> impl Strategy<Value = Hop> {
    proptest::sample::select(addresses).prop_flat_map(move |text| {
        let address: IpAddr = text.parse().unwrap();
        written(address).prop_map(move |text| hop(text, address))
    })
}

fn proxy() -> impl Strategy<Value = Hop> {
    among(
        &["127.0.0.1", "::1", "10.9.0.1", "10.9.255.255", "198.18.7.7", "2001:db8:99::4"],
        Hop::Proxy,
    )
}

fn own() -> impl Strategy<Value = Hop> {
    among(&INTERFACES, Hop::Own)
}

fn stranger() -> impl Strategy<Value = Hop> {
    const NEAR: [&str; 8] = [
        "81.2.69.142",
        "127.0.0.2",
        "10.10.0.1",
        "10.8.255.255",
        "192.168.1.1",
        "2a00:1450::9",
        "2001:db8:9a::",
        "fe80::1",
    ];
    let near =
        proptest::sample::select(NEAR.as_slice()).prop_map(|text| text.parse::<IpAddr>().unwrap());
    let any_v4 = any::<u32>().prop_map(|bits| IpAddr::V4((bits | 0x4000_0000).into()));
    let any_v6 = any::<u128>().prop_map(|bits| IpAddr::V6((bits >> 3 | 0x2a03 << 112).into()));
    let elsewhere = |address: &IpAddr| !INTERFACES.contains(&address.to_string().as_str());
    prop_oneof![near, any_v4, any_v6]
        .prop_filter("an interface of the host is no stranger", elsewhere)
        .prop_flat_map(|address| {
            written(address).prop_map(move |text| Hop::Stranger(text, address))
        })
}

fn rubbish() -> impl Strategy<Value = Hop> {
    const KNOWN: [&str; 8] =
        ["unknown", "_x", "8.8.8", "1.2.3.4:99999", "[::1", "%", "10.9.0.1/16", "0127.0.0.1"];
    prop_oneof![
        proptest::sample::select(KNOWN.as_slice()).prop_map(|text| Hop::Rubbish(text.to_owned())),
        "[g-z!-+]{1,40}".prop_map(Hop::Rubbish),
        (100..10_240usize).prop_map(|bytes| Hop::Rubbish("1".repeat(bytes))),
    ]
}

/// What the client wrote, then who handed it on: 0 to 4 proxies of ours, the host's own address among them.
fn chain() -> impl Strategy<Value = Vec<Hop>> {
    let forged = prop_oneof![4 => stranger(), 2 => proxy(), 1 => own(), 2 => rubbish(), 1 => Just(Hop::Empty)];
    let behind = prop_oneof![6 => proxy(), 1 => own(), 1 => Just(Hop::Empty)];
    (
        proptest::collection::vec(forged, 0..6),
        proptest::option::weighted(0.9, stranger()),
        proptest::collection::vec(behind, 0..=4),
    )
        .prop_map(|(forged, client, behind)| {
            forged.into_iter().chain(client).chain(behind).collect()
        })
}

fn peer() -> impl Strategy<Value = Hop> {
    prop_oneof![6 => proxy(), 1 => stranger(), 1 => own()]
}

/// Row S2 asks for 10,000; `cargo verify --deep` runs twenty times as many.
fn cases() -> u32 {
    if std::env::var_os("PERIMETER_DEEP").is_some() { 200_000 } else { 10_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_chain_gives_what_the_slow_reference_gives(peer in peer(), chain in chain(), cuts in any::<u16>()) {
        let (Hop::Own(_, address) | Hop::Proxy(_, address) | Hop::Stranger(_, address)) = peer else { unreachable!() };
        // One header value, or several: a bit of `cuts` starts a new one.
        let mut values: Vec<String> = Vec::new();
        for (index, hop) in chain.iter().enumerate() {
            match values.last_mut() {
                Some(value) if cuts >> (index % 16) & 1 == 0 => *value = format!("{value},{}", hop.text()),
                _ => values.push(hop.text().to_owned()),
            }
        }
        let answer = client_address(address, values.iter().map(String::as_str), &trusted());
        prop_assert_eq!(answer, reference(peer, chain));
    }

    #[test]
    fn no_header_makes_a_stranger_anything_but_itself(address in any::<u32>(), header in ".{0,200}") {
        let address = IpAddr::V4((address | 0x4000_0000).into());
        let answer = client_address(address, Some(header.as_str()), &trusted());
        prop_assert_eq!(answer, Client { address, provenance: Provenance::SocketPeer });
    }

    #[test]
    fn any_text_is_read_without_panic(header in proptest::collection::vec(".{0,60}", 0..4)) {
        let answer = client_address("127.0.0.1".parse().unwrap(), header.iter().map(String::as_str), &trusted());
        prop_assert_eq!(answer.address, answer.address.to_canonical());
    }
}
