//! What happens here as OCSF documents: a detection as a Detection Finding, an outcome as a Network Remediation
//! Activity. The schema is `schemas/ocsf`; why these classes is `docs/adr/0015`.
//!
//! A record always gives the same document, whose `metadata.uid` is the record's id. The way in, from others' OCSF, is
//! [`crate::documents`].

mod finding;
mod remediation;

use std::fmt::Display;
use std::net::IpAddr;

use ipnet::IpNet;
use schemas::Observable;
use serde::{Serialize, Serializer};
use uuid::Uuid;

pub use finding::detection;
pub use remediation::outcome;

/// The version of the schema that every document follows.
pub const VERSION: &str = "1.8.0";

/// A value of OCSF's with the name that the schema gives it.
type Named = (i64, &'static str);

const OTHER: Named = (99, "Other");
const IP_ADDRESS: Named = (2, "IP Address");
const SUBNET: Named = (12, "Subnet");

/// What every class of OCSF asks for.
#[derive(Serialize)]
struct Base {
    category_uid: i64,
    category_name: &'static str,
    class_uid: i64,
    class_name: &'static str,
    activity_id: i64,
    activity_name: &'static str,
    type_uid: i64,
    type_name: String,
    severity_id: i64,
    severity: &'static str,
}

fn base(category: Named, class: Named, activity: Named, severity: Named) -> Base {
    Base {
        category_uid: category.0,
        category_name: category.1,
        class_uid: class.0,
        class_name: class.1,
        activity_id: activity.0,
        activity_name: activity.1,
        type_uid: class.0 * 100 + activity.0,
        type_name: format!("{}: {}", class.1, activity.1),
        severity_id: severity.0,
        severity: severity.1,
    }
}

#[derive(Serialize)]
struct Metadata {
    version: &'static str,
    uid: Uuid,
    /// What a finding and the outcomes that follow from it have in common: the decision's id.
    correlation_uid: Uuid,
    log_name: &'static str,
    product: Product,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
    feature: Feature,
}

#[derive(Serialize)]
struct Feature {
    name: &'static str,
}

fn metadata(service: &'static str, topic: &'static str, id: Uuid, together: Uuid) -> Metadata {
    Metadata {
        version: VERSION,
        uid: id,
        correlation_uid: together,
        log_name: topic,
        product: Product {
            name: "Perimeter",
            vendor_name: "Perimeter",
            version: env!("CARGO_PKG_VERSION"),
            feature: Feature { name: service },
        },
    }
}

/// A client; what is wider than one address has its network as the name, and its first address as the address.
#[derive(Serialize, Clone, Copy)]
struct Endpoint {
    ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<IpNet>,
}

fn endpoint(observable: &Observable) -> Endpoint {
    let network = observable.network();
    Endpoint { ip: network.addr(), name: (kind(observable) == SUBNET).then_some(network) }
}

/// The observable as OCSF's.
#[derive(Serialize)]
struct Observed<'a> {
    /// Where in the document it stands.
    name: &'static str,
    type_id: i64,
    r#type: &'static str,
    #[serde(serialize_with = "as_text")]
    value: &'a Observable,
}

fn observed<'a>(observable: &'a Observable, name: &'static str) -> [Observed<'a>; 1] {
    let (type_id, r#type) = kind(observable);
    [Observed { name, type_id, r#type, value: observable }]
}

fn kind(observable: &Observable) -> Named {
    let network = observable.network();
    if network.prefix_len() == network.max_prefix_len() { IP_ADDRESS } else { SUBNET }
}

fn as_text<S: Serializer>(value: impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value)
}
