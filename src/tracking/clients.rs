//! The clients of one store: by which names they are known, and which IDs belong to one of them.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Connections, Families};
use crate::{
    cookie::{PrincipalMark, PublicIdKey, TrackingId},
    store::{
        CookieRecord, CookieStore, Lookup, OpenConnections, OpenedStore, Parting, Reach, Revocation,
        Revocations, StoreError,
    },
    time::Timestamp,
    wamp::SessionId,
};

/// How many IDs of one line the gateway follows. Each login adds one, and each is gone when its time is over; a year of
/// daily logins with cookies that live for a year stays below this.
pub(super) const MAX_LINE: usize = 512;

/// How many look-ups wait for the store at the same time.
const AT_ONCE: usize = 256;

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

    /// Takes those out that have a live record of the client with this public ID.
    pub(super) async fn leave_out(&self, ids: &mut Vec<TrackingId>, name: &str, now: Timestamp) {
        let mut left = Vec::with_capacity(ids.len());
        self.each_live(ids, now, |id, record| {
            if record.is_none_or(|record| *self.public_id(id, &record) != *name) {
                left.push(id.clone());
            }
        })
        .await;
        *ids = left;
    }

    /// Shows each ID with its live record, if the store has one and answers. Asks for many before it waits for the first, so that a
    /// store elsewhere is not waited for once for each.
    pub(crate) async fn each_live(
        &self,
        ids: &[TrackingId],
        now: Timestamp,
        mut each: impl FnMut(&TrackingId, Option<CookieRecord>),
    ) {
        for ids in ids.chunks(AT_ONCE) {
            let mut asked = self.ask(ids, now).into_iter();
            for id in ids {
                let record = match asked.next() {
                    Some(answer) => answer.await.ok().flatten(),
                    None => None,
                };
                each(id, record.filter(|record| !record.is_expired(now)));
            }
        }
    }

    /// The public IDs of the clients that have these sessions, as far as they are clients of this store. Takes one pass over the
    /// open connections, and a look-up for each session.
    pub(crate) async fn of_sessions(
        &self,
        sessions: &HashSet<SessionId>,
        now: Timestamp,
    ) -> Vec<(SessionId, Arc<str>)> {
        let (mut found, mut ids) = (Vec::new(), Vec::new());
        self.connections.each_session(|session, id| {
            if sessions.contains(&session) {
                found.push(session);
                ids.push(id.clone());
            }
        });
        let (mut found, mut clients) = (found.into_iter(), Vec::with_capacity(ids.len()));
        self.each_live(&ids, now, |id, record| {
            let session = found.next();
            clients.extend(session.zip(record.map(|record| self.public_id(id, &record))));
        })
        .await;
        clients
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
        for ids in ids.chunks(AT_ONCE) {
            for id in self.lines_while(&mut answers, ids, now).await {
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
        self.lines_while(&mut true, std::slice::from_ref(id), now).await
    }

    /// The same for many, line by line, for as long as the store answers. All are followed at the same time, so that a store elsewhere
    /// is not waited for once for each.
    async fn lines_while(&self, answers: &mut bool, ids: &[TrackingId], now: Timestamp) -> Vec<TrackingId> {
        let (mut before, mut after): (Vec<Walk>, Vec<Walk>) = self
            .neighbours(answers, ids, now)
            .await
            .into_iter()
            .map(|(before, after)| (Walk::to(before), Walk::to(after)))
            .unzip();
        self.walk(answers, &mut before, |(before, _)| before, now).await;
        self.walk(answers, &mut after, |(_, after)| after, now).await;
        let mut lines = Vec::with_capacity(ids.len() * 2);
        for ((id, before), after) in ids.iter().zip(before).zip(after) {
            lines.extend(before.met.into_iter().rev());
            lines.push(id.clone());
            lines.extend(after.met);
        }
        lines
    }

    /// Follows lines into one direction.
    async fn walk(
        &self,
        answers: &mut bool,
        walks: &mut [Walk],
        direction: impl Fn(Neighbours) -> Option<TrackingId>,
        now: Timestamp,
    ) {
        loop {
            let goes_on = |walk: &&mut Walk| walk.next.is_some() && walk.met.len() < MAX_LINE;
            let going: Vec<&mut Walk> = walks.iter_mut().filter(goes_on).collect();
            if going.is_empty() {
                return;
            }
            let ids: Vec<TrackingId> = going.iter().filter_map(|walk| walk.next.clone()).collect();
            let found = self.neighbours(answers, &ids, now).await;
            for (walk, neighbours) in going.into_iter().zip(found) {
                walk.met.extend(walk.next.take());
                walk.next = direction(neighbours);
            }
        }
    }

    /// The IDs right before and right after each of these in its line.
    async fn neighbours(&self, answers: &mut bool, ids: &[TrackingId], now: Timestamp) -> Vec<Neighbours> {
        let mut neighbours = Vec::with_capacity(ids.len());
        let asked = if *answers { self.ask(ids, now) } else { Vec::new() };
        for answer in asked {
            let found = answer.await;
            *answers &= !found.as_ref().is_err_and(StoreError::is_outage);
            let record = found.ok().flatten().filter(|record| !record.is_expired(now));
            neighbours.push(record.map_or((None, None), |record| {
                let before = record.lineage.as_ref().map(|lineage| lineage.predecessor.clone());
                (before, record.succession().map(|next| next.id.clone()))
            }));
        }
        // If the store cannot be read, what is known so far is ended all the same.
        neighbours.resize(ids.len(), (None, None));
        neighbours
    }

    /// Asks the store for all of these before the first answer is waited for; for no more if it says at once that it cannot answer.
    fn ask(&self, ids: &[TrackingId], now: Timestamp) -> Vec<Lookup> {
        let mut asked = Vec::new();
        for id in ids {
            let answer = self.store.look_up(id, now);
            let is_refused = matches!(&answer, Lookup::Done(Some(Err(error))) if error.is_outage());
            asked.push(answer);
            if is_refused {
                break;
            }
        }
        asked
    }
}

/// The IDs right before and right after one in its line.
type Neighbours = (Option<TrackingId>, Option<TrackingId>);

/// A way along a line.
struct Walk {
    met: Vec<TrackingId>,
    next: Option<TrackingId>,
}

impl Walk {
    const fn to(next: Option<TrackingId>) -> Self {
        Self { met: Vec::new(), next }
    }
}
