//! The clients of one store: by which names they are known, and which IDs belong to one of them.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Connections, Families};
use crate::{
    cookie::{PrincipalMark, PublicIdKey, TrackingId},
    store::{
        CookieRecord, CookieStore, OpenConnections, OpenedStore, Parting, Reach, Revocation, Revocations,
        StoreError, block_on,
    },
    time::Timestamp,
    wamp::SessionId,
};

/// How many IDs of one line the gateway follows. Each login adds one, and each is gone when its time is over; a year of
/// daily logins with cookies that live for a year stays below this.
pub(super) const MAX_LINE: usize = 512;

/// A store with what belongs to it. Cheap to clone; clones share all of it.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Where the records live.
    pub store: Arc<dyn CookieStore>,
    /// Which of their connections are open.
    pub connections: Arc<Connections>,
    /// Which of those connections belong together although their IDs differ.
    pub families: Arc<Families>,
    /// The realms to which they may log in.
    realms: Arc<RwLock<Vec<String>>>,
    /// Tells revocations to those connections, and to other gateways that have the store.
    revocations: Arc<dyn Revocations>,
    /// What makes public IDs: one key for the whole node, or for all gateways that have the store.
    pub key: Arc<PublicIdKey>,
    /// Whether a client without a cookie gets an ID for its connection alone while the store does not answer.
    pub(super) is_ephemeral: bool,
}

impl Clients {
    /// The clients of a store that was just opened.
    pub fn new(opened: &OpenedStore, key: Arc<PublicIdKey>) -> Self {
        let (store, revocations) = (Arc::clone(&opened.store), Arc::clone(&opened.revocations));
        let connections: Arc<Connections> = Arc::default();
        let open: Arc<dyn OpenConnections> = Arc::clone(&connections) as _;
        revocations.subscribe(Arc::downgrade(&open));
        let key = opened.key.clone().unwrap_or(key);
        let is_ephemeral = opened.is_ephemeral;
        Self {
            store,
            connections,
            families: Arc::default(),
            realms: Arc::default(),
            revocations,
            key,
            is_ephemeral,
        }
    }

    /// Removes the records of these IDs, in this order, and ends the connections that are open with them and that this
    /// reaches; how many of this gateway's.
    ///
    /// When this returns, the records are as gone as the store promises. Connections end in any case. An error says that
    /// a record may come back when the gateway is started again.
    pub async fn revoke(
        &self,
        ids: Vec<TrackingId>,
        why: Parting,
        reach: Reach,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        // Hands all of them over before it waits for the first, so that they share the cost of being made durable.
        let commits: Vec<_> = ids.iter().map(|id| self.store.revoke(id, now)).collect();
        let mut outcome = Ok(());
        for commit in commits {
            outcome = outcome.and(commit.await);
        }
        let ended = self.revocations.publish(&Revocation { ids, why, reach });
        outcome.map(|()| ended)
    }

    /// Whether these are the clients of the same store.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connections, &other.connections)
    }

    /// The name by which others know a client. It stays when the ID is replaced.
    pub fn public_id(&self, id: &TrackingId, record: &CookieRecord) -> Arc<str> {
        match &record.lineage {
            Some(lineage) => Arc::clone(&lineage.public_id),
            None => self.key.public_id(id),
        }
    }

    /// The public ID of the client that has a live record with this ID.
    pub(super) async fn name(&self, id: &TrackingId, now: Timestamp) -> Option<Arc<str>> {
        self.live(id, now).await.ok().flatten().map(|record| self.public_id(id, &record))
    }

    /// The public IDs of the clients that have these sessions, as far as they are clients of this store. Takes one pass over the
    /// open connections, and a look-up for each session: call it where blocking is allowed.
    pub(crate) fn of_sessions(
        &self,
        sessions: &HashSet<SessionId>,
        now: Timestamp,
    ) -> Vec<(SessionId, Arc<str>)> {
        let mut found = Vec::new();
        self.connections.each_session(|session, id| {
            if sessions.contains(&session) {
                found.push((session, id.clone()));
            }
        });
        let name = |(session, id)| Some((session, block_on(self.name(&id, now))?));
        found.into_iter().filter_map(name).collect()
    }

    /// From now on they log in to these realms.
    pub(crate) fn log_in_to(&self, realms: Vec<String>) {
        *self.realms.write().unwrap_or_else(PoisonError::into_inner) = realms;
    }

    /// The IDs of those that are logged in under an authid in any realm, as far as they are connected here. For when the store cannot
    /// say it. Takes a look at all connections.
    pub(crate) fn connected_as(&self, authid: &str) -> Vec<TrackingId> {
        let realms = self.realms.read().unwrap_or_else(PoisonError::into_inner).clone();
        let marks: Vec<PrincipalMark> = realms.iter().map(|realm| self.key.mark(realm, authid)).collect();
        let is_theirs = |principal: PrincipalMark| marks.contains(&principal);
        let mut ids = self.families.logins_as(is_theirs);
        ids.extend(self.connections.logged_in_as(is_theirs));
        ids
    }

    /// The live record of an ID.
    pub async fn live(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        // A store gives no expired record. Expiry holds even if one does.
        Ok(self.store.look_up(id, now).await?.filter(|record| !record.is_expired(now)))
    }

    /// The IDs whose records are wanted. Reads the whole store: call it where blocking is allowed.
    pub fn find(
        &self,
        now: Timestamp,
        mut is_wanted: impl FnMut(&TrackingId, &CookieRecord) -> bool,
    ) -> Result<Vec<TrackingId>, StoreError> {
        let mut ids = Vec::new();
        self.store.scan(now, &mut |id, record| {
            if is_wanted(id, record) {
                ids.push(id.clone());
            }
        })?;
        Ok(ids)
    }

    /// Revokes these IDs and all that came before or after them, and ends the connections that this reaches.
    pub(super) async fn revoke_lines(
        &self,
        ids: &[TrackingId],
        why: Parting,
        reach: Reach,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (line, is_complete) = self.lines_so_far(ids, now).await;
        // The store does not answer: connections do not wait until it has not answered the next call either.
        let ended = if is_complete { 0 } else { self.end_here(&line, why, reach) };
        self.revoke(line, why, reach, now).await.map(|others| ended + others)
    }

    /// Ends the connections of this gateway that are open with these IDs, whatever the store has; how many.
    pub fn end_here(&self, ids: &[TrackingId], why: Parting, reach: Reach) -> usize {
        self.connections.end(&Revocation { ids: ids.to_vec(), why, reach })
    }

    /// These IDs and all that came before or after them, each once, and each before those that came after it.
    ///
    /// A caller that revokes them has to keep that order. Then a handshake that replaces one of them either comes first,
    /// so that the next ID is revoked as well, or finds the ID gone.
    pub async fn lines(&self, ids: &[TrackingId], now: Timestamp) -> Vec<TrackingId> {
        self.lines_so_far(ids, now).await.0
    }

    /// The same, and whether that is all. It is not if the store did not answer: then it is asked no more, since a store that
    /// hangs takes its time for each look-up.
    async fn lines_so_far(&self, ids: &[TrackingId], now: Timestamp) -> (Vec<TrackingId>, bool) {
        let mut met = HashSet::new();
        let mut lines = Vec::with_capacity(ids.len());
        let mut answers = true;
        for id in ids {
            for id in self.line_while(&mut answers, id, now).await {
                if met.insert(id.clone()) {
                    lines.push(id);
                }
            }
        }
        (lines, answers)
    }

    /// An ID and all others of its line that have a record, and the next one that has none yet.
    #[cfg(test)]
    pub(super) async fn line(&self, id: &TrackingId, now: Timestamp) -> Vec<TrackingId> {
        self.line_while(&mut true, id, now).await
    }

    /// The same, for as long as the store answers.
    async fn line_while(&self, answers: &mut bool, id: &TrackingId, now: Timestamp) -> Vec<TrackingId> {
        let (before, after) = self.neighbours(answers, id, now).await;
        let mut line = Vec::new();
        let mut next = before;
        while let Some(id) = next.take().filter(|_| line.len() < MAX_LINE) {
            next = self.neighbours(answers, &id, now).await.0;
            line.push(id);
        }
        line.reverse();
        line.push(id.clone());
        let limit = line.len() + MAX_LINE;
        let mut next = after;
        while let Some(id) = next.take().filter(|_| line.len() < limit) {
            next = self.neighbours(answers, &id, now).await.1;
            line.push(id);
        }
        line
    }

    /// The IDs right before and right after one in its line.
    async fn neighbours(
        &self,
        answers: &mut bool,
        id: &TrackingId,
        now: Timestamp,
    ) -> (Option<TrackingId>, Option<TrackingId>) {
        if !*answers {
            return (None, None);
        }
        let found = self.live(id, now).await;
        *answers = !found.as_ref().is_err_and(StoreError::is_outage);
        // If the store cannot be read, what is known so far is ended all the same.
        let Ok(Some(record)) = found else { return (None, None) };
        let before = record.lineage.as_ref().map(|lineage| lineage.predecessor.clone());
        (before, record.succession().map(|next| next.id.clone()))
    }
}
