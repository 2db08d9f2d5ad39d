//! A process's certificates, and whom it trusts: read from their files and checked before anything connects.
//!
//! What is absent: names and dates. A certificate that has run out is refused by whoever is shown it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{ConfigError, Env};

const CA_EXPECTED: &str = "the PEM file of the authority that signs our certificates";
const CERTIFICATE_EXPECTED: &str =
    "the PEM file of this process's certificate, which stands first in it";
const KEY_EXPECTED: &str = "the PEM file of this process's private key";
/// Names the authorities that this machine trusts, for nearly every program on it.
const TRUSTED: &str = "SSL_CERT_FILE";
const TRUSTED_EXPECTED: &str =
    "the PEM file of the authorities that this machine trusts, or unset it";

/// A process's certificate with its key, and the authority it trusts. They were checked when it was made: there are
/// certificates on both sides, and the key is that of the first.
#[derive(Clone)]
pub struct Tls {
    // The gRPC library takes text.
    ca: String,
    certificate: String,
    key: String,
    serving: Arc<ServerConfig>,
}

/// Why certificates cannot be used, by what is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error("could not use the authority's certificates: {0}")]
    Authority(String),
    #[error("could not use the certificate: {0}")]
    Certificate(String),
    #[error("could not use the private key: {0}")]
    Key(String),
    #[error("the private key is not that of the first certificate")]
    Mismatch,
}

impl Tls {
    /// The certificates that the environment names; `None` where it names none. Connects to nothing.
    pub fn from_env(env: &mut Env) -> Result<Option<Tls>, ConfigError> {
        let ca_file: Option<PathBuf> = env.optional("TLS_CA", CA_EXPECTED)?;
        let certificate_file: Option<PathBuf> = env.optional("TLS_CERT", CERTIFICATE_EXPECTED)?;
        let key_file: Option<PathBuf> = env.optional("TLS_KEY", KEY_EXPECTED)?;
        if ca_file.is_none() && certificate_file.is_none() && key_file.is_none() {
            return Ok(None);
        }
        let ca = env.file("TLS_CA", CA_EXPECTED)?;
        let certificate = env.file("TLS_CERT", CERTIFICATE_EXPECTED)?;
        let key = env.file("TLS_KEY", KEY_EXPECTED)?;
        match Tls::from_pem(&ca, &certificate, &key) {
            Ok(tls) => Ok(Some(tls)),
            Err(TlsError::Authority(cause)) => Err(env.unusable("TLS_CA", cause, CA_EXPECTED)),
            Err(TlsError::Certificate(cause)) => {
                Err(env.unusable("TLS_CERT", cause, CERTIFICATE_EXPECTED))
            }
            Err(TlsError::Key(cause)) => Err(env.unusable("TLS_KEY", cause, KEY_EXPECTED)),
            Err(TlsError::Mismatch) => {
                let file = certificate_file.unwrap_or_default();
                let cause =
                    format!("it is not the key of the first certificate in {}", file.display());
                Err(env.unusable("TLS_KEY", cause, KEY_EXPECTED))
            }
        }
    }

    /// Reads and checks an authority's certificates, a certificate with those that lead to the authority, and its key.
    pub fn from_pem(ca: &str, certificate: &str, key: &str) -> Result<Tls, TlsError> {
        let roots = authorities(ca.as_bytes()).map_err(TlsError::Authority)?;
        let chain = certificates(certificate.as_bytes()).map_err(TlsError::Certificate)?;
        let own = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
            let cause =
                "it holds no private key in PEM (BEGIN PRIVATE KEY) that needs no passphrase";
            TlsError::Key(cause.to_owned())
        })?;
        let provider = provider();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::Authority(error.to_string()))?;
        let serving = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for the default versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, own)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
                rustls::Error::InvalidCertificate(cause) => {
                    TlsError::Certificate(format!("its first certificate is broken ({cause:?})"))
                }
                rustls::Error::General(cause) => TlsError::Key(cause),
                other => TlsError::Key(other.to_string()),
            })?;
        Ok(Tls {
            ca: ca.to_owned(),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            serving: Arc::new(serving),
        })
    }

    /// The authority's certificates, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// This process's certificate and those that lead to the authority, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// This process's private key, as PEM.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Settings for serving others than gRPC's clients. A client's certificate must be of our authority; none is as
    /// good: a sender may be known otherwise.
    pub fn serving(&self) -> Arc<ServerConfig> {
        self.serving.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(hidden)")
    }
}

impl Env {
    /// Checks the file of authorities that this machine trusts, if one is named. Only for a process that needs it: no
    /// other is kept from starting.
    pub fn check_trusted(&self) -> Result<(), ConfigError> {
        let Some(path) = self.shared(TRUSTED) else { return Ok(()) };
        let read = std::fs::read(path).map_err(|error| error.to_string());
        read.and_then(|pem| certificates(&pem)).map(drop).map_err(|cause| ConfigError::Unusable {
            name: TRUSTED.to_owned(),
            value: path.to_owned(),
            cause,
            expected: TRUSTED_EXPECTED,
        })
    }
}

/// The certificates in PEM as authorities; at least one.
pub(crate) fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates(pem)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| format!("certificate {} in it is broken ({error})", number + 1))?;
    }
    Ok(roots)
}

/// The certificates in PEM; at least one. What they hold is not looked at.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = read.map_err(|_| "its PEM is broken: cut off, or not base64".to_owned())?;
    if found.is_empty() {
        return Err("it holds no certificate in PEM (BEGIN CERTIFICATE)".to_owned());
    }
    Ok(found)
}

/// The process's; in a test that installed none, the same.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}
