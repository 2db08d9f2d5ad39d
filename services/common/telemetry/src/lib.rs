//! Logs, metrics and traces of one process. What is not here: any record, any decision, any network but OTLP.
//!
//! Logs go to standard error, one line an event, through a thread of their own: a disk or a pipe that stalls must not
//! stall the answer to a request, so what exceeds the queue is dropped and counted. Metrics are rendered on demand for
//! the admin port; traces leave by OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and cost nothing when it is not.

pub mod trace;

use std::io::IsTerminal;

use anyhow::{Context as _, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The SDKs' own lines below a warning would drown ours.
const QUIET: &str = "info,h2=warn,hyper=warn,tower=warn,tonic=warn,opentelemetry=warn,aws=warn,rdkafka=warn,librdkafka=warn";
/// Upper bounds of the histograms, in seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Most lines that wait for standard error; more are dropped.
const LINES_QUEUED_MAX: usize = 16_384;

/// Where telemetry goes.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Name of the service, as traces show it.
    pub service: String,
    /// `tracing` directives that replace the default.
    pub filter: Option<String>,
    /// OTLP endpoint (gRPC), or no traces.
    pub otlp_endpoint: Option<String>,
}

/// Holds telemetry open; dropping it flushes what is left.
pub struct Telemetry {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
    _lines: WorkerGuard,
}

/// Renders the process's metrics in Prometheus' text form.
#[derive(Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    lines_dropped: ErrorCounter,
}

impl Metrics {
    pub fn render(&self) -> String {
        let dropped = self.lines_dropped.dropped_lines();
        metrics::counter!("perimeter_log_lines_dropped_total").absolute(dropped as u64);
        self.recorder.run_upkeep();
        self.recorder.render()
    }
}

/// Installs logs, metrics and traces for this process. Call once; with an OTLP endpoint, inside a tokio runtime.
pub fn install(config: &Config) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(config.filter.as_deref().unwrap_or(QUIET))
        .context("could not read RUST_LOG; write for example 'info,executor=debug'")?;
    let traces = config
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| tracer(&config.service, endpoint))
        .transpose()?;
    if let Some(provider) = &traces {
        trace::install(provider);
    }
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_QUEUED_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let lines_dropped = writer.error_counter();
    lines(filter, writer, std::io::stderr().is_terminal())
        .try_init()
        .context("could not install logging twice")?;
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("could not install metrics")?;
    Ok(Telemetry { metrics: Metrics { recorder, lines_dropped }, traces, _lines: guard })
}

/// Writes a line for each event that `filter` lets through.
///
/// The filter stands before all layers: one of a layer's own remembers that it refused a record of the `log` crate,
/// which librdkafka's client writes, and then its thread's next line was lost, whatever that said.
fn lines<W>(filter: EnvFilter, writer: W, ansi: bool) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi);
    tracing_subscriber::registry().with(filter).with(layer.with_target(true))
}

impl Telemetry {
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "could not flush the last traces");
        }
    }
}

fn tracer(service: &str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let builder = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    let (builder, trusted) = match scheme(endpoint)? {
        Scheme::Http => (builder, ""),
        Scheme::Https => (
            builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots()),
            " and the authorities that this machine trusts (SSL_CERT_FILE names others)",
        ),
    };
    let exporter = builder.build().with_context(|| {
        format!(
            "could not use OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}, with the other OTEL_… settings{trusted}"
        )
    })?;
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// How traces go to their endpoint.
#[derive(Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

fn scheme(endpoint: &str) -> anyhow::Result<Scheme> {
    match endpoint.split_once("://") {
        Some(("http", _)) => Ok(Scheme::Http),
        Some(("https", _)) => Ok(Scheme::Https),
        _ => bail!(
            "could not use OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}; write http://HOST:4317 or https://HOST:4317"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_that_is_refused_takes_no_line_with_it() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = lines(EnvFilter::new("info,noisy=warn"), move || writer.clone(), false);
        let asked = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            tracing::span!(target: "noisy", tracing::Level::INFO, "quiet").metadata().unwrap()
        });
        tracing::subscriber::with_default(subscriber, || {
            // What is asked for a record of the `log` crate, which is then not sent.
            assert!(!tracing::dispatcher::get_default(|dispatch| dispatch.enabled(asked)));
            tracing::error!("could not listen");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(written.contains("could not listen"), "{written}");
    }

    #[test]
    fn traces_go_by_http_or_https_and_by_nothing_else() {
        for (endpoint, expected) in [
            ("http://collector:4317", Some(Scheme::Http)),
            ("https://collector:4317", Some(Scheme::Https)),
            ("grpc://collector:4317", None),
            ("collector:4317", None),
            ("unix:///run/collector", None),
        ] {
            assert_eq!(scheme(endpoint).ok(), expected, "{endpoint}");
        }
        let told = scheme("collector:4317").unwrap_err().to_string();
        assert!(told.contains("=collector:4317; write http://HOST:4317"), "{told}");
    }
}
