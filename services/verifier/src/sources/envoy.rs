//! Envoy's log of denials and probes: a gRPC server of our own, under mutual TLS.
//!
//! The stream carries only what this service needs; everything else goes to the collector.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::{Address, Metadata};
use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use envoy_types::pb::google::protobuf::value::Kind;
use observe::probe::PROBE_HEADER;
use pipeline::{Clock, Tls};
use schemas::observable::canonical_address;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::logic::{Input, Logged};
use crate::probes::SentProbes;
use crate::verification::Verification;

const AUTHZ: &str = "envoy.filters.http.ext_authz";
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Receives Envoy's log and feeds the core.
pub struct Log {
    verification: Verification,
    clock: Clock,
    sent: SentProbes,
}

impl Log {
    /// An entry is a probe's if it carries the header of one in `sent`.
    pub fn new(verification: Verification, clock: Clock, sent: SentProbes) -> Self {
        Log { verification, clock, sent }
    }

    /// Serves the log on `listener` until shutdown.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: &Tls,
        shutdown: CancellationToken,
    ) -> Result<()> {
        let service =
            AccessLogServiceServer::new(self).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let serving = Server::builder()
            .tls_config(proto::mtls::server(tls.ca(), tls.certificate(), tls.key()))
            .context("could not use the certificate for Envoy's log; see VERIFIER_TLS_CERT and VERIFIER_TLS_KEY")?
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        // Envoy never ends its stream by itself, so the server is dropped and not drained.
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            served = serving => served.context("the server for Envoy's log stopped"),
        }
    }
}

#[tonic::async_trait]
impl AccessLogService for Log {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let identity = proto::mtls::identity(&request)?;
        if !identity.starts_with(proto::mtls::SERVICE) {
            return Err(Status::permission_denied(format!("{identity} is not a service")));
        }
        let mut stream = request.into_inner();
        while let Some(message) = stream.message().await? {
            let Some(LogEntries::HttpLogs(logs)) = message.log_entries else { continue };
            let now = self.clock.now();
            for entry in &logs.log_entry {
                let logged = read(entry, &self.sent);
                self.verification.apply(Input::Logged(logged), now);
            }
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// What one entry says that matters here.
pub fn read(entry: &HttpAccessLogEntry, sent: &SentProbes) -> Logged {
    let common = entry.common_properties.as_ref();
    let address = common.and_then(|common| ip(common.downstream_remote_address.as_ref()?));
    let flags = common.and_then(|common| common.response_flags.as_ref());
    let metadata = common.and_then(|common| common.metadata.as_ref());
    let header =
        entry.request.as_ref().and_then(|request| request.request_headers.get(PROBE_HEADER));
    let nonce = header.zip(address).and_then(|(header, address)| sent.find(header, address));
    Logged {
        address,
        denied: flags.is_some_and(|flags| flags.unauthorized_details.is_some()),
        point: text(metadata, "point"),
        decision_id: text(metadata, "decision_id").and_then(|id| Uuid::parse_str(&id).ok()),
        nonce,
    }
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address.address.as_ref()? {
        AddressKind::SocketAddress(socket) => socket.address.parse().ok().map(canonical_address),
        _ => None,
    }
}

/// A text that the authorization service put beside its answer.
fn text(metadata: Option<&Metadata>, name: &str) -> Option<String> {
    let value = metadata?.filter_metadata.get(AUTHZ)?.fields.get(name)?;
    match value.kind.as_ref()? {
        Kind::StringValue(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}
