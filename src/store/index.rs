//! The records in memory: found by ID in constant time, dropped in the order in which they may go.
//!
//! ```text
//! table    ID -> place                   4 bytes of hash, 4 of place, 1 of the table's own
//! slots    place -> record               56 bytes, and the ID on the heap
//! expiry   a heap of places              the record that expires first is on top
//! recency  a list through the slots      the unauthenticated record that was seen longest ago is at its end
//! principals  such a list for each       the record of a principal that was seen longest ago is at its end
//! ```
//!
//! Everything takes constant or logarithmic time in the number of records and forgets what is gone, so that the cost does
//! not grow with history. Pure: no lock, no clock, no I/O. [`MemoryStore`](super::MemoryStore) is an index behind a
//! lock; the file store is an index with a log.

mod eviction;
mod expiry;
mod principals;
mod recency;
mod shared;
mod slots;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

pub(super) use self::shared::{lock, purge, scan};
use self::{
    expiry::Expiry,
    principals::{PrincipalKey, Principals},
    recency::Recency,
    slots::{SlotNumber, Slots},
};
use crate::{
    cookie::TrackingId,
    store::{
        Authentication, CookieRecord, LocalRevocations, Replacement, StoreError, StoreTally,
        rules::{self, SettledClock},
    },
    time::Timestamp,
};

/// Records by ID, at most so many.
#[derive(Debug)]
pub(super) struct Index {
    limits: Limits,
    evicted: Vec<Evicted>,
    principals: Principals,
    hasher: RandomState,
    table: HashTable<Bucket>,
    slots: Slots,
    expiry: Expiry,
    recency: Recency,
    clock: SettledClock,
}

/// How many records there may be, and what decides which of them may go.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    /// Of all.
    pub(super) records: usize,
    /// Of one principal; 0: no bound.
    pub(super) per_principal: usize,
    /// Whether the records that go are told, for a log.
    pub(super) tells_evicted: bool,
    /// Who has a connection.
    pub(super) open: Arc<LocalRevocations>,
    /// Where evictions are counted.
    pub(super) tally: StoreTally,
}

/// A record that has lost its place, or its login, to another one.
#[derive(Debug)]
pub(super) struct Evicted {
    pub(super) id: TrackingId,
    /// What is left of it.
    pub(super) left: Option<CookieRecord>,
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    hash: u32,
    place: SlotNumber,
}

/// What a replacement has changed.
#[derive(Debug)]
pub(super) enum Replaced {
    /// The next ID has this record, and the one before is marked if there is an authentication.
    Both(CookieRecord),
    /// The next ID had its record already; the one before has this one now.
    Before(CookieRecord),
}

impl Index {
    pub(super) fn new(limits: Limits, clock: SettledClock) -> Self {
        Self {
            limits,
            evicted: Vec::new(),
            principals: Principals::default(),
            hasher: RandomState::new(),
            table: HashTable::new(),
            slots: Slots::default(),
            expiry: Expiry::default(),
            recency: Recency::default(),
            clock,
        }
    }

    /// How many records there are, expired ones included.
    pub(super) fn len(&self) -> usize {
        self.expiry.len()
    }

    /// The live record of an ID.
    pub(super) fn look_up(&self, id: &TrackingId, now: Timestamp) -> Option<CookieRecord> {
        self.find_live(id, now).map(|(_, record)| record)
    }

    /// The record of an ID, live or not.
    pub(super) fn any(&self, id: &TrackingId) -> Option<CookieRecord> {
        self.find(id).and_then(|place| self.slots.record(place))
    }

    /// Takes notice of a moment at which a line of a log was written. So the clock that a start finds is compared with the
    /// time at which the store was last used.
    pub(super) fn note_time(&mut self, then: Timestamp) {
        self.clock.settle(then);
    }

    /// Notes that a client was seen; the record after that, if it has changed.
    pub(super) fn see(&mut self, id: &TrackingId, now: Timestamp) -> Option<CookieRecord> {
        self.clock.settle(now);
        let (place, record) = self.find_live(id, now)?;
        let noted = rules::seen(&record, now)?;
        self.set(place, noted.clone());
        Some(noted)
    }

    /// Adds a record, and makes room for it if it must.
    pub(super) fn create(&mut self, id: &TrackingId, record: CookieRecord) -> Result<(), StoreError> {
        let now = record.created;
        let settled = self.clock.settle(now);
        if let Some(place) = self.find(id) {
            if self.slots.record(place).is_some_and(|old| !old.is_expired(now)) {
                return Err(StoreError::Exists);
            }
            self.remove_at(place);
            self.limits.tally.expired.inc();
        }
        self.make_room_for_login(record.authentication.as_ref(), now);
        if self.len() >= self.limits.records && !self.evict(settled, now) {
            return Err(StoreError::Full { limit: self.limits.records });
        }
        self.insert(id, record);
        self.limits.tally.created.inc();
        Ok(())
    }

    /// The records that have gone for others since the last call.
    pub(super) fn take_evicted(&mut self) -> Vec<Evicted> {
        std::mem::take(&mut self.evicted)
    }

    /// Puts the next ID in place of another one; what that has changed.
    pub(super) fn replace(
        &mut self,
        id: &TrackingId,
        next: &Replacement,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let settled = self.clock.settle(now);
        let (place, record) = self.find_live(id, now).ok_or(StoreError::Outdated)?;
        let replacing = rules::replaced(id, &record, next, now)?;
        if let Some(taken) = self.find(&next.id) {
            match (self.slots.record(taken).filter(|found| !found.is_expired(now)), &replacing.before) {
                (None, _) => {
                    self.remove_at(taken);
                    self.limits.tally.expired.inc();
                }
                (Some(found), Some(before)) if replacing.is_half_done(&found) => {
                    self.set(place, before.clone());
                    return Ok(Replaced::Before(before.clone()));
                }
                (Some(_), _) => return Err(StoreError::Exists),
            }
        }
        if let Some(before) = replacing.before {
            self.set(place, before);
        }
        self.make_room_for_login(replacing.next.authentication.as_ref(), now);
        self.make_room_beside(id, settled, now);
        self.insert(&next.id, replacing.next.clone());
        self.limits.tally.created.inc();
        Ok(Replaced::Both(replacing.next))
    }

    /// Sets or drops the authentication of a live record; the record after that, if it has changed.
    pub(super) fn authenticate(
        &mut self,
        id: &TrackingId,
        authentication: Option<&Arc<Authentication>>,
        now: Timestamp,
    ) -> Option<CookieRecord> {
        self.clock.settle(now);
        let (place, record) = self.find_live(id, now)?;
        let changed = rules::authenticated(&record, authentication, now)?;
        let principal =
            |record: &CookieRecord| record.authentication.as_deref().map(|who| self.principal(who));
        if principal(&record) != principal(&changed) {
            self.make_room_for_login(changed.authentication.as_ref(), now);
        }
        self.set(place, changed.clone());
        Some(changed)
    }

    /// Takes a record out for good, live or not.
    pub(super) fn revoke(&mut self, id: &TrackingId) -> Option<CookieRecord> {
        let revoked = self.remove(id)?;
        self.limits.tally.revoked.inc();
        Some(revoked)
    }

    /// Takes a record out, live or not.
    pub(super) fn remove(&mut self, id: &TrackingId) -> Option<CookieRecord> {
        let place = self.find(id)?;
        let record = self.slots.record(place);
        self.remove_at(place);
        record
    }

    /// Puts a record in as it stands in a log, in place of an older one. Over the limit another record goes. If none
    /// may go, the limit gives way: the store does not drop what it has acknowledged.
    ///
    /// The time of a line is its `last_seen`. Judged by that, a replay drops the records that were dropped then.
    pub(super) fn restore(&mut self, id: &TrackingId, record: CookieRecord) {
        if let Some(place) = self.find(id) {
            return self.set(place, record);
        }
        if self.len() >= self.limits.records {
            self.evict(record.last_seen, record.last_seen);
        }
        self.insert(id, record);
    }

    /// Does a replacement again that stands in a log: puts the record of the next ID in, and marks the ID that its lineage
    /// names as replaced since then.
    pub(super) fn restore_replacing(&mut self, id: &TrackingId, record: CookieRecord, since: Timestamp) {
        let before = record.lineage.as_ref().and_then(|lineage| self.find(&lineage.predecessor));
        if let Some(place) = before {
            if let Some(marked) =
                self.slots.record(place).and_then(|before| rules::marked(&before, id, since))
            {
                self.set(place, marked);
            }
            if self.find(id).is_none() {
                let before = record.lineage.as_ref().map(|lineage| lineage.predecessor.clone());
                if let Some(before) = before {
                    self.make_room_beside(&before, record.last_seen, record.last_seen);
                }
            }
        }
        self.restore(id, record);
    }

    /// Orders restored records by when they were last seen, and drops what principals have too many.
    pub(super) fn settle_restored(&mut self) {
        self.recency.order_by_last_seen(&mut self.slots);
        let limit = match self.limits.per_principal {
            0 => usize::MAX,
            limit => limit,
        };
        for principal in self.principals.order_by_last_seen(&mut self.slots, limit) {
            while self.principals.count(principal) > limit
                && let Some(place) = self.principals.longest_unseen(principal)
            {
                self.remove_at(place);
            }
        }
        self.evicted.clear();
    }

    /// Drops up to `limit` expired records, in the order in which they expired; how many it dropped.
    pub(super) fn purge(&mut self, now: Timestamp, limit: usize) -> usize {
        let settled = self.clock.settle(now);
        (0..limit).take_while(|_| self.drop_expired(settled)).count()
    }

    /// The records in the next `count` slots from `from` on, and where to go on; nothing at the end.
    ///
    /// A record never changes its slot, so a walk that lets other calls in between two chunks still meets every
    /// record that was there all the time.
    pub(super) fn chunk(
        &self,
        from: usize,
        count: usize,
    ) -> Option<(Vec<(TrackingId, CookieRecord)>, usize)> {
        self.slots.chunk(from, count)
    }

    fn hash(&self, id: &TrackingId) -> u32 {
        // Any 32 bits of a good hash are a good hash.
        #[allow(clippy::cast_possible_truncation, reason = "half of the hash is enough, and half the size")]
        let hash = self.hasher.hash_one(id.expose()) as u32;
        hash
    }

    fn find(&self, id: &TrackingId) -> Option<SlotNumber> {
        let hash = self.hash(id);
        let is_it = |entry: &Bucket| entry.hash == hash && self.slots.is_at(entry.place, id);
        self.table.find(spread(hash), is_it).map(|entry| entry.place)
    }

    fn find_live(&self, id: &TrackingId, now: Timestamp) -> Option<(SlotNumber, CookieRecord)> {
        let place = self.find(id)?;
        let record = self.slots.record(place)?;
        (!record.is_expired(now)).then_some((place, record))
    }

    fn principal(&self, login: &Authentication) -> PrincipalKey {
        PrincipalKey(self.hasher.hash_one((&login.authrealm, &login.authid)))
    }

    /// Puts a record into the list that it belongs to.
    fn link(&mut self, place: SlotNumber) {
        match self.slots.authentication(place).map(|login| self.principal(login)) {
            Some(principal) => self.principals.push_newest(&mut self.slots, place, principal),
            None => self.recency.push_newest(&mut self.slots, place),
        }
    }

    /// Takes a record out of its list. Call it before the record changes.
    fn unlink(&mut self, place: SlotNumber) {
        match self.slots.authentication(place).map(|login| self.principal(login)) {
            Some(principal) => self.principals.remove(&mut self.slots, place, principal),
            None => self.recency.remove(&mut self.slots, place),
        }
    }

    fn drop_expired(&mut self, settled: Timestamp) -> bool {
        let first = self.expiry.first().filter(|place| self.slots.expires(*place) <= settled);
        let Some(place) = first else { return false };
        self.remove_at(place);
        self.limits.tally.expired.inc();
        true
    }

    fn insert(&mut self, id: &TrackingId, record: CookieRecord) {
        let place = self.slots.occupy(id, record);
        let hash = self.hash(id);
        self.table.insert_unique(spread(hash), Bucket { hash, place }, |entry| spread(entry.hash));
        self.expiry.push(&mut self.slots, place);
        self.link(place);
        self.limits.tally.records.inc();
    }

    fn set(&mut self, place: SlotNumber, record: CookieRecord) {
        self.unlink(place);
        if self.slots.expires(place) == record.expires() {
            self.slots.set_record(place, record);
        } else {
            self.expiry.remove(&mut self.slots, place);
            self.slots.set_record(place, record);
            self.expiry.push(&mut self.slots, place);
        }
        self.link(place);
    }

    fn remove_at(&mut self, place: SlotNumber) {
        if let Some(id) = self.slots.id(place) {
            let hash = self.hasher.hash_one(id);
            #[allow(clippy::cast_possible_truncation, reason = "as in `hash`")]
            let entry = self.table.find_entry(spread(hash as u32), |entry| entry.place == place);
            if let Ok(entry) = entry {
                entry.remove();
            }
        }
        self.expiry.remove(&mut self.slots, place);
        self.unlink(place);
        self.slots.vacate(place);
        self.limits.tally.records.dec();
    }
}

impl Drop for Index {
    /// A store of the same name may be opened later.
    fn drop(&mut self) {
        self.limits.tally.records.dec_by(i64::try_from(self.len()).unwrap_or(i64::MAX));
    }
}

/// The table takes its buckets from the low bits and its tags from the high ones: both get the hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests;
