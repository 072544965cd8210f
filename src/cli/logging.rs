//! Logging to standard error.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing::Level;
use tracing_subscriber::{
    filter::{LevelFilter, Targets, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::LogFormat;

/// Libraries that log what passes through them below the level `warn`, tickets and cookies included. No filter of the
/// operator's may show that.
const TALKATIVE: [&str; 3] = ["tungstenite", "tokio_tungstenite", "hyper"];

/// Starts logging; `filter` is a level or a list of directives.
pub(super) fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    // A level alone is meant for the gateway. Its libraries have their say from `warn` on, unless a directive names them.
    let filter = match filter.parse::<LevelFilter>() {
        Ok(level) => Targets::new().with_target("wampgate", level).with_default(level.min(LevelFilter::WARN)),
        Err(_) => filter.parse::<Targets>().with_context(|| {
            format!("--log {filter}: use a level (error, warn, info, debug, trace) or target=level")
        })?,
    };
    let discreet = filter_fn(|event| {
        let library = event.target().split("::").next().unwrap_or_default();
        *event.level() <= Level::WARN || !TALKATIVE.contains(&library)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(stderr().is_terminal())
        // A line that cannot be written is lost; telling so on the same stream would end the task that logs.
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter).with(discreet);
    let started = match format {
        LogFormat::Text => registry.with(lines.with_target(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
