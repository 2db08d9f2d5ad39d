//! What an entry of Envoy's access log becomes, rule by rule.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

use std::collections::HashMap;

use collector::logic::{Mapped, Mapping, Place, Probe, Unusable, event};
use envoy_types::pb::envoy::config::core::v3::{Address, RequestMethod, SocketAddress, address};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpRequestProperties,
    HttpResponseProperties, ResponseFlags, response_flags::Unauthorized,
};
use envoy_types::pb::google::protobuf::{Timestamp, UInt32Value};
use observe::Trusted;
use observe::probe::{Forged, Nonce, PROBE_HEADER, PROBE_PATH, PrivateKey, sign};
use proptest::prelude::*;
use schemas::Provenance;
use uuid::Uuid;

const NOW: i64 = 1_780_000_000_000;

fn key() -> PrivateKey {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    PrivateKey::from_pem(&pem).unwrap()
}

fn mapping(key: &PrivateKey) -> Mapping {
    let trusted = Trusted::new(&["127.0.0.1/32".parse().unwrap()], ["192.0.2.9".parse().unwrap()]);
    Mapping { trusted, probe_key: key.public() }
}

fn entry(
    change: impl FnOnce(&mut AccessLogCommon, &mut HttpRequestProperties, &mut HttpResponseProperties),
) -> HttpAccessLogEntry {
    let socket = SocketAddress { address: "127.0.0.1".to_owned(), ..SocketAddress::default() };
    let mut common = AccessLogCommon {
        start_time: Some(Timestamp { seconds: NOW / 1_000 - 1, nanos: 250_000_000 }),
        downstream_direct_remote_address: Some(Address {
            address: Some(address::Address::SocketAddress(socket)),
        }),
        ..AccessLogCommon::default()
    };
    let mut request = HttpRequestProperties {
        request_method: RequestMethod::Post.into(),
        authority: "shop.example".to_owned(),
        path: "/login?next=/".to_owned(),
        forwarded_for: "6.6.6.6, 81.2.69.142,192.0.2.9".to_owned(),
        user_agent: "curl".to_owned(),
        ..HttpRequestProperties::default()
    };
    let mut response = HttpResponseProperties {
        response_code: Some(UInt32Value { value: 401 }),
        ..Default::default()
    };
    change(&mut common, &mut request, &mut response);
    HttpAccessLogEntry {
        common_properties: Some(common),
        request: Some(request),
        response: Some(response),
        ..HttpAccessLogEntry::default()
    }
}

fn map(entry: &HttpAccessLogEntry) -> Result<Mapped, Unusable> {
    let place = Place { run: Uuid::from_u128(5), source: "envoy/5/1", position: 9 };
    event(&mapping(&key()), entry, place, NOW)
}

#[test]
fn an_entry_becomes_an_event() {
    let event = map(&entry(|_, _, _| ())).unwrap().event;
    assert_eq!((event.observed_at, event.received_at), (NOW - 750, Some(NOW)));
    assert_eq!(
        (event.client.to_string().as_str(), event.provenance),
        ("81.2.69.142", Provenance::ProxyAsserted)
    );
    assert_eq!((event.method.as_str(), event.host.as_deref()), ("POST", Some("shop.example")));
    assert_eq!((event.uri.as_str(), event.status), ("/login?next=/", Some(401)));
    assert_eq!((event.agent.as_deref(), event.referer), (Some("curl"), None));
    assert_eq!((event.source.as_str(), event.position), ("envoy/5/1", Some(9)));
    assert!(!event.refused_by_us && !event.probe);
    assert_eq!(event.event_id, map(&entry(|_, _, _| ())).unwrap().event.event_id);
}

#[test]
fn a_header_that_could_hide_the_path_does_not() {
    let event =
        map(&entry(|_, request, _| request.original_path = "/harmless".to_owned())).unwrap().event;
    assert_eq!(event.uri, "/login?next=/");
}

#[test]
fn headers_that_envoy_was_told_to_log_are_carried_and_our_own_are_not() {
    let with = |headers: &[(&str, &str)]| {
        let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers: HashMap<_, _> = owned.collect();
        let mapped = map(&entry(|_, request, _| request.request_headers = headers)).unwrap();
        let names = |headers: Vec<schemas::Header>| {
            headers.into_iter().map(|header| header.name).collect::<Vec<_>>().join(" ")
        };
        mapped.event.headers.map(names)
    };
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[("traceparent", "00-1"), (PROBE_HEADER, "x")]), None);
    let theirs =
        [("traceparent", "00-1"), ("user-agent", "curl"), ("cookie", "a=b"), ("accept", "*")];
    assert_eq!(with(&theirs).as_deref(), Some("accept cookie"));
}

#[test]
fn our_own_refusal_is_known_by_flag_or_detail() {
    let flagged = entry(|common, _, _| {
        common.response_flags = Some(ResponseFlags {
            unauthorized_details: Some(Unauthorized { reason: 1 }),
            ..Default::default()
        });
    });
    let detailed =
        entry(|_, _, response| response.response_code_details = "ext_authz_denied".to_owned());
    let failed =
        entry(|_, _, response| response.response_code_details = "ext_authz_error".to_owned());
    assert!(map(&flagged).unwrap().event.refused_by_us);
    assert!(map(&detailed).unwrap().event.refused_by_us);
    assert!(!map(&failed).unwrap().event.refused_by_us);
}

#[test]
fn what_nobody_can_be_held_to_is_no_event() {
    let check = |entry: &HttpAccessLogEntry, unusable| assert_eq!(map(entry), Err(unusable));
    check(&entry(|common, _, _| common.downstream_direct_remote_address = None), Unusable::NoPeer);
    check(&HttpAccessLogEntry::default(), Unusable::NoPeer);
    check(
        &entry(|common, _, _| common.access_log_type = AccessLogType::DownstreamStart.into()),
        Unusable::Intermediate,
    );
    check(&HttpAccessLogEntry { request: None, ..entry(|_, _, _| ()) }, Unusable::NoRequest);
    assert!(
        map(&entry(|common, _, _| common.access_log_type = AccessLogType::DownstreamEnd.into()))
            .is_ok()
    );
}

#[test]
fn the_future_is_marked() {
    let at = |seconds| {
        entry(move |common, _, _| common.start_time = Some(Timestamp { seconds, nanos: 0 }))
    };
    assert_eq!(map(&at(NOW / 1_000 + 31)).unwrap().future_ms, Some(31_000));
    assert_eq!(map(&at(NOW / 1_000 + 30)).unwrap().future_ms, None);
}

#[test]
fn a_probe_is_believed_only_for_its_own_address_path_and_time() {
    let key = key();
    let address = "81.2.69.142".parse().unwrap();
    let check = |header: String, expected: Probe, path: &str| {
        let entry = entry(|_, request, _| {
            request.path = path.to_owned();
            request.request_headers = HashMap::from([(PROBE_HEADER.to_owned(), header)]);
        });
        let place = Place { run: Uuid::nil(), source: "envoy", position: 0 };
        let mapped = event(&mapping(&key), &entry, place, NOW).unwrap();
        assert_eq!(mapped.probe, expected);
        assert!(!mapped.event.probe, "only the caller knows whether the nonce is new");
    };
    let nonce = Nonce([7; 16]);
    let signed = |address, at| sign(address, PROBE_PATH, at, nonce, &key);
    check(signed(address, NOW), Probe::Signed(nonce), PROBE_PATH);
    check(signed(address, NOW), Probe::Forged(Forged::WrongSignature), "/login");
    check(
        signed("6.6.6.6".parse().unwrap(), NOW),
        Probe::Forged(Forged::WrongSignature),
        PROBE_PATH,
    );
    check(signed(address, NOW - 10_001), Probe::Forged(Forged::Expired), PROBE_PATH);
    check("v1.hello".to_owned(), Probe::Forged(Forged::Malformed), PROBE_PATH);
}

proptest! {
    #[test]
    fn every_event_keeps_the_limits_of_its_schema(text in "\\PC{0,40}", times in 1_usize..2_000, header in "\\PC{0,80}") {
        let long = text.repeat(times);
        let mapped = map(&entry(|common, request, _| {
            common.start_time = None;
            request.path.clone_from(&long);
            request.authority.clone_from(&long);
            request.user_agent.clone_from(&long);
            request.referer.clone_from(&long);
            request.forwarded_for.clone_from(&header);
            request.request_headers.insert(PROBE_HEADER.to_owned(), header.clone());
        })).unwrap();
        let mut bytes = Vec::new();
        schemas::Record::encode(&mapped.event, &mut bytes).unwrap();
        let decoded = <schemas::Event as schemas::Record>::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.to_event(), mapped.event);
    }
}
