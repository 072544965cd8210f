//! What was revoked in the last moments.
//!
//! A replica that takes over may lack what its primary has acknowledged, and a server that restarts may lack the last second: a
//! cookie that was revoked is back then. So each gateway notes what it has revoked, and what others tell, and looks after each break
//! whether any of it is there again.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::layout::Digest;

/// For how long a revocation is noted: a replica lags by seconds, and not by more than this where it may take over.
const KEPT: Duration = Duration::from_mins(1);

/// How many are noted: less than a megabyte.
const MOST: usize = 16_384;

/// The last revocations.
#[derive(Debug, Default)]
pub(super) struct Recent {
    noted: Mutex<VecDeque<(Instant, Digest)>>,
    /// There was a break since the last look.
    is_due: AtomicBool,
}

impl Recent {
    /// Notes that a record was removed. While the server is away, nothing is forgotten for its age: how much the server has lost is
    /// counted from the moment when it went.
    pub(super) fn add(&self, digest: Digest, is_up: bool) {
        let now = Instant::now();
        let mut noted = self.lock();
        let is_old = |(at, _): &(Instant, Digest)| is_up && now.duration_since(*at) > KEPT;
        while noted.front().is_some_and(is_old) || noted.len() >= MOST {
            noted.pop_front();
        }
        noted.push_back((now, digest));
    }

    /// The server may have lost something.
    pub(super) fn look_again(&self) {
        self.is_due.store(true, Ordering::Release);
    }

    /// Whether there was a break since this was asked the last time.
    pub(super) fn is_due(&self) -> bool {
        self.is_due.swap(false, Ordering::AcqRel)
    }

    /// What was revoked, each once.
    pub(super) fn all(&self) -> Vec<Digest> {
        let mut met = HashSet::new();
        self.lock().iter().map(|(_, digest)| *digest).filter(|digest| met.insert(*digest)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Digest)>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_revocations_are_noted_each_once_and_no_more_than_fit() {
        let recent = Recent::default();
        let digest = |number: usize| {
            let mut digest = Digest::default();
            digest[..8].copy_from_slice(&number.to_be_bytes());
            digest
        };
        for number in [1, 2, 1] {
            recent.add(digest(number), true);
        }
        assert_eq!(recent.all(), [digest(1), digest(2)]);
        for number in 0..MOST + 10 {
            recent.add(digest(number), false);
        }
        assert_eq!((recent.all().len(), recent.all()[0]), (MOST, digest(10)));
    }
}
