//! A receiver of traces: what the services send by OTLP, kept in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Everything received so far; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<Vec<Span>>>);

/// The spans of one trace, by their own ids.
pub(crate) struct Trace(HashMap<Vec<u8>, Span>);

impl Receiver {
    /// Receives at `address` until the test ends.
    pub(crate) fn listen(address: &str) -> Receiver {
        let receiver = Receiver::default();
        let server = Server::builder().add_service(TraceServiceServer::new(receiver.clone()));
        let served = server.serve(address.parse().unwrap());
        tokio::spawn(async move { served.await.unwrap() });
        receiver
    }

    /// What came of one trace.
    pub(crate) fn trace(&self, id: &[u8]) -> Trace {
        let spans = self.lock();
        let own = spans.iter().filter(|span| span.trace_id == id);
        Trace(own.map(|span| (span.span_id.clone(), span.clone())).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// How many spans have this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.values().filter(|span| span.name == name).count()
    }

    /// The names from below `root` down to each span that has no child; `None` while a span hangs in the air.
    pub(crate) fn branches(&self, root: &[u8]) -> Option<BTreeSet<Vec<String>>> {
        let parents: Vec<&Vec<u8>> = self.0.values().map(|span| &span.parent_span_id).collect();
        let leaves = self.0.values().filter(|span| !parents.contains(&&span.span_id));
        leaves.map(|leaf| self.path(leaf, root)).collect()
    }

    /// What keeps the trace from being whole: spans whose parent did not arrive, and how many there are of each name.
    pub(crate) fn gaps(&self, root: &[u8]) -> String {
        let mut lines: Vec<String> = self
            .0
            .values()
            .map(|span| {
                let parent = match self.0.get(&span.parent_span_id) {
                    Some(parent) => parent.name.as_str(),
                    None if span.parent_span_id == root => "the request",
                    None => "a span that did not arrive",
                };
                format!("{} below {parent}", span.name)
            })
            .collect();
        lines.sort();
        lines.join("\n  ")
    }

    fn path(&self, leaf: &Span, root: &[u8]) -> Option<Vec<String>> {
        let mut names = vec![leaf.name.clone()];
        let mut span = leaf;
        while span.parent_span_id != root {
            span = self.0.get(&span.parent_span_id)?;
            names.insert(0, span.name.clone());
        }
        Some(names)
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        self.lock().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
