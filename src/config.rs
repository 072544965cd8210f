//! The configuration: what the file says, checked, with every default filled in.
//!
//! The types here are the result of checking: code that holds one may rely on its ranges and on its references.
//!
//! [`load()`] finds the file and `reader` walks through it, collecting every fault with its path. Each of the other modules
//! declares the keys of one part with their types and their documentation, from which `reader` makes both the loader and
//! the JSON [`schema()`]; the module then turns what was read into the types here.

mod load;
mod schema;

mod auth;
mod cookie;
mod endpoint;
mod node;
mod options;
mod policy;
mod realm;
mod secret;
mod service;
mod transport;
mod websocket;

mod reader;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use http::HeaderValue;

pub use load::{ConfigSource, LoadedConfig, load, load_with};
pub use options::{HttpOptions, TrustedProxy, WebSocketOptions};
pub use reader::{ConfigError, ConfigFault, ConfigWarning, FaultPlace};
pub use schema::schema;

pub use crate::{
    auth::{
        AnonymousOptions, AuthOptions, CookieAuthOptions, CryptosignOptions, CryptosignPrincipal, Kdf,
        Salting, ScramOptions, ScramPrincipal, Secret, SecretKey, TicketOptions, TicketPrincipal,
        WampCraOptions, WampCraPrincipal,
    },
    policy::{PolicyFile, PolicyOptions},
    realm::{Permission, RealmOptions, RoleOptions, Roles, UriMatch},
};
use crate::{cookie::CookieOptions, wamp::Serializer};

/// Everything that a gateway runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The node directory; every path below is absolute or has been joined to it.
    pub node_dir: PathBuf,
    /// The realms; at least one.
    pub realms: Vec<RealmOptions>,
    /// Where the gateway listens; at least one.
    pub transports: Vec<TransportConfig>,
}

/// One listening endpoint and what it serves.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportConfig {
    /// The transport's `id`, or its place in the list as text: for logs.
    pub id: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How many connections may be open at once. Default 50,000.
    pub max_connections: usize,
    /// Limits for the HTTP head, and Crossbar's web options.
    pub http: HttpOptions,
    /// What is served where. A `websocket` transport has its WebSocket service at `/` and below.
    pub root: PathTree,
}

/// An address to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the configuration's own names")]
pub enum Endpoint {
    Tcp {
        /// Absent: all interfaces, IPv4, as Crossbar does.
        interface: IpAddr,
        port: u16,
        /// Default 1024.
        backlog: u32,
        /// `SO_REUSEPORT`.
        shared: bool,
    },
    Unix {
        path: PathBuf,
        backlog: u32,
    },
}

/// Services by path: `/a/b` is the child `b` of the child `a`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathTree {
    /// What is served at this very place and below it where no child matches.
    pub service: Option<Service>,
    /// The next path components.
    pub children: BTreeMap<String, PathTree>,
}

/// What is served at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Service {
    /// Files of a directory.
    Static(StaticConfig),
    /// WAMP over WebSocket.
    WebSocket(Box<WebSocketConfig>),
    /// A fixed JSON value.
    Json(serde_json::Value),
    /// A redirect: what stands in the `Location` header.
    Redirect(HeaderValue),
    /// The page that is built in.
    Page,
    /// Counters and gauges for monitoring.
    Metrics,
}

/// Static files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticConfig {
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

/// A WebSocket service.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketConfig {
    /// Cookie tracking, if on.
    pub cookie: Option<CookieConfig>,
    /// Authentication; none: no authentication is configured at all (the seeds' case 1).
    pub auth: Option<AuthOptions>,
    /// A policy of the operator's own; none: the default policy.
    pub policy: Option<PolicyFile>,
    /// The serializers on offer, in the order of preference. Default: all three.
    pub serializers: Vec<Serializer>,
    /// Everything else.
    pub options: WebSocketOptions,
}

/// Cookie tracking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieConfig {
    /// How the cookie is written.
    pub options: CookieOptions,
    /// Where the records live. Services that name the same store share it.
    pub store: StoreConfig,
}

/// A cookie store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreConfig {
    /// In memory, gone when the gateway stops. Two services have two stores.
    Memory {
        /// `max_cookies`. Default 1,000,000.
        max_cookies: usize,
    },
    /// Append-only JSON Lines.
    File {
        /// `filename`, joined to the node directory.
        path: PathBuf,
        /// `max_cookies`. Default 1,000,000.
        max_cookies: usize,
        /// `sync`. Default `always`.
        sync: SyncMode,
    },
    /// LMDB; `database` is Crossbar's name for it.
    Lmdb {
        /// `path` of the environment's directory, joined to the node directory.
        path: PathBuf,
        /// `max_size` of the map in bytes. Default 1 GiB.
        max_size: usize,
        /// `sync`. Default `always`.
        sync: SyncMode,
    },
}

/// When a store waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncMode {
    /// Before a change is acknowledged; many changes share one fsync.
    Always,
    /// Once a second.
    Interval,
    /// Whenever the operating system likes.
    Never,
}

impl Config {
    /// The policies of all services, each of them once.
    pub fn policies(&self) -> Vec<&PolicyFile> {
        let services = self.transports.iter().flat_map(|transport| transport.root.services());
        let mut found = Vec::new();
        for (_, service) in services {
            if let Service::WebSocket(service) = service
                && let Some(policy) = &service.policy
                && !found.contains(&policy)
            {
                found.push(policy);
            }
        }
        found
    }
}

impl PathTree {
    /// Every service with its path, parents first.
    pub fn services(&self) -> Vec<(String, &Service)> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a Service)>) {
        if let Some(service) = &self.service {
            found.push((if path.is_empty() { "/".to_owned() } else { path.to_owned() }, service));
        }
        for (name, child) in &self.children {
            child.collect(&format!("{path}/{name}"), found);
        }
    }
}

impl Service {
    /// The service's type, as the configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::WebSocket(_) => "websocket",
            Self::Json(_) => "json",
            Self::Redirect(_) => "redirect",
            Self::Page => "page",
            Self::Metrics => "metrics",
        }
    }
}
