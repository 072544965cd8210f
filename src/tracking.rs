//! Cookie tracking: from a request's `Cookie` headers to a record, known or new.

mod candidates;
mod clients;
mod connections;
mod family;
mod glance;
mod logout;
mod options;
mod rotation;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use rand::rngs::SysRng;

pub use clients::Clients;
pub use connections::{Closed, Connections, Presence};
pub use family::{Families, Family};
pub use logout::LogoutQueue;
pub use options::{LoginOptions, TrackingOptions};

pub use crate::store::Parting;
use crate::{
    cookie::{self, CookieOptions, PrincipalMark, TrackingId},
    store::{CookieRecord, StoreError},
    time::Timestamp,
};

/// How often an ID is drawn before giving up. Two IDs of the shortest length, 36 bits, meet once in 69,000
/// draws when a million records live; four times in a row is a broken random source.
const MAX_DRAWS: usize = 4;

/// Tracks the clients of one path: its cookie options, and the store that it may share with other paths.
///
/// A connection reaches the store only through this: each thing that it may do with its record is a method here.
#[derive(Debug)]
pub struct Tracker {
    options: CookieOptions,
    /// The clients that it tracks, together with the other paths that have the same store.
    clients: Clients,
    /// How logins stand on cookies here, if they do.
    logins: Option<LoginOptions>,
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
    /// Whether this handshake drew the ID, so that only this client can have it.
    pub is_exclusive: bool,
    /// Whether this handshake gave the client its ID in place of one with a login.
    pub is_successor: bool,
    /// How many connections of this ID and the one before it are open, this one included.
    pub connections: u32,
    /// The header for the 101, if the client gets an ID.
    pub set_cookie: Option<HeaderValue>,
    /// Counts this connection for as long as it is held.
    pub presence: Presence,
    /// The client's open connections. None where IDs are not replaced: there they all have the same ID.
    pub family: Option<Family>,
}

/// A client whose cookie counts, in its handshake.
#[derive(Debug)]
struct Known {
    /// The ID from now on.
    id: TrackingId,
    record: CookieRecord,
    /// Whether that is another one than it came with.
    is_replaced: bool,
    is_exclusive: bool,
    presence: Presence,
}

impl Tracker {
    /// A tracker for one path.
    pub const fn new(options: CookieOptions, clients: Clients) -> Self {
        Self { options, clients, logins: None }
    }

    /// The same tracker for a service on which logins stand on cookies.
    #[must_use]
    pub fn with_logins(self, logins: Option<LoginOptions>) -> Self {
        Self { logins, ..self }
    }

    /// Whether the other tracker has the same store.
    pub fn shares_store_with(&self, other: &Self) -> bool {
        self.clients.is_same(&other.clients)
    }

    /// The mark of a principal in a realm.
    pub fn mark(&self, realm: &str, authid: &str) -> PrincipalMark {
        self.clients.key.mark(realm, authid)
    }

    /// Whether IDs are replaced around a login: see the module `rotation`.
    fn rotates(&self) -> bool {
        self.logins.is_some_and(|logins| logins.rotate)
    }

    /// Finds the client's record or makes one, and ends a login on it whose time is over. All of that is in the store
    /// before this returns.
    ///
    /// The tracker never adopts an ID that the store does not know, whatever its shape: a client could plant it on
    /// another one and be that client later.
    pub async fn admit(&self, headers: &HeaderMap, tls: bool, now: Timestamp) -> Result<Tracked, StoreError> {
        // What may be made is made.
        let tracked = self.track(headers, tls, now, true).await?.ok_or(StoreError::Busy)?;
        self.check_login(tracked, now).await
    }

    /// [`admit`](Self::admit) for a client that may not get a record: nothing if the store does not know it.
    pub async fn recognize(
        &self,
        headers: &HeaderMap,
        tls: bool,
        now: Timestamp,
    ) -> Result<Option<Tracked>, StoreError> {
        match self.track(headers, tls, now, false).await? {
            Some(tracked) => self.check_login(tracked, now).await.map(Some),
            None => Ok(None),
        }
    }

    async fn check_login(&self, mut tracked: Tracked, now: Timestamp) -> Result<Tracked, StoreError> {
        let Some(logins) = &self.logins else { return Ok(tracked) };
        // A client that has another connection open has not been away.
        if tracked.connections > 1 {
            tracked.record.last_seen = now;
        }
        if logins.is_over(&tracked.record, now) {
            // At once: this visit counts as a sighting, and the next one would find it recent.
            self.forget(&tracked, now).await?;
            tracked.record.authentication = None;
        }
        Ok(tracked)
    }

    /// Notes that the client was there until now, where it counts how long a client stays away.
    pub fn depart(&self, tracked: &Tracked, now: Timestamp) {
        if self.logins.is_some_and(|logins| logins.idle_timeout.is_some()) {
            self.clients.store.seen(&tracked.id, now);
        }
    }

    /// Takes the client's record back, if its handshake has made it, no session was on its connection, and no other connection has
    /// its ID.
    ///
    /// Not waited for. A handshake that finds the record at this very moment goes on like one whose record the store has dropped
    /// for others.
    pub fn withdraw(&self, tracked: &Tracked, now: Timestamp) {
        let is_unused = tracked.is_new && !tracked.presence.had_session();
        if is_unused && self.clients.connections.count(&tracked.id) <= 1 {
            drop(self.clients.store.revoke(&tracked.id, now));
        }
    }

    /// Ends the login that stands on the client's ID, if one does.
    pub async fn forget(&self, tracked: &Tracked, now: Timestamp) -> Result<(), StoreError> {
        self.clients.store.authenticate(&tracked.id, None, now).await
    }

    async fn track(
        &self,
        headers: &HeaderMap,
        tls: bool,
        now: Timestamp,
        may_be_new: bool,
    ) -> Result<Option<Tracked>, StoreError> {
        for _ in 0..MAX_DRAWS {
            let found = self.find_known(headers, now).await?;
            let (known, is_new) = match found {
                Some(known) => (known, false),
                None if may_be_new => match self.create(now).await {
                    Err(error) if self.clients.is_ephemeral && error.is_outage() => {
                        let known = self.unrecorded(now)?;
                        return Ok(Some(self.tracked(known, true, tls)));
                    }
                    created => (created?, true),
                },
                None => return Ok(None),
            };
            // If the client was revoked during its handshake, it goes on like one that was revoked before.
            if !known.presence.is_revoked() {
                return Ok(Some(self.tracked(known, is_new, tls)));
            }
        }
        Err(StoreError::Busy)
    }

    async fn find_known(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<Known>, StoreError> {
        let Some(found) = self.find(headers, now).await? else { return Ok(None) };
        self.go_on(found, now).await
    }

    /// The client whose cookie the request has, if the store knows it.
    async fn find(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<Known>, StoreError> {
        let mut candidates = cookie::candidates(headers, &self.options.name);
        let Some(first) = candidates.next() else { return Ok(None) };
        let id = match candidates.next() {
            None => first,
            Some(second) => {
                let all = [first, second].into_iter().chain(candidates);
                // Boxed, since hardly a handshake needs it.
                let Some(id) = Box::pin(self.choose(all, now)).await? else { return Ok(None) };
                id
            }
        };
        let known = self.enter(id, now).await?;
        if let Some(known) = &known {
            self.note(&known.id, &known.record, now);
        }
        Ok(known)
    }

    /// Notes that a client was seen, if that is due.
    fn note(&self, id: &TrackingId, record: &CookieRecord, now: Timestamp) {
        if record.is_sighting_due(now) {
            self.clients.store.seen(id, now);
        }
    }

    /// A client that comes with this ID, if it has a live record.
    async fn enter(&self, id: TrackingId, now: Timestamp) -> Result<Option<Known>, StoreError> {
        // In this order, because a revocation removes the record first and tells the connections then.
        let presence = self.clients.connections.enter(&id);
        let record = self.clients.live(&id, now).await?;
        Ok(record.map(|record| Known { id, record, is_replaced: false, is_exclusive: false, presence }))
    }

    async fn create(&self, now: Timestamp) -> Result<Known, StoreError> {
        let record = CookieRecord::new(now, self.options.max_age);
        for _ in 0..MAX_DRAWS {
            let id = self.draw()?;
            let presence = self.clients.connections.enter(&id);
            match self.clients.store.create(&id, record.clone()).await {
                Ok(()) => return Ok(Known { id, record, is_replaced: true, is_exclusive: true, presence }),
                Err(StoreError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Exists)
    }

    /// A client that is known on this connection only: it gets no cookie, and the store hears nothing of it.
    fn unrecorded(&self, now: Timestamp) -> Result<Known, StoreError> {
        let id = TrackingId::unrecorded(&mut SysRng)
            .map_err(|error| StoreError::Io(format!("no random bytes for an ID: {error}").into()))?;
        let presence = self.clients.connections.enter(&id);
        let record = CookieRecord::new(now, self.options.max_age);
        Ok(Known { id, record, is_replaced: false, is_exclusive: true, presence })
    }

    fn draw(&self) -> Result<TrackingId, StoreError> {
        TrackingId::generate(self.options.length, &mut SysRng)
            .map_err(|error| StoreError::Io(format!("no random bytes for an ID: {error}").into()))
    }

    fn tracked(&self, known: Known, is_new: bool, tls: bool) -> Tracked {
        let Known { id, record, is_replaced, is_exclusive, mut presence } = known;
        let set_cookie = is_replaced.then(|| cookie::set_cookie(&self.options, &id, tls)).flatten();
        let public_id = self.clients.public_id(&id, &record);
        let connections = presence.count();
        let mut family = self.rotates().then(|| self.clients.families.enter(&public_id));
        if let (Some(family), Some(login)) = (&mut family, &record.authentication) {
            family.carry(&id, self.mark(&login.authrealm, &login.authid));
        }
        // Connections that were opened before the ID was replaced are the same client's.
        let before =
            record.lineage.as_ref().map_or(0, |line| self.clients.connections.count(&line.predecessor));
        let connections = connections.saturating_add(before);
        Tracked {
            id,
            public_id,
            record,
            is_new,
            is_exclusive,
            is_successor: is_replaced && !is_exclusive,
            connections,
            set_cookie,
            presence,
            family,
        }
    }
}
