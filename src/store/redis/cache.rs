//! Records that were read a moment ago. A handshake asks for its record more than once, and so do the tabs of a browser.
//!
//! A record stays for at most [`FRESH`], and only while the gateway hears of revocations. A revocation, a change by this
//! gateway and the end of the subscription drop what they may concern, and also the answers that are on their way then.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::layout::Digest;
use crate::store::CookieRecord;

/// How long a record is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How many records there are at most: 10,000 known clients a second, in some 3 MB.
const MAX_RECORDS: usize = 10_000;

/// Records by the digests of their IDs.
#[derive(Debug, Default)]
pub(super) struct Cache {
    records: Mutex<Records>,
    /// Changes whenever something was dropped, so that an answer that was asked for before is not kept.
    generation: AtomicU64,
}

#[derive(Default)]
struct Records {
    is_on: bool,
    by_digest: HashMap<Digest, (Instant, CookieRecord)>,
}

/// The state of the cache when a question was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation(u64);

impl Cache {
    /// A record that is fresh still.
    pub(super) fn get(&self, digest: &Digest) -> Option<CookieRecord> {
        let records = self.lock();
        let (read, record) = records.by_digest.get(digest)?;
        (read.elapsed() < FRESH).then(|| record.clone())
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::SeqCst))
    }

    /// Keeps an answer to a question that was sent in a generation, if nothing was dropped since.
    pub(super) fn keep(&self, digest: Digest, record: &CookieRecord, asked: Generation, at: Instant) {
        let mut records = self.lock();
        if !records.is_on || self.generation().0 != asked.0 {
            return;
        }
        if records.by_digest.len() >= MAX_RECORDS {
            records.by_digest.retain(|_, (read, _)| read.elapsed() < FRESH);
            if records.by_digest.len() >= MAX_RECORDS {
                return;
            }
        }
        records.by_digest.insert(digest, (at, record.clone()));
    }

    /// Forgets the record of an ID.
    pub(super) fn forget(&self, digest: &Digest) {
        let mut records = self.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        records.by_digest.remove(digest);
    }

    /// Forgets everything, and keeps nothing until the gateway hears of revocations again.
    pub(super) fn switch(&self, is_on: bool) {
        let mut records = self.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        *records = Records { is_on, by_digest: HashMap::new() };
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({})", self.by_digest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::record;

    fn keep(cache: &Cache, digest: Digest, asked: Generation) {
        cache.keep(digest, &record(0, 60), asked, Instant::now());
    }

    #[test]
    fn nothing_is_kept_while_revocations_are_not_heard() {
        let cache = Cache::default();
        keep(&cache, [1; 32], cache.generation());
        assert_eq!(cache.get(&[1; 32]), None);
        cache.switch(true);
        keep(&cache, [1; 32], cache.generation());
        assert_eq!(cache.get(&[1; 32]), Some(record(0, 60)));
        cache.switch(false);
        assert_eq!(cache.get(&[1; 32]), None);
    }

    #[test]
    fn answer_that_was_on_its_way_at_a_revocation_is_not_kept() {
        let cache = Cache::default();
        cache.switch(true);
        let asked = cache.generation();
        cache.forget(&[1; 32]);
        keep(&cache, [1; 32], asked);
        assert_eq!(cache.get(&[1; 32]), None);
    }

    #[test]
    fn record_is_believed_for_a_second() {
        let cache = Cache::default();
        cache.switch(true);
        let Some(then) = Instant::now().checked_sub(FRESH) else { return };
        cache.keep([1; 32], &record(0, 60), cache.generation(), then);
        assert_eq!(cache.get(&[1; 32]), None);
    }
}
