//! A strict, scripted AWS WAFv2: IP sets with lock tokens over JSON 1.1, and faults on demand.
//!
//! The emulator of the local world accepts nearly everything; this fake refuses what AWS refuses, records every
//! accepted write with its time, and can be told to fail. Wire form: `X-Amz-Target: AWSWAF_20190729.<operation>`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use serde_json::{Value, json};

const ADDRESSES_MAX: usize = 10_000;
/// What a rival editor puts into a set.
pub(crate) const RIVALS: IpNet =
    IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(198, 51, 100, 7), 32));

/// What the next call of an operation is answered with instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 500 with JSON, as AWS words it.
    Internal,
    /// 200 with an HTML page.
    Garbage,
    /// 504 with an HTML page.
    GatewayTimeout,
    /// The write is done, the answer is an error.
    AfterEffect,
    /// Somebody else wrote in between.
    LockConflict,
    /// The set is said not to exist.
    NotFound,
}

/// One accepted write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) at: Instant,
    pub(crate) set: String,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) description: String,
}

#[derive(Default)]
struct World {
    sets: Vec<IpSet>,
    writes: Vec<Write>,
    faults: VecDeque<(String, Fault)>,
    calls: Vec<String>,
    token: u64,
    /// Before every so many writes somebody else writes first; 0 is never.
    rival_every: usize,
    rival_writes: usize,
}

struct IpSet {
    name: String,
    id: String,
    version: &'static str,
    addresses: Vec<IpNet>,
    description: String,
    token: String,
}

/// A running fake; clones share it.
#[derive(Clone)]
pub(crate) struct WafFake {
    world: Arc<Mutex<World>>,
}

impl WafFake {
    /// Serves on `address`, with the sets `<prefix>-v4` and `<prefix>-v6`, empty.
    pub(crate) async fn start(address: SocketAddr, prefix: &str) -> WafFake {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let fake = WafFake { world: Arc::default() };
        fake.add_set(&format!("{prefix}-v4"), "IPV4");
        fake.add_set(&format!("{prefix}-v6"), "IPV6");
        let app = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    pub(crate) fn add_set(&self, name: &str, version: &'static str) {
        let mut world = self.lock();
        world.token += 1;
        let token = format!("token-{}", world.token);
        let id = format!("id-{name}");
        world.sets.push(IpSet {
            name: name.to_owned(),
            id,
            version,
            addresses: Vec::new(),
            description: String::new(),
            token,
        });
    }

    /// Answers the next calls of `operation` (`GetIPSet`, `UpdateIPSet`, …) with `fault`, once per entry.
    pub(crate) fn fail_next(&self, operation: &str, fault: Fault) {
        self.lock().faults.push_back((operation.to_owned(), fault));
    }

    /// How many scripted faults were not met yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    /// From now on a rival editor writes an entry of its own right before every `every`-th write of ours.
    pub(crate) fn rival(&self, every: usize) {
        self.lock().rival_every = every;
    }

    /// How often the rival wrote.
    pub(crate) fn rival_writes(&self) -> usize {
        self.lock().rival_writes
    }

    /// Puts a set's content in place behind everybody's back.
    pub(crate) fn set(&self, name: &str, addresses: &[IpNet], description: &str) {
        let mut world = self.lock();
        world.token += 1;
        let token = format!("token-{}", world.token);
        let set = world.sets.iter_mut().find(|set| set.name == name).unwrap();
        set.addresses = addresses.to_vec();
        set.description = description.to_owned();
        set.token = token;
    }

    pub(crate) fn addresses(&self, name: &str) -> Vec<IpNet> {
        let world = self.lock();
        let mut addresses =
            world.sets.iter().find(|set| set.name == name).unwrap().addresses.clone();
        addresses.sort();
        addresses
    }

    pub(crate) fn description(&self, name: &str) -> String {
        self.lock().sets.iter().find(|set| set.name == name).unwrap().description.clone()
    }

    pub(crate) fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.lock().calls.iter().filter(|call| *call == operation).count()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(fake): State<WafFake>, headers: HeaderMap, body: Bytes) -> Response {
    let target =
        headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut world = fake.lock();
    world.calls.push(operation.clone());
    let index = world.faults.iter().position(|(faulty, _)| *faulty == operation);
    let fault = index.and_then(|index| world.faults.remove(index)).map(|(_, fault)| fault);
    match fault {
        Some(Fault::Internal) => return error(500, "WAFInternalErrorException", "scripted"),
        Some(Fault::Garbage) => {
            return (StatusCode::OK, "<html><body>surprise</body></html>").into_response();
        }
        Some(Fault::GatewayTimeout) => {
            return (StatusCode::GATEWAY_TIMEOUT, "<html>504 Gateway Time-out</html>")
                .into_response();
        }
        Some(Fault::LockConflict) => return error(400, "WAFOptimisticLockException", "scripted"),
        Some(Fault::NotFound) => {
            return error(400, "WAFNonexistentItemException", "scripted");
        }
        Some(Fault::AfterEffect) | None => {}
    }
    let reply = world.call(&operation, &request);
    if fault == Some(Fault::AfterEffect) {
        return error(500, "WAFInternalErrorException", "scripted, after the effect");
    }
    reply
}

impl World {
    fn call(&mut self, operation: &str, request: &Value) -> Response {
        match operation {
            "ListIPSets" => self.list(request),
            "GetIPSet" => self.get(request),
            "UpdateIPSet" => {
                self.let_the_rival_write(request);
                self.update(request)
            }
            other => {
                error(400, "WAFInvalidOperationException", &format!("{other} is not scripted"))
            }
        }
    }

    /// One set a page, so that whoever does not follow `NextMarker` misses the second.
    fn list(&self, request: &Value) -> Response {
        let from: usize =
            request["NextMarker"].as_str().and_then(|marker| marker.parse().ok()).unwrap_or(0);
        let Some(set) = self.sets.get(from) else { return ok(json!({"IPSets": []})) };
        let summary = json!({"Name": set.name, "Id": set.id, "ARN": format!("arn:{}", set.id),
            "Description": set.description, "LockToken": set.token});
        let mut reply = json!({"IPSets": [summary]});
        if from + 1 < self.sets.len() {
            reply["NextMarker"] = json!((from + 1).to_string());
        }
        ok(reply)
    }

    fn get(&self, request: &Value) -> Response {
        let Some(set) = self.sets.iter().find(|set| request["Id"] == set.id.as_str()) else {
            return error(400, "WAFNonexistentItemException", "no such set");
        };
        let addresses: Vec<String> = set.addresses.iter().rev().map(ToString::to_string).collect();
        ok(json!({"LockToken": set.token, "IPSet": {"Name": set.name, "Id": set.id,
            "ARN": format!("arn:{}", set.id), "Description": set.description,
            "IPAddressVersion": set.version, "Addresses": addresses}}))
    }

    fn let_the_rival_write(&mut self, request: &Value) {
        let asked = self.calls.iter().filter(|call| *call == "UpdateIPSet").count();
        if self.rival_every == 0 || !asked.is_multiple_of(self.rival_every) {
            return;
        }
        self.token += 1;
        self.rival_writes += 1;
        if let Some(set) = self.sets.iter_mut().find(|set| request["Id"] == set.id.as_str()) {
            set.token = format!("token-{}", self.token);
            if set.version == "IPV4" && !set.addresses.contains(&RIVALS) {
                set.addresses.push(RIVALS);
            }
        }
    }

    fn update(&mut self, request: &Value) -> Response {
        self.token += 1;
        let token = format!("token-{}", self.token);
        let Some(set) = self.sets.iter_mut().find(|set| request["Id"] == set.id.as_str()) else {
            return error(400, "WAFNonexistentItemException", "no such set");
        };
        if request["LockToken"] != set.token.as_str() {
            return error(400, "WAFOptimisticLockException", "stale token");
        }
        let Some(list) = request["Addresses"].as_array() else {
            return error(400, "WAFInvalidParameterException", "Addresses is missing");
        };
        let parsed: Option<Vec<IpNet>> = list
            .iter()
            .map(|address| address.as_str().and_then(|text| text.parse().ok()))
            .collect();
        let Some(addresses) = parsed else {
            return error(400, "WAFInvalidParameterException", "an address is not CIDR");
        };
        let of_version = |network: &IpNet| {
            matches!((network, set.version), (IpNet::V4(_), "IPV4") | (IpNet::V6(_), "IPV6"))
        };
        if !addresses.iter().all(|network| of_version(network) && network.prefix_len() > 0) {
            return error(
                400,
                "WAFInvalidParameterException",
                "an address is of the wrong version, or /0",
            );
        }
        if addresses.len() > ADDRESSES_MAX {
            return error(400, "WAFLimitsExceededException", "more than 10,000 addresses");
        }
        set.addresses = addresses.clone();
        set.description = request["Description"].as_str().unwrap_or_default().to_owned();
        set.token.clone_from(&token);
        let write = Write {
            at: Instant::now(),
            set: set.name.clone(),
            addresses,
            description: set.description.clone(),
        };
        self.writes.push(write);
        ok(json!({"NextLockToken": token}))
    }
}

fn ok(body: Value) -> Response {
    (StatusCode::OK, [("content-type", "application/x-amz-json-1.1")], body.to_string())
        .into_response()
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"__type": kind, "Message": message}).to_string();
    (status, [("content-type", "application/x-amz-json-1.1")], body).into_response()
}
