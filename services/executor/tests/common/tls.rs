//! Channels over mutual TLS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pipeline::Tls;
use tonic::transport::{Channel, Endpoint};

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
