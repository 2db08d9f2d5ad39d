//! An authority of a test's own, and channels under it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pipeline::Tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use tonic::transport::{Channel, Endpoint};

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub fn tls(&self, identity: &str) -> Tls {
        self.signed(identity, CertificateParams::default())
    }

    /// A certificate whose time is over.
    pub fn expired(&self, identity: &str) -> Tls {
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

pub async fn channel(address: SocketAddr, tls: &Tls) -> Channel {
    let settings = proto::mtls::client(tls.ca(), tls.certificate(), tls.key(), "localhost");
    let endpoint =
        Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(settings).unwrap();
    let begun = Instant::now();
    loop {
        match endpoint.connect().await {
            Ok(channel) => return channel,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error:?}"),
        }
        tokio::task::yield_now().await;
    }
}
