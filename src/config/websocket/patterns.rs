//! The origins and hosts that a path takes, as patterns.

use schemars::json_schema;

use super::super::reader::{Json, Located, Raw, Walk, inline_schema, quoted_place};
use crate::handshake::{self, AllowedHosts, PatternFault};

/// A pattern for origins.
#[derive(Debug)]
pub(in crate::config) struct Origin(String);

impl Raw for Origin {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = "an origin such as \"https://example.com\", or \"*\"";
        judged(json, hint, walk, handshake::judge_origin).map(Self)
    }
}

inline_schema!(Origin, "Origin", |_generator| json_schema!({
    "type": "string",
    "pattern": r"^([^/]+://[^/]+|\*[^/]*)$",
}));

/// A pattern for hosts.
#[derive(Debug)]
pub(in crate::config) struct HostPattern(String);

impl Raw for HostPattern {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        judged(json, "a host such as \"example.com\", or \"*\"", walk, handshake::judge_host).map(Self)
    }
}

inline_schema!(HostPattern, "HostPattern", |_generator| json_schema!({
    "type": "string",
    "pattern": r"^[^/]+$",
}));

/// Reads a pattern, which something must be able to match.
fn judged(
    json: &Json,
    hint: &str,
    walk: &mut Walk<'_>,
    judge: impl FnOnce(&str) -> Result<(), PatternFault>,
) -> Option<String> {
    let Json::Text(text) = json else {
        walk.wrong_kind(&format!("text: {hint}"), json);
        return None;
    };
    match judge(text) {
        Ok(()) => Some(text.clone()),
        Err(fault) => {
            walk.fault(format!("{} {fault}", quoted_place(text)));
            None
        }
    }
}

/// By which names a service or a transport may be reached.
pub(in crate::config) fn hosts(
    named: Option<Located<Vec<HostPattern>>>,
    default: &AllowedHosts,
    walk: &mut Walk<'_>,
) -> AllowedHosts {
    let Some(Located { path, value }) = named else { return default.clone() };
    if value.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(&path, "lets no request in: name a host, or leave `allowed_hosts` out");
    }
    AllowedHosts::Listed(value.into_iter().map(|host| host.0).collect())
}

/// Nothing is wrong with a service that no page may use; most operators mean another thing.
pub(in crate::config) fn origins(named: Located<Vec<Origin>>, walk: &mut Walk<'_>) -> Vec<String> {
    let Located { path, value } = named;
    if value.is_empty() && !walk.has_fault_below(&path) {
        walk.warn_at(
            path,
            "lets no browser in: name an origin, or leave `allowed_origins` out for the service's own",
        );
    }
    value.into_iter().map(|origin| origin.0).collect()
}
