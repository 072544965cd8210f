//! Looking after a store: what `wampgate cookies` does, in its own process or in the gateway that has the store.
//!
//! Both ways run the same [`perform`] on a [`ManagedStore`]. While a gateway runs, it has its stores for itself and
//! listens on a Unix socket ([`AdminSocket`]) that only its own user may open.
//!
//! # The protocol, version 1
//!
//! JSON Lines in both directions, one request a connection:
//!
//! ```text
//! -> {"v":1,"store":"/srv/node/cookies.dat","reveal":false,"command":{"revoke":{"authid":"joe"}}}
//! <- {"progress":{"done":2,"total":2}}                    any number of these and of records
//! <- {"done":{"revoked":{"records":2,"connections":1}}}   or {"failed":"…"}, or "no_such_store"; then the end
//! ```
//!
//! `store` is the real path of the store's file or folder, or for a store in memory the transport and the path that it
//! belongs to ([`store_name`]). After an `import` request the records follow, one a line in the format of the file store,
//! and an empty line.
//!
//! `{"v":1,"health":true}` asks whether the gateway is ready; the only answer is `{"health":{…}}`, a [`HealthReport`].
//! `{"v":1,"reload":true}` has the gateway read its configuration again; the answer is `{"reloaded":{…}}`, a [`ReloadReport`], or
//! `{"failed":"…"}` with everything that is wrong. A request is at most [`MAX_REQUEST`] bytes, a record at most
//! [`MAX_LINE`](crate::store::MAX_LINE); a peer that stalls for 10 seconds is dropped.

mod audit;
mod client;
mod entry;
mod open;
mod operations;
mod reload;
mod socket;
mod stores;

use std::{fmt, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

pub use crate::health::{Cause, HealthReport, Readiness, Unreadiness};
pub(crate) use audit::Caller;
pub use client::{AdminClient, ClientError};
pub use entry::{Authenticated, CookieEntry};
pub(crate) use operations::perform_for;
pub use operations::{Failure, perform};
pub use reload::{ReloadCommand, ReloadReport};
pub(crate) use socket::Commanded;
pub use socket::{AdminSocket, SOCKET, SocketError};

pub(crate) use stores::ManagedStores;

use crate::{
    cookie::{PublicIdKey, PublicIdKeyError},
    store::{self, FileStore, OpenedStore, StoreOpenError, StoreOptions, StoreTally},
    time::Timestamp,
    tracking::Clients,
};

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The longest request in bytes: an authid of the greatest length that a store takes, with room for escapes.
pub const MAX_REQUEST: usize = 256 * 1024;

/// A store with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct ManagedStore {
    name: String,
    options: StoreOptions,
    /// What it tells of itself to monitoring.
    tally: StoreTally,
    /// Outside of a gateway none of the clients has a connection.
    pub(crate) clients: Clients,
    /// The same store, if it is a file.
    file: Option<Arc<FileStore>>,
}

/// Why a store cannot be managed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it all")]
#[non_exhaustive]
pub enum ManagedStoreError {
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error(transparent)]
    PublicId(#[from] PublicIdKeyError),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminRequest {
    /// [`VERSION`].
    pub v: u32,
    /// Which store.
    pub store: String,
    /// Whether records come with their tracking IDs.
    pub reveal: bool,
    /// What to do with it.
    pub command: Command,
}

/// A question about the gateway itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthRequest {
    /// [`VERSION`].
    v: u32,
    /// Always true.
    health: bool,
}

/// The order to read the configuration again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadRequest {
    /// [`VERSION`].
    v: u32,
    /// Always true.
    reload: bool,
}

/// What to do with a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Give the live records; with an authid, those that are authenticated as that.
    List {
        /// The authid.
        authid: Option<String>,
        /// How many records at most; the summary counts all of them. None: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// Give one record.
    Show(IdArgument),
    /// Remove records for good, and end their connections.
    Revoke(Selection),
    /// Tell how many records a revocation would remove, and how many connections it would end.
    CountRevoked(Selection),
    /// Drop what has expired.
    Purge,
    /// Write a file anew, without what is dead in it.
    Compact,
    /// Add the records that follow.
    Import {
        /// How many follow, for the progress.
        total: u64,
    },
}

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The one of an ID, with all others of its client: those that it replaced, and those that replaced it.
    Id(IdArgument),
    /// Those that are authenticated as this authid.
    Authid(String),
    /// All of them.
    All,
}

/// A tracking ID or a public ID: whichever of a record's two it equals. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdArgument(pub String);

/// An answer, or a part of one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A record.
    Record(Box<CookieEntry>),
    /// How far the work has come.
    Progress {
        /// How many records are done.
        done: u64,
        /// Of how many, where that is known.
        total: Option<u64>,
    },
    /// All is done.
    Done(Summary),
    /// It was not done, or only in part; the message says why.
    Failed(String),
    /// The gateway has no such store.
    NoSuchStore,
    /// Whether the gateway is ready.
    Health(HealthReport),
    /// The gateway goes by its new configuration.
    Reloaded(ReloadReport),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields say what was counted")]
pub enum Summary {
    Listed { records: u64 },
    Revoked { records: u64, connections: u64 },
    Revocable { records: u64, connections: u64 },
    Purged { records: u64 },
    Compacted { lines_before: u64, lines_after: u64, bytes_before: u64, bytes_after: u64 },
    Imported { added: u64, existing: u64, expired: u64, unfit: u64 },
}

impl ManagedStore {
    /// Opens a store without a gateway. Its clients have their public IDs by the key in the node directory, or by
    /// the one that gateways share with the store.
    pub fn open(name: String, options: &StoreOptions, node_dir: &Path) -> Result<Self, ManagedStoreError> {
        let opened = store::open(options, Timestamp::now())?;
        let key = match &opened.key {
            Some(key) => Arc::clone(key),
            None => Arc::new(PublicIdKey::of_node(node_dir)?),
        };
        Ok(Self::new(name, options, &opened, key))
    }

    /// A store that was just opened.
    pub(crate) fn new(
        name: String,
        options: &StoreOptions,
        opened: &OpenedStore,
        key: Arc<PublicIdKey>,
    ) -> Self {
        let tally = StoreTally::default();
        Self {
            name,
            options: options.clone(),
            tally,
            clients: Clients::new(opened, key),
            file: opened.file.clone(),
        }
    }

    /// What requests call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it tells of itself.
    pub(crate) const fn tally(&self) -> &StoreTally {
        &self.tally
    }

    /// The store with what it tells of itself.
    #[must_use]
    pub(crate) fn counting(self, tally: StoreTally) -> Self {
        Self { tally, ..self }
    }

    /// What the configuration said about it when it was opened.
    pub(crate) const fn options(&self) -> &StoreOptions {
        &self.options
    }
}

/// What requests call the only store on a Redis that a gateway has, where they do not know its URL.
pub const ONLY_REDIS: &str = "the only one on a Redis";

/// What requests call a store: its [place](StoreOptions::place), or for one that its service shares with no other the
/// service that has it.
pub fn store_name(options: &StoreOptions, transport: &str, path: &str) -> String {
    let place = options.place();
    if place.is_shared() {
        place.resolved().to_string()
    } else {
        format!("{place} of {path} at transport {transport}")
    }
}

impl fmt::Debug for IdArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdArgument(..)")
    }
}

#[cfg(test)]
mod tests;
