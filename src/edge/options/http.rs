//! Limits for requests, what one address may have, and the proxies that speak for others.

use std::time::Duration;

use ipnet::IpNet;

const KIB: usize = 1024;

/// Limits for requests, per transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Default 16 KiB.
    pub max_head_size: usize,
    /// Default 64.
    pub max_headers: usize,
    /// How long a head may take to arrive, also after an earlier request; from a trusted proxy at least three minutes. Default 5 s.
    pub head_timeout: Duration,
    /// Whether requests are logged. Default false.
    pub access_log: bool,
    /// `Strict-Transport-Security: max-age=…` in seconds, if `hsts` is on.
    pub hsts_max_age: Option<u32>,
    /// The proxies that are believed about the address of a client. Default none.
    pub trusted_proxies: Vec<TrustedProxy>,
}

/// What one address may have of a transport; 0: as much as there is. An IPv6 address counts with its network of 64 bits, a client
/// behind a trusted proxy with its own address. 127.0.0.1, `::1` and Unix sockets are not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressOptions {
    /// Open connections. Default 2,000, and at most half of the transport's `max_connections`.
    pub max_connections: u32,
    /// WebSocket handshakes a second in the long run, and as many of TLS; twenty seconds' worth at once. Default 100.
    pub handshakes_per_second: u32,
    /// New records in the cookie store a second in the long run; two hundred seconds' worth at once. Default 10.
    pub new_records_per_second: u32,
}

/// A proxy whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxy {
    /// At an address of this network.
    Network(IpNet),
    /// Any peer of a Unix socket.
    Unix,
}

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

impl Default for AddressOptions {
    fn default() -> Self {
        // An office of two thousand browsers behind one address notices none of these, not even after a restart.
        Self { max_connections: 2000, handshakes_per_second: 100, new_records_per_second: 10 }
    }
}
