//! Whether a policy is slow.
//!
//! A decision runs on the thread of the connection's task, which is the fastest place for one of some microseconds. One that
//! takes milliseconds there keeps everybody waiting whom the runtime has put on the same thread. So a policy that has been
//! slow is asked on a thread of its own (`aside.rs`), which takes some fifty microseconds that a fast one does not pay.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// A decision that takes longer is slow: a fresh instance of C, Rust or Zig and a warm one of any language take a tenth
/// of this.
const SLOW: Duration = Duration::from_micros(500);
/// How long a policy counts as slow after a slow decision. Whoever knows how to make a policy slow makes others wait for
/// one decision in this time.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// Whether a policy has been slow lately.
#[derive(Debug)]
pub(super) struct Pace {
    begun: Instant,
    /// Until when it counts as slow, in milliseconds since `begun`.
    slow_until: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), slow_until: AtomicU64::new(0) }
    }

    /// Whether the next decision must be expected to be slow.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.millis(now) < self.slow_until.load(Relaxed)
    }

    /// Takes a decision, and remembers whether it was a slow one.
    pub(super) fn watch<T>(&self, decide: impl FnOnce() -> T) -> T {
        let begun = processor_time();
        let answer = decide();
        self.took(processor_time().saturating_sub(begun), Instant::now);
        answer
    }

    fn took(&self, time: Duration, now: impl FnOnce() -> Instant) {
        if time > SLOW {
            self.slow_until.fetch_max(self.millis(now() + SLOW_FOR), Relaxed);
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

/// What this thread has had of its core. Not what has passed: a thread whose core is given to somebody else in the middle of a
/// decision says nothing about the policy.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::{Pace, SLOW, SLOW_FOR, processor_time};

    #[test]
    fn a_policy_is_slow_for_a_while_after_a_slow_decision() {
        let (pace, now) = (Pace::new(), Instant::now());
        assert!(!pace.is_slow(now));
        pace.took(SLOW, || now);
        assert!(!pace.is_slow(now));
        pace.took(2 * SLOW, || now);
        assert!(pace.is_slow(now) && pace.is_slow(now + SLOW_FOR / 2));
        pace.took(Duration::ZERO, || now);
        assert!(pace.is_slow(now), "a fast decision makes up for a slow one");
        assert!(!pace.is_slow(now + 2 * SLOW_FOR));
    }

    #[test]
    fn what_counts_is_the_time_in_which_it_runs() {
        let pace = Pace::new();
        assert_eq!(pace.watch(|| thread::sleep(2 * SLOW)), ());
        assert!(!pace.is_slow(Instant::now()));
        pace.watch(|| {
            let begun = processor_time();
            while processor_time() - begun < 2 * SLOW {}
        });
        assert!(pace.is_slow(Instant::now()));
    }
}
