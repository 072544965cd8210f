//! Records in memory, gone when the gateway stops.
//!
//! One lock for everything: a call holds it for well under a microsecond, which is a hundredth of what the
//! rest of a handshake costs, so that dozens of cores would have to do nothing but handshakes to queue for
//! it. In return "the least recently seen" is exact, which shards could only approximate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Authentication, Commit, CookieRecord, CookieStore, StoreError, index::Index, rules::SettledClock,
};
use crate::{cookie::TrackingId, time::Timestamp};

/// How many records are dropped or copied before other calls get their turn: some 50 µs of work.
const CHUNK: usize = 256;

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    index: Mutex<Index>,
}

impl MemoryStore {
    /// An empty store for at most so many records.
    pub fn new(max_cookies: usize) -> Self {
        Self { index: Mutex::new(Index::new(max_cookies, SettledClock::default())) }
    }
}

impl CookieStore for MemoryStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        Ok(lock(&self.index).see(id, now).map(|sighting| sighting.record))
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        Commit::done(lock(&self.index).create(id, record))
    }

    fn authenticate(
        &self,
        id: &TrackingId,
        authentication: Option<Authentication>,
        now: Timestamp,
    ) -> Commit {
        if let Err(unfit) = authentication.as_ref().map_or(Ok(()), Authentication::check) {
            return Commit::done(Err(unfit));
        }
        lock(&self.index).authenticate(id, authentication.map(Arc::new).as_ref(), now);
        Commit::done(Ok(()))
    }

    fn revoke(&self, id: &TrackingId, _now: Timestamp) -> Commit {
        lock(&self.index).remove(id);
        Commit::done(Ok(()))
    }

    fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(purge(&self.index, now, limit))
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        scan(&self.index, now, each);
        Ok(())
    }
}

/// A thread that panicked while it held the lock has left at worst one record half changed; the others are
/// sound.
pub(super) fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops expired records chunk by chunk.
pub(super) fn purge(index: &Mutex<Index>, now: Timestamp, limit: usize) -> usize {
    let mut dropped = 0;
    while dropped < limit {
        let wanted = CHUNK.min(limit - dropped);
        let got = lock(index).purge(now, wanted);
        dropped += got;
        if got < wanted {
            break;
        }
    }
    dropped
}

/// Calls back with every live record, outside the lock.
pub(super) fn scan(index: &Mutex<Index>, now: Timestamp, each: &mut dyn FnMut(&TrackingId, &CookieRecord)) {
    let mut from = 0;
    loop {
        let chunk = lock(index).chunk(from, CHUNK);
        let Some((records, next)) = chunk else { return };
        from = next;
        for (id, record) in records.iter().filter(|(_, record)| !record.is_expired(now)) {
            each(id, record);
        }
    }
}
