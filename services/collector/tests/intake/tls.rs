//! The intake over TLS: a token is enough, a certificate of our authority is as good, any other is not.

use std::sync::Arc;
use std::time::Duration;

use collector::config::intake;
use collector::publish::{Outbox, Watch};
use collector::sources::http::{Intake, Patience};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Tls};
use schemas::{Event, Protected, Record as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::NOW;
use super::authority::Authority;
use super::http::{SECRET, event};

const GATEWAY: &str = "spiffe://perimeter/service/gateway";

struct World {
    authority: Authority,
    log: Log,
    port: u16,
    shutdown: CancellationToken,
}

impl World {
    async fn new(patience: Patience) -> Self {
        let (authority, clock) = (Authority::new(), Clock::manual(NOW));
        let (log, shutdown) = (Log::new(clock.clone()), CancellationToken::new());
        let publisher = Bus::in_memory(log.clone()).publisher().unwrap();
        let outbox =
            Outbox::new("http", publisher, Watch::new(Protected::special()), clock.clone());
        let config = intake::Intake::parse(&format!(
            "address = \"127.0.0.1:0\"\n[[sender]]\nname = \"app\"\ntoken_sha256 = \"{SECRET}\"\n\
             [[sender]]\nname = \"gateway\"\nidentity = \"{GATEWAY}\"\nprovenance = \"socket_peer\""
        ));
        let intake = Intake::new(config.unwrap(), outbox, clock, shutdown.clone(), patience);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = authority.tls("spiffe://perimeter/service/collector");
        tokio::spawn(async move { intake.serve(listener, &tls).await });
        World { authority, log, port, shutdown }
    }

    /// Posts an event with a certificate, a token, both or neither; nothing where the connection was refused.
    async fn post(&self, by: Option<Tls>, token: Option<&str>) -> Option<u16> {
        let mut stream = connect(&self.authority, by, self.port).await?;
        let body = event("81.2.69.142");
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}content-length: {}\r\n\r\n{body}",
            token.unwrap_or_default(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).unwrap();
        answer.split(' ').nth(1)?.parse().ok()
    }
}

/// A connection over TLS with a certificate or without one; nothing where it was refused.
pub(super) async fn connect(
    authority: &Authority,
    by: Option<Tls>,
    port: u16,
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match by {
        None => config.with_no_client_auth(),
        Some(by) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(by.certificate().as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(by.key().as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn a_sender_is_who_its_token_or_its_certificate_says() {
    let world = World::new(Patience::default()).await;
    let gateway = || Some(world.authority.tls(GATEWAY));
    let stranger = || Some(world.authority.tls("spiffe://perimeter/service/stranger"));
    for (by, token, expected, source) in [
        (gateway(), None, Some(202), Some("http/gateway")),
        (None, Some("secret"), Some(202), Some("http/app")),
        // A token that is shown counts, whatever the certificate says.
        (gateway(), Some("secret"), Some(202), Some("http/app")),
        (gateway(), Some("guess"), Some(401), None),
        (stranger(), None, Some(401), None),
        (stranger(), Some("secret"), Some(202), Some("http/app")),
        (None, None, Some(401), None),
        (Some(Authority::new().tls(GATEWAY)), None, None, None),
        (Some(Authority::new().tls(GATEWAY)), Some("secret"), None, None),
    ] {
        let before = world.log.messages("events").len();
        assert_eq!(world.post(by, token).await, expected, "{source:?}");
        let added = world.log.messages("events").split_off(before);
        let sources: Vec<_> = added
            .iter()
            .map(|(_, _, message)| Event::decode(&message.payload).unwrap().to_event().source)
            .collect();
        assert_eq!(sources, source.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_begin_ends_its_connection() {
    let handshake = Duration::from_millis(50);
    let world = World::new(Patience { handshake, ..Patience::default() }).await;
    let mut silent = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(4), silent.read_to_end(&mut answer));
    assert_eq!(read.await.expect("the intake ends it").unwrap(), 0);
}
