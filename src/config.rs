//! The configuration: what the file says, checked, with every default filled in.
//!
//! The types here are the result of checking: whatever holds one may rely on its ranges and on its references. How a
//! file becomes one is in `load`.

mod methods;

pub use methods::{
    CookieAuthConfig, CryptosignConfig, CryptosignPrincipal, Kdf, Salting, ScramConfig, ScramPrincipal,
    SecretKey, WampCraConfig, WampCraPrincipal,
};

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use crate::{
    cookie::CookieOptions,
    wamp::{Serializer, Uri},
};

/// Everything that a gateway runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The node directory; every path below is absolute or has been joined to it.
    pub node_dir: PathBuf,
    /// The realms; at least one.
    pub realms: Vec<RealmConfig>,
    /// Where the gateway listens; at least one.
    pub transports: Vec<TransportConfig>,
}

/// A realm and who may do what there.
#[derive(Debug, Clone, PartialEq)]
pub struct RealmConfig {
    /// The realm's name.
    pub name: Uri,
    /// The roles and their permissions.
    pub roles: Roles,
}

/// The roles of a realm.
#[derive(Debug, Clone, PartialEq)]
pub enum Roles {
    /// The realm of a configuration that names no realms: any role, everything allowed, publishers and callers
    /// disclosed by their public authid.
    Open,
    /// The configured roles; what no permission allows is denied.
    Listed(Vec<RoleConfig>),
}

/// A role.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleConfig {
    /// The role's name.
    pub name: String,
    /// Its permissions, as configured; the most specific one that matches a URI counts.
    pub permissions: Vec<Permission>,
}

/// One of a role's permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the configuration's own names")]
pub struct Permission {
    /// The pattern. For `prefix` it may be empty and may end in a dot; for `wildcard` components may be empty.
    pub uri: String,
    pub matching: UriMatch,
    pub call: bool,
    pub register: bool,
    pub publish: bool,
    pub subscribe: bool,
    /// Whether callees see who called.
    pub disclose_caller: bool,
    /// Whether subscribers see who published.
    pub disclose_publisher: bool,
}

/// How a permission's pattern is compared with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants carry the specification's own names")]
pub enum UriMatch {
    Exact,
    Prefix,
    Wildcard,
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

/// Limits for requests, per transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Default 16 KiB.
    pub max_head_size: usize,
    /// Default 64.
    pub max_headers: usize,
    /// How long a head may take to arrive, also after an earlier request. Default 5 s.
    pub head_timeout: Duration,
    /// Whether requests are logged. Default false.
    pub access_log: bool,
    /// `Strict-Transport-Security: max-age=…` in seconds, if `hsts` is on.
    pub hsts_max_age: Option<u32>,
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
    /// A redirect to a URL.
    Redirect(String),
    /// The page that is built in.
    Page,
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
    pub media_types: BTreeMap<String, String>,
    /// `cache_timeout` in seconds; none: no `Cache-Control`. Default 12 hours, as in Crossbar.
    pub cache_timeout: Option<u32>,
}

/// A WebSocket service.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketConfig {
    /// Cookie tracking, if on.
    pub cookie: Option<CookieConfig>,
    /// Authentication; none: no authentication is configured at all (the seeds' case 1).
    pub auth: Option<AuthConfig>,
    /// A policy of the operator's own; none: the default policy.
    pub policy: Option<PolicyConfig>,
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

/// The authentication methods of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthConfig {
    /// `anonymous`
    pub anonymous: Option<AnonymousConfig>,
    /// `ticket`
    pub ticket: Option<TicketConfig>,
    /// `wampcra`
    pub wampcra: Option<WampCraConfig>,
    /// `scram`
    pub scram: Option<ScramConfig>,
    /// `cryptosign`
    pub cryptosign: Option<CryptosignConfig>,
    /// `cookie`
    pub cookie: Option<CookieAuthConfig>,
}

/// `auth.anonymous`, static.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnonymousConfig {
    /// `role`. Default `anonymous`.
    pub role: String,
}

/// `auth.ticket`, static.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketConfig {
    /// The principals by authid.
    pub principals: BTreeMap<String, TicketPrincipal>,
}

/// A principal of the ticket method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketPrincipal {
    /// The shared secret.
    pub ticket: Secret,
    /// The role.
    pub role: String,
    /// The realm that the principal belongs to; none: whichever it asks for.
    pub realm: Option<Uri>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A policy component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// `component`, joined to the node directory.
    pub component: PathBuf,
    /// `sha256`: what the component's bytes must hash to.
    pub sha256: Option<[u8; 32]>,
    /// `config`, passed to the component as JSON text. Default `{}`.
    pub config: String,
    /// `headers`: the request headers that the policy may see, in lower case. Default none.
    pub headers: Vec<String>,
    /// `deadline`. Default 20 ms.
    pub deadline: Duration,
    /// `max_memory`. Default 32 MiB.
    pub max_memory: usize,
    /// `max_concurrent`: decisions at once; more wait. Default 16.
    pub max_concurrent: usize,
}

/// WebSocket options, mostly by Crossbar's names. Zero durations in the file mean "off" and are `None` here.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketOptions {
    /// `allowed_origins`. Default `["*"]`.
    pub allowed_origins: Vec<String>,
    /// `allow_null_origin`. Default true, as in Crossbar.
    pub allow_null_origin: bool,
    /// `max_frame_size` in bytes; 0 in the file: as large as a message. Default 1 MiB.
    pub max_frame_size: usize,
    /// `max_message_size` in bytes. Default 1 MiB.
    pub max_message_size: usize,
    /// `max_message_size_before_welcome` in bytes. Default 64 KiB.
    pub max_message_size_before_welcome: usize,
    /// `max_nesting_depth`. Default 128.
    pub max_nesting_depth: usize,
    /// `max_unsent` in bytes. Default 1 MiB.
    pub max_unsent: usize,
    /// `hello_timeout`. Default 10 s.
    pub hello_timeout: Duration,
    /// `close_handshake_timeout`. Default 2 s.
    pub close_handshake_timeout: Duration,
    /// `auto_ping_interval`; none: no pings. Default 25 s.
    pub auto_ping_interval: Option<Duration>,
    /// `auto_ping_timeout`. Default 8 s.
    pub auto_ping_timeout: Duration,
    /// `auto_ping_size` in bytes. Default 12.
    pub auto_ping_size: usize,
    /// `auto_ping_restart_on_any_traffic`. Default true.
    pub auto_ping_restart_on_any_traffic: bool,
    /// `tcp_nodelay`. Default true.
    pub tcp_nodelay: bool,
    /// `require_websocket_subprotocol`. Default true; false: a client that names none gets `wamp.2.json`.
    pub require_websocket_subprotocol: bool,
    /// `enable_webstatus`: whether a plain GET gets a status page rather than 426. Default true.
    pub enable_webstatus: bool,
    /// `show_server_version`: `Server: wampgate/x.y.z` instead of `Server: wampgate`. Default false.
    pub show_server_version: bool,
}

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            max_head_size: 16 * KIB,
            max_headers: 64,
            head_timeout: Duration::from_secs(5),
            access_log: false,
            hsts_max_age: None,
        }
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            allowed_origins: vec!["*".to_owned()],
            allow_null_origin: true,
            max_frame_size: MIB,
            max_message_size: MIB,
            max_message_size_before_welcome: 64 * KIB,
            max_nesting_depth: 128,
            max_unsent: MIB,
            hello_timeout: Duration::from_secs(10),
            close_handshake_timeout: Duration::from_secs(2),
            auto_ping_interval: Some(Duration::from_secs(25)),
            auto_ping_timeout: Duration::from_secs(8),
            auto_ping_size: 12,
            auto_ping_restart_on_any_traffic: true,
            tcp_nodelay: true,
            require_websocket_subprotocol: true,
            enable_webstatus: true,
            show_server_version: false,
        }
    }
}
