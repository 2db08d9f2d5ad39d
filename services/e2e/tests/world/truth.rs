//! What must hold, folded by the tests themselves from `leases` and `controls`, and whether every point holds it.

use std::collections::BTreeSet;
use std::time::Duration;

use ipnet::IpNet;
use schemas::effective::blocked_networks;
use schemas::{Action, Decision, LeaseEntry, Millis, Observable, Protected, Provenance, View};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{World, eventually, exchange, now, shown};
use super::log::{Log, Read};

const PREFIX: &str = "perimeter-block";

/// Leases and controls as the log has them.
pub(crate) fn view(read: &Read) -> View {
    let mut view = View::default();
    for lease in &read.leases {
        if let LeaseEntry::Lease(lease) = &lease.record {
            view.apply(lease.clone());
        }
    }
    for control in &read.controls {
        view.apply_control(&control.record, control.appended_at);
    }
    view
}

/// The decision to block `observable`, by an operator, as one who writes to Kafka directly would make it.
pub(crate) fn block(observable: Observable, until: Millis) -> Decision {
    Decision {
        decision_id: Uuid::new_v4(),
        until: Some(until),
        explanation: "a test asked for it".to_owned(),
        decided_by: Some("spiffe://perimeter/operator/e2e".to_owned()),
        provenance: Some(Provenance::ProxyAsserted),
        ..Decision::by_operator(Action::Block, observable)
    }
}

/// What both IP sets hold; `None` while the WAF does not answer.
pub(crate) async fn waf(world: &World) -> Option<BTreeSet<IpNet>> {
    let listed = call_waf(world, "ListIPSets", json!({"Scope": "REGIONAL"})).await?;
    let mut networks = BTreeSet::new();
    for suffix in ["v4", "v6"] {
        let name = format!("{PREFIX}-{suffix}");
        let sets = listed["IPSets"].as_array()?;
        let id = sets.iter().find(|set| set["Name"] == name.as_str())?["Id"].clone();
        let asked = json!({"Name": name, "Scope": "REGIONAL", "Id": id});
        let answer = call_waf(world, "GetIPSet", asked).await?;
        for address in answer["IPSet"]["Addresses"].as_array()? {
            networks.insert(address.as_str()?.parse().ok()?);
        }
    }
    Some(networks)
}

async fn call_waf(world: &World, operation: &str, request: Value) -> Option<Value> {
    let endpoint = world.at("/waf/endpoint");
    let headers = [
        ("x-amz-target", format!("AWSWAF_20190729.{operation}")),
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        // The emulator checks no signature, but finds the service and the region in it.
        ("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/wafv2/aws4_request, SignedHeaders=host, Signature=0".to_owned()),
    ];
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let answer = exchange(address, "POST", "/", &headers, &request.to_string()).await;
    if answer.status != 200 {
        return None;
    }
    serde_json::from_str(&answer.body).ok()
}

/// What is wanted at this moment: the networks for a list, and the observables that Redis is to show.
fn wanted(read: &Read, protected: &Protected) -> (BTreeSet<IpNet>, BTreeSet<String>) {
    let (view, now) = (view(read), now());
    let blocked = blocked_networks(&view, protected, now).into_iter().collect();
    let in_force = view.leases().filter(|lease| {
        lease.claims.iter().any(|claim| claim.in_force(now, view.frozen_since()))
            && protected.overlap(lease.observable.network()).is_none()
    });
    (blocked, in_force.map(|lease| lease.observable.to_string()).collect())
}

/// Waits until the WAF and Redis hold exactly what the leases want.
pub(crate) async fn converged(world: &World, log: &Log, within: Duration) {
    let protected = world.policy().protected();
    let differs = std::sync::Mutex::new(String::new());
    let look = async || {
        let (in_waf, in_redis) = (waf(world).await?, shown(world).await?);
        let (blocked, in_force) = wanted(&log.read(), &protected);
        let in_redis: BTreeSet<String> = in_redis.into_iter().collect();
        let text = format!(
            "WAF {} of {}, Redis {} of {}; for example {:?}",
            in_waf.len(),
            blocked.len(),
            in_redis.len(),
            in_force.len(),
            in_waf.symmetric_difference(&blocked).next()
        );
        *differs.lock().unwrap() = text;
        (in_waf == blocked && in_redis == in_force).then_some(())
    };
    let begun = std::time::Instant::now();
    while look().await.is_none() {
        let found = differs.lock().unwrap().clone();
        assert!(begun.elapsed() < within, "not converged within {within:?}: {found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until Envoy refuses `client`.
pub(crate) async fn refused(world: &World, client: std::net::IpAddr, within: Duration) {
    eventually(&format!("Envoy refuses {client}"), within, async || {
        (world.get(client, "/").await.status == 403).then_some(())
    })
    .await;
}
