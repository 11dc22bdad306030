//! Spans of rounds to an OpenTelemetry collector (feature `otel`). They name rounds by digest and
//! steps by name, and carry nothing of a share or a site.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::Error;
use crate::server::Config;

/// Sends what is left when it is dropped.
pub(super) struct Provider(SdkTracerProvider);

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.shutdown();
    }
}

/// The way to the collector of a configuration, if it has one.
pub(super) fn open(config: &Config) -> Result<Option<Provider>, Error> {
    let Some(address) = &config.telemetry else { return Ok(None) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(address.as_str()).build();
    let exporter = exporter.map_err(|e| Error::Config {
        file: "telemetry".into(),
        problem: format!("{address}: {e}"),
    })?;
    let resource = opentelemetry_sdk::Resource::builder()
        .with_service_name(format!("smpc-node {}", config.name))
        .build();
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    Ok(Some(Provider(provider)))
}

/// The layer that makes spans of what is traced.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
    provider: &Provider,
) -> OpenTelemetryLayer<S, Tracer> {
    tracing_opentelemetry::layer().with_tracer(provider.0.tracer("haima"))
}
