//! Wrong secrets: how many one address, and all addresses together, may try for a principal before they have to wait.
//!
//! NIST SP 800-63B, 5.2.2, asks for a limit on failed attempts, with waits that grow, so that secrets cannot be guessed and their
//! owners are not locked out for good. Three counts are kept:
//!
//! | of | free | then |
//! |---|---|---|
//! | one address, for one principal | `max_failures` in a row | a wait of 1 s that doubles with each failure, up to 15 minutes |
//! | one address, for all principals | 100 | one more each 6 s |
//! | all addresses, for one principal | 100 | one more each minute; not for an address from which the principal has logged in |
//!
//! While a client has to wait the gateway does not look at its secret, right or wrong. A right one ends the first count.
//!
//! Gateways that share a store tell each other of wrong secrets from other machines, so that a client has no more guesses on
//! many of them. They tell of a right one only where that ends a count.
//!
//! It is the *claimed* principal that counts, whether it exists or not: what is answered, and how long that takes, is the same.
//! Peers on this machine may be proxies that speak for many clients. For them only the first count holds, with waits of at most
//! 30 s; `trusted_proxies` tells the gateway whose address counts behind a proxy.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
    time::{Duration, Instant},
};

use crate::{
    cookie::PublicIdKey,
    store::{Attempt, HearsAttempts, SharedAttempts},
    stream::PeerAddr,
};

/// Places for counts: 192 KiB, taken with the first login. When a set is full, the count that matters least goes.
const SETS: usize = 1024;
const WAYS: usize = 8;

/// The longest wait of a client: a quarter of an hour keeps a guesser below a hundred guesses a day.
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// The same for peers on this machine, which may speak for many: their honest clients wait as well.
const LONGEST_WAIT_HERE: Duration = Duration::from_secs(30);
/// Failures in a row count for so long after the last one.
const MEMORY: Duration = Duration::from_hours(24);

/// Of one address, for all principals: an office behind one address has some.
const ADDRESS: Bucket = Bucket { most: 100, each: Duration::from_secs(6) };
/// Of all addresses, for one principal. NIST SP 800-63B, 5.2.2: "no more than 100".
const PRINCIPAL: Bucket = Bucket { most: 100, each: Duration::from_mins(1) };

/// Counts of wrong secrets, for a whole gateway.
#[derive(Debug)]
pub struct Guesses {
    begun: Instant,
    hasher: RandomState,
    counts: Mutex<Vec<Count>>,
    /// Set while a store is open that several gateways share.
    shared: RwLock<Option<Shared>>,
}

/// What gateways that count together have in common.
#[derive(Debug, Clone)]
struct Shared {
    key: Arc<PublicIdKey>,
    others: Arc<dyn SharedAttempts>,
}

/// Who tries to be whom: the places of its counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    pair: u64,
    /// None for peers on this machine.
    address: Option<u64>,
    principal: u64,
    max_failures: u32,
}

/// A count may fall by one with each step of time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    most: u32,
    each: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// Whose it is; 0: the place is free.
    tag: u64,
    /// When it last changed, in tenths of seconds since the gateway started.
    last: u32,
    failures: u32,
    /// Whether the principal has logged in from this address.
    has_logged_in: bool,
}

// === impl Guesses ===

impl Guesses {
    /// Who wants to prove that it is this principal. `max_failures` is the service's; 0: it does not limit guesses.
    pub(super) fn guess(&self, peer: PeerAddr, claimed: &str, max_failures: u32) -> Option<Guess> {
        if max_failures == 0 {
            return None;
        }
        let network = peer.network();
        let shared = self.shared();
        let tag = |part: (&str, Option<IpAddr>, &str)| match &shared {
            Some(Shared { key, .. }) => {
                let (kind, network, claimed) = part;
                key.attempt_mark(
                    kind,
                    &network.map(|network| network.to_string()).unwrap_or_default(),
                    claimed,
                )
            }
            None => self.hasher.hash_one(part).max(1),
        };
        Some(Guess {
            pair: tag(("pair", network, claimed)),
            address: network.map(|_| tag(("address", network, ""))),
            principal: tag(("principal", None, claimed)),
            max_failures,
        })
    }

    /// How long the client still has to wait before the gateway looks at its secret.
    pub(super) fn wait(&self, guess: &Guess, now: Instant) -> Option<Duration> {
        let now = self.tenths(now);
        wait(&self.lock(), guess, now)
    }

    /// Lets the gateway look at one secret, which counts as wrong until [`settle`](Self::settle) or
    /// [`withdraw`](Self::withdraw) is called. So clients that answer
    /// many challenges at the same moment have no more guesses than others.
    pub(super) fn attempt(&self, guess: &Guess, now: Instant) -> Result<(), Duration> {
        let now = self.tenths(now);
        let mut counts = self.lock();
        if let Some(wait) = wait(&counts, guess, now) {
            return Err(wait);
        }
        note(&mut counts, guess.pair, guess.address.map(|address| (address, guess.principal)), now);
        Ok(())
    }

    /// The secret was wrong, which the attempt has counted already: other gateways count it as well.
    pub(super) fn fail(&self, guess: &Guess) {
        self.tell(guess, false);
    }

    /// The secret was right.
    pub(super) fn settle(&self, guess: &Guess, now: Instant) {
        let now = self.tenths(now);
        let mut counts = self.lock();
        let mut ends_a_count = false;
        if let Some(pair) = place(&mut counts, guess.pair, now) {
            ends_a_count = pair.failures > 1;
            (pair.failures, pair.has_logged_in, pair.last) = (0, true, now);
        }
        // The attempt was no guess.
        for tag in guess.address.into_iter().flat_map(|address| [address, guess.principal]) {
            if let Some(count) = place(&mut counts, tag, now) {
                count.failures = count.failures.saturating_sub(1);
                // Others have guessed at this principal, and this client need not wait for them.
                ends_a_count |= tag == guess.principal && count.failures > 0;
            }
        }
        drop(counts);
        if ends_a_count {
            self.tell(guess, true);
        }
    }

    /// The secret was not judged, so that the attempt counts neither as wrong nor as right. A wait that was over begins again, and grows no
    /// longer.
    pub(super) fn withdraw(&self, guess: &Guess) {
        let mut counts = self.lock();
        let shared = guess.address.into_iter().flat_map(|address| [address, guess.principal]);
        for tag in shared.chain([guess.pair]) {
            if let Some(count) = find_mut(&mut counts, tag) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    /// Counts together with the other gateways that have a store. The first one that is open tells them.
    pub fn share(self: &Arc<Self>, key: &Arc<PublicIdKey>, others: &Arc<dyn SharedAttempts>) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ref().is_none_or(|shared| shared.others.is_over()) {
            let this = Arc::downgrade(self);
            let this: Weak<dyn HearsAttempts> = this;
            others.subscribe(this);
            *shared = Some(Shared { key: Arc::clone(key), others: Arc::clone(others) });
        }
    }

    fn shared(&self) -> Option<Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, guess: &Guess, is_right: bool) {
        // What counts for this machine has nothing to do with others.
        let Some(address) = guess.address else { return };
        if let Some(Shared { others, .. }) = self.shared() {
            others.tell(Attempt { pair: guess.pair, address, principal: guess.principal, is_right });
        }
    }

    /// The counts, which take their memory with the first one.
    fn lock(&self) -> MutexGuard<'_, Vec<Count>> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            counts.resize(SETS * WAYS, Count::default());
        }
        counts
    }

    fn tenths(&self, now: Instant) -> u32 {
        // Thirteen years.
        u32::try_from(now.saturating_duration_since(self.begun).as_millis() / 100).unwrap_or(u32::MAX)
    }
}

impl HearsAttempts for Guesses {
    fn hear(&self, attempts: &[Attempt]) {
        let now = self.tenths(Instant::now());
        let mut counts = self.lock();
        for attempt in attempts {
            if !attempt.is_right {
                note(&mut counts, attempt.pair, Some((attempt.address, attempt.principal)), now);
            } else if let Some(pair) = place(&mut counts, attempt.pair, now) {
                (pair.failures, pair.has_logged_in, pair.last) = (0, true, now);
            }
        }
    }
}

impl Default for Guesses {
    fn default() -> Self {
        let (begun, hasher) = (Instant::now(), RandomState::new());
        Self { begun, hasher, counts: Mutex::default(), shared: RwLock::default() }
    }
}

/// Counts an attempt as a wrong one: of an address for a principal, and, unless it came from this machine, of both of these.
fn note(counts: &mut [Count], pair: u64, of: Option<(u64, u64)>, now: u32) {
    if let Some(pair) = place(counts, pair, now) {
        pair.failures = pair.in_a_row(now).saturating_add(1);
        pair.last = now;
    }
    let buckets = of.map(|(address, principal)| [(address, ADDRESS), (principal, PRINCIPAL)]);
    for (tag, bucket) in buckets.into_iter().flatten() {
        if let Some(count) = place(counts, tag, now) {
            bucket.fill(count, now);
        }
    }
}

fn wait(counts: &[Count], guess: &Guess, now: u32) -> Option<Duration> {
    let pair = find(counts, guess.pair);
    let longest = if guess.address.is_some() { LONGEST_WAIT } else { LONGEST_WAIT_HERE };
    let of_pair = pair.and_then(|pair| pair.wait(guess.max_failures, longest, now));
    let of_address = guess.address.and_then(|tag| ADDRESS.wait(find(counts, tag)?, now));
    let is_exempt = guess.address.is_none() || pair.is_some_and(|pair| pair.has_logged_in);
    let of_principal =
        find(counts, guess.principal).filter(|_| !is_exempt).and_then(|count| PRINCIPAL.wait(count, now));
    of_pair.max(of_address).max(of_principal)
}

/// The places where a count may stand.
fn set(tag: u64) -> std::ops::Range<usize> {
    let set = usize::try_from(tag % SETS as u64).unwrap_or_default();
    set * WAYS..(set + 1) * WAYS
}

fn find(counts: &[Count], tag: u64) -> Option<&Count> {
    counts.get(set(tag))?.iter().find(|count| count.tag == tag)
}

fn find_mut(counts: &mut [Count], tag: u64) -> Option<&mut Count> {
    counts.get_mut(set(tag))?.iter_mut().find(|count| count.tag == tag)
}

/// A count's place; a new one takes that of the count that matters least.
fn place(counts: &mut [Count], tag: u64, now: u32) -> Option<&mut Count> {
    let counts = counts.get_mut(set(tag))?;
    let found = counts.iter().position(|count| count.tag == tag);
    let place = found.or_else(|| {
        let (place, _) = counts.iter().enumerate().min_by_key(|(_, count)| count.weight(now))?;
        Some(place)
    })?;
    let count = counts.get_mut(place)?;
    if count.tag != tag {
        *count = Count { tag, last: now, ..Count::default() };
    }
    Some(count)
}

// === impl Count ===

impl Count {
    fn age(&self, now: u32) -> Duration {
        Duration::from_millis(u64::from(now.saturating_sub(self.last)) * 100)
    }

    fn in_a_row(&self, now: u32) -> u32 {
        if self.age(now) < MEMORY { self.failures } else { 0 }
    }

    /// What is left of the wait after so many failures in a row.
    fn wait(&self, max_failures: u32, longest: Duration, now: u32) -> Option<Duration> {
        let excess = self.in_a_row(now).checked_sub(max_failures)?;
        let wait = Duration::from_secs(1 << excess.min(20)).min(longest);
        wait.checked_sub(self.age(now)).filter(|left| !left.is_zero())
    }

    /// How much is lost with it: a free place nothing, then few failures, then old ones.
    fn weight(&self, now: u32) -> (u32, u32) {
        match self.tag {
            0 => (0, 0),
            _ => (1 + self.in_a_row(now) + 5 * u32::from(self.has_logged_in), self.last),
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn level(self, count: &Count, now: u32) -> (u32, Duration) {
        let age = count.age(now);
        let steps = u32::try_from(age.as_millis() / self.each.as_millis()).unwrap_or(u32::MAX);
        (count.failures.saturating_sub(steps), age.saturating_sub(self.each.saturating_mul(steps)))
    }

    fn wait(self, count: &Count, now: u32) -> Option<Duration> {
        let (level, rest) = self.level(count, now);
        (level >= self.most).then(|| self.each.saturating_sub(rest))
    }

    fn fill(self, count: &mut Count, now: u32) {
        let (level, rest) = self.level(count, now);
        count.failures = level.saturating_add(1);
        // What has passed of the next step is not lost.
        let rest = u32::try_from(rest.as_millis() / 100).unwrap_or_default();
        count.last = if level == 0 { now } else { now.saturating_sub(rest) };
    }
}

#[cfg(test)]
mod tests;
