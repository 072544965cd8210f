//! Rotation: around a login a client's ID is replaced, so that nobody who had it before is logged in as well.
//!
//! # Before the login
//!
//! Whoever can write into a browser's cookies may plant an ID of its own there, wait until somebody logs in, and come
//! with the same ID. A WebSocket can be given a cookie at its handshake only, when nobody knows whether a login will
//! follow. So on a service that rotates, every handshake without an authenticated ID gets an ID of its own, and a
//! login is remembered only on an ID that was drawn for this very connection: nobody else can have it.
//!
//! ```text
//! A (anonymous, known)  --handshake-->  B, drawn for this connection; A goes on until B comes back
//! ```
//!
//! # After the login
//!
//! ```text
//! A, authenticated      the login draws the next ID, B, and keeps it on A
//!   --handshake-->      B is handed out and has A's authentication; A is marked as replaced
//!   --within GRACE-->   B again: tabs that were opened side by side
//!   --later-->          somebody has a copy of A: A, B and whatever came after are revoked and their connections
//!                       closed; the client is a new one
//! ```
//!
//! Records link forwards ([`Succession`]) and backwards ([`Lineage`]), so that a logout with any of the IDs ends all of
//! them. A replaced record stays until its own time is over, as a trap.

use std::{sync::Arc, time::Duration};

use tracing::warn;

use super::{Known, MAX_DRAWS, Parting, Tracked, Tracker, clients::MAX_LINE};
use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord, Lineage, Replacement, StoreError, Succession},
    time::Timestamp,
};

/// How long a replaced ID still works: for tabs that a browser has opened before it had the new one.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// What a known ID is good for.
#[derive(Debug, PartialEq, Eq)]
enum Standing<'a> {
    /// It counts as it is.
    Current,
    /// Nobody is logged in with it, and anybody may have planted it.
    Unclaimed,
    /// Somebody has logged in with it: it is to be replaced by this one.
    Due(&'a TrackingId),
    /// It was replaced by this one a moment ago.
    Replaced(&'a TrackingId),
    /// It was replaced, and whoever replaced it has the new one.
    Replayed,
}

fn standing(record: &CookieRecord, rotates: bool, now: Timestamp) -> Standing<'_> {
    let succession = record.authentication.as_ref().map(|authentication| authentication.succession.as_ref());
    match succession {
        None if rotates => Standing::Unclaimed,
        Some(Some(Succession { id, since: None })) if rotates => Standing::Due(id),
        None | Some(None | Some(Succession { since: None, .. })) => Standing::Current,
        Some(Some(Succession { id, since: Some(since) })) => {
            if now < since.plus_seconds(GRACE.as_secs()) {
                Standing::Replaced(id)
            } else {
                Standing::Replayed
            }
        }
    }
}

impl Tracker {
    /// The client by the ID with which it goes on; nothing if the ID that it came with counts no more.
    pub(super) async fn go_on(&self, found: Known, now: Timestamp) -> Result<Option<Known>, StoreError> {
        self.retire_predecessor(&found.record, now).await?;
        let mut here = found;
        for _ in 0..MAX_LINE {
            let outcome = match standing(&here.record, self.rotates(), now) {
                Standing::Current => return Ok(Some(here)),
                Standing::Unclaimed => match self.replace_unclaimed(&here, now).await {
                    Ok(known) => return Ok(Some(known)),
                    Err(StoreError::Exists) => return Err(StoreError::Exists),
                    Err(error) => Err(error),
                },
                // Also where it is replaced already: the next ID must not go out before it is in the store for good.
                Standing::Due(next) | Standing::Replaced(next) => {
                    let next = next.clone();
                    self.replace(&here, next.clone(), now).await.map(|()| next)
                }
                Standing::Replayed => {
                    warn!(
                        public_id = &*self.clients.public_id(&here.id, &here.record),
                        "a replaced cookie came back: logged out"
                    );
                    self.end(&[here.id], Parting::Killed, now).await?;
                    return Ok(None);
                }
            };
            let (id, last_seen) = match outcome {
                // A new ID makes nobody seen who was away: an authentication may end by that.
                Ok(next) => (next, Some(here.record.last_seen)),
                // Another connection came first.
                Err(StoreError::Replaced { by }) => (by, None),
                Err(StoreError::Outdated) => (here.id.clone(), None),
                // The next ID was free when it was drawn, and is another client's by now. Without its authentication the
                // record can be replaced by any ID.
                Err(StoreError::Exists) => {
                    self.clients.store.authenticate(&here.id, None, now).await?;
                    (here.id.clone(), None)
                }
                Err(error) => return Err(error),
            };
            // Gone: the client has logged out meanwhile, or the store has dropped it.
            let Some(mut next) = self.enter(id, now).await? else { return Ok(None) };
            next.is_replaced = here.is_replaced || next.id != here.id;
            next.record.last_seen = last_seen.unwrap_or(next.record.last_seen);
            here = next;
        }
        Ok(None)
    }

    /// Puts an ID that nobody else can have in place of one with which nobody is logged in.
    async fn replace_unclaimed(&self, known: &Known, now: Timestamp) -> Result<Known, StoreError> {
        for _ in 0..MAX_DRAWS {
            let id = self.draw()?;
            let presence = self.clients.connections.enter(&id);
            match self.replace(known, id.clone(), now).await {
                Ok(()) => {
                    let public_id = self.clients.public_id(&known.id, &known.record);
                    let lineage = Some(Arc::new(Lineage { public_id, predecessor: known.id.clone() }));
                    let record = CookieRecord { lineage, ..CookieRecord::new(now, self.options.max_age) };
                    return Ok(Known { id, record, is_replaced: true, is_exclusive: true, presence });
                }
                Err(StoreError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Exists)
    }

    async fn replace(&self, known: &Known, next: TrackingId, now: Timestamp) -> Result<(), StoreError> {
        let public_id = self.clients.public_id(&known.id, &known.record);
        let next = Replacement { id: next, public_id, max_age: self.options.max_age };
        self.clients.store.replace(&known.id, &next, now).await
    }

    /// A client that comes with an ID has it for good: the anonymous one before it is of no use any more.
    async fn retire_predecessor(&self, record: &CookieRecord, now: Timestamp) -> Result<(), StoreError> {
        if let Some(lineage) = &record.lineage
            && let Some(before) = self.clients.live(&lineage.predecessor, now).await?
            && before.authentication.is_none()
        {
            // Not waited for: nobody is logged in with it.
            drop(self.clients.store.revoke(&lineage.predecessor, now));
        }
        Ok(())
    }

    /// Keeps what a method has verified, where nobody but this client finds it.
    ///
    /// Without rotation that is the client's record. With it, it is the record of an ID that was drawn for this
    /// connection and is still in nobody else's hands, or one on which the same principal stands already. Otherwise it is
    /// not kept, and who was there before is dropped: the client's next connection gets an ID of its own.
    pub async fn remember(
        &self,
        tracked: &Tracked,
        authentication: Authentication,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(family) = &tracked.family {
            family.note_login(&tracked.id);
        }
        let Some((id, record)) = self.latest(&tracked.id, now).await? else { return Ok(()) };
        if !self.rotates() {
            return self.clients.store.authenticate(&id, Some(authentication), now).await;
        }
        let before = record.authentication.as_deref();
        let is_ours = tracked.is_exclusive && id == tracked.id;
        let is_same = before.is_some_and(|before| {
            (&before.authid, &before.authrealm) == (&authentication.authid, &authentication.authrealm)
        });
        if !is_ours && !is_same {
            return self.clients.store.authenticate(&id, None, now).await;
        }
        let succession = match before.and_then(|before| before.succession.clone()) {
            Some(succession) => succession,
            None => Succession { id: self.draw_free(now).await?, since: None },
        };
        let authentication = Authentication { succession: Some(succession), ..authentication };
        self.clients.store.authenticate(&id, Some(authentication), now).await
    }

    /// Draws an ID that nobody has. It is not taken by that: whether it is still free turns out when it is handed out.
    async fn draw_free(&self, now: Timestamp) -> Result<TrackingId, StoreError> {
        for _ in 0..MAX_DRAWS {
            let id = self.draw()?;
            if self.clients.live(&id, now).await?.is_none() {
                return Ok(id);
            }
        }
        Err(StoreError::Exists)
    }

    /// Who is logged in by now with the client's ID, or with the one that has replaced it.
    pub async fn authentication(
        &self,
        tracked: &Tracked,
        now: Timestamp,
    ) -> Result<Option<Arc<Authentication>>, StoreError> {
        Ok(self.latest(&tracked.id, now).await?.and_then(|(_, record)| record.authentication))
    }

    /// The ID that has replaced this one by now, or itself.
    async fn latest(
        &self,
        id: &TrackingId,
        now: Timestamp,
    ) -> Result<Option<(TrackingId, CookieRecord)>, StoreError> {
        let mut id = id.clone();
        for _ in 0..MAX_LINE {
            let Some(record) = self.clients.live(&id, now).await? else { return Ok(None) };
            match record.succession() {
                Some(Succession { id: next, since: Some(_) }) => id = next.clone(),
                _ => return Ok(Some((id, record))),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
