//! Memory that clients make the gateway hold, in the whole process: how much there may be of it, and how much there is.
//!
//! Each client has limits of its own. Many clients together could reach more than the machine has, so what each of them holds
//! beyond little is charged here as well, where it is held:
//!
//! | what | charged | without room |
//! |---|---|---|
//! | a connection | [`CONNECTION`] bytes | 503 |
//! | a message that arrives in parts, or waits for its realm | what exceeds [`FREE`] | close 1013 |
//! | what waits to be sent, or is being sent | what exceeds [`FREE`], shared frames once for each receiver | the connection is dropped |
//! | what waits for one side of a connection to an upstream | what exceeds [`FREE`] | close 1013 |
//! | subscriptions and registrations | the URI, that of a pattern twice, and [`HELD`] bytes | `wamp.error.unavailable` |
//! | a call that waits for its answer | [`CALL`] bytes and more for its time or its progress, what exceeds [`FREE`] | `wamp.error.unavailable` |
//! | a call that waits until a callee is free | what it keeps in memory | `wamp.error.unavailable` |
//! | an event of a history | what it keeps in memory | older ones are forgotten |
//! | a request that goes on to an upstream | [`EXCHANGE`] bytes | 503 |
//! | a retained event, a testament | what it keeps in memory | `wamp.error.unavailable` |

use std::{
    fs, iter,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What a connection is charged, whatever it does: what an idle one takes, and what it may hold for free.
pub(crate) const CONNECTION: usize = 32 * 1024;

/// How much a connection may hold in each direction without being charged for it, so that most never touch the budget.
pub(crate) const FREE: usize = 8 * 1024;

/// What a request is charged that goes on to an upstream: what hyper may hold of both bodies.
pub(crate) const EXCHANGE: usize = 96 * 1024;

/// What a subscription or a registration is charged besides its URI: its places in the tables of the realm and of its session, the list
/// of its receivers, and the nodes of a pattern.
pub(crate) const HELD: usize = 384;

/// What a call is charged that waits for its answer: its places in the tables of caller and callee.
pub(crate) const CALL: usize = 256;

/// What a topic with a retained event is charged besides its name.
pub(crate) const ENTRY: usize = 256;

/// Charges grow by this much at least.
const STEP: usize = 64 * 1024;

/// The budget of the process.
static BUDGET: Budget = Budget::new(usize::MAX);

#[derive(Debug)]
struct Budget {
    limit: AtomicUsize,
    held: AtomicUsize,
}

/// Memory that is held, in bytes. Dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Charge(usize);

/// Sets how much clients may hold.
pub(crate) fn set_limit(bytes: usize) {
    BUDGET.limit.store(bytes, Relaxed);
}

/// How much clients may hold.
pub(crate) fn limit() -> usize {
    BUDGET.limit.load(Relaxed)
}

/// How much clients hold.
pub(crate) fn held() -> usize {
    BUDGET.held.load(Relaxed)
}

/// Whether there is room for so many bytes.
pub(crate) fn has_room(bytes: usize) -> bool {
    held().checked_add(bytes).is_some_and(|held| held <= limit())
}

/// Half of the memory that the machine or the control group of the process has; everything where neither is known.
pub(crate) fn half_of_the_machine() -> usize {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    // The limit of a group above counts as well.
    let groups = iter::successors(Some(root.join(own)), |group| {
        (group != root).then(|| group.parent().map(Path::to_owned)).flatten()
    });
    let files = groups.map(|group| group.join("memory.max"));
    let limits = files
        .chain([root.join("memory/memory.limit_in_bytes")])
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.chain(physical()).min().map_or(usize::MAX, |bytes| bytes / 2)
}

/// The machine's memory.
fn physical() -> Option<usize> {
    let known = fs::read_to_string("/proc/meminfo").ok()?;
    let total = known.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

impl Budget {
    const fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), held: AtomicUsize::new(0) }
    }

    fn take(&self, bytes: usize) -> bool {
        let limit = self.limit.load(Relaxed);
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= limit);
        self.held.try_update(Relaxed, Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.held.fetch_sub(bytes, Relaxed);
        }
    }
}

impl Charge {
    /// A charge of so many bytes, if there is room for it.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        // A charge never says more than it has taken: one that is refused is dropped as well, and gives back what it says.
        let mut charge = Self::default();
        charge.grow(bytes).then_some(charge)
    }

    /// Makes the charge large enough for a connection that holds so much, if there is room for it.
    #[must_use]
    pub(crate) fn cover(&mut self, held: usize) -> bool {
        let charged = held.saturating_sub(FREE);
        charged <= self.0 || self.grow((charged - self.0).max(STEP))
    }

    /// Adds so many bytes, if there is room for them.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let has_room = BUDGET.take(bytes);
        if has_room {
            self.0 += bytes;
        }
        has_room
    }

    /// Adds so many bytes that are held already.
    pub(crate) fn force(&mut self, bytes: usize) {
        BUDGET.held.fetch_add(bytes, Relaxed);
        self.0 += bytes;
    }

    /// Gives back what [`cover`](Self::cover) has added for more than is held now. Some stays until nothing is held, so that one that holds
    /// now more, now less, seldom touches the budget.
    pub(crate) fn settle(&mut self, held: usize) {
        let spare = self.0.saturating_sub(held.saturating_sub(FREE));
        if held == 0 {
            self.clear();
        } else if spare >= 3 * STEP {
            self.shrink(spare - STEP);
        }
    }

    /// A charge of so many bytes that are held already.
    pub(crate) fn of(bytes: usize) -> Self {
        let mut charge = Self::default();
        charge.force(bytes);
        charge
    }

    /// How many bytes it is.
    pub(crate) const fn bytes(&self) -> usize {
        self.0
    }

    /// Gives so many bytes back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.0);
        self.0 -= bytes;
        BUDGET.give_back(bytes);
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.shrink(self.0);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_held_than_the_limit() {
        let budget = Budget::new(100);
        assert!(budget.take(60) && budget.take(40));
        assert!(!budget.take(1));
        budget.give_back(50);
        assert!(budget.take(50) && !budget.take(usize::MAX));
    }

    #[test]
    fn charges_are_given_back() {
        // Other tests use the same budget, so that only this charge can be looked at.
        let mut charge = Charge::new(10).unwrap();
        assert!(charge.grow(5));
        charge.shrink(3);
        assert_eq!(charge.0, 12);
        charge.clear();
        assert_eq!(charge.0, 0);
        assert!(charge.cover(FREE) && charge.0 == 0, "little is free");
        assert!(charge.cover(FREE + 1) && charge.0 == STEP);
        assert!(charge.cover(FREE + STEP) && charge.0 == STEP);
        assert!(charge.cover(FREE + 10 * STEP) && charge.0 == 10 * STEP);
    }

    #[test]
    fn a_charge_follows_what_is_held_in_steps() {
        let mut charge = Charge::default();
        assert!(charge.cover(FREE + 10 * STEP));
        charge.settle(FREE + 8 * STEP);
        assert_eq!(charge.0, 10 * STEP);
        charge.settle(FREE + 2 * STEP);
        assert_eq!(charge.0, 3 * STEP);
        charge.settle(1);
        assert_eq!(charge.0, STEP);
        charge.settle(0);
        assert_eq!(charge.0, 0);
    }

    #[test]
    fn a_charge_that_is_refused_gives_nothing_back() {
        // Other tests use the same budget, but none of them this much of it.
        const QUARTER: usize = usize::MAX / 4;
        let charge = Charge::new(QUARTER).unwrap();
        assert!(Charge::new(usize::MAX - QUARTER / 2).is_none());
        let mut other = Charge::default();
        assert!(!other.grow(usize::MAX - QUARTER / 2) && other.bytes() == 0);
        assert!(!other.cover(usize::MAX - QUARTER / 2) && other.bytes() == 0);
        drop(other);
        assert!((QUARTER..QUARTER + QUARTER / 4).contains(&held()), "{}", held());
        drop(charge);
        assert!(held() < QUARTER, "{}", held());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_has_memory() {
        let half = half_of_the_machine();
        assert!(half >= 16 << 20 && half <= physical().unwrap() / 2, "{half}");
    }
}
