//! Group commit: many changes, one write, one fsync.
//!
//! Callers queue their work and get a [`Commit`]. One thread takes everything that has gathered while it was busy with
//! the last batch, hands it to the store's [`BatchSink`], and answers all of it. So a slow disk makes batches larger,
//! and no caller waits for more than two of them.
//!
//! When a batch fails, the group answers all of it with the failure and refuses what comes. It does not try the same
//! fsync again: that may succeed without having written anything, because the kernel has dropped the pages in question.
//! Instead the sink brings the medium back to a state that it knows, which it tries every second; when that has
//! succeeded, the group takes changes again.
//!
//! A disk may also hang. After [`PATIENCE`] a second thread answers those that wait, and until the disk goes on the group
//! refuses what comes at once. What such a caller asked for may still happen.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Commit, StoreError, StoreTally};

/// How much may wait to be written, in bytes as [`BatchSink::weigh`] counts them: 150,000 ordinary changes, three
/// for every connection that the gateway takes by default.
const MAX_QUEUED: usize = 64 * 1024 * 1024;

/// The queue length from which the store stops noting sightings: it can do without them first.
const MAX_QUEUED_NOTES: usize = MAX_QUEUED / 8;

/// How long a batch may take before those that wait for it are told that the disk does not keep up. Busy disks take a
/// second or two. Tests share their disk with each other and with compilers, and few of them are about this time.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 20 } else { 4 });

/// How often the second thread looks, and how often a medium that failed is tried again.
const ROUND: Duration = Duration::from_secs(1);

/// How long a batch may go on when the store is dropped.
const PARTING_PATIENCE: Duration = Duration::from_secs(10);

/// How often the same failure is told: a disk that is nearly full fails again and again.
const TOLD_AGAIN: Duration = Duration::from_mins(1);

/// What makes changes durable.
pub(super) trait BatchSink: Send + 'static {
    /// One change.
    type Work: Send + 'static;

    /// Roughly how much memory a change takes while it waits.
    fn weigh(work: &Self::Work) -> usize;

    /// Makes a batch durable, and sets the outcome of the changes that it refuses. After an error nothing more is
    /// committed until [`recover`](Self::recover) has succeeded.
    fn commit(&mut self, batch: &mut [Queued<Self::Work>]) -> Result<(), Arc<str>>;

    /// Called for every change that will never be durable.
    fn abandon(&mut self, work: &Self::Work);

    /// Does what is due from time to time. Called after every batch, and when the time that it gave has passed.
    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>>;

    /// Brings the medium, after an error, to a state with everything that was acknowledged and nothing else, in which
    /// changes can be made again. An error says why that is not possible yet.
    fn recover(&mut self) -> Result<(), Arc<str>>;

    /// Called when nothing more will come.
    fn close(&mut self) -> Result<(), Arc<str>>;
}

/// A change on its way.
#[derive(Debug)]
pub(super) struct Queued<W> {
    pub(super) work: W,
    pub(super) outcome: Result<(), StoreError>,
    waiter: Option<Waiter>,
}

/// A change that the failed store does not take, and why.
#[derive(Debug)]
pub(super) struct Rejected<W> {
    pub(super) work: W,
    pub(super) error: StoreError,
}

/// The queue and its threads. Dropping it waits until everything has been written, unless the disk hangs.
#[derive(Debug)]
pub(super) struct Group<S: BatchSink> {
    shared: Arc<GroupState<S::Work>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct GroupState<W> {
    queue: Mutex<WriteQueue<W>>,
    /// Wakes the writer.
    wake: Condvar,
    /// Wakes those that wait for the writer's end.
    ended: Condvar,
    tally: StoreTally,
    patience: Duration,
}

/// Where a caller waits for the outcome of its change.
type Waiter = oneshot::Sender<Result<(), StoreError>>;

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts about two threads, of which any may hold with any other"
)]
struct WriteQueue<W> {
    items: Vec<Queued<W>>,
    weight: usize,
    is_idle: bool,
    is_closing: bool,
    failure: Option<Arc<str>>,
    /// The callers that wait for the batch under way, in its order.
    waiters: Vec<Option<Waiter>>,
    /// Since when the batch is under way.
    busy_since: Option<Instant>,
    /// Whether those that waited for it have been told that the disk hangs.
    is_stalled: bool,
    has_ended: bool,
}

impl<S: BatchSink> Group<S> {
    /// Starts the threads.
    pub(super) fn start(name: &str, sink: S, tally: StoreTally) -> std::io::Result<Self> {
        Self::start_with(name, sink, tally, PATIENCE)
    }

    fn start_with(name: &str, sink: S, tally: StoreTally, patience: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(GroupState {
            queue: Mutex::new(WriteQueue {
                items: Vec::new(),
                weight: 0,
                is_idle: false,
                is_closing: false,
                failure: None,
                waiters: Vec::new(),
                busy_since: None,
                is_stalled: false,
                has_ended: false,
            }),
            wake: Condvar::new(),
            ended: Condvar::new(),
            tally,
            patience,
        });
        let theirs = WriterGone(Arc::clone(&shared));
        let writer = thread::Builder::new().name(name.to_owned()).spawn(move || run(&theirs.0, sink))?;
        let mut group = Self { shared: Arc::clone(&shared), threads: vec![writer] };
        let watch = thread::Builder::new().name(format!("{name}-watch")).spawn(move || shared.watch())?;
        group.threads.push(watch);
        Ok(group)
    }

    /// Whether a change would be taken now: not after a failure, not while the disk hangs, and not while too much waits.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        let queue = self.shared.lock();
        queue.check()?;
        match () {
            () if queue.is_stalled => Err(StoreError::Stalled),
            () if queue.weight >= MAX_QUEUED => Err(StoreError::Busy),
            () => Ok(()),
        }
    }

    /// Queues a change. Fails only after a failure of the sink.
    pub(super) fn push(&self, work: S::Work) -> Result<Commit, Rejected<S::Work>> {
        self.push_for(Ok(()), work)
    }

    /// Queues a change whose outcome is known. Its caller learns the outcome once everything before it has been written.
    pub(super) fn push_for(
        &self,
        outcome: Result<(), StoreError>,
        work: S::Work,
    ) -> Result<Commit, Rejected<S::Work>> {
        let (sender, receiver) = oneshot::channel();
        let queue = self.shared.lock();
        if let Err(error) = queue.check() {
            return Err(Rejected { work, error });
        }
        self.shared.add(queue, Queued { work, outcome, waiter: Some(sender) }, S::weigh);
        Ok(Commit::Waiting(receiver))
    }

    /// Queues a change for which no caller waits, and leaves it out if too much is queued already.
    pub(super) fn note(&self, work: S::Work) {
        let queue = self.shared.lock();
        if queue.check().is_ok() && !queue.is_stalled && queue.weight < MAX_QUEUED_NOTES {
            self.shared.add(queue, Queued { work, outcome: Ok(()), waiter: None }, S::weigh);
        }
    }
}

impl<S: BatchSink> Drop for Group<S> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closing = true;
        self.shared.wake.notify_one();
        while !queue.has_ended {
            if queue.is_stuck(PARTING_PATIENCE) {
                drop(queue);
                tracing::error!("the cookie store's disk hangs: what it has not acknowledged is given up");
                return;
            }
            queue = self.shared.ended.wait_timeout(queue, ROUND).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(queue);
        for thread in self.threads.drain(..) {
            // `WriterGone` has dealt with a panic over there.
            drop(thread.join());
        }
    }
}

impl<W> GroupState<W> {
    fn lock(&self) -> MutexGuard<'_, WriteQueue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, mut queue: MutexGuard<'_, WriteQueue<W>>, item: Queued<W>, weigh: fn(&W) -> usize) {
        queue.weight = queue.weight.saturating_add(weigh(&item.work));
        queue.items.push(item);
        self.tally.queues(queue.weight);
        let wake = mem::replace(&mut queue.is_idle, false);
        drop(queue);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Moves what has gathered into an empty `batch`; waits at most so long for it. False at the end.
    fn take(&self, batch: &mut Vec<Queued<W>>, wait: Option<Duration>) -> bool {
        let mut queue = self.lock();
        if queue.items.is_empty() && !queue.is_closing {
            queue.is_idle = true;
            queue = match wait {
                None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => self.wake.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
            queue.is_idle = false;
        }
        queue.weight = 0;
        self.tally.queues(0);
        mem::swap(&mut queue.items, batch);
        queue.waiters.clear();
        queue.waiters.extend(batch.iter_mut().map(|item| item.waiter.take()));
        queue.busy_since = (!batch.is_empty()).then(Instant::now);
        !(batch.is_empty() && queue.is_closing)
    }

    /// Makes a batch durable.
    fn commit<S: BatchSink<Work = W>>(&self, sink: &mut S, batch: &mut [Queued<W>]) -> Result<(), Arc<str>> {
        let begun = Instant::now();
        sink.commit(batch)?;
        self.tally.committed(begun.elapsed());
        Ok(())
    }

    /// Answers a batch that has been committed.
    fn answer(&self, batch: &mut Vec<Queued<W>>) {
        let mut queue = self.lock();
        // None are left if they have been told that the disk hangs.
        let waiters = mem::take(&mut queue.waiters);
        queue.busy_since = None;
        let was_stalled = mem::replace(&mut queue.is_stalled, false);
        drop(queue);
        if was_stalled {
            self.tally.is_well();
            tracing::warn!("the cookie store's disk goes on: clients are tracked again");
        }
        for (item, waiter) in batch.drain(..).zip(waiters) {
            Queued { waiter, ..item }.answer();
        }
    }

    /// Refuses what comes, then answers and abandons what is there.
    fn fail<S: BatchSink<Work = W>>(&self, sink: &mut S, batch: &mut Vec<Queued<W>>, reason: &Arc<str>) {
        self.tally.is_failing();
        let mut queue = self.lock();
        queue.failure = Some(Arc::clone(reason));
        queue.busy_since = None;
        queue.is_stalled = false;
        queue.weight = 0;
        self.tally.queues(0);
        let waiters = mem::take(&mut queue.waiters);
        for (item, waiter) in batch.iter_mut().zip(waiters) {
            item.waiter = waiter;
        }
        batch.append(&mut queue.items);
        drop(queue);
        for mut item in batch.drain(..) {
            sink.abandon(&item.work);
            item.outcome = Err(StoreError::Io(Arc::clone(reason)));
            item.answer();
        }
    }

    /// Tries every second to take changes again. False if the store is closed before that.
    fn recover<S: BatchSink<Work = W>>(&self, sink: &mut S) -> bool {
        let round = ROUND.min(self.patience);
        loop {
            let mut queue = self.lock();
            if !queue.is_closing {
                queue = self.wake.wait_timeout(queue, round).unwrap_or_else(PoisonError::into_inner).0;
            }
            if queue.is_closing {
                return false;
            }
            drop(queue);
            let outcome = sink.recover();
            let has_recovered = outcome.is_ok();
            if has_recovered {
                // First: a client that finds the store at work must find it ready as well.
                self.tally.is_well();
            }
            self.lock().failure = outcome.err();
            if has_recovered {
                return true;
            }
        }
    }

    /// Tells callers that wait too long that the disk hangs, until the writer has ended.
    fn watch(&self) {
        let round = ROUND.min(self.patience);
        let mut queue = self.lock();
        while !queue.has_ended {
            queue = self.ended.wait_timeout(queue, round).unwrap_or_else(PoisonError::into_inner).0;
            if !queue.is_stuck(self.patience) {
                continue;
            }
            let is_news = !mem::replace(&mut queue.is_stalled, true);
            let mut waiters: Vec<Waiter> = queue.waiters.drain(..).flatten().collect();
            waiters.extend(queue.items.iter_mut().filter_map(|item| item.waiter.take()));
            drop(queue);
            if is_news {
                self.tally.is_failing();
                tracing::error!(
                    "the cookie store's disk hangs: new clients are refused until it goes on; find out what slows it \
                     down"
                );
            }
            for waiter in waiters {
                // The receiver is gone if the connection has ended meanwhile.
                drop(waiter.send(Err(StoreError::Stalled)));
            }
            queue = self.lock();
        }
    }
}

impl<W> WriteQueue<W> {
    /// Whether the batch under way takes longer than this.
    fn is_stuck(&self, patience: Duration) -> bool {
        self.busy_since.is_some_and(|since| since.elapsed() >= patience)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.failure.as_ref().map_or(Ok(()), |reason| Err(StoreError::Io(Arc::clone(reason))))
    }
}

fn run<S: BatchSink>(shared: &GroupState<S::Work>, mut sink: S) {
    let mut batch = Vec::new();
    // What is due from time to time is due before the first change as well.
    let mut wait = Some(ROUND);
    let mut told: Option<(Arc<str>, Instant)> = None;
    while shared.take(&mut batch, wait) {
        let committed = if batch.is_empty() { Ok(()) } else { shared.commit(&mut sink, &mut batch) };
        let outcome = committed.and_then(|()| {
            shared.answer(&mut batch);
            sink.tick()
        });
        match outcome {
            Ok(next) => wait = next,
            Err(reason) => {
                let since = Instant::now();
                let is_news = told
                    .as_ref()
                    .is_none_or(|(what, when)| *what != reason || since.duration_since(*when) >= TOLD_AGAIN);
                if is_news {
                    tracing::error!(
                        %reason,
                        "the cookie store failed: new clients are refused until it works again, which is tried every second"
                    );
                    told = Some((Arc::clone(&reason), since));
                }
                shared.fail(&mut sink, &mut batch, &reason);
                if !shared.recover(&mut sink) {
                    return;
                }
                if is_news {
                    let seconds = since.elapsed().as_secs();
                    tracing::warn!(seconds, "the cookie store works again: clients are tracked as before");
                }
                wait = Some(Duration::ZERO);
            }
        }
    }
    if let Err(reason) = sink.close() {
        tracing::error!(%reason, "the cookie store failed while it was closed");
    }
}

impl<W> Queued<W> {
    fn answer(self) {
        if let Some(waiter) = self.waiter {
            // The receiver is gone if the connection has ended meanwhile.
            drop(waiter.send(self.outcome));
        }
    }
}

/// Held by the thread, so that no caller waits in vain however the thread ends.
struct WriterGone<W>(Arc<GroupState<W>>);

impl<W> Drop for WriterGone<W> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        if !queue.is_closing {
            self.0.tally.is_failing();
        }
        queue.failure.get_or_insert_with(|| Arc::from("its writer has stopped"));
        queue.items.clear();
        queue.waiters.clear();
        queue.busy_since = None;
        queue.has_ended = true;
        drop(queue);
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests;
