//! Certificates that change while the gateway runs: those that clients are shown, and those that servers behind the gateway are.
//!
//! Programs that renew certificates write new files in the place of the old ones. The gateway reads them, checks that key and
//! certificate belong together and hold now, and only then shows them to new clients. Open connections go on. If anything is
//! wrong, nothing changes.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    acceptor::Acceptor,
    connector::{Connector, Connectors},
    fault::TlsLoadError,
    pair::Pair,
};
use crate::time::Timestamp;

/// The TLS endpoints of a gateway, and TLS toward the servers behind it.
#[derive(Debug, Default)]
pub struct Certificates {
    acceptors: RwLock<Vec<Arc<Acceptor>>>,
    connectors: Connectors,
}

/// A certificate that clients are shown.
#[derive(Debug)]
pub(crate) struct Served {
    /// The transport that shows it.
    pub(crate) transport: String,
    /// The names that it is for.
    pub(crate) names: String,
    /// Its file.
    pub(crate) file: PathBuf,
    /// When it ends.
    pub(crate) until: Timestamp,
    /// How many whole days it still holds; negative once it has ended.
    pub(crate) days: i64,
}

/// What came of changed files.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateReload {
    /// The new certificates are shown from now on.
    Replaced {
        /// The transport whose certificates they are.
        transport: String,
        /// The path from which they are shown to servers; none: they are shown to clients.
        path: Option<String>,
        /// Their names.
        names: String,
        /// How many whole days the first of them to end still holds; none: the gateway shows no certificate there, and goes by new
        /// authorities.
        days: Option<i64>,
    },
    /// The old ones go on.
    Kept {
        /// The transport whose certificates they are.
        transport: String,
        /// As above.
        path: Option<String>,
        /// What is wrong with the new ones.
        error: TlsLoadError,
    },
}

impl Certificates {
    /// The endpoints are these from now on.
    pub(crate) fn are(&self, acceptors: Vec<Arc<Acceptor>>) {
        for acceptor in &acceptors {
            acceptor.show();
        }
        *self.acceptors.write().unwrap_or_else(PoisonError::into_inner) = acceptors;
    }

    /// The endpoints.
    pub(crate) fn acceptors(&self) -> Vec<Arc<Acceptor>> {
        self.acceptors.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The certificates that clients are shown now.
    pub(crate) fn served(&self, now: Timestamp) -> Vec<Served> {
        let of = |acceptor: &Arc<Acceptor>| {
            let transport = acceptor.transport().to_owned();
            let served = |pair: &Pair| Served {
                transport: transport.clone(),
                names: pair.names(),
                file: pair.file.clone(),
                until: pair.said.not_after,
                days: pair.days_left(now),
            };
            acceptor.current().pairs.iter().map(served).collect::<Vec<_>>()
        };
        self.acceptors().iter().flat_map(of).collect()
    }

    /// TLS toward servers.
    pub(crate) const fn connectors(&self) -> &Connectors {
        &self.connectors
    }

    /// The files that the certificates come from.
    pub fn files(&self) -> Vec<PathBuf> {
        let (acceptors, connectors) = (self.acceptors(), self.connectors.all());
        let own = acceptors.iter().flat_map(|acceptor| acceptor.files());
        own.chain(connectors.iter().flat_map(|connector| connector.files())).cloned().collect()
    }

    /// Whether certificates that were read too early begin to hold by now, so that a reload is worth it.
    pub fn are_due(&self) -> bool {
        self.acceptors().iter().any(|acceptor| acceptor.is_due())
            || self.connectors.all().iter().any(|connector| connector.is_due())
    }

    /// Reads the certificates of every endpoint whose files have other bytes than those that are served. Reads files: not for a
    /// connection's task. Files that cannot be served are in the list each time.
    pub fn reload(&self) -> Vec<CertificateReload> {
        let mut done: Vec<_> = self.acceptors().iter().filter_map(|acceptor| reload(acceptor)).collect();
        for outcome in self.connectors.all().iter().filter_map(|connector| reload_connector(connector)) {
            // What sessions from before a reload of the configuration use is no news beside the same of new ones.
            if !done.contains(&outcome) {
                done.push(outcome);
            }
        }
        done
    }
}

fn reload_connector(connector: &Connector) -> Option<CertificateReload> {
    let outcome = connector.reload()?;
    let (transport, path) = connector.place();
    let (transport, path) = (transport.to_owned(), Some(path.to_owned()));
    Some(match outcome {
        Ok(()) => {
            let (names, days) = connector.shown();
            CertificateReload::Replaced { transport, path, names, days }
        }
        Err(error) => CertificateReload::Kept { transport, path, error },
    })
}

fn reload(acceptor: &Acceptor) -> Option<CertificateReload> {
    let transport = acceptor.transport().to_owned();
    Some(match acceptor.reload()? {
        Ok(()) => {
            acceptor.tally.replaced.inc();
            let (current, now) = (acceptor.current(), Timestamp::now());
            let names: Vec<String> = current.pairs.iter().map(Pair::names).collect();
            let days = current.pairs.iter().map(|pair| pair.days_left(now)).min();
            CertificateReload::Replaced { transport, path: None, names: names.join(", "), days }
        }
        Err(error) => {
            acceptor.tally.kept.inc();
            CertificateReload::Kept { transport, path: None, error }
        }
    })
}

/// What was done, in one line.
impl fmt::Display for CertificateReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |transport: &str, path: &Option<String>| match path {
            Some(path) => format!("for the servers behind {path} of the transport {transport}"),
            None => format!("of the transport {transport}"),
        };
        match self {
            Self::Replaced { transport, path, days: None, .. } => {
                write!(f, "the authorities {}", of(transport, path))
            }
            Self::Replaced { transport, path, names, .. } => {
                write!(f, "the certificates {}: {names}", of(transport, path))
            }
            Self::Kept { transport, path, error } => {
                write!(
                    f,
                    "nothing for the certificates {}, which cannot be used: {error}",
                    of(transport, path)
                )
            }
        }
    }
}

impl CertificateReload {
    /// Tells the operator.
    pub fn log(&self) {
        match self {
            Self::Replaced { transport, path, days: None, .. } => {
                let path = path.as_deref();
                tracing::info!(target: "wampgate::tls", transport, path, "authorities reloaded");
            }
            Self::Replaced { transport, path, names, days: Some(days) } => {
                let path = path.as_deref();
                tracing::info!(target: "wampgate::tls", transport, path, names, days, "certificates reloaded");
            }
            Self::Kept { transport, path, error } => {
                let path = path.as_deref();
                tracing::error!(target: "wampgate::tls", transport, path, "changed files of TLS cannot be used, so nothing changes: {error}");
            }
        }
    }
}
