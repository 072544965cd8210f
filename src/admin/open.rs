//! How many of this gateway's connections are open with a cookie, also where its store knows IDs only by their digests.

use std::{cell::OnceCell, collections::HashMap};

use super::ManagedStore;
use crate::{cookie::TrackingId, store::digest_text, tracking::Connections};

/// Counts the connections of one store's clients for one command.
pub(super) struct OpenCounts<'a> {
    connections: &'a Connections,
    /// The same by the digests of the IDs, from one look at all connections: only for a store that gives what stands for an ID.
    by_digest: OnceCell<HashMap<String, u32>>,
}

impl<'a> OpenCounts<'a> {
    pub(super) fn of(store: &'a ManagedStore) -> Self {
        Self { connections: &store.clients.connections, by_digest: OnceCell::new() }
    }

    /// How many connections are open with this ID, or with the one that it stands for.
    pub(super) fn count(&self, id: &TrackingId) -> u32 {
        let Some((digest, _)) = id.stands_for() else { return self.connections.count(id) };
        let by_digest = self.by_digest.get_or_init(|| {
            let counts = self.connections.counts();
            counts.into_iter().filter_map(|(id, count)| Some((digest_text(&id)?, count))).collect()
        });
        by_digest.get(digest).copied().unwrap_or(0)
    }
}
