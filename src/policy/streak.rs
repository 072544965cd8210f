//! Whether a policy answers at all: how many questions in a row it has failed.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::PolicyError;

/// So many failures in a row, with no answer between them, are no accident of one client.
const MANY: u32 = 20;

/// After this time without a failure the policy counts as well: without clients it would never get another chance.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The failures since the last answer. An answer in a row of answers costs one load.
#[derive(Debug, Default)]
pub(super) struct Streak {
    failures: AtomicU32,
    last: Mutex<Option<Instant>>,
}

impl Streak {
    /// Notes what came of a question.
    pub(super) fn note<T>(&self, answer: &Result<T, PolicyError>, now: impl FnOnce() -> Instant) {
        match answer {
            // An error that the policy returns is an answer, too.
            Ok(_) | Err(PolicyError::Refused(_)) => {
                if self.failures.load(Relaxed) != 0 {
                    self.failures.store(0, Relaxed);
                }
            }
            // The gateway has not asked.
            Err(PolicyError::Penalty) => {}
            Err(_) => {
                // A policy cannot fail so often that it matters where the count stops.
                let _ = self.failures.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1));
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
            }
        }
    }

    /// Whether the policy can be expected to answer.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        if self.failures.load(Relaxed) < MANY {
            return true;
        }
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| now.saturating_duration_since(last) >= FORGOTTEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_failures_in_a_row_make_a_policy_unwell_and_not_for_ever() {
        let (streak, start) = (Streak::default(), Instant::now());
        let failed = |error| Err::<(), _>(error);
        let fails = |count: u32| {
            for _ in 0..count {
                streak.note(&failed(PolicyError::Trap(String::new())), || start);
            }
        };
        fails(MANY - 1);
        streak.note(&failed(PolicyError::Penalty), || start);
        assert!(streak.is_well(start));
        streak.note(&failed(PolicyError::Refused(String::new())), || start);
        fails(MANY - 1);
        assert!(streak.is_well(start));
        fails(1);
        assert!(!streak.is_well(start));
        assert!(streak.is_well(start + FORGOTTEN));
        streak.note(&Ok(()), || start);
        assert!(streak.is_well(start));
    }
}
