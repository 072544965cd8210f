//! Whether a policy is slow.
//!
//! A decision runs on the thread of the connection's task, which is the fastest place for one of some microseconds. One that
//! takes milliseconds there delays all connections that the runtime has put on the same thread. So the gate asks a policy that
//! has been slow on another thread, which takes some fifty microseconds that a fast one does not pay.
//!
//! What counts is the processor's time: a decision that takes long may have waited for its core, which says nothing about
//! the policy. But asking for the processor's time is a system call. So the first decision that takes long only makes the
//! policy suspect, and the decisions that follow are measured more closely.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// A decision that takes longer is slow: a fresh instance of C, Rust or Zig and a warm one of any language take a tenth
/// of this.
const SLOW: Duration = Duration::from_micros(500);
/// How long a policy is suspect, or counts as slow, after a slow decision. A client that can make a policy slow delays
/// others by two decisions in this time.
const MEMORY: Duration = Duration::from_secs(10);

/// How long a policy has been taking lately. Times are milliseconds since `begun`.
#[derive(Debug)]
pub(super) struct Pace {
    begun: Instant,
    suspected_until: AtomicU64,
    slow_until: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), suspected_until: AtomicU64::new(0), slow_until: AtomicU64::new(0) }
    }

    /// Whether the next decision must be expected to be slow.
    pub(super) fn is_slow(&self) -> bool {
        self.is_before(&self.slow_until, Instant::now())
    }

    /// Takes a decision, and remembers whether it was a slow one; the answer, and how long it took.
    pub(super) fn watch<T>(&self, decide: impl FnOnce() -> T) -> (T, Duration) {
        let begun = Instant::now();
        let processor = self.is_before(&self.suspected_until, begun).then(processor_time);
        let answer = decide();
        let now = Instant::now();
        let took = now.saturating_duration_since(begun);
        if took > SLOW {
            self.remember(&self.suspected_until, now);
            if processor.is_some_and(|begun| processor_time().saturating_sub(begun) > SLOW) {
                self.remember(&self.slow_until, now);
            }
        }
        (answer, took)
    }

    fn is_before(&self, end: &AtomicU64, now: Instant) -> bool {
        self.millis(now) < end.load(Relaxed)
    }

    fn remember(&self, end: &AtomicU64, now: Instant) {
        end.fetch_max(self.millis(now + MEMORY), Relaxed);
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

/// How long the processor has worked for this thread.
pub(super) fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::{MEMORY, Pace, SLOW, processor_time};

    fn work() {
        let end = processor_time() + 2 * SLOW;
        while processor_time() < end {}
    }

    #[test]
    fn a_policy_is_slow_for_a_while_after_the_second_slow_decision() {
        let pace = Pace::new();
        pace.watch(work);
        assert!(!pace.is_slow(), "the first one may have had to wait");
        pace.watch(work);
        assert!(pace.is_slow());
        pace.watch(|| ());
        assert!(pace.is_slow(), "a fast decision makes up for a slow one");
        assert!(!pace.is_before(&pace.slow_until, Instant::now() + MEMORY));
    }

    #[test]
    fn waiting_does_not_make_it_slow() {
        let pace = Pace::new();
        for _ in 0..3 {
            pace.watch(|| thread::sleep(2 * SLOW));
        }
        assert!(!pace.is_slow());
    }
}
