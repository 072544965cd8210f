//! Traces that go to a collector, in a build with the feature `otel`, by the variables of OpenTelemetry's specification.
//!
//! They begin with a variable that names where they go. The queue is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`), a thread of its own sends it, and
//! spans that find it full are dropped: no client waits for a collector. Settings that make no sense are told, and leave the gateway
//! without traces.

mod collector;

use std::{env, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{info, warn};

use self::collector::Collector;

/// The service's name where no variable gives one.
const SERVICE: &str = "wampgate";

/// The only protocol that is built in.
const PROTOCOL: &str = "http/protobuf";

/// How long the process waits at its end for the last spans to be sent.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// How long one request to the collector may take by default, as the specification has it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Traces that are being sent.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

/// Begins to send traces, if the environment asks for them. The runtime must live until they are [finished](Traces::finish).
pub(super) fn start(runtime: &Handle) -> Option<Traces> {
    match settings() {
        Ok(true) => {}
        Ok(false) => return None,
        Err(fault) => {
            warn!("the gateway records no traces: {fault}");
            return None;
        }
    }
    let authorities = of_traces("CERTIFICATE");
    let collector = Collector::new(runtime.clone(), patience(), authorities.map(Into::into));
    let exporter = match SpanExporter::builder().with_http().with_http_client(collector).build() {
        Ok(exporter) => exporter,
        Err(error) => {
            warn!("the gateway records no traces: {error}");
            return None;
        }
    };
    let provider =
        SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
    if wampgate::traces::record_with(provider.tracer("wampgate")).is_err() {
        return None;
    }
    info!("traces are recorded");
    Some(Traces(provider))
}

impl Traces {
    /// Sends what is left.
    pub(super) fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_EXPORT) {
            warn!(%error, "the last traces are lost");
        }
    }
}

/// A variable with content.
fn variable(name: &str) -> Option<String> {
    let text = env::var_os(name)?.to_string_lossy().trim().to_owned();
    if text.is_empty() { None } else { Some(text) }
}

/// A variable of the exporter: the one for traces, or else the one for all signals.
fn of_traces(name: &str) -> Option<String> {
    let of_all = || variable(&format!("OTEL_EXPORTER_OTLP_{name}"));
    variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(of_all)
}

/// Whether the environment asks for traces, or what is wrong with how it does.
fn settings() -> Result<bool, String> {
    let wanted = wanted(
        variable("OTEL_SDK_DISABLED").as_deref(),
        variable("OTEL_TRACES_EXPORTER").as_deref(),
        of_traces("ENDPOINT").is_some(),
    )?;
    match of_traces("PROTOCOL") {
        Some(protocol) if wanted && protocol != PROTOCOL => Err(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: only {PROTOCOL} is built in, which collectors take at port 4318"
        )),
        _ => Ok(wanted),
    }
}

/// The specification's default is to send to a collector at this machine. A gateway that has no collector would complain for ever, so
/// that an endpoint or an exporter has to be named.
fn wanted(disabled: Option<&str>, exporter: Option<&str>, has_endpoint: bool) -> Result<bool, String> {
    if disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    match exporter {
        None => Ok(has_endpoint),
        Some("otlp") => Ok(true),
        Some("none") => Ok(false),
        Some(other) => Err(format!("OTEL_TRACES_EXPORTER={other}: write otlp or none")),
    }
}

/// How long one request to the collector may take.
fn patience() -> Duration {
    of_traces("TIMEOUT").and_then(|text| text.parse().ok()).map_or(PATIENCE, Duration::from_millis)
}

/// What the process is, for those who look at traces of many.
fn resource() -> Resource {
    let told = Resource::builder().build();
    let has = |key: &'static str| {
        told.get(&key.into()).is_some_and(|value| !value.as_str().starts_with("unknown_service"))
    };
    let mut resource = Resource::builder();
    if !has("service.name") {
        resource = resource.with_service_name(SERVICE);
    }
    if !has("service.version") {
        resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    }
    resource.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_begin_with_a_variable_that_asks_for_them() {
        for (disabled, exporter, has_endpoint, is_wanted) in [
            (None, None, false, Ok(false)),
            (None, None, true, Ok(true)),
            (None, Some("otlp"), false, Ok(true)),
            (None, Some("none"), true, Ok(false)),
            (Some("true"), Some("otlp"), true, Ok(false)),
            (Some("TRUE"), None, true, Ok(false)),
            (Some("false"), None, true, Ok(true)),
            (None, Some("zipkin"), true, Err("OTEL_TRACES_EXPORTER=zipkin: write otlp or none".to_owned())),
        ] {
            assert_eq!(wanted(disabled, exporter, has_endpoint), is_wanted, "{disabled:?} {exporter:?}");
        }
    }
}
