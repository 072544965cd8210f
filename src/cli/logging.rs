//! Logging to standard error.

use std::{
    env,
    io::{IsTerminal, stderr},
};

use tracing::Level;
use tracing_subscriber::{
    filter::{LevelFilter, Targets, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::LogFormat;

/// Libraries that log what passes through them below the level `warn`, tickets and cookies included. No filter of the
/// operator's may show that.
const TALKATIVE: [&str; 6] =
    ["tungstenite", "tokio_tungstenite", "hyper", "opentelemetry", "opentelemetry-otlp", "opentelemetry_sdk"];

/// Events of OpenTelemetry that say with each batch what the gateway says once.
const REPEATED: [&str; 2] = ["BatchSpanProcessor.ExportError", "Export.Failed."];

/// What a filter may be.
pub(super) const MEANT: &str = "use a level (error, warn, info, debug, trace) or target=level";

/// What is logged.
#[derive(Debug)]
pub(super) struct LogFilter(Targets);

impl Default for LogFilter {
    fn default() -> Self {
        Self::of_gateway(LevelFilter::INFO)
    }
}

impl LogFilter {
    /// Reads a level, or a list of directives. A word that is neither would be the name of a target that does not exist, and the
    /// operator would have no log at all.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(level) = level(text) {
            return Some(Self::of_gateway(level));
        }
        let directives: Vec<_> = text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        let is_directive = |text: &&str| match text.rsplit_once('=') {
            Some((target, at)) => !target.is_empty() && level(at).is_some(),
            None => level(text).is_some(),
        };
        if directives.is_empty() || !directives.iter().all(is_directive) {
            return None;
        }
        directives.join(",").parse().ok().map(Self)
    }

    /// A level alone is meant for the gateway. Its libraries have their say from `warn` on, unless a directive names them.
    pub(super) fn of_gateway(level: LevelFilter) -> Self {
        Self(Targets::new().with_target("wampgate", level).with_default(level.min(LevelFilter::WARN)))
    }

    /// What policies log, and nothing else.
    pub(super) fn of_policies(level: LevelFilter) -> Self {
        Self(Targets::new().with_target("wampgate::policy", level))
    }
}

/// A level. The library takes an empty text for one.
fn level(text: &str) -> Option<LevelFilter> {
    let text = text.trim();
    if text.is_empty() { None } else { text.parse().ok() }
}

/// Starts logging.
pub(super) fn start(format: LogFormat, LogFilter(filter): LogFilter) -> anyhow::Result<()> {
    let discreet = filter_fn(|event| {
        let library = event.target().split("::").next().unwrap_or_default();
        if !TALKATIVE.contains(&library) {
            return true;
        }
        *event.level() <= Level::WARN && !REPEATED.iter().any(|name| event.name().starts_with(name))
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(has_colors())
        // A line that cannot be written is lost; telling so on the same stream would end the task that logs.
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter).with(discreet);
    let started = match format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

/// Colors are for people at a terminal who have not said that they want none (no-color.org).
fn has_colors() -> bool {
    stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|text| text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_directives_and_no_other_word() {
        for text in
            ["info", "off", "WARN", "info,wampgate::policy=debug", " info , wampgate=trace,", "hyper=warn"]
        {
            assert!(LogFilter::read(text).is_some(), "{text}");
        }
        for text in ["loud", "verbose", "info,loud", "wampgate=", "=info", "wampgate=loud", "", " ", ","] {
            assert!(LogFilter::read(text).is_none(), "{text}");
        }
        let LogFilter(spaced) = LogFilter::read("warn, wampgate::policy=debug").unwrap();
        assert!(spaced.would_enable("wampgate::policy", &Level::DEBUG));
    }
}
