//! What the configuration says of an upstream.

use std::{path::PathBuf, time::Duration};

use http::{HeaderValue, Uri};

use super::UpstreamAddress;
use crate::tls::CertificateFiles;

/// What stands behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Where it is, at least once.
    pub addresses: Vec<UpstreamAddress>,
    /// To which address a client goes. Default [`Choosing::RoundRobin`].
    pub choosing: Choosing,
    /// Whether the gateway asks its addresses if they answer, and how. Default not.
    pub probe: Option<ProbeOptions>,
    /// How long a connection to an address may take, TLS included; the last one that is tried has what is left of three times that. Default 1.5 s.
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

/// How the gateway asks an address whether it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOptions {
    /// What a GET asks for; none: a connection is enough.
    pub path: Option<Uri>,
    /// How long from an answer to the next question, give or take a fifth. Default 5 s.
    pub interval: Duration,
    /// How long an address may take, connection and TLS included. Default 1 s.
    pub timeout: Duration,
    /// So many failures in a row put an address out until it answers. Default 2.
    pub failures: u8,
    /// What stands in `Host`; none: the host of the address.
    pub host: Option<HeaderValue>,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            path: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            failures: 2,
            host: None,
        }
    }
}

impl UpstreamOptions {
    /// An upstream at these addresses, with the defaults.
    pub const fn new(addresses: Vec<UpstreamAddress>) -> Self {
        Self {
            addresses,
            choosing: Choosing::RoundRobin,
            probe: None,
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
