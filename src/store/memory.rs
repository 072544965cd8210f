//! Records in memory, gone when the gateway stops.
//!
//! One lock for everything. A call holds it for well under a microsecond, a hundredth of what the rest of a handshake
//! costs: dozens of cores would have to do nothing but handshakes to queue for it. In return "the least recently seen" is
//! exact, which shards could only approximate.

use std::sync::{Arc, Mutex};

use super::{
    Authentication, Commit, CookieRecord, CookieStore, DEFAULT_MAX_PER_PRINCIPAL, Lookup, Replacement,
    StoreError,
    index::{Index, Limits, lock, purge, scan},
    rules::SettledClock,
};
use crate::{cookie::TrackingId, time::Timestamp};

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    index: Mutex<Index>,
}

impl MemoryStore {
    /// An empty store for at most so many records, and [`DEFAULT_MAX_PER_PRINCIPAL`] of one principal.
    pub fn new(max_cookies: usize) -> Self {
        let limits =
            Limits { records: max_cookies, per_principal: DEFAULT_MAX_PER_PRINCIPAL, ..Limits::default() };
        Self::with_limits(limits)
    }

    pub(super) fn with_limits(limits: Limits) -> Self {
        Self { index: Mutex::new(Index::new(limits, SettledClock::default())) }
    }
}

impl CookieStore for MemoryStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        Lookup::done(Ok(lock(&self.index).look_up(id, now)))
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        lock(&self.index).see(id, now);
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        Commit::done(lock(&self.index).create(id, record))
    }

    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit {
        Commit::done(lock(&self.index).replace(id, next, now).map(drop))
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
        lock(&self.index).revoke(id);
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
