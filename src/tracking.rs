//! Cookie tracking: from a request's `Cookie` headers to a record, known or new.

mod clients;
mod connections;
mod family;
mod logout;
mod rotation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use rand::rngs::SysRng;

pub use clients::Clients;
pub use connections::{Closed, Connections, Parting, Presence};
pub use family::{Families, Family};
pub use logout::{LogoutQueue, TooManyOrders};

use crate::{
    cookie::{self, CookieOptions, TrackingId},
    store::{CookieRecord, Lineage, StoreError},
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
    /// Whom it tracks, together with the other paths that have the same store.
    pub clients: Clients,
    /// Whether IDs are replaced around a login: see the module `rotation`.
    pub rotates: bool,
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
    /// Whether the client was unknown until this handshake.
    pub is_new: bool,
    /// Whether the ID was drawn in this handshake, so that nobody but this client can have it.
    pub is_exclusive: bool,
    /// How many connections of this ID and the one before it are open, this one included.
    pub connections: u32,
    /// Goes on the 101, for a new record only.
    pub set_cookie: Option<HeaderValue>,
    /// Counts this connection for as long as it is held.
    pub presence: Presence,
    /// The client's other connections that are open; none where IDs are not replaced, for then all have the same ID.
    pub family: Option<Family>,
}

/// A client whose cookie counts.
#[derive(Debug)]
struct Known {
    /// The ID from now on.
    id: TrackingId,
    record: CookieRecord,
    /// Whether that is another one than it came with.
    is_replaced: bool,
    is_exclusive: bool,
}

impl Tracker {
    /// A tracker for one path.
    pub const fn new(options: CookieOptions, clients: Clients) -> Self {
        Self { options, clients, rotates: false }
    }

    /// Replaces IDs around a login, or does not.
    #[must_use]
    pub fn rotating(self, rotates: bool) -> Self {
        Self { rotates, ..self }
    }

    /// Finds the client's record or makes one. The record is in the store before this returns.
    ///
    /// An ID that the store does not know is never adopted, whatever its shape: a client could plant it on
    /// another one and be that client later.
    pub async fn track(&self, headers: &HeaderMap, tls: bool, now: Timestamp) -> Result<Tracked, StoreError> {
        for _ in 0..MAX_DRAWS {
            let closings = self.clients.connections.closings();
            let tracked = self.find_or_create(headers, tls, now).await?;
            // Somebody was revoked meanwhile. If it was this client, that missed this connection.
            if self.clients.connections.closings() == closings
                || self.clients.store.look_up(&tracked.id, now)?.is_some()
            {
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
        if let Some((id, record)) = self.find(headers, now)?
            && let Some(known) = self.admit(id, record, now).await?
        {
            let set_cookie = known.is_replaced.then(|| cookie::set_cookie(&self.options, &known.id, tls));
            return Ok(self.tracked(known, false, set_cookie.flatten()));
        }
        let (id, record) = self.create(None, now).await?;
        let set_cookie = cookie::set_cookie(&self.options, &id, tls);
        let known = Known { id, record, is_replaced: true, is_exclusive: true };
        Ok(self.tracked(known, true, set_cookie))
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
            if let Some(record) =
                self.clients.store.look_up(&id, now)?.filter(|record| !record.is_expired(now))
            {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    async fn create(
        &self,
        lineage: Option<Lineage>,
        now: Timestamp,
    ) -> Result<(TrackingId, CookieRecord), StoreError> {
        let lineage = lineage.map(Arc::new);
        let record = CookieRecord { lineage, ..CookieRecord::new(now, self.options.max_age) };
        for _ in 0..MAX_DRAWS {
            let id = self.draw()?;
            match self.clients.store.create(&id, record.clone()).await {
                Err(StoreError::Exists) => {}
                outcome => return outcome.map(|()| (id, record)),
            }
        }
        Err(StoreError::Exists)
    }

    fn draw(&self) -> Result<TrackingId, StoreError> {
        TrackingId::generate(self.options.length, &mut SysRng)
            .map_err(|error| StoreError::Io(format!("no random bytes for an ID: {error}").into()))
    }

    fn tracked(&self, known: Known, is_new: bool, set_cookie: Option<HeaderValue>) -> Tracked {
        let Known { id, record, is_replaced: _, is_exclusive } = known;
        let public_id = self.clients.public_id(&id, &record);
        let (presence, connections) = self.clients.connections.enter(&id);
        let family = self.rotates.then(|| self.clients.families.enter(&public_id));
        // What was opened before the ID was replaced is the same client's.
        let before =
            record.lineage.as_ref().map_or(0, |line| self.clients.connections.count(&line.predecessor));
        let connections = connections.saturating_add(before);
        Tracked { id, public_id, record, is_new, is_exclusive, connections, set_cookie, presence, family }
    }
}
