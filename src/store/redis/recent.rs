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
    noted: Mutex<Noted>,
    /// There was a break since the last look.
    is_due: AtomicBool,
}

#[derive(Debug, Default)]
struct Noted {
    digests: VecDeque<(Instant, Digest)>,
    /// When the latest of those was revoked that had no room.
    left_out: Option<Instant>,
}

impl Noted {
    /// What is too old to come back.
    fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| now.duration_since(at) > KEPT;
        while self.digests.front().is_some_and(|(at, _)| is_old(*at)) {
            self.digests.pop_front();
        }
        self.left_out = self.left_out.filter(|at| !is_old(*at));
    }
}

impl Recent {
    /// Notes that a record was removed. While the server is away, nothing is forgotten for its age: how much the server has lost is
    /// counted from the moment when it went.
    pub(super) fn add(&self, digest: Digest, is_up: bool) {
        let now = Instant::now();
        let mut noted = self.lock();
        if is_up {
            noted.forget(now);
        }
        while noted.digests.len() >= MOST {
            noted.left_out = noted.digests.pop_front().map(|(at, _)| at);
        }
        noted.digests.push_back((now, digest));
    }

    /// The server goes away.
    pub(super) fn breaks(&self) {
        self.lock().forget(Instant::now());
    }

    /// The server may have lost something.
    pub(super) fn look_again(&self) {
        self.is_due.store(true, Ordering::Release);
    }

    /// Whether there was a break since this was asked the last time.
    pub(super) fn is_due(&self) -> bool {
        self.is_due.swap(false, Ordering::AcqRel)
    }

    /// What was revoked, each once, and whether that is all.
    pub(super) fn all(&self) -> (Vec<Digest>, bool) {
        let (mut met, noted) = (HashSet::new(), self.lock());
        let all =
            noted.digests.iter().map(|(_, digest)| *digest).filter(|digest| met.insert(*digest)).collect();
        (all, noted.left_out.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
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
        assert_eq!(recent.all(), (vec![digest(1), digest(2)], true));
        for number in 0..MOST + 10 {
            recent.add(digest(number), false);
        }
        let (all, is_all) = recent.all();
        assert_eq!((all.len(), all[0], is_all), (MOST, digest(10), false));
        // A minute later none of them can come back.
        recent.lock().forget(Instant::now() + KEPT * 2);
        assert_eq!(recent.all(), (Vec::new(), true));
    }
}
