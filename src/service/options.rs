//! What a WebSocket path of the configuration says.

use std::time::Duration;

use crate::{
    auth::AuthOptions, handshake::HandshakeOptions, policy::PolicyFile, remote::RemoteOptions,
    tracking::TrackingOptions, upstream::Among, wire::WireOptions,
};

/// Seconds' worth of joins that a connection may make at once.
pub(super) const SAVED_JOINS: u32 = 2;

/// A service that echoes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TesteeOptions {
    /// Which handshakes are accepted. A client may name any subprotocol, or none.
    pub handshake: HandshakeOptions,
    /// Limits and pings of its connections.
    pub wire: WireOptions,
}

/// A WebSocket service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceOptions {
    /// Cookie tracking, if on.
    pub cookie: Option<TrackingOptions>,
    /// Authentication; none: no authentication is configured at all (the seeds' case 1).
    pub auth: Option<AuthOptions>,
    /// A policy of the operator's own; none: the default policy.
    pub policy: Option<PolicyFile>,
    /// The router that clients join, or several of which the policy chooses; none: they join the realms of the gateway.
    pub upstream: Option<Box<Among<RemoteOptions>>>,
    /// Which handshakes are accepted.
    pub handshake: HandshakeOptions,
    /// Limits and pings of its connections.
    pub wire: WireOptions,
    /// `hello_timeout`. Default 10 s.
    pub hello_timeout: Duration,
    /// `max_joins_per_second`: how often one connection may say HELLO in the long run, and two seconds' worth at once; 0: as often
    /// as it likes. Default 10.
    pub max_joins_per_second: u32,
    /// `enable_webstatus`: whether a plain GET gets a status page rather than 426. Default true.
    pub enable_webstatus: bool,
    /// `show_server_version`: `Server: wampgate/x.y.z` instead of `Server: wampgate`. Default false.
    pub show_server_version: bool,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            cookie: None,
            auth: None,
            policy: None,
            upstream: None,
            handshake: HandshakeOptions::default(),
            wire: WireOptions::default(),
            hello_timeout: Duration::from_secs(10),
            max_joins_per_second: 10,
            enable_webstatus: true,
            show_server_version: false,
        }
    }
}
