//! A receiver of traces: what the services send by OTLP, kept in memory.

use std::collections::HashMap;
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

    /// The names from below `root` down to each span that has no child. A span that hangs in the air panics.
    pub(crate) fn branches(&self, root: &[u8]) -> Vec<Vec<&str>> {
        let parents: Vec<&Vec<u8>> = self.0.values().map(|span| &span.parent_span_id).collect();
        let leaves = self.0.values().filter(|span| !parents.contains(&&span.span_id));
        leaves.map(|leaf| self.path(leaf, root)).collect()
    }

    fn path<'a>(&'a self, leaf: &'a Span, root: &[u8]) -> Vec<&'a str> {
        let mut names = vec![leaf.name.as_str()];
        let mut span = leaf;
        while span.parent_span_id != root {
            span = self.0.get(&span.parent_span_id).unwrap_or_else(|| {
                panic!("the parent of `{}` never arrived: {names:?}", span.name)
            });
            names.insert(0, &span.name);
        }
        names
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
