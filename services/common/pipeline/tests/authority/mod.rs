//! An authority of a test's own. The tests of every service with a port over mutual TLS include this file.
#![allow(dead_code, reason = "each test uses its own part")]

use pipeline::Tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};

/// Signs the certificates of whoever is to be believed.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Another test of this process may have installed it first.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// What somebody of this identity shows, who serves as localhost too.
    pub(crate) fn tls(&self, identity: &str) -> Tls {
        self.signed(identity, CertificateParams::default())
    }

    /// A certificate whose time is over.
    pub(crate) fn expired(&self, identity: &str) -> Tls {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        self.signed(identity, params)
    }

    fn signed(&self, identity: &str, mut params: CertificateParams) -> Tls {
        let key = KeyPair::generate().unwrap();
        params.subject_alt_names = vec![
            SanType::URI(identity.try_into().unwrap()),
            SanType::DnsName("localhost".try_into().unwrap()),
        ];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Tls::from_pem(&self.pem, &certificate, &key.serialize_pem()).unwrap()
    }
}
