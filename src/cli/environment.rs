//! What the environment says in the place of an option. An empty variable says nothing.
//!
//! Only the subcommands that need a variable read it: a variable that has the wrong content by accident stops no other one.

use std::{env, net::IpAddr};

use anyhow::bail;
use clap::ValueEnum;

use super::{
    LogFormat,
    logging::{self, LogFilter},
};

const PORT: &str = "WAMPGATE_PORT";
const INTERFACE: &str = "WAMPGATE_INTERFACE";
const LOG_FORMAT: &str = "WAMPGATE_LOG_FORMAT";
const LOG: &str = "WAMPGATE_LOG";

/// The port of an option, or else of the environment.
pub(super) fn port(option: Option<u16>) -> anyhow::Result<Option<u16>> {
    let meant = "write a port from 0 to 65535. Kubernetes sets this variable for a Service named wampgate: `enableServiceLinks: \
                 false` in the pod, or another name of the Service, prevents that";
    or_variable(option, PORT, meant, |text| text.parse().ok())
}

/// The interface of an option, or else of the environment.
pub(super) fn interface(option: Option<IpAddr>) -> anyhow::Result<Option<IpAddr>> {
    or_variable(option, INTERFACE, "write an IP address, such as 0.0.0.0", |text| text.parse().ok())
}

/// The form of the log of an option, or else of the environment, or else the default.
pub(super) fn log_format(option: Option<LogFormat>) -> anyhow::Result<LogFormat> {
    let format = or_variable(option, LOG_FORMAT, "write text or json", |text| {
        <LogFormat as ValueEnum>::from_str(text, false).ok()
    })?;
    Ok(format.unwrap_or_default())
}

/// The filter of the log of an option, or else of the environment, or else the default.
pub(super) fn log(option: Option<&str>) -> anyhow::Result<LogFilter> {
    let option = match option {
        Some(text) if !text.trim().is_empty() => match LogFilter::read(text) {
            Some(filter) => Some(filter),
            None => bail!("--log {text}: {}", logging::MEANT),
        },
        _ => None,
    };
    Ok(or_variable(option, LOG, logging::MEANT, LogFilter::read)?.unwrap_or_default())
}

fn or_variable<T>(
    option: Option<T>,
    name: &str,
    meant: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    if option.is_some() {
        return Ok(option);
    }
    let value = env::var_os(name).unwrap_or_default();
    let text = value.to_string_lossy();
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match read(text) {
        Some(value) => Ok(Some(value)),
        None => bail!("the environment has {name}={text}: {meant}"),
    }
}
