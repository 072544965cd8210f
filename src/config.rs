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
mod policy;
mod realm;
mod secret;
mod service;
mod transport;
mod websocket;

mod reader;

use std::path::PathBuf;

pub use load::{ConfigSource, LoadedConfig, load, load_with};
pub use reader::{ConfigError, ConfigFault, ConfigWarning, FaultPlace};
pub use schema::schema;

use crate::cookie::CookieOptions;
pub use crate::{
    auth::{
        AnonymousOptions, AuthOptions, CookieAuthOptions, CryptosignOptions, CryptosignPrincipal, Kdf,
        Salting, ScramOptions, ScramPrincipal, Secret, SecretKey, TicketOptions, TicketPrincipal,
        WampCraOptions, WampCraPrincipal,
    },
    edge::{EdgeOptions, HttpOptions, PathTree, StaticOptions, TargetOptions, TrustedProxy},
    handshake::HandshakeOptions,
    policy::{PolicyFile, PolicyOptions},
    realm::{Permission, RealmOptions, RoleOptions, Roles},
    server::{Endpoint, ListenerOptions},
    service::ServiceOptions,
    wamp::pattern::UriMatch,
    wire::{PingOptions, WireOptions},
};

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
    /// Where it listens.
    pub listener: ListenerOptions,
    /// What it serves there. A `websocket` transport has its WebSocket service at `/` and below.
    pub edge: EdgeOptions,
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
        let services = self.transports.iter().flat_map(|transport| transport.edge.root.services());
        let mut found = Vec::new();
        for policy in services.filter_map(|(_, service)| service.policy.as_ref()) {
            if !found.contains(&policy) {
                found.push(policy);
            }
        }
        found
    }
}
