//! Logging to standard error.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::LogFormat;

/// Starts logging; `filter` is a level or a list of directives.
pub(super) fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter).with_context(|| {
        format!("--log {filter}: use a level (error, warn, info, debug, trace) or target=level")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
