//! Records that were read a moment ago. A handshake asks for its record more than once, and so do the tabs of a browser.
//!
//! A record stays for at most [`FRESH`], and only while the gateway hears of revocations. A revocation, a change by this
//! gateway and the end of the subscription drop what they may concern, and also the answers that are on their way then.

use std::{
    collections::HashMap,
    mem,
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

/// How many records each of the two generations has at most; both take some 3 MB.
const MAX_YOUNG: usize = 5_000;

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
    /// What was read last.
    young: HashMap<Digest, (Instant, CookieRecord)>,
    /// What was read before that. All of it goes at once, so that no record costs a look at all others.
    old: HashMap<Digest, (Instant, CookieRecord)>,
}

/// The state of the cache when a question was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation(u64);

impl Cache {
    /// A record that is fresh still.
    pub(super) fn get(&self, digest: &Digest) -> Option<CookieRecord> {
        let records = self.lock();
        let (read, record) = records.young.get(digest).or_else(|| records.old.get(digest))?;
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
        if records.young.len() >= MAX_YOUNG {
            let Records { young, old, .. } = &mut *records;
            old.clear();
            mem::swap(young, old);
        }
        records.young.insert(digest, (at, record.clone()));
    }

    /// Forgets the record of an ID.
    pub(super) fn forget(&self, digest: &Digest) {
        let mut records = self.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        records.young.remove(digest);
        records.old.remove(digest);
    }

    /// Forgets everything, and keeps nothing until the gateway hears of revocations again.
    pub(super) fn switch(&self, is_on: bool) {
        let mut records = self.lock();
        self.generation.fetch_add(1, Ordering::SeqCst);
        *records = Records { is_on, ..Records::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({})", self.young.len() + self.old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::record;

    fn keep(cache: &Cache, digest: Digest, asked: Generation) {
        // Believed for longer than any test takes.
        cache.keep(digest, &record(0, 60), asked, Instant::now() + 600 * FRESH);
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

    #[test]
    fn latest_records_are_kept_and_no_more_than_fit() {
        let cache = Cache::default();
        cache.switch(true);
        let digest = |number: usize| {
            let mut digest = Digest::default();
            digest[..8].copy_from_slice(&number.to_be_bytes());
            digest
        };
        // A moment that does not pass while a busy machine runs this.
        let Some(later) = Instant::now().checked_add(FRESH * 600) else { return };
        let all = MAX_YOUNG * 5 / 2;
        for number in 0..all {
            cache.keep(digest(number), &record(0, 60), cache.generation(), later);
        }
        let records = cache.lock();
        assert_eq!((records.young.len(), records.old.len()), (MAX_YOUNG / 2, MAX_YOUNG));
        drop(records);
        assert!(cache.get(&digest(0)).is_none());
        assert!((all - MAX_YOUNG..all).all(|number| cache.get(&digest(number)).is_some()));
        cache.forget(&digest(all - MAX_YOUNG));
        assert_eq!(cache.get(&digest(all - MAX_YOUNG)), None, "wherever it is");
    }
}
