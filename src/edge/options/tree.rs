//! What is served at which path.

use std::{collections::BTreeMap, path::PathBuf};

use http::HeaderValue;

use super::{ForwardAuthOptions, ProxiedOptions};
use crate::{
    auth::Secret,
    service::{ServiceOptions, TesteeOptions},
};

/// Targets by path: `/a/b` is the child `b` of the child `a`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathTree {
    /// What is served at this very place and below it where no child matches.
    pub target: Option<TargetOptions>,
    /// The next path components.
    pub children: BTreeMap<String, PathTree>,
}

/// What is served at a path.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TargetOptions {
    /// Files of a directory.
    Static(StaticOptions),
    /// WAMP over WebSocket.
    WebSocket(Box<ServiceOptions>),
    /// A WebSocket that sends every message back.
    Testee(Box<TesteeOptions>),
    /// A fixed JSON value.
    Json(serde_json::Value),
    /// A redirect: what stands in the `Location` header.
    Redirect(HeaderValue),
    /// A redirect to the same host and path by https, at this port.
    Https(u16),
    /// The page that is built in.
    Page,
    /// Counters and gauges for monitoring.
    Metrics,
    /// Whether the gateway lives and is ready.
    Health,
    /// The operator's page.
    Console(ConsoleOptions),
    /// The public keys of what the gateway signs.
    Jwks {
        /// How long a client may keep them, in seconds.
        max_age: u32,
    },
    /// Whether a request is allowed and whose it is, for a proxy that asks.
    ForwardAuth(Box<ForwardAuthOptions>),
    /// What goes on to an upstream.
    Proxied(Box<ProxiedOptions>),
}

/// The operator's page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsoleOptions {
    /// What its user has to know. None: every user of this machine may open it, and no other.
    pub token: Option<Secret>,
}

/// Static files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticOptions {
    /// The directory.
    pub directory: PathBuf,
    /// `enable_directory_listing`. Default false.
    pub listing: bool,
    /// `default_file`. Default `index.html`.
    pub index: String,
    /// `mime_types`: file extension with its dot (`.md`) to media type, before the built-in table.
    pub media_types: BTreeMap<String, HeaderValue>,
    /// `cache_timeout` in seconds; none: no `Cache-Control`. Default 12 hours, as in Crossbar.
    pub cache_timeout: Option<u32>,
}

// === impl PathTree ===

impl PathTree {
    /// A tree that serves one target everywhere.
    pub fn of(target: TargetOptions) -> Self {
        Self { target: Some(target), children: BTreeMap::new() }
    }

    /// Every target with its path, parents first.
    pub fn targets(&self) -> Vec<(String, &TargetOptions)> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    /// Every WebSocket service with its path, parents first.
    pub fn services(&self) -> impl Iterator<Item = (String, &ServiceOptions)> {
        self.targets().into_iter().filter_map(|(path, target)| match target {
            TargetOptions::WebSocket(service) => Some((path, &**service)),
            TargetOptions::Proxied(proxied) => Some((path, proxied.own.as_deref()?)),
            _ => None,
        })
    }

    /// Calls back for every path that goes on to an upstream.
    pub(crate) fn each_proxied(&mut self, each: &mut impl FnMut(&mut ProxiedOptions)) {
        if let Some(TargetOptions::Proxied(proxied)) = &mut self.target {
            each(proxied);
        }
        for child in self.children.values_mut() {
            child.each_proxied(each);
        }
    }

    /// Calls back for every service of a WebSocket path.
    pub(crate) fn each_service(&mut self, each: &mut impl FnMut(&mut ServiceOptions)) {
        match &mut self.target {
            Some(TargetOptions::WebSocket(service)) => each(service),
            Some(TargetOptions::Proxied(proxied)) => {
                proxied.own.iter_mut().for_each(|service| each(service));
            }
            _ => {}
        }
        for child in self.children.values_mut() {
            child.each_service(each);
        }
    }

    /// Whether it tells of the gateway and serves nothing else: probes, which a drain must not turn away.
    pub fn is_for_probes(&self) -> bool {
        let targets = self.targets();
        targets.iter().any(|(_, target)| matches!(target, TargetOptions::Health))
            && targets.iter().all(|(_, target)| target.is_for_the_operator())
    }

    fn collect<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a TargetOptions)>) {
        if let Some(target) = &self.target {
            found.push((if path.is_empty() { "/".to_owned() } else { path.to_owned() }, target));
        }
        for (name, child) in &self.children {
            child.collect(&format!("{path}/{name}"), found);
        }
    }
}

// === impl TargetOptions ===

impl TargetOptions {
    /// How long a client may keep public keys, in seconds, by default: a new one has to be known before it signs.
    pub const JWKS_MAX_AGE: u32 = 300;

    /// Whether it tells of the gateway itself, and no client has a use for it.
    pub const fn is_for_the_operator(&self) -> bool {
        matches!(self, Self::Health | Self::Metrics | Self::Console(_))
    }

    /// The target's type, as the configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::WebSocket(_) => "websocket",
            Self::Testee(_) => "websocket-testee",
            Self::Json(_) => "json",
            Self::Redirect(_) | Self::Https(_) => "redirect",
            Self::Page => "page",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Console(_) => "admin",
            Self::Jwks { .. } => "jwks",
            Self::ForwardAuth(_) => "forward-auth",
            Self::Proxied(proxied) if proxied.http.is_some() => "proxy",
            Self::Proxied(_) => "websocket-proxy",
        }
    }
}

// === impl StaticOptions ===

impl StaticOptions {
    /// Half a day, as in Crossbar: the default of `cache_timeout`.
    const CACHE_TIMEOUT: u32 = 43_200;

    /// The files of a directory, with the defaults.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            listing: false,
            index: "index.html".to_owned(),
            media_types: BTreeMap::new(),
            cache_timeout: Some(Self::CACHE_TIMEOUT),
        }
    }
}
