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

use super::{Known, Parting, Tracked, Tracker, clients::MAX_LINE};
use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord, Lineage, StoreError, Succession},
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
    /// The ID and the record by which a client with a known ID goes on; nothing if the ID counts no more.
    pub(super) async fn admit(
        &self,
        presented: TrackingId,
        record: CookieRecord,
        now: Timestamp,
    ) -> Result<Option<Known>, StoreError> {
        self.retire_predecessor(&record, now)?;
        let (mut id, mut record, mut is_replaced) = (presented, record, false);
        for _ in 0..MAX_LINE {
            // A new ID makes nobody seen who was away: an authentication may end by that.
            let mut last_seen = None;
            let next = match standing(&record, self.rotates, now) {
                Standing::Current => return Ok(Some(Known { id, record, is_replaced, is_exclusive: false })),
                Standing::Unclaimed => {
                    let lineage =
                        Lineage { public_id: self.clients.public_id(&id, &record), predecessor: id };
                    let (id, record) = self.create(Some(lineage), now).await?;
                    return Ok(Some(Known { id, record, is_replaced: true, is_exclusive: true }));
                }
                Standing::Due(next) => {
                    let next = next.clone();
                    self.replace(&id, &record, &next, now).await?;
                    last_seen = Some(record.last_seen);
                    next
                }
                Standing::Replaced(next) => next.clone(),
                Standing::Replayed => {
                    warn!(
                        public_id = &*self.clients.public_id(&id, &record),
                        "a replaced cookie came back: logged out"
                    );
                    self.end(&[id], Parting::Killed, now).await?;
                    return Ok(None);
                }
            };
            // Gone: the client has logged out meanwhile, or the store has dropped it.
            let Some(mut found) = self.clients.live(&next, now)? else { return Ok(None) };
            found.last_seen = last_seen.unwrap_or(found.last_seen);
            (id, record, is_replaced) = (next, found, true);
        }
        Ok(None)
    }

    /// Hands an authentication on to the next ID, then marks the old one.
    ///
    /// In this order: a crash in between leaves an ID that is to be replaced still. A connection that does the same at
    /// the same moment finds the next ID there already, which is as good.
    ///
    /// A logout at the same moment may have missed the next ID, which was not there yet. It revokes an ID before those that
    /// come after it: either it revokes the next one as well, or the old one is gone by now.
    async fn replace(
        &self,
        id: &TrackingId,
        record: &CookieRecord,
        next: &TrackingId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(authentication) = record.authentication.as_deref() else { return Ok(()) };
        let lineage = Lineage { public_id: self.clients.public_id(id, record), predecessor: id.clone() };
        let successor = CookieRecord {
            lineage: Some(lineage.into()),
            authentication: Some(Authentication { succession: None, ..authentication.clone() }.into()),
            ..CookieRecord::new(now, self.options.max_age)
        };
        match self.clients.store.create(next, successor).await {
            Ok(()) | Err(StoreError::Exists) => {}
            Err(error) => return Err(error),
        }
        let succession = Some(Succession { id: next.clone(), since: Some(now) });
        let replaced = Authentication { succession, ..authentication.clone() };
        self.clients.store.authenticate(id, Some(replaced), now).await?;
        if self.clients.live(id, now)?.is_none() {
            self.clients.store.revoke(next, now).await?;
        }
        Ok(())
    }

    /// A client that comes with an ID has it for good: the anonymous one before it is of no use any more.
    fn retire_predecessor(&self, record: &CookieRecord, now: Timestamp) -> Result<(), StoreError> {
        if let Some(lineage) = &record.lineage
            && let Some(before) = self.clients.live(&lineage.predecessor, now)?
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
        let Some((id, record)) = self.latest(&tracked.id, now)? else { return Ok(()) };
        if !self.rotates {
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
            None => Succession { id: self.draw()?, since: None },
        };
        let authentication = Authentication { succession: Some(succession), ..authentication };
        self.clients.store.authenticate(&id, Some(authentication), now).await
    }

    /// Who is logged in by now with an ID, or with the one that has replaced it.
    pub fn authentication(
        &self,
        id: &TrackingId,
        now: Timestamp,
    ) -> Result<Option<Arc<Authentication>>, StoreError> {
        Ok(self.latest(id, now)?.and_then(|(_, record)| record.authentication))
    }

    /// The ID that has replaced this one by now, or itself.
    fn latest(
        &self,
        id: &TrackingId,
        now: Timestamp,
    ) -> Result<Option<(TrackingId, CookieRecord)>, StoreError> {
        let mut id = id.clone();
        for _ in 0..MAX_LINE {
            let Some(record) = self.clients.live(&id, now)? else { return Ok(None) };
            match successor(&record) {
                Some(Succession { id: next, since: Some(_) }) => id = next.clone(),
                _ => return Ok(Some((id, record))),
            }
        }
        Ok(None)
    }
}

/// What replaces the ID of a record, or is to replace it.
pub(super) fn successor(record: &CookieRecord) -> Option<&Succession> {
    record.authentication.as_ref()?.succession.as_ref()
}

#[cfg(test)]
mod tests;
