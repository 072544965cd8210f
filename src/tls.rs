//! TLS that ends in the gateway: certificates from files, the handshake, and what a session tells later stages; and TLS toward servers.
//!
//! An [`Acceptor`] belongs to one endpoint. It reads certificates and keys from files, makes the handshakes, and swaps what it
//! has read for something newer while connections go on. rustls speaks TLS 1.2 and 1.3; everything in it that a peer can make
//! larger is bounded by its own limits, and the time of a handshake by [`HANDSHAKE_LIMIT`]. A [`Connector`] belongs to one path that goes on
//! to servers, and its files change in the same way.

mod acceptor;
mod authorities;
mod chooser;
mod connector;
mod der;
mod fault;
mod metrics;
mod options;
mod pair;
mod refusal;
mod reload;
mod session;
mod subject;
mod watch;
mod x509;

use std::time::Duration;

pub use acceptor::Acceptor;
pub use connector::{Connector, Connectors};
pub use fault::TlsLoadError;
pub use metrics::TlsMetrics;
pub use options::{CertificateFiles, ClientCertificates, ConnectorOptions, TlsOptions};
pub use reload::{CertificateReload, Certificates};
pub use session::{ClientCertificate, Tls};

pub(crate) use authorities::read as read_authorities;
pub(crate) use pair::{Pair, Part, private_key_in};
pub(crate) use refusal::REASONS;

/// How long a handshake may take. It needs two round trips and a signature: a client that takes longer holds a place for nothing.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
