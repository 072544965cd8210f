//! Where a transport listens, and how many connections it takes.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

pub use crate::socket_file::SocketAccess;
use crate::tls::TlsOptions;

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerOptions {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How many connections may be open at once. None: [`DEFAULT_MAX_CONNECTIONS`](Self::DEFAULT_MAX_CONNECTIONS), or as many as the
    /// process may have files open.
    pub max_connections: Option<usize>,
    /// Whether it speaks TLS, at TCP endpoints. Default: it does not.
    pub tls: Option<TlsOptions>,
    /// Whether each connection begins with a header of the PROXY protocol. Default false.
    pub proxy_protocol: bool,
}

/// An address to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the configuration's own names")]
pub enum Endpoint {
    Tcp {
        /// Absent in the file: all interfaces, IPv4, as Crossbar does.
        interface: IpAddr,
        port: u16,
        /// Default [`DEFAULT_BACKLOG`](Self::DEFAULT_BACKLOG).
        backlog: u32,
        /// `SO_REUSEPORT`. Default false.
        shared: bool,
    },
    Unix {
        path: PathBuf,
        /// `mode`, `owner` and `group`. Default: every user of the machine may connect.
        access: SocketAccess,
        /// Default [`DEFAULT_BACKLOG`](Self::DEFAULT_BACKLOG).
        backlog: u32,
    },
}

impl ListenerOptions {
    /// At 9 KiB for each connection, half a gigabyte.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 50_000;
}

impl Endpoint {
    /// A burst of this many connections may wait to be accepted; the kernel's own bound may be lower.
    pub const DEFAULT_BACKLOG: u32 = 1024;

    /// Whether clients find both at the same address.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { interface, port, .. }, Self::Tcp { interface: other, port: at, .. }) => {
                interface == other && port == at
            }
            (Self::Unix { path, .. }, Self::Unix { path: other, .. }) => path == other,
            _ => false,
        }
    }

    /// Whether the other one cannot be bound while this one listens, although it is elsewhere: one of the two is at all interfaces.
    pub(crate) fn is_in_the_way_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { interface, port, .. }, Self::Tcp { interface: other, port: at, .. }) => {
                *port != 0 && port == at && (interface.is_unspecified() || other.is_unspecified())
            }
            _ => false,
        }
    }
}

/// Where clients find it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { interface, port, .. } => SocketAddr::new(*interface, *port).fmt(f),
            Self::Unix { path, .. } => path.display().fmt(f),
        }
    }
}
