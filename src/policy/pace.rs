//! Slow policies are asked where nobody waits behind them.
//!
//! A decision runs on the thread of the connection's task, which is the fastest place for one of some microseconds. One that
//! takes milliseconds there keeps everybody waiting whom the runtime has put on the same thread. So a policy that has been
//! slow is asked on a thread that the runtime lends, while another one goes on with the work of this one; lending takes
//! some ten microseconds, which a policy that is fast does not pay.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

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

    /// Runs a decision where it belongs.
    pub(super) fn run<T>(&self, decide: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let answer = if self.is_slow(begun) { aside(decide) } else { decide() };
        self.took(begun, Instant::now());
        answer
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.millis(now) < self.slow_until.load(Relaxed)
    }

    fn took(&self, begun: Instant, now: Instant) {
        if now.saturating_duration_since(begun) > SLOW {
            self.slow_until.fetch_max(self.millis(now + SLOW_FOR), Relaxed);
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Runs something slow while another thread takes over the other tasks of this one. Outside of a runtime with several
/// threads there is nobody to take over.
fn aside<T>(slow: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(slow),
        _ => slow(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::channel,
        time::{Duration, Instant},
    };

    use super::{Pace, SLOW, SLOW_FOR};

    #[test]
    fn a_policy_is_slow_for_a_while_after_a_slow_decision() {
        let (pace, now) = (Pace::new(), Instant::now());
        assert!(!pace.is_slow(now));
        pace.took(now, now + SLOW);
        assert!(!pace.is_slow(now));
        pace.took(now, now + 2 * SLOW);
        assert!(pace.is_slow(now) && pace.is_slow(now + SLOW_FOR));
        pace.took(now, now);
        assert!(pace.is_slow(now), "a fast decision makes up for a slow one");
        assert!(!pace.is_slow(now + 2 * SLOW_FOR));
    }

    /// A decision that is over when another task of the same thread has run: without somebody to take over it never is.
    #[test]
    fn nobody_waits_behind_a_slow_policy() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let answer = runtime.spawn(async {
            let pace = Pace::new();
            pace.took(pace.begun, pace.begun + 2 * SLOW);
            let (has_run, waits) = channel();
            tokio::spawn(async move { has_run.send(()) });
            pace.run(|| waits.recv_timeout(Duration::from_secs(20)))
        });
        assert_eq!(runtime.block_on(answer).unwrap(), Ok(()));
    }

    #[test]
    fn where_nobody_can_take_over_the_decision_runs_all_the_same() {
        let pace = Pace::new();
        pace.took(pace.begun, pace.begun + 2 * SLOW);
        assert_eq!(pace.run(|| 1), 1);
        let alone = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(alone.block_on(async { pace.run(|| 2) }), 2);
    }
}
