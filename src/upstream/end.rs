//! How a relay ends, and what each side is told.

use std::{borrow::Cow, fmt};

use super::frame::FrameFault;

/// Close codes (RFC 6455, 7.4.1, and the registry that it has begun).
pub mod code {
    /// The side goes away.
    pub const AWAY: u16 = 1001;
    /// The side has broken the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// Stands for no code, and is never sent.
    pub const NONE: u16 = 1005;
    /// The side may not be here.
    pub const POLICY: u16 = 1008;
    /// The service restarts: come back.
    pub const RESTART: u16 = 1012;
    /// There is no room now: come back later.
    pub const AGAIN: u16 = 1013;
    /// What stands behind the gateway makes no sense.
    pub const BAD_GATEWAY: u16 = 1014;
}

/// The two ends of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
}

/// How the gateway ends a relay.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The close code for the client.
    pub client: u16,
    /// The reason beside it.
    pub reason: Cow<'static, str>,
    /// The close code for the upstream.
    pub upstream: u16,
    /// The name of this end in metrics: `revoked`, `logged-out`, `unverified`, `lapsed` or `shutdown`.
    pub name: &'static str,
}

/// How a relay has ended.
#[derive(Debug, Clone)]
pub enum End {
    /// A side has closed, with this code if it has said one.
    Closed(Side, Option<u16>),
    /// A side has vanished without a close frame.
    Lost(Side),
    /// The client has not answered a ping.
    Silent,
    /// A side has sent what is no frame.
    Broken(Side, FrameFault),
    /// A side has taken nothing for a while.
    Stuck(Side),
    /// Clients hold as much memory as they may.
    Memory,
    /// The gateway has ended it.
    Stopped(Stop),
}

impl End {
    /// Every [`name`](Self::name).
    pub const NAMES: [&str; 15] = [
        "client-closed",
        "upstream-closed",
        "client-lost",
        "upstream-lost",
        "client-silent",
        "client-broken",
        "upstream-broken",
        "client-stuck",
        "upstream-stuck",
        "memory",
        "revoked",
        "logged-out",
        "unverified",
        "lapsed",
        "shutdown",
    ];

    /// The [`name`](Self::name)s of those of which the operator is told.
    pub const COMPLAINTS: [&str; 7] = [
        "upstream-lost",
        "client-silent",
        "client-broken",
        "upstream-broken",
        "client-stuck",
        "upstream-stuck",
        "memory",
    ];

    /// Its name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Closed(Side::Client, _) => "client-closed",
            Self::Closed(Side::Upstream, _) => "upstream-closed",
            Self::Lost(Side::Client) => "client-lost",
            Self::Lost(Side::Upstream) => "upstream-lost",
            Self::Silent => "client-silent",
            Self::Broken(Side::Client, _) => "client-broken",
            Self::Broken(Side::Upstream, _) => "upstream-broken",
            Self::Stuck(Side::Client) => "client-stuck",
            Self::Stuck(Side::Upstream) => "upstream-stuck",
            Self::Memory => "memory",
            Self::Stopped(stop) => stop.name,
        }
    }

    /// The code of the close frame that the client has sent or got; none: it has vanished. 1005 stands for a close frame without one
    /// (RFC 6455, 7.4.1).
    pub const fn close_code(&self) -> Option<u16> {
        match self {
            Self::Closed(_, Some(code)) => Some(*code),
            Self::Closed(_, None) => Some(code::NONE),
            Self::Lost(Side::Client) | Self::Silent | Self::Stuck(Side::Client) => None,
            Self::Lost(Side::Upstream) => Some(code::RESTART),
            Self::Broken(Side::Client, _) => Some(code::PROTOCOL),
            Self::Broken(Side::Upstream, _) => Some(code::BAD_GATEWAY),
            Self::Stuck(Side::Upstream) | Self::Memory => Some(code::AGAIN),
            Self::Stopped(stop) => Some(stop.client),
        }
    }

    /// Whether the operator is to be told: a side has done what it should not.
    pub const fn is_complaint(&self) -> bool {
        !matches!(self, Self::Closed(..) | Self::Lost(Side::Client) | Self::Stopped(_))
    }
}

/// For the log: without anything that a client or an upstream has chosen but a number.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(side, Some(code)) => write!(f, "closed by {side} with {code}"),
            Self::Closed(side, None) => write!(f, "closed by {side}"),
            Self::Lost(side) => write!(f, "{side} has vanished without a close frame"),
            Self::Silent => f.write_str("the client has not answered a ping"),
            Self::Broken(side, fault) => write!(f, "{side} has sent {fault}"),
            Self::Stuck(side) => write!(f, "{side} has taken nothing for a while"),
            Self::Memory => f.write_str("clients hold as much memory as `max_memory` lets them"),
            Self::Stopped(stop) => f.write_str(stop.name),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "the client",
            Self::Upstream => "the upstream",
        })
    }
}
