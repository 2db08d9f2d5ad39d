//! Asks a schema registry, before anything is read, which ids stand for schemas of ours.
//!
//! Confluent's REST interface, as Karapace, Apicurio and Redpanda serve it too. A message is read by what was learnt
//! then and nothing is ever asked because a message came. What is absent: registering, caching, redirects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use schemas::{SchemaIds, Topic};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, Env};
use crate::tls::authorities;

const URL: &str = "SCHEMA_REGISTRY_URL";
const CA: &str = "SCHEMA_REGISTRY_CA";
const USER: &str = "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO";
const URL_EXPECTED: &str =
    "the registry's address, for example https://registry.internal:8081, without user or query";

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Most versions of one subject that are looked at: the newest.
const VERSIONS_MAX: usize = 100;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Where the registry is, and who asks.
#[derive(Clone)]
pub struct Registry {
    https: Option<Arc<ClientConfig>>,
    host: String,
    port: u16,
    /// What stands before every path, without a slash at its end.
    prefix: String,
    authorization: Option<String>,
}

/// The registry did not say which ids stand for schemas of ours.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(
        "could not reach the schema registry at {registry}: {cause}; look at it, or unset {URL} and restart"
    )]
    Unreachable { registry: String, cause: String },
    #[error(
        "the schema registry at {registry} answered {path} with {answer}; check {URL} and {USER}"
    )]
    Refused { registry: String, path: String, answer: String },
}

/// One version of a subject, as far as it matters here.
#[derive(Deserialize)]
struct Registered {
    id: u32,
    schema: String,
    /// Absent for Avro.
    #[serde(rename = "schemaType")]
    kind: Option<String>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({self})")
    }
}

/// Without user and password.
impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }
}

impl Registry {
    /// The registry that the environment names; `None` where it names none. Connects to nothing.
    pub fn from_env(env: &Env) -> Result<Option<Registry>, ConfigError> {
        env.only("SCHEMA_REGISTRY_", &[URL, CA, USER])?;
        let Some(url) = env.shared(URL) else {
            return match [CA, USER].iter().find(|name| env.shared(name).is_some()) {
                None => Ok(None),
                Some(_) => {
                    Err(ConfigError::Missing { name: URL.to_owned(), expected: URL_EXPECTED })
                }
            };
        };
        let unusable = |cause: &str| ConfigError::Unreadable {
            name: URL.to_owned(),
            // It may hold a password.
            value: "…".to_owned(),
            cause: cause.to_owned(),
            expected: URL_EXPECTED,
        };
        let uri: Uri = url.parse().map_err(|_| unusable("it is no URL"))?;
        let authority = uri.authority().ok_or_else(|| unusable("it names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(unusable("it has a user or a query"));
        }
        let (https, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(tls(env)?), 443),
            _ => return Err(unusable("it is neither http nor https")),
        };
        Ok(Some(Registry {
            https,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization: env
                .shared(USER)
                .map(|user| format!("Basic {}", BASE64_STANDARD.encode(user))),
        }))
    }

    /// Asks which ids stand for schemas of ours, under the subject `<topic>-value` of every topic.
    pub async fn ids(&self) -> Result<SchemaIds, RegistryError> {
        let mut connection = self.connect().await?;
        let mut ids = SchemaIds::default();
        for topic in Topic::ALL {
            let path = format!("/subjects/{}-value/versions", topic.name());
            let versions: Vec<u32> = self.get(&mut connection, &path).await?.unwrap_or_default();
            for version in versions.iter().rev().take(VERSIONS_MAX) {
                let path = format!("{path}/{version}");
                let found: Option<Registered> = self.get(&mut connection, &path).await?;
                // It may have been deleted meanwhile.
                let Some(found) = found else { continue };
                let avro = found.kind.as_deref().is_none_or(|kind| kind == "AVRO");
                if !avro || !ids.take(found.id, &found.schema) {
                    tracing::warn!(
                        topic = topic.name(),
                        version,
                        id = found.id,
                        "the registry has a schema that is none of ours; what is written with it is dead-lettered"
                    );
                }
            }
        }
        Ok(ids)
    }

    /// Learns the ids and accepts them in this process; waits for the registry as long as it cannot be reached.
    pub(crate) async fn accept(&self, shutdown: &CancellationToken) -> Result<(), RegistryError> {
        let mut wait = RETRY_FIRST;
        loop {
            match self.ids().await {
                Ok(ids) => {
                    tracing::info!(registry = %self, ids = ids.len(), "the registry's schema ids are accepted");
                    schemas::registry::accept(ids);
                    return Ok(());
                }
                Err(error @ RegistryError::Unreachable { .. }) => {
                    tracing::warn!(%error, "nothing is read before the registry has answered; trying again");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => wait = (2 * wait).min(RETRY_MAX),
            }
        }
    }

    fn unreachable(&self, cause: impl fmt::Display) -> RegistryError {
        RegistryError::Unreachable { registry: self.to_string(), cause: cause.to_string() }
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, RegistryError> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let Some(config) = &self.https else { return handshake(stream).await };
            let name = ServerName::try_from(self.host.clone())?;
            handshake(TlsConnector::from(config.clone()).connect(name, stream).await?).await
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.unreachable(format!("{error:#}"))),
            Err(_) => {
                Err(self.unreachable(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())))
            }
        }
    }

    /// Asks for one document; `None` where there is none.
    async fn get<T: DeserializeOwned>(
        &self,
        connection: &mut SendRequest<Empty<Bytes>>,
        path: &str,
    ) -> Result<Option<T>, RegistryError> {
        let asked = async {
            let mut request = Request::get(format!("{}{path}", self.prefix))
                .header(HOST, format!("{}:{}", self.host, self.port))
                .header(ACCEPT, "application/vnd.schemaregistry.v1+json, application/json");
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            connection.ready().await?;
            let response = connection.send_request(request.body(Empty::new())?).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            anyhow::Ok((status, body.map(|body| body.to_bytes())))
        };
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, asked).await;
        let (status, body) = answered
            .map_err(|_| self.unreachable(format!("no answer to {path} in time")))?
            .map_err(|error| self.unreachable(format!("{error:#}")))?;
        let refused = |answer: String| RegistryError::Refused {
            registry: self.to_string(),
            path: path.to_owned(),
            answer,
        };
        let body = body.map_err(|error| refused(format!("what cannot be read: {error}")))?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| refused(format!("what is no such document: {error}"))),
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_server_error() => Err(self.unreachable(status)),
            status => Err(refused(status.to_string())),
        }
    }
}

async fn handshake<S>(stream: S) -> anyhow::Result<SendRequest<Empty<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with its sender; what went wrong shows there.
    tokio::spawn(connection);
    Ok(sender)
}

fn tls(env: &Env) -> Result<Arc<ClientConfig>, ConfigError> {
    let expected = "the PEM file of the authority that signed the registry's certificate";
    let Some(path) = env.shared(CA) else {
        return Err(ConfigError::Missing { name: CA.to_owned(), expected });
    };
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let roots = read.and_then(|pem| authorities(&pem)).map_err(|cause| ConfigError::Unusable {
        name: CA.to_owned(),
        value: path.to_owned(),
        cause,
        expected,
    })?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
