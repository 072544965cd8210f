//! An index behind a lock, as stores share it between threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Index;
use crate::{cookie::TrackingId, store::CookieRecord, time::Timestamp};

/// How many records are dropped or copied before other calls get their turn: some 50 µs of work.
const CHUNK: usize = 256;

/// A thread that panicked while it held the lock has left at worst one record half changed; the others are
/// sound.
pub(in crate::store) fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops expired records chunk by chunk.
pub(in crate::store) fn purge(index: &Mutex<Index>, now: Timestamp, limit: usize) -> usize {
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
pub(in crate::store) fn scan(
    index: &Mutex<Index>,
    now: Timestamp,
    each: &mut dyn FnMut(&TrackingId, &CookieRecord),
) {
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
