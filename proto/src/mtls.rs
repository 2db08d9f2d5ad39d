//! Mutual TLS: the settings of both sides, and who the peer is.

use std::time::Duration;

use tonic::transport::{Certificate, CertificateDer, ClientTlsConfig, Identity, ServerTlsConfig};
use tonic::{Request, Status};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// Prefix of an operator's identity.
pub const OPERATOR: &str = "spiffe://perimeter/operator/";
/// Prefix of a service's identity.
pub const SERVICE: &str = "spiffe://perimeter/service/";

/// How long somebody who connected may take to show who he is.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings for serving: clients without a certificate of our authority are refused.
pub fn server(ca: &str, certificate: &str, key: &str) -> ServerTlsConfig {
    ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(ca))
        .timeout(HANDSHAKE_TIMEOUT)
}

/// Settings for calling a server whose certificate names `domain`.
pub fn client(ca: &str, certificate: &str, key: &str, domain: &str) -> ClientTlsConfig {
    ClientTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name(domain)
}

/// The SPIFFE identity of whoever made the call.
pub fn identity<T>(request: &Request<T>) -> Result<String, Status> {
    identity_of(request.peer_certs().as_deref().map(Vec::as_slice))
}

/// The SPIFFE identity in the first of a peer's certificates.
pub(crate) fn identity_of(certificates: Option<&[CertificateDer<'_>]>) -> Result<String, Status> {
    let certificates = certificates.ok_or_else(|| {
        Status::unauthenticated(
            "this call needs mutual TLS; connect to the mTLS port with your certificate",
        )
    })?;
    certificates.first().and_then(|certificate| spiffe_uri(certificate.as_ref())).ok_or_else(|| {
        Status::unauthenticated(
            "the certificate carries no SPIFFE URI such as spiffe://perimeter/operator/NAME",
        )
    })
}

/// The SPIFFE URI in a certificate (DER).
pub fn spiffe_uri(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
            return None;
        };
        names.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with("spiffe://") => Some((*uri).to_owned()),
            _ => None,
        })
    })
}
