//! `wampgate check`: prints everything that is wrong with a configuration, or that it is sound.

use std::io::{self, Write};

use super::CheckArgs;
use wampgate::{
    config::{self, Config, ConfigError, ConfigWarning, Endpoint, LoadOptions, LoadedConfig},
    policy::{PolicyEngine, PolicyEngineError, PolicyLoadError},
};

/// Checks a configuration and writes the outcome. True if a gateway can run it, with or without warnings.
///
/// It also loads each policy as `run` would, unless it is told not to.
pub(crate) fn check(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let source = args.source.source();
    let options = LoadOptions { allow_missing_secrets: args.allow_missing_secrets, ..LoadOptions::default() };
    let loaded = match config::load_by(&source, &options) {
        Ok(loaded) => loaded,
        Err(error) => {
            report_faulty(&error, out)?;
            return Ok(false);
        }
    };
    report_warnings(&loaded.warnings, out)?;
    let unusable = if args.without_policies { Vec::new() } else { load_policies(&loaded.config)? };
    if unusable.is_empty() {
        report_sound(&loaded, out)?;
    } else {
        report_unusable(&loaded, &unusable, out)?;
    }
    Ok(unusable.is_empty())
}

/// The policies that a gateway cannot use, each with the reason.
fn load_policies(config: &Config) -> Result<Vec<PolicyLoadError>, PolicyEngineError> {
    let components = config.components();
    if components.is_empty() {
        return Ok(Vec::new());
    }
    let engine = PolicyEngine::for_policies(config.policies())?;
    Ok(components.into_iter().filter_map(|(kind, file)| kind.check(&engine, file).err()).collect())
}

fn report_unusable(
    loaded: &LoadedConfig,
    unusable: &[PolicyLoadError],
    out: &mut impl Write,
) -> io::Result<()> {
    for error in unusable {
        writeln!(out, "{error}")?;
    }
    writeln!(out, "{}: {}", name(loaded), counted(unusable.len(), "fault"))
}

fn report_sound(loaded: &LoadedConfig, out: &mut impl Write) -> io::Result<()> {
    for transport in &loaded.config.transports {
        let Some(tls) = &transport.listener.tls else { continue };
        for certificate in tls.certificates() {
            writeln!(out, "note: transport {}: {certificate}", transport.edge.id)?;
        }
    }
    let local = peers_that_are_not_limited(&loaded.config);
    if !local.is_empty() {
        writeln!(
            out,
            "note: transport {}: `per_address` does not limit 127.0.0.1, ::1 and Unix sockets, where a proxy may speak for many clients: name such a proxy in `trusted_proxies`",
            local.join(", ")
        )?;
    }
    if loaded.file.is_none() {
        writeln!(out, "note: {}", super::WHERE_CONFIGURATIONS_ARE)?;
    }
    let realms = counted(loaded.config.realms.len(), "realm");
    let transports = counted(loaded.config.transports.len(), "transport");
    writeln!(out, "{}: OK, {realms}, {transports}", name(loaded))
}

/// The transports whose clients all come from this machine, as far as addresses tell, and that name no proxy.
fn peers_that_are_not_limited(config: &Config) -> Vec<&str> {
    let local = config.transports.iter().filter(|transport| {
        let is_local = match &transport.listener.endpoint {
            Endpoint::Tcp { interface, .. } => interface.is_loopback(),
            Endpoint::Unix { .. } => true,
        };
        is_local
            && transport.edge.http.trusted_proxies.is_empty()
            && transport.edge.services().next().is_some()
    });
    local.map(|transport| transport.edge.id.as_str()).collect()
}

fn name(loaded: &LoadedConfig) -> String {
    match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "no configuration found, so the built-in one".to_owned(),
    }
}

fn report_warnings(warnings: &[ConfigWarning], out: &mut impl Write) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

fn report_faulty(error: &ConfigError, out: &mut impl Write) -> io::Result<()> {
    report_warnings(&error.warnings, out)?;
    writeln!(out, "{error}")?;
    writeln!(out, "{}: {}", error.file, counted(error.count(), "fault"))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
