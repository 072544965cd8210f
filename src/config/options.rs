//! Limits and switches with their defaults: for requests, and for WebSocket connections.

use std::time::Duration;

use ipnet::IpNet;

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
    /// Who is believed about the address of a client. Default nobody.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// A proxy whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxy {
    /// At an address of this network.
    Network(IpNet),
    /// Whoever comes over a Unix socket.
    Unix,
}

/// WebSocket options, mostly by Crossbar's names. Zero durations in the file mean "off" and are `None` here.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub struct WebSocketOptions {
    /// `allowed_origins`. Default `["*"]`; none where cookie authentication is on.
    pub allowed_origins: Vec<String>,
    /// Whether pages of the service's own origin may come. True where cookie authentication is on and
    /// `allowed_origins` is not given.
    pub same_origin: bool,
    /// `allow_null_origin`. Default true, as in Crossbar; false where cookie authentication is on.
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
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            allowed_origins: vec!["*".to_owned()],
            same_origin: false,
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

impl WebSocketOptions {
    /// The defaults of a service where cookies are credentials.
    pub fn same_origin() -> Self {
        Self { allowed_origins: Vec::new(), same_origin: true, allow_null_origin: false, ..Self::default() }
    }
}
