//! Cookie tracking: from a request's `Cookie` headers to a record, known or new.

mod connections;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use rand::rngs::SysRng;

pub use connections::{Closed, Connections, Presence};

use crate::{
    cookie::{self, CookieOptions, PublicIdKey, TrackingId},
    store::{CookieRecord, CookieStore, StoreError},
    time::Timestamp,
};

/// How often an ID is drawn before giving up. Two IDs of the shortest length, 36 bits, meet once in 69,000
/// draws when a million records live; four times in a row is a broken random source.
const MAX_DRAWS: usize = 4;

/// Tracks the clients of one path: its cookie options, and the store that it may share with other paths.
#[derive(Debug)]
pub struct Tracker {
    /// How the cookie is written.
    pub options: CookieOptions,
    /// Where the records live.
    pub store: Arc<dyn CookieStore>,
    /// The store's open connections: who shares the store shares them.
    pub connections: Arc<Connections>,
    /// What makes public IDs: one key for the whole node.
    pub key: Arc<PublicIdKey>,
}

/// A client that was tracked in an opening handshake. Not `Clone`: there is one for each open connection.
#[derive(Debug)]
pub struct Tracked {
    /// The client's ID.
    pub id: TrackingId,
    /// What other clients and the log may see instead of it.
    pub public_id: Arc<str>,
    /// The record as it was at the handshake.
    pub record: CookieRecord,
    /// Whether the record was made in this handshake.
    pub is_new: bool,
    /// How many connections of this ID are open, this one included.
    pub connections: u32,
    /// Goes on the 101, for a new record only.
    pub set_cookie: Option<HeaderValue>,
    /// Counts this connection for as long as it is held.
    pub presence: Presence,
}

impl Tracker {
    /// A tracker for one path. The store, its connections and the key are shared with whatever else uses
    /// them.
    pub fn new(
        options: CookieOptions,
        store: Arc<dyn CookieStore>,
        connections: Arc<Connections>,
        key: Arc<PublicIdKey>,
    ) -> Self {
        Self { options, store, connections, key }
    }

    /// Finds the client's record or makes one. The record is in the store before this returns.
    ///
    /// An ID that the store does not know is never adopted, whatever its shape: a client could plant it on
    /// another one and be that client later.
    pub async fn track(&self, headers: &HeaderMap, tls: bool, now: Timestamp) -> Result<Tracked, StoreError> {
        for _ in 0..MAX_DRAWS {
            let closings = self.connections.closings();
            let tracked = self.find_or_create(headers, tls, now).await?;
            // Somebody was revoked meanwhile. If it was this client, that missed this connection.
            if self.connections.closings() == closings || self.store.look_up(&tracked.id, now)?.is_some() {
                return Ok(tracked);
            }
        }
        Err(StoreError::Busy)
    }

    async fn find_or_create(
        &self,
        headers: &HeaderMap,
        tls: bool,
        now: Timestamp,
    ) -> Result<Tracked, StoreError> {
        if let Some((id, record)) = self.find(headers, now)? {
            return Ok(self.tracked(id, record, false, None));
        }
        let (id, record) = self.create(now).await?;
        let set_cookie = cookie::set_cookie(&self.options, &id, tls);
        Ok(self.tracked(id, record, true, set_cookie))
    }

    /// The first of the request's candidates that the store knows.
    fn find(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<(TrackingId, CookieRecord)>, StoreError> {
        for id in cookie::candidates(headers, &self.options.name) {
            // A store gives no expired record; that expiry holds does not depend on each store's keeping
            // that.
            if let Some(record) = self.store.look_up(&id, now)?.filter(|record| !record.is_expired(now)) {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    async fn create(&self, now: Timestamp) -> Result<(TrackingId, CookieRecord), StoreError> {
        let record = CookieRecord::new(now, self.options.max_age);
        for _ in 0..MAX_DRAWS {
            let id = TrackingId::generate(self.options.length, &mut SysRng)
                .map_err(|error| StoreError::Io(format!("no random bytes for an ID: {error}").into()))?;
            match self.store.create(&id, record.clone()).await {
                Err(StoreError::Exists) => {}
                outcome => return outcome.map(|()| (id, record)),
            }
        }
        Err(StoreError::Exists)
    }

    fn tracked(
        &self,
        id: TrackingId,
        record: CookieRecord,
        is_new: bool,
        set_cookie: Option<HeaderValue>,
    ) -> Tracked {
        let public_id = self.key.public_id(&id);
        let (presence, connections) = self.connections.enter(&id);
        Tracked { id, public_id, record, is_new, connections, set_cookie, presence }
    }
}
