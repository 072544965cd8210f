//! Rotation: the gateway replaces a client's ID around a login, so that a client that had the ID before is not logged in as
//! well.
//!
//! # Before the login
//!
//! An attacker that can write into a browser's cookies may plant an ID of its own there, wait until the user logs in, and
//! come with the same ID. A WebSocket gets its cookie at the handshake only, before the gateway knows whether a login will
//! follow. So on a service that rotates, every handshake without an authenticated ID gets an ID of its own, and the gateway
//! remembers a login only on an ID that it drew for this very connection, which no other client can have.
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
//!   --until B is used--> B again: the 101 may be lost on its way, however often
//!   --B is used-->      A's time begins to run out
//!   --within GRACE-->   B again: tabs that were opened side by side
//!   --later-->          another client has a copy of A: A, B and all that came after are revoked and their connections
//!                       closed; the client that came is a new one
//! ```
//!
//! A client uses B when it comes with it, or when it says HELLO on the connection whose 101 carried it: only a client that
//! has read the 101 can. So a client that never saw B is not taken for a thief, and one that has seen it gets no
//! more than GRACE for A.
//!
//! Records link forwards ([`Succession`]) and backwards ([`Lineage`]), so that a logout with any of the IDs ends all of
//! them. A replaced record stays until its own time is over, as a trap.
//!
//! # At the same moment
//!
//! [`CookieStore::replace`](crate::store::CookieStore::replace) is one step, so two handshakes that present A are given the
//! same B, and a crash leaves A alone or both. B is drawn at the login and kept on A, so a logout revokes both although B
//! is not handed out yet. It revokes A first: then a handshake either replaces A before, and B goes as well, or finds A
//! gone.

use std::{sync::Arc, time::Duration};

use tracing::warn;

use super::{Known, MAX_DRAWS, Parting, Tracked, Tracker, clients::MAX_LINE};
use crate::{
    cookie::TrackingId,
    ration::Ration,
    store::{Authentication, CookieRecord, Lineage, Reach, Replacement, StoreError, Succession},
    time::Timestamp,
};

/// How long a replaced ID still works once the new one is in use, for tabs that a browser has opened before it had that.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Lines about replaced IDs that came back. A client can log in and come with its old ID as often as it likes.
static REPLAYED: Ration = Ration::SPARING;

/// What a known ID is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It counts as it is.
    Current,
    /// There is no login on it, and an attacker may have planted it.
    Unclaimed,
    /// There is a login on it: this ID is to replace it.
    Due(&'a TrackingId),
    /// This ID has replaced it, and has not been used for longer than a moment.
    Replaced(&'a TrackingId),
    /// It was replaced, and its client has had time to take the new one.
    Replayed,
}

/// What an ID is good for that has this record.
pub(super) fn standing(record: &CookieRecord, rotates: bool, now: Timestamp) -> Standing<'_> {
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
    /// The client with the ID by which it goes on; nothing if the ID that it came with counts no more.
    pub(super) async fn go_on(&self, found: Known, now: Timestamp) -> Result<Option<Known>, StoreError> {
        self.retire_predecessor(&found.id, &found.record, now).await?;
        let mut here = found;
        for _ in 0..MAX_LINE {
            let outcome = match standing(&here.record, self.rotates(), now) {
                Standing::Current => return Ok(Some(here)),
                Standing::Unclaimed => match self.replace_unclaimed(&here, now).await {
                    Ok(known) => return Ok(Some(known)),
                    Err(StoreError::Exists) => return Err(StoreError::Exists),
                    Err(error) => Err(error),
                },
                // An ID that is replaced already as well: the next ID must not go out before it is in the store for good.
                Standing::Due(next) | Standing::Replaced(next) => {
                    let next = next.clone();
                    let outcome = self.replace(&here, next.clone(), now).await;
                    if outcome.is_ok() {
                        // Not waited for: without it, the client has to come with the next ID within GRACE.
                        self.note_use(&here.id, &here.record, Succession::UNUSED, now);
                    }
                    outcome.map(|()| next)
                }
                Standing::Replayed => {
                    // Boxed, so that what is rare does not make the future of every handshake larger.
                    Box::pin(self.end_replayed(here, now)).await?;
                    return Ok(None);
                }
            };
            let (id, last_seen) = match outcome {
                // The new record was made now, but its client may have been away for so long that its login ends.
                Ok(next) => (next, Some(here.record.last_seen)),
                // Another connection came first.
                Err(StoreError::Replaced { by }) => (by, None),
                Err(StoreError::Outdated) => (here.id.clone(), None),
                // The next ID was free when it was drawn, and another client has it by now. Without its authentication the
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

    /// Ends the whole line of an ID that came back after it was replaced: another client has a copy of it.
    pub(super) async fn end_replayed(&self, replayed: Known, now: Timestamp) -> Result<(), StoreError> {
        if let Some(line) = REPLAYED.line() {
            let public_id = self.clients.public_id(&replayed.id, &replayed.record);
            let left_out = line.left_out;
            warn!(public_id = &*public_id, left_out, "a replaced cookie came back: logged out");
        }
        // A login of another principal on one of the line's connections does not stand on the line.
        let whose = replayed.record.authentication.as_ref();
        let whose = whose.map(|login| self.mark(&login.authrealm, &login.authid));
        self.end(&[replayed.id], Parting::Killed, Reach::Principal(whose), now).await
    }

    /// Puts an ID that no other client can have in place of one on which there is no login.
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

    /// Begins the end of the ID before this one: its client has this one for good, since it uses it. An anonymous ID goes
    /// at once, and the time of one with a login begins to run out.
    pub(super) async fn retire_predecessor(
        &self,
        id: &TrackingId,
        record: &CookieRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(lineage) = &record.lineage else { return Ok(()) };
        let Some(before) = self.clients.live(&lineage.predecessor, now).await? else { return Ok(()) };
        // Neither is waited for: until it is done, the ID before still leads to this one and no further.
        if before.authentication.is_none() {
            drop(self.clients.store.revoke(&lineage.predecessor, now));
        } else if before.succession().is_some_and(|next| next.is_unused_as(id)) {
            self.note_use(&lineage.predecessor, &before, now, now);
        }
        Ok(())
    }

    /// Notes on a replaced ID since when the next one is in use.
    fn note_use(&self, replaced: &TrackingId, record: &CookieRecord, since: Timestamp, now: Timestamp) {
        let Some(login) = record.authentication.as_deref() else { return };
        let Some(next) = &login.succession else { return };
        let succession = Some(Succession { id: next.id.clone(), since: Some(since) });
        let login = Authentication { succession, ..login.clone() };
        drop(self.clients.store.authenticate(replaced, Some(login), now));
    }

    /// Notes that a client has read the 101 of its handshake: it uses the ID that it was given there.
    pub async fn confirm(&self, tracked: &Tracked, now: Timestamp) -> Result<(), StoreError> {
        if !tracked.is_successor {
            return Ok(());
        }
        self.retire_predecessor(&tracked.id, &tracked.record, now).await
    }

    /// Keeps what a method has verified, where only this client finds it.
    ///
    /// Without rotation that is the client's record. With it, it is the record of an ID that was drawn for this connection
    /// and that no other connection has come with, or one on which the same principal stands already. Otherwise the gateway
    /// does not keep it, and drops the login that stood there before: the client's next connection gets an ID of its own.
    pub async fn remember(
        &self,
        tracked: &Tracked,
        authentication: Authentication,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(family) = &tracked.family {
            let principal = self.mark(&authentication.authrealm, &authentication.authid);
            family.note_login(&tracked.id, principal);
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

    /// Draws an ID that no record has. That does not reserve it: another client may have it before it is handed out.
    async fn draw_free(&self, now: Timestamp) -> Result<TrackingId, StoreError> {
        for _ in 0..MAX_DRAWS {
            let id = self.draw()?;
            if self.clients.live(&id, now).await?.is_none() {
                return Ok(id);
            }
        }
        Err(StoreError::Exists)
    }

    /// The login that stands by now on the client's ID, or on the one that has replaced it. To ask is a sighting.
    pub async fn authentication(
        &self,
        tracked: &Tracked,
        now: Timestamp,
    ) -> Result<Option<Arc<Authentication>>, StoreError> {
        let Some((id, record)) = self.latest(&tracked.id, now).await? else { return Ok(None) };
        self.note(&id, &record, now);
        Ok(record.authentication)
    }

    /// The ID that has replaced this one by now, or this one, with its record.
    pub(super) async fn latest(
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
