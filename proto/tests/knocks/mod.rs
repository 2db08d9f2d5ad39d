//! Row AC1: whoever may knock at a port over mutual TLS, and what comes of it. The tests of every port that
//! [`proto::roles`] has methods of include this file, beside an `authority` of their own.

use std::net::SocketAddr;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::authority::Authority;

const DEADLINE: Duration = Duration::from_secs(10);

/// Who knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knocks {
    WithoutCertificate,
    OfAnotherAuthority,
    Expired,
    OfUnknownKind,
    Nameless,
    Service,
    Envoy,
    Viewer,
    Responder,
    Admin,
}

use Knocks::*;

const ALL: [Knocks; 10] = [
    WithoutCertificate,
    OfAnotherAuthority,
    Expired,
    OfUnknownKind,
    Nameless,
    Service,
    Envoy,
    Viewer,
    Responder,
    Admin,
];
pub(crate) const OF_OUR_AUTHORITY: &[Knocks] =
    &[OfUnknownKind, Nameless, Service, Envoy, Viewer, Responder, Admin];

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The method was reached: what it made of an empty message is its own business.
    Reached,
    /// With a reason.
    Denied,
    /// The connection was refused. With TLS 1.3 the client learns that only from its first call.
    NoConnection,
}

/// Each method of `may` is open to whom it names, and to nobody else.
pub(crate) async fn check(
    address: SocketAddr,
    authority: &Authority,
    may: &[(&'static str, &[Knocks])],
) {
    let other = Authority::new();
    for who in ALL {
        let endpoint = endpoint(address, settings(who, authority, &other));
        for (method, may) in may {
            let expected = match who {
                WithoutCertificate | OfAnotherAuthority | Expired => Answer::NoConnection,
                _ if may.contains(&who) => Answer::Reached,
                _ => Answer::Denied,
            };
            let answer = tokio::time::timeout(DEADLINE, knock(&endpoint, method)).await.unwrap();
            assert_eq!(answer, expected, "{who:?} {method}");
        }
    }
}

/// The settings with which somebody knocks where `authority` is believed, and no other.
pub(crate) fn settings(who: Knocks, authority: &Authority, other: &Authority) -> ClientTlsConfig {
    let tls = match who {
        WithoutCertificate => {
            let ca = Certificate::from_pem(&authority.pem);
            return ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        }
        OfAnotherAuthority => other.tls("spiffe://perimeter/operator/eve"),
        Expired => authority.expired("spiffe://perimeter/operator/ada"),
        OfUnknownKind => authority.tls("spiffe://perimeter/guest/ada"),
        Nameless => authority.tls("spiffe://perimeter/operator/"),
        Service => authority.tls("spiffe://perimeter/service/scorer"),
        Envoy => authority.tls("spiffe://perimeter/service/envoy"),
        Viewer => authority.tls("spiffe://perimeter/viewer/vi"),
        Responder => authority.tls("spiffe://perimeter/responder/bo"),
        Admin => authority.tls("spiffe://perimeter/operator/ada"),
    };
    proto::mtls::client(&authority.pem, tls.certificate(), tls.key(), "localhost")
}

pub(crate) fn endpoint(address: SocketAddr, settings: ClientTlsConfig) -> Endpoint {
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(settings).unwrap()
}

/// Calls a method with an empty message.
async fn knock(endpoint: &Endpoint, method: &str) -> Answer {
    let Ok(channel) = endpoint.connect().await else { return Answer::NoConnection };
    let mut grpc = Grpc::new(channel);
    if grpc.ready().await.is_err() {
        return Answer::NoConnection;
    }
    let request = Request::new(tokio_stream::iter([()]));
    let codec = ProstCodec::<(), ()>::default();
    let called: Result<_, Status> = grpc.streaming(request, method.parse().unwrap(), codec).await;
    match called.map_err(|status| (status.code(), status.message().to_owned())) {
        Ok(_) | Err((Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound, _)) => {
            Answer::Reached
        }
        Err((Code::Unauthenticated | Code::PermissionDenied, reason)) => {
            assert!(!reason.is_empty(), "{method} is denied without a reason");
            Answer::Denied
        }
        Err((Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled, _)) => {
            Answer::NoConnection
        }
        Err(other) => panic!("{method}: {other:?}"),
    }
}
