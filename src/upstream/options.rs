//! What the configuration says of an upstream.

use std::{path::PathBuf, time::Duration};

use super::UpstreamAddress;
use crate::tls::CertificateFiles;

/// What stands behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Where it is, at least once.
    pub addresses: Vec<UpstreamAddress>,
    /// To which address a client goes. Default [`Choosing::RoundRobin`].
    pub choosing: Choosing,
    /// How long a connection to an address may take, TLS included. Default 1 s.
    pub connect_timeout: Duration,
    /// How long the upstream may take to answer a handshake, or a request whose body it has. Default 5 s.
    pub response_timeout: Duration,
    /// How long no byte of an answer's body may come, or of a request's. Default 60 s.
    pub idle_timeout: Duration,
    /// How many connections it may have. Default 10,000.
    pub max_connections: u32,
    /// The files of the authorities that certificates of `wss` and `https` are from. None: those of the system.
    pub authorities: Option<Vec<PathBuf>>,
    /// The certificate that the gateway shows there. Default: none.
    pub certificate: Option<CertificateFiles>,
}

/// To which address a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choosing {
    /// One address after the other.
    RoundRobin,
    /// The one with the fewest clients and requests under way.
    LeastConnections,
    /// Each client to the same one as long as that answers.
    Sticky,
}

impl UpstreamOptions {
    /// An upstream at these addresses, with the defaults.
    pub const fn new(addresses: Vec<UpstreamAddress>) -> Self {
        Self {
            addresses,
            choosing: Choosing::RoundRobin,
            // A first packet that gets lost is sent again after a second.
            connect_timeout: Duration::from_millis(1500),
            response_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            max_connections: 10_000,
            authorities: None,
            certificate: None,
        }
    }
}
