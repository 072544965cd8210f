//! From the operator's page to the gateway behind it.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, Weak},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::waiting::{Waiter, Waiting};
use crate::stream::PeerAddr;

/// How many pages may be open at once that have shown that they may come. Each of them has the gateway look at everything once a second.
const MAX_PAGES: usize = 8;

/// The gateway, as its operator's page shows it.
pub trait Console: Send + Sync + fmt::Debug {
    /// What runs now, as a JSON object. Of the sessions it has those of which `wanted` is a part. Blocks: not for a connection's task.
    fn view(&self, wanted: &str) -> String;

    /// Carries an order out for the page at `peer`: what came of it, or why nothing did. Blocks.
    fn carry_out(&self, order: Order, peer: PeerAddr) -> Result<Value, String>;
}

/// What the operator does on the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Ends a session.
    Kill {
        /// Its realm.
        realm: String,
        /// Its number.
        session: u64,
    },
    /// Looks a client's cookies up.
    Find {
        /// Its store.
        store: String,
        /// The public ID, or the authid of a login.
        client: String,
    },
    /// Revokes all cookies of a client, and ends its connections.
    Revoke {
        /// Its store.
        store: String,
        /// Its public ID.
        client: String,
    },
}

/// The way of the operator's pages to the gateway. It does not keep the gateway running.
pub struct ConsoleLink {
    /// What a page of the same origin can read, and no other. Drawn at the start.
    key: String,
    console: OnceLock<Weak<dyn Console>>,
    places: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

impl ConsoleLink {
    /// Leads to this gateway. A link has one, the first.
    pub(crate) fn lead_to(&self, console: Weak<dyn Console>) {
        self.console.get_or_init(|| console);
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The gateway, while it runs.
    pub(super) fn console(&self) -> Option<Arc<dyn Console>> {
        self.console.get()?.upgrade()
    }

    /// Whether there is a place for one more page now.
    pub(super) fn has_place(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Room for a page of this network that has not shown yet that it may come.
    pub(super) fn wait(&self, network: Option<IpAddr>) -> Waiter {
        self.waiting.enter(network)
    }

    /// A place for one more page that may come.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

impl Default for ConsoleLink {
    fn default() -> Self {
        let key = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        Self {
            key,
            console: OnceLock::new(),
            places: Arc::new(Semaphore::new(MAX_PAGES)),
            waiting: Arc::default(),
        }
    }
}

impl fmt::Debug for ConsoleLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleLink").finish_non_exhaustive()
    }
}
