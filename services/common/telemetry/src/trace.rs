//! The hops of a trace: one span for each record that a stage handles or sends on, the child of the hop before it.
//!
//! Whoever sent the request decides whether it is sampled. Where no OTLP endpoint is set nothing is made, and the
//! context of the hop before is handed on as it came. Names are OpenTelemetry's for messaging, and stand only here.

use std::sync::OnceLock;
use std::time::SystemTime;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// Header of W3C Trace Context, in HTTP and in Kafka.
pub const TRACEPARENT: &str = "traceparent";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Makes spans with `provider` from now on. The first one stays.
pub fn install(provider: &SdkTracerProvider) {
    TRACER.get_or_init(|| provider.tracer("perimeter"));
}

/// A stage at work on a batch of records of one topic.
#[derive(Debug, Clone, Copy)]
pub struct Handling {
    stage: &'static str,
    topic: &'static str,
    partition: i32,
    begun: SystemTime,
}

impl Handling {
    /// Begins now; `None` where nothing is traced.
    pub fn begin(stage: &'static str, topic: &'static str, partition: i32) -> Option<Self> {
        TRACER.get()?;
        Some(Handling { stage, topic, partition, begun: SystemTime::now() })
    }

    /// Ends the span of one record; answers the context of what follows from it. `None` where `parent` is not sampled.
    pub fn handled(&self, parent: &str) -> Option<String> {
        let attributes = vec![
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.destination.partition.id", self.partition.to_string()),
        ];
        hop(self.stage, self.topic, SpanKind::Consumer, attributes, self.begun, parent)
    }
}

/// Makes the span of a record that `stage` sends to `topic`; answers the context that it carries. `None` where nothing is
/// traced or `parent` is not sampled.
pub fn sent(stage: &'static str, topic: &str, parent: &str) -> Option<String> {
    TRACER.get()?;
    let attributes = vec![KeyValue::new("messaging.operation.type", "send")];
    hop(stage, topic, SpanKind::Producer, attributes, SystemTime::now(), parent)
}

fn hop(
    stage: &str,
    topic: &str,
    kind: SpanKind,
    mut attributes: Vec<KeyValue>,
    begun: SystemTime,
    parent: &str,
) -> Option<String> {
    let tracer = TRACER.get()?;
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(parent));
    if !parent.span().span_context().is_sampled() {
        return None;
    }
    attributes.push(KeyValue::new("messaging.system", "kafka"));
    attributes.push(KeyValue::new("messaging.destination.name", topic.to_owned()));
    let span = tracer.span_builder(format!("{stage} {topic}")).with_kind(kind);
    let span = span.with_start_time(begun).with_attributes(attributes);
    let mut span = span.start_with_context(tracer, &parent);
    span.end();
    let made = span.span_context();
    let flags = made.trace_flags().to_u8();
    Some(format!("00-{}-{}-{flags:02x}", made.trace_id(), made.span_id()))
}

/// A `traceparent` that stands alone.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
