//! Who may call what: one table, deny by default.
//!
//! A role is read off the SPIFFE identity of the caller's certificate; whoever signs certificates gives roles. What a
//! role may do inside a method (how long a responder's block lasts) is said by the service that is called.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use tonic::Status;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tower_layer::Layer;

use crate::mtls::{self, OPERATOR, SERVICE};

/// Prefix of a viewer's identity.
pub const VIEWER: &str = "spiffe://perimeter/viewer/";
/// Prefix of a responder's identity.
pub const RESPONDER: &str = "spiffe://perimeter/responder/";

/// What somebody may do. Each may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ask.
    Viewer,
    /// Lift, block for a short time, and stop automation.
    Responder,
    /// Everything; an operator's certificate.
    Admin,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// Whoever has a certificate of our authority.
    Certificate,
    /// Whoever has this role or a higher one.
    Role(Role),
    /// Services of ours, and no person.
    Service,
}

/// Every method that is served over mutual TLS. What is not here is refused to everybody.
pub const METHODS: [(&str, Least); 16] = [
    ("/perimeter.v1.Override/Block", Least::Role(Role::Responder)),
    ("/perimeter.v1.Override/Unblock", Least::Role(Role::Responder)),
    ("/perimeter.v1.Override/Allow", Least::Role(Role::Admin)),
    ("/perimeter.v1.Override/Freeze", Least::Role(Role::Responder)),
    ("/perimeter.v1.Override/Thaw", Least::Role(Role::Admin)),
    ("/perimeter.v1.Override/SetMode", Least::Role(Role::Admin)),
    ("/perimeter.v1.Query/Get", Least::Role(Role::Viewer)),
    ("/perimeter.v1.Query/List", Least::Role(Role::Viewer)),
    ("/perimeter.v1.Query/Watch", Least::Role(Role::Viewer)),
    ("/perimeter.v1.Query/Status", Least::Role(Role::Viewer)),
    ("/perimeter.v1.Query/Explain", Least::Role(Role::Viewer)),
    ("/perimeter.v1.Query/Kpis", Least::Role(Role::Viewer)),
    ("/envoy.service.auth.v3.Authorization/Check", Least::Service),
    ("/grpc.health.v1.Health/Check", Least::Certificate),
    ("/grpc.health.v1.Health/Watch", Least::Certificate),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Least::Role(Role::Viewer)),
];

/// Whoever calls, once admitted. The layer puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// SPIFFE identity.
    pub identity: String,
    /// `None` for a service.
    pub role: Option<Role>,
}

impl Caller {
    /// Reads the role off an identity. One of a kind we do not know has none, and may call nothing but health.
    pub fn of(identity: String) -> Self {
        let named = |prefix| identity.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
        let role = [(OPERATOR, Role::Admin), (RESPONDER, Role::Responder), (VIEWER, Role::Viewer)]
            .into_iter()
            .find_map(|(prefix, role)| named(prefix).then_some(role));
        Caller { identity, role }
    }

    /// The admitted caller of a request that came through [`Guard`].
    pub fn admitted<T>(request: &tonic::Request<T>) -> Result<&Caller, Status> {
        request.extensions().get().ok_or_else(|| {
            Status::unauthenticated(
                "this call needs mutual TLS; connect to the mTLS port with your certificate",
            )
        })
    }
}

/// Whether `caller` may call `method`, which is written `/package.Service/Method`.
pub fn admit(method: &str, caller: &Caller) -> Result<(), Status> {
    let Some((_, least)) = METHODS.iter().find(|(name, _)| *name == method) else {
        return Err(Status::permission_denied(format!("{method} is open to nobody")));
    };
    let (may, needed) = match least {
        Least::Certificate => return Ok(()),
        Least::Service => {
            let name = caller.identity.strip_prefix(SERVICE).unwrap_or_default();
            (!name.is_empty(), "a service's")
        }
        Least::Role(least) => (
            caller.role.is_some_and(|role| role >= *least),
            match least {
                Role::Viewer => "a viewer's, a responder's or an operator's",
                Role::Responder => "a responder's or an operator's",
                Role::Admin => "an operator's",
            },
        ),
    };
    if may {
        return Ok(());
    }
    let identity = &caller.identity;
    Err(Status::permission_denied(format!(
        "{identity} may not do this; it takes {needed} certificate"
    )))
}

/// Admits each call by [`METHODS`] before any service sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard;

/// A service, or all of a server's, behind a [`Guard`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner }
    }
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<http::Request<B>> for Guarded<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match caller(&request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Right(self.inner.call(request))
            }
            Err(status) => Either::Left(ready(Ok(status.into_http()))),
        }
    }
}

fn caller<B>(request: &http::Request<B>) -> Result<Caller, Status> {
    let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let certificates = connection.and_then(TlsConnectInfo::peer_certs);
    let caller = Caller::of(mtls::identity_of(certificates.as_deref().map(Vec::as_slice))?);
    admit(request.uri().path(), &caller)?;
    Ok(caller)
}
