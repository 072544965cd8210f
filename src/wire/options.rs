//! Limits and pings of a WebSocket connection.

use std::{ops::RangeInclusive, time::Duration};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a client may send and make the gateway hold. The fields carry the configuration's names; sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireOptions {
    /// `max_frame_size`; 0 in the file: as large as a message. Default 1 MiB.
    pub max_frame_size: usize,
    /// `max_message_size`. Default 1 MiB.
    pub max_message_size: usize,
    /// `max_message_size_before_welcome`. Default 64 KiB.
    pub max_message_size_before_welcome: usize,
    /// `max_nesting_depth`. Default 128.
    pub max_nesting_depth: usize,
    /// `max_unsent`. Default 1 MiB.
    pub max_unsent: usize,
    /// `close_handshake_timeout`. Default 2 s.
    pub close_handshake_timeout: Duration,
    /// `tcp_nodelay`. Default true.
    pub tcp_nodelay: bool,
    /// `auto_ping_…`
    pub pings: PingOptions,
}

/// Pings that find out whether a silent peer is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingOptions {
    /// `auto_ping_interval`; none: no pings. Default 25 s.
    pub interval: Option<Duration>,
    /// `auto_ping_timeout`. Default 8 s.
    pub timeout: Duration,
    /// `auto_ping_size` in bytes. Default 12.
    pub size: usize,
    /// `auto_ping_restart_on_any_traffic`. Default true.
    pub restart_on_any_traffic: bool,
}

impl PingOptions {
    /// The sizes that a ping can have: with fewer bytes a client could guess the answer, and RFC 6455, 5.5 allows no more.
    pub const SIZES: RangeInclusive<usize> = 12..=125;
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            max_frame_size: MIB,
            max_message_size: MIB,
            max_message_size_before_welcome: 64 * KIB,
            max_nesting_depth: 128,
            max_unsent: MIB,
            close_handshake_timeout: Duration::from_secs(2),
            tcp_nodelay: true,
            pings: PingOptions::default(),
        }
    }
}

impl Default for PingOptions {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(25)),
            timeout: Duration::from_secs(8),
            size: 12,
            restart_on_any_traffic: true,
        }
    }
}
