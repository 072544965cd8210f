//! The clients of one store: by which names they are known, and which IDs belong to one of them.

use std::{collections::HashSet, sync::Arc};

use super::{Connections, Families, rotation::successor};
use crate::{
    cookie::{PublicIdKey, TrackingId},
    store::{CookieRecord, CookieStore, StoreError},
    time::Timestamp,
};

/// How many IDs of one line are followed. One is added at each login, and each is gone when its time is over; a year of
/// daily logins with cookies that live for a year stays below this.
pub(super) const MAX_LINE: usize = 512;

/// A store with what belongs to it. Cheap to clone: whoever has the store shares the rest.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Where the records live.
    pub store: Arc<dyn CookieStore>,
    /// Which of their connections are open.
    pub connections: Arc<Connections>,
    /// Which of those connections belong together although their IDs differ.
    pub families: Arc<Families>,
    /// What makes public IDs: one key for the whole node.
    pub key: Arc<PublicIdKey>,
}

impl Clients {
    /// The clients of a store that nobody has asked yet.
    pub fn new(store: Arc<dyn CookieStore>, key: Arc<PublicIdKey>) -> Self {
        Self { store, connections: Arc::default(), families: Arc::default(), key }
    }

    /// Whether these are the clients of the same store.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connections, &other.connections)
    }

    /// The name of a client towards others, which stays when its ID is replaced.
    pub fn public_id(&self, id: &TrackingId, record: &CookieRecord) -> Arc<str> {
        match &record.lineage {
            Some(lineage) => Arc::clone(&lineage.public_id),
            None => self.key.public_id(id),
        }
    }

    /// The public ID of the client that has a live record with this ID.
    pub(super) fn name(&self, id: &TrackingId, now: Timestamp) -> Option<Arc<str>> {
        self.live(id, now).ok().flatten().map(|record| self.public_id(id, &record))
    }

    /// The live record of an ID.
    pub fn live(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        Ok(self.store.look_up(id, now)?.filter(|record| !record.is_expired(now)))
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

    /// These IDs and all that came before or after them, each once, and each before those that came after it.
    ///
    /// Whoever revokes them has to keep that order: a handshake that is about to hand out the next ID looks afterwards
    /// whether the one before it is still there.
    pub fn lines<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a TrackingId>,
        now: Timestamp,
    ) -> Vec<TrackingId> {
        let mut met = HashSet::new();
        let lines = ids.into_iter().flat_map(|id| self.line(id, now));
        lines.filter(|id| met.insert(id.clone())).collect()
    }

    /// An ID and all others of its line that have a record, and the next one that has none yet.
    pub(super) fn line(&self, id: &TrackingId, now: Timestamp) -> Vec<TrackingId> {
        // A store that cannot be read does not keep from ending what is known.
        let look_up = |id: &TrackingId| self.live(id, now).ok().flatten();
        let before =
            |id: &TrackingId| look_up(id)?.lineage.as_ref().map(|lineage| lineage.predecessor.clone());
        let after = |id: &TrackingId| look_up(id).as_ref().and_then(successor).map(|next| next.id.clone());
        let mut line: Vec<_> = std::iter::successors(before(id), before).take(MAX_LINE).collect();
        line.reverse();
        line.push(id.clone());
        line.extend(std::iter::successors(after(id), after).take(MAX_LINE));
        line
    }
}
