//! Any record of any topic, generated and as one type, for the tests that treat all of them alike.

mod closed;

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use schemas::{
    Claim, Control, Decision, DecodeError, Detection, Enforcement, Epoch, Event, Evidence,
    Generation, Lease, LeaseEntry, Mode, Observable, Outcome, Record, Snapshot, SourcePosition,
    Window,
};
use uuid::Uuid;

use closed::*;

/// One record of one topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnyRecord {
    Event(Event),
    Detection(Detection),
    Decision(Decision),
    Lease(LeaseEntry),
    Enforcement(Enforcement),
    Outcome(Outcome),
    Control(Control),
    Snapshot(Snapshot),
}

impl AnyRecord {
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            AnyRecord::Event(record) => record.encode(&mut out),
            AnyRecord::Detection(record) => record.encode(&mut out),
            AnyRecord::Decision(record) => record.encode(&mut out),
            AnyRecord::Lease(record) => record.encode(&mut out),
            AnyRecord::Enforcement(record) => record.encode(&mut out),
            AnyRecord::Outcome(record) => record.encode(&mut out),
            AnyRecord::Control(record) => record.encode(&mut out),
            AnyRecord::Snapshot(record) => record.encode(&mut out),
        }
        .unwrap_or_else(|error| panic!("{error}: {self:?}"));
        out
    }

    /// Decodes `bytes` as a record of the same topic.
    pub(crate) fn decode_alike(&self, bytes: &[u8]) -> Result<AnyRecord, DecodeError> {
        match self {
            AnyRecord::Event(_) => {
                Event::decode(bytes).map(|view| AnyRecord::Event(view.to_event()))
            }
            AnyRecord::Detection(_) => Detection::decode(bytes).map(AnyRecord::Detection),
            AnyRecord::Decision(_) => Decision::decode(bytes).map(AnyRecord::Decision),
            AnyRecord::Lease(_) => LeaseEntry::decode(bytes).map(AnyRecord::Lease),
            AnyRecord::Enforcement(_) => Enforcement::decode(bytes).map(AnyRecord::Enforcement),
            AnyRecord::Outcome(_) => Outcome::decode(bytes).map(AnyRecord::Outcome),
            AnyRecord::Control(_) => Control::decode(bytes).map(AnyRecord::Control),
            AnyRecord::Snapshot(_) => Snapshot::decode(bytes).map(AnyRecord::Snapshot),
        }
    }
}

pub(crate) fn any_record() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        event().prop_map(AnyRecord::Event),
        detection().prop_map(AnyRecord::Detection),
        decision().prop_map(AnyRecord::Decision),
        lease().prop_map(|lease| AnyRecord::Lease(LeaseEntry::Lease(lease))),
        (any::<i64>(), vec(any::<i64>(), 0..4)).prop_map(|(epoch, replaces)| AnyRecord::Lease(
            LeaseEntry::Epoch(Epoch { epoch, replaces })
        )),
        enforcement().prop_map(AnyRecord::Enforcement),
        outcome().prop_map(AnyRecord::Outcome),
        control().prop_map(AnyRecord::Control),
        snapshot().prop_map(AnyRecord::Snapshot),
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let what = (
        text(),
        option::of(any::<i64>()),
        any::<i64>(),
        option::of(any::<i64>()),
        address(),
        provenance(),
    );
    let request = (
        text(),
        option::of(text()),
        text(),
        option::of(any::<i32>()),
        option::of(text()),
        option::of(text()),
    );
    let seen = (activity(), option::of(any::<bool>()), option::of(text()), option::of(text()));
    (id(), what, request, any::<bool>(), any::<bool>(), seen, content()).prop_map(
        |(event_id, what, request, refused_by_us, probe, seen, (headers, body, cut))| {
            let (activity, succeeded, account, finding) = seen;
            let (source, position, observed_at, received_at, client, provenance) = what;
            let (method, host, uri, status, agent, referer) = request;
            Event {
                event_id,
                source,
                position,
                observed_at,
                received_at,
                client,
                provenance,
                method,
                host,
                uri,
                status,
                agent,
                referer,
                refused_by_us,
                probe,
                activity,
                succeeded,
                account,
                finding,
                headers,
                body,
                cut,
            }
        },
    )
}

pub(crate) fn detection() -> impl Strategy<Value = Detection> {
    let claim = (0.0..=1.0f64, severity(), category(), provenance());
    (id(), observable(), any::<i64>(), claim, vec(evidence(), 0..4)).prop_map(
        |(
            detection_id,
            observable,
            detected_at,
            (probability, severity, category, provenance),
            evidence,
        )| Detection {
            detection_id,
            observable,
            detected_at,
            probability,
            severity,
            category,
            provenance,
            evidence,
        },
    )
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (text(), text(), text(), -1e9..1e9f64, text(), id()).prop_map(
        |(rule, place, value, weight, explanation, event_id)| Evidence {
            rule,
            place,
            value,
            weight,
            explanation,
            event_id,
        },
    )
}

fn decision() -> impl Strategy<Value = Decision> {
    let answer =
        (action(), option::of(any::<i64>()), origin(), any::<i32>(), reason(), text(), mode());
    let about = (
        option::of(any::<i64>()),
        option::of(text()),
        option::of(provenance()),
        option::of(severity()),
    );
    let more = (option::of(category()), signature(), any::<bool>());
    (id(), option::of(id()), observable(), answer, about, more).prop_map(
        |(decision_id, detection_id, observable, answer, about, (category, signature, frozen))| {
            let (action, until, origin, strikes, reason, explanation, mode) = answer;
            let (detected_at, decided_by, provenance, severity) = about;
            Decision {
                decision_id,
                detection_id,
                observable,
                action,
                until,
                origin,
                strikes,
                reason,
                explanation,
                mode,
                frozen,
                detected_at,
                decided_by,
                provenance,
                severity,
                category,
                signature,
            }
        },
    )
}

fn lease() -> impl Strategy<Value = Lease> {
    (observable(), generation(), vec(claim(), 0..3), vec(id(), 0..17)).prop_map(
        |(observable, generation, claims, recent_decisions)| Lease {
            observable,
            generation,
            claims,
            recent_decisions,
        },
    )
}

fn claim() -> impl Strategy<Value = Claim> {
    let what = (origin(), action(), any::<i64>(), any::<i32>());
    (what, id(), any::<i64>(), any::<bool>(), option::of(provenance()), signature()).prop_map(
        |(
            (origin, action, until, strikes),
            decision_id,
            decided_at,
            counts,
            provenance,
            signature,
        )| Claim {
            origin,
            action,
            until,
            strikes,
            decision_id,
            decided_at,
            counts,
            provenance,
            signature,
        },
    )
}

fn enforcement() -> impl Strategy<Value = Enforcement> {
    let what = (
        text(),
        phase(),
        status(),
        action(),
        option::of(any::<i64>()),
        generation(),
        any::<i64>(),
        text(),
    );
    (id(), id(), observable(), what).prop_map(|(enforcement_id, decision_id, observable, what)| {
        let (point, phase, status, action, until, generation, enforced_at, reason) = what;
        Enforcement {
            enforcement_id,
            decision_id,
            observable,
            point,
            phase,
            status,
            action,
            until,
            generation,
            enforced_at,
            reason,
        }
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    let what = (text(), any::<i32>(), phase(), effect(), any::<i32>(), action(), origin());
    let when = (option::of(any::<i64>()), option::of(any::<i64>()), any::<i64>());
    (id(), id(), observable(), what, when, verdict(), text()).prop_map(
        |(outcome_id, decision_id, observable, what, when, verdict, reason)| {
            let (point, level, phase, effect, change, action, origin) = what;
            let (until, detected_at, verified_at) = when;
            Outcome {
                outcome_id,
                decision_id,
                observable,
                point,
                level,
                phase,
                effect,
                change,
                action,
                origin,
                until,
                detected_at,
                verified_at,
                verdict,
                reason,
            }
        },
    )
}

fn control() -> impl Strategy<Value = Control> {
    let mode = option::of(select(vec![Mode::Simulated, Mode::Enforced]));
    (id(), text(), any::<bool>(), option::of(any::<i64>()), any::<i64>(), text(), text(), mode)
        .prop_map(
            |(
                control_id,
                scope,
                frozen,
                frozen_since,
                requested_at,
                requested_by,
                reason,
                mode,
            )| {
                Control {
                    control_id,
                    scope,
                    frozen,
                    frozen_since,
                    requested_at,
                    requested_by,
                    reason,
                    mode,
                }
            },
        )
}

pub(crate) fn snapshot() -> impl Strategy<Value = Snapshot> {
    let window = (text(), observable(), vec(any::<i64>(), 0..9), option::of(any::<i64>()))
        .prop_map(|(rule, observable, seen_at, detected_at)| Window {
            rule,
            observable,
            seen_at,
            detected_at,
        });
    let source = (text(), any::<i64>(), any::<i64>())
        .prop_map(|(source, position, seen_at)| SourcePosition { source, position, seen_at });
    (
        any::<i32>(),
        any::<i32>(),
        any::<i32>(),
        any::<i64>(),
        vec(window, 0..4),
        vec(source, 0..3),
        vec(id(), 0..5),
    )
        .prop_map(
            |(partition, bucket, bucket_count, next_offset, windows, sources, recent_ids)| {
                Snapshot {
                    partition,
                    bucket,
                    bucket_count,
                    next_offset,
                    windows,
                    sources,
                    recent_ids,
                }
            },
        )
}

fn generation() -> impl Strategy<Value = Generation> {
    (any::<i64>(), any::<i64>()).prop_map(|(epoch, offset)| Generation { epoch, offset })
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 1 => ".{0,40}", 1 => "[a-z]{200,300}"]
}

fn signature() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::weighted(0.2, vec(any::<u8>(), 0..70))
}

pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(bits.into()).to_canonical());
    prop_oneof![any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())), v6]
}

pub(crate) fn observable() -> impl Strategy<Value = Observable> {
    let length = |address: IpAddr| 0..=if address.is_ipv4() { 32u8 } else { 128 };
    address().prop_flat_map(move |address| {
        length(address)
            .prop_map(move |length| Observable::from(IpNet::new(address, length).unwrap()))
    })
}

/// How many cases a property runs: twenty times as many under `cargo verify --deep`.
pub(crate) fn cases(normal: u32) -> ProptestConfig {
    let cases = if std::env::var_os("PERIMETER_DEEP").is_some() { normal * 20 } else { normal };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
