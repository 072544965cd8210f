//! The way to a policy: so many decisions at once, and so many that wait, in a queue that is fair between peers.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::Instant,
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{
    PolicyError, Tally, aside,
    log::PolicyLog,
    pace::Pace,
    penalty::PenaltyBox,
    queue::FairQueue,
    streak::Streak,
    subject::{Subject, Whom},
    world::World,
};
use crate::ration::Ration;

/// Lines about decisions for which the system has no thread. Each join may cause one.
static NO_THREAD: Ration = Ration::SPARING;

/// A policy with a bounded number of decisions at once. Those that find no free place wait, and their peers take turns.
#[derive(Debug)]
pub(crate) struct Gate<W: World> {
    log: PolicyLog,
    tally: Tally,
    streak: Streak,
    /// The policy that serves; two pointers deep, because a pointer to a trait object cannot be swapped.
    policy: ArcSwap<Arc<W::Asked>>,
    pace: Pace,
    penalties: PenaltyBox,
    places: Arc<FairQueue>,
    /// Those of a slow policy: one for each core. More at once would only make all of them late.
    slow_places: Semaphore,
    recorder: OnceLock<Arc<W::Recorder>>,
    /// The number of the one that serves now, which none before it has had, here or elsewhere.
    generation: AtomicU64,
}

/// A question that passes a gate.
pub(super) trait Put<W: World>: Send + Sync {
    /// What comes of it, checked.
    type Answer: Send;

    /// Whom it is about.
    fn whom(&self) -> Whom<'_>;

    /// Asks what stands behind the gate, and checks its answer.
    fn ask(&self, asked: &W::Asked) -> Result<Self::Answer, PolicyError>;

    /// Records the question and what came of it.
    fn record(&self, recorder: &W::Recorder, answer: &Result<Self::Answer, PolicyError>);

    /// What an answer is called in metrics: one of [`World::ANSWERS`].
    fn kind(answer: &Self::Answer) -> &'static str;
}

/// The question that all components of a kind answer.
struct Decide<'a, W: World>(&'a W::Question<'a>);

impl<W: World> Put<W> for Decide<'_, W> {
    type Answer = W::Answer;

    fn whom(&self) -> Whom<'_> {
        self.0.whom()
    }

    fn ask(&self, asked: &W::Asked) -> Result<W::Answer, PolicyError> {
        W::ask(asked, self.0)
    }

    fn record(&self, recorder: &W::Recorder, answer: &Result<W::Answer, PolicyError>) {
        W::record(recorder, self.0, answer);
    }

    fn kind(answer: &W::Answer) -> &'static str {
        W::kind(answer)
    }
}

fn next_generation() -> u64 {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);
    GENERATIONS.fetch_add(1, Relaxed)
}

impl<W: World> Gate<W> {
    /// A gate that lets `max_concurrent` decisions through at once, at least one. `name` stands for the policy in logs
    /// and metrics.
    pub(crate) fn new(name: &str, policy: Arc<W::Asked>, max_concurrent: usize) -> Self {
        Self {
            log: PolicyLog::new(name.into()),
            tally: Tally::of(W::ANSWERS),
            streak: Streak::default(),
            policy: ArcSwap::from_pointee(policy),
            pace: Pace::new(),
            penalties: PenaltyBox::default(),
            places: FairQueue::new(max_concurrent.max(1)),
            slow_places: Semaphore::new(thread::available_parallelism().map_or(1, usize::from)),
            recorder: OnceLock::new(),
            generation: AtomicU64::new(next_generation()),
        }
    }

    /// Counts there what comes of the decisions, instead of nowhere.
    #[must_use]
    pub(crate) fn counting(self, tally: Tally) -> Self {
        Self { tally, ..self }
    }

    /// The policy's name.
    pub(crate) fn name(&self) -> &str {
        self.log.policy()
    }

    /// What came of its decisions.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether the policy can be expected to answer: it has not failed all of the last questions.
    pub(crate) fn is_answering(&self) -> bool {
        self.streak.is_well(Instant::now())
    }

    /// Lets another policy decide from now on. Decisions that run finish on the old one, which goes with the
    /// last of them.
    pub(crate) fn replace(&self, policy: Arc<W::Asked>) {
        self.policy.store(Arc::new(policy));
        self.generation.store(next_generation(), Release);
    }

    /// The number of the component that serves now: answers of another one may not hold any more.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Records every question and its answer from now on. A gate has one recorder, the first.
    pub(crate) fn record(&self, recorder: Arc<W::Recorder>) {
        self.recorder.get_or_init(|| recorder);
    }

    /// Decides on the calling task, at once if there is a free place. [`PolicyError::Overloaded`] if too many
    /// are waiting, [`PolicyError::Penalty`] if too many decisions about this peer ran into their deadline.
    pub(crate) fn decide<'a>(
        &'a self,
        request: &'a W::Question<'a>,
    ) -> impl Future<Output = Result<W::Answer, PolicyError>> + Send + 'a {
        // No future of its own, so that a join is no larger for what else may be asked.
        self.put(Decide::<W>(request))
    }

    /// Puts a question of any kind on the calling task, as [`decide`](Self::decide) does.
    pub(super) async fn put<Q: Put<W>>(&self, question: Q) -> Result<Q::Answer, PolicyError> {
        let answer = self.ask(&question).await;
        self.tally.count(match &answer {
            Ok(answer) => Q::kind(answer),
            Err(error) => error.kind(),
        });
        self.streak.note(&answer, Instant::now);
        answer
    }

    async fn ask<Q: Put<W>>(&self, question: &Q) -> Result<Q::Answer, PolicyError> {
        let peer = question.whom().peer;
        if self.penalties.holds(peer, Instant::now()) {
            return Err(PolicyError::Penalty);
        }
        let _place =
            self.places.enter(peer, self.tally.waiting()).await.map_err(|_| PolicyError::Overloaded)?;
        let answer = self.ask_at_its_pace(question).await;
        if let Err(error) = &answer {
            self.log.failure(question.whom(), error);
        }
        if matches!(answer, Err(PolicyError::Deadline(_))) {
            self.penalties.count(peer, Instant::now());
        }
        if let Some(recorder) = self.recorder.get() {
            question.record(recorder, &answer);
        }
        answer
    }

    /// Among the other things that this thread has to do, or aside.
    async fn ask_at_its_pace<Q: Put<W>>(&self, question: &Q) -> Result<Q::Answer, PolicyError> {
        if !self.pace.is_slow() {
            return self.ask_now(question);
        }
        // The gateway never closes the semaphore.
        let _place = self.slow_places.acquire().await.map_err(|_| PolicyError::Overloaded)?;
        aside::run(|| self.ask_now(question)).unwrap_or_else(|error| {
            if let Some(line) = NO_THREAD.line() {
                warn!(policy = self.name(), %error, left_out = line.left_out, "no thread for a decision");
            }
            Err(PolicyError::Overloaded)
        })
    }

    /// On the calling thread.
    fn ask_now<Q: Put<W>>(&self, question: &Q) -> Result<Q::Answer, PolicyError> {
        let (answer, took) = self.pace.watch(|| question.ask(&**self.policy.load()));
        self.tally.time(took);
        answer
    }
}

#[cfg(test)]
mod tests;
