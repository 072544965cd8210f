//! The way to a policy for everybody who does not want to be a denial of service: so many decisions at once,
//! and so many that wait.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{
    Decision, JoinRequest, Policy, PolicyError, Recorder, Tally, aside, log::PolicyLog, pace::Pace,
    penalty::PenaltyBox,
};

/// Decisions that may wait for a free place. At the default deadline two cores work off so many in ten
/// seconds, which is how long a client has to say HELLO: whoever came later would wait in vain.
pub const MAX_WAITING: usize = 1024;

/// A policy with a bounded number of decisions at once. Those that find no free place wait in order of
/// arrival.
#[derive(Debug)]
pub struct PolicyGate {
    log: PolicyLog,
    tally: Tally,
    /// The policy that serves; two pointers deep, because a pointer to a trait object cannot be swapped.
    policy: ArcSwap<Arc<dyn Policy>>,
    pace: Pace,
    penalties: PenaltyBox,
    places: Semaphore,
    /// Those of a slow policy: one for each core. More at once would only make all of them late.
    slow_places: Semaphore,
    waiting: AtomicUsize,
    recorder: OnceLock<Arc<Recorder>>,
}

/// One who waits; gone, also when the client gives up meanwhile, it makes room in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl PolicyGate {
    /// A gate that lets `max_concurrent` decisions through at once, at least one. `name` stands for the policy in logs
    /// and metrics.
    pub fn new(name: &str, policy: Arc<dyn Policy>, max_concurrent: usize) -> Self {
        let places = Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            log: PolicyLog::new(name.into()),
            tally: Tally::default(),
            policy: ArcSwap::from_pointee(policy),
            pace: Pace::new(),
            penalties: PenaltyBox::default(),
            places,
            slow_places: Semaphore::new(thread::available_parallelism().map_or(1, usize::from)),
            waiting: AtomicUsize::new(0),
            recorder: OnceLock::new(),
        }
    }

    /// Counts there what comes of the decisions, instead of nowhere.
    #[must_use]
    pub fn counting(self, tally: Tally) -> Self {
        Self { tally, ..self }
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        self.log.policy()
    }

    /// What came of its decisions.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Lets another policy decide from now on. Decisions that run finish on the old one, which goes with the
    /// last of them.
    pub fn replace(&self, policy: Arc<dyn Policy>) {
        self.policy.store(Arc::new(policy));
    }

    /// Records every request and its answer from now on. A gate has one recorder, the first.
    pub fn record(&self, recorder: Arc<Recorder>) {
        self.recorder.get_or_init(|| recorder);
    }

    /// Decides on the calling task, at once if there is a free place. [`PolicyError::Overloaded`] if too many
    /// are waiting, [`PolicyError::Penalty`] if too many decisions about this peer ran into their deadline.
    pub async fn decide(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        let answer = self.ask(request).await;
        self.tally.count(&answer);
        answer
    }

    async fn ask(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        let peer = request.connection.peer;
        if self.penalties.holds(peer, Instant::now()) {
            return Err(PolicyError::Penalty);
        }
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => self.wait().await?,
        };
        let answer = self.ask_at_its_pace(request).await;
        if let Err(error) = &answer {
            self.log.failure(request, error);
        }
        if matches!(answer, Err(PolicyError::Deadline(_))) {
            self.penalties.count(peer, Instant::now());
        }
        if let Some(recorder) = self.recorder.get() {
            recorder.record(request, &answer);
        }
        answer
    }

    /// Among the other things that this thread has to do, or aside.
    async fn ask_at_its_pace(&self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        if !self.pace.is_slow() {
            return self.pace.watch(|| super::decide(&***self.policy.load(), request));
        }
        // Nobody closes the semaphore.
        let _place = self.slow_places.acquire().await.map_err(|_| PolicyError::Overloaded)?;
        let decide = || self.pace.watch(|| self.policy.load().answer_slowly(request)?.check(request));
        aside::run(decide).unwrap_or_else(|error| {
            warn!(policy = self.name(), %error, "no thread for a decision");
            Err(PolicyError::Overloaded)
        })
    }

    async fn wait(&self) -> Result<tokio::sync::SemaphorePermit<'_>, PolicyError> {
        let _waiting = Waiting::enter(&self.waiting).ok_or(PolicyError::Overloaded)?;
        // Nobody closes the semaphore.
        self.places.acquire().await.map_err(|_| PolicyError::Overloaded)
    }
}

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        waiting.try_update(Relaxed, Relaxed, |now| (now < MAX_WAITING).then_some(now + 1)).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
