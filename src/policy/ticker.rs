//! The clock of the deadlines: a thread that advances the engine's epoch every millisecond while decisions
//! are in flight.
//!
//! A guest checks the epoch at every loop and call, so that no guest outruns it. A thread that ticks for
//! nothing costs 3 % of a core. So it parks when nothing has been in flight for a while, and only then
//! must a decision wake it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wasmtime::Engine;

use super::aside;

/// The length of a tick: how exactly a deadline is kept.
const TICK: Duration = Duration::from_millis(1);
/// The same while a decision runs aside, which lets others have its core at every tick: so long they may have to wait.
const SHORT_TICK: Duration = Duration::from_micros(250);

/// How many ticks without a decision go by before the thread parks. Waking it takes a system call of some
/// microseconds, which a gateway under load must not pay per decision; 50 ms of ticking after a decision cost
/// next to nothing.
const LINGER: u32 = 50;

/// The running thread; dropped, it ends.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    in_flight: AtomicUsize,
    /// Those of them that have a thread of their own.
    aside: AtomicUsize,
    /// Whether the thread is parked, or about to.
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// A decision in flight.
#[derive(Debug)]
pub(super) struct InFlight<'a> {
    shared: &'a Shared,
    is_aside: bool,
}

// === impl Ticker ===

impl Ticker {
    pub(super) fn start(engines: [Engine; 2]) -> io::Result<Self> {
        Self::start_with(move || engines.iter().for_each(Engine::increment_epoch))
    }

    fn start_with(tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("policy-ticker".to_owned()).spawn(move || theirs.run(&tick))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Keeps the clock running until the guard is dropped.
    pub(super) fn in_flight(&self) -> InFlight<'_> {
        let is_aside = aside::is_here();
        if is_aside {
            self.shared.aside.fetch_add(1, SeqCst);
        }
        self.shared.in_flight.fetch_add(1, SeqCst);
        // Either this sees `parked`, or the thread, which sets it before it looks at the counter, sees the
        // counter: in one total order of the four accesses at least one comes after the other's store. No
        // wake-up is lost.
        if self.shared.parked.load(SeqCst) {
            self.wake();
        }
        InFlight { shared: &self.shared, is_aside }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing to report, and a panic of its own has been printed already.
            drop(thread.join());
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, SeqCst);
        if self.is_aside {
            self.shared.aside.fetch_sub(1, SeqCst);
        }
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self, tick: &dyn Fn()) {
        let mut idle = 0;
        let mut next = Instant::now() + TICK;
        while !self.stopped.load(SeqCst) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            // A busy machine wakes the thread late. The ticks of the meantime are made up for: otherwise guests that keep
            // the machine busy would stretch their own deadlines.
            let now = Instant::now();
            let length = self.length();
            while next <= now {
                tick();
                next += length;
            }
            idle = if self.in_flight.load(SeqCst) == 0 { idle + 1 } else { 0 };
            if idle >= LINGER {
                self.park();
                idle = 0;
                next = Instant::now() + TICK;
            }
        }
    }

    /// How long a tick is now.
    fn length(&self) -> Duration {
        if self.aside.load(SeqCst) == 0 { TICK } else { SHORT_TICK }
    }

    /// Sleeps until a decision is in flight or the ticker is dropped.
    fn park(&self) {
        self.parked.store(true, SeqCst);
        while self.in_flight.load(SeqCst) == 0 && !self.stopped.load(SeqCst) {
            // May return for no reason, hence the loop.
            thread::park();
        }
        self.parked.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, channel},
        thread,
        time::{Duration, Instant},
    };

    use super::{LINGER, SeqCst, TICK, Ticker, aside};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn ticker() -> (Ticker, Receiver<()>) {
        let (ticks, seen) = channel();
        let tick = move || {
            // The test may be over when a late tick comes.
            let _ = ticks.send(());
        };
        (Ticker::start_with(tick).unwrap(), seen)
    }

    fn wait_until_parked(ticker: &Ticker) {
        let begun = Instant::now();
        while !ticker.shared.parked.load(SeqCst) {
            assert!(begun.elapsed() < PATIENCE, "it never parks");
            thread::yield_now();
        }
    }

    #[test]
    fn parks_when_nothing_is_in_flight_and_wakes_for_a_decision() {
        let (ticker, seen) = ticker();
        for _ in 0..3 {
            wait_until_parked(&ticker);
            while seen.try_recv().is_ok() {}
            assert!(seen.recv_timeout(20 * TICK).is_err(), "it ticks although it is parked");
            let decision = ticker.in_flight();
            for _ in 0..2 * LINGER {
                seen.recv_timeout(PATIENCE).expect("it does not park during a decision");
            }
            drop(decision);
        }
    }

    #[test]
    fn no_wake_up_is_lost_between_looking_and_parking() {
        let (ticker, seen) = ticker();
        // Decisions that begin just when the thread decides to park: each of them needs its ticks.
        for round in 0..40_u32 {
            let pause = TICK * (LINGER - 2) + Duration::from_micros(u64::from(round) * 150);
            let until = Instant::now() + pause;
            while Instant::now() < until {
                thread::yield_now();
            }
            while seen.try_recv().is_ok() {}
            let _decision = ticker.in_flight();
            for _ in 0..2 {
                seen.recv_timeout(PATIENCE).expect("a tick for every decision");
            }
        }
    }

    #[test]
    fn ticks_are_short_while_a_decision_runs_aside() {
        let (ticker, seen) = ticker();
        let _decision = aside::run(|| ticker.in_flight()).unwrap();
        let begun = Instant::now();
        let mut ticks = 0;
        // A busy machine delays ticks, but takes none away: sooner or later there are enough of them.
        while ticks < 2_000 || begun.elapsed() >= ticks * TICK {
            seen.recv_timeout(PATIENCE).expect("a tick");
            ticks += 1;
            assert!(ticks < 20_000, "they take {:?}", begun.elapsed() / ticks);
        }
    }

    #[test]
    fn ends_when_dropped_parked_or_not() {
        let (parked, seen) = ticker();
        wait_until_parked(&parked);
        drop(parked);
        while seen.recv_timeout(PATIENCE).is_ok() {}
        assert!(seen.try_recv().is_err());
        drop(ticker());
    }
}
