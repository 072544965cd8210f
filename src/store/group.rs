//! Group commit: many changes, one write, one fsync.
//!
//! Callers queue their work and get a [`Commit`]. One thread takes everything that has gathered while it was busy with
//! the last batch, hands it to the store's [`BatchSink`], and answers all of it. So a slow disk makes batches larger,
//! and no caller waits for more than two of them.
//!
//! The thread ends with its first failure and tries nothing again: an fsync that failed once may succeed the next time
//! without having written anything, because the kernel has dropped the pages in question.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Commit, StoreError};

/// How much may wait to be written, in bytes as [`BatchSink::weigh`] counts them: 150,000 ordinary changes, three
/// for every connection that the gateway takes by default.
const MAX_QUEUED: usize = 64 * 1024 * 1024;

/// The queue length from which the store stops noting sightings: it can do without them first.
const MAX_QUEUED_NOTES: usize = MAX_QUEUED / 8;

/// What makes changes durable.
pub(super) trait BatchSink: Send + 'static {
    /// One change.
    type Work: Send + 'static;

    /// Roughly how much memory a change takes while it waits.
    fn weigh(work: &Self::Work) -> usize;

    /// Makes a batch durable, and sets the outcome of the changes that it refuses. An error ends the store.
    fn commit(&mut self, batch: &mut [Queued<Self::Work>]) -> Result<(), Arc<str>>;

    /// Called for every change that will never be durable.
    fn abandon(&mut self, work: &Self::Work);

    /// Does what is due from time to time. Called after every batch, and when the time that it gave has passed.
    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>>;

    /// Called when nothing more will come.
    fn close(&mut self) -> Result<(), Arc<str>>;
}

/// A change on its way.
#[derive(Debug)]
pub(super) struct Queued<W> {
    pub(super) work: W,
    pub(super) outcome: Result<(), StoreError>,
    waiter: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// A change that the failed store does not take, and why.
#[derive(Debug)]
pub(super) struct Rejected<W> {
    pub(super) work: W,
    pub(super) error: StoreError,
}

/// The queue and its thread. Dropping it waits until everything has been written.
#[derive(Debug)]
pub(super) struct Group<S: BatchSink> {
    shared: Arc<GroupState<S::Work>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct GroupState<W> {
    queue: Mutex<WriteQueue<W>>,
    wake: Condvar,
}

#[derive(Debug)]
struct WriteQueue<W> {
    items: Vec<Queued<W>>,
    weight: usize,
    is_idle: bool,
    is_closing: bool,
    failure: Option<Arc<str>>,
}

impl<S: BatchSink> Group<S> {
    /// Starts the thread.
    pub(super) fn start(name: &str, sink: S) -> std::io::Result<Self> {
        let shared = Arc::new(GroupState {
            queue: Mutex::new(WriteQueue {
                items: Vec::new(),
                weight: 0,
                is_idle: false,
                is_closing: false,
                failure: None,
            }),
            wake: Condvar::new(),
        });
        let theirs = WriterGone(Arc::clone(&shared));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&theirs.0, sink))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether a change would be taken now: not after a failure, and not while too much waits.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        let queue = self.shared.lock();
        queue.check()?;
        if queue.weight >= MAX_QUEUED { Err(StoreError::Busy) } else { Ok(()) }
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
        if queue.check().is_ok() && queue.weight < MAX_QUEUED_NOTES {
            self.shared.add(queue, Queued { work, outcome: Ok(()), waiter: None }, S::weigh);
        }
    }
}

impl<S: BatchSink> Drop for Group<S> {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
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
        mem::swap(&mut queue.items, batch);
        !(batch.is_empty() && queue.is_closing)
    }
}

impl<W> WriteQueue<W> {
    fn check(&self) -> Result<(), StoreError> {
        self.failure.as_ref().map_or(Ok(()), |reason| Err(StoreError::Io(Arc::clone(reason))))
    }
}

fn run<S: BatchSink>(shared: &GroupState<S::Work>, mut sink: S) {
    let mut batch = Vec::new();
    let mut wait = None;
    while shared.take(&mut batch, wait) {
        if !batch.is_empty()
            && let Err(reason) = sink.commit(&mut batch)
        {
            return fail(shared, sink, batch, &reason);
        }
        for item in batch.drain(..) {
            item.answer();
        }
        match sink.tick() {
            Ok(next) => wait = next,
            Err(reason) => return fail(shared, sink, batch, &reason),
        }
    }
    if let Err(reason) = sink.close() {
        tracing::error!(%reason, "the cookie store failed while it was closed");
    }
}

/// Ends the store: refuses what comes, then answers and abandons what is there.
fn fail<S: BatchSink>(
    shared: &GroupState<S::Work>,
    mut sink: S,
    mut batch: Vec<Queued<S::Work>>,
    reason: &Arc<str>,
) {
    tracing::error!(
        %reason,
        "the cookie store failed: no cookie is handed out any more until the gateway is restarted"
    );
    let mut queue = shared.lock();
    queue.failure = Some(Arc::clone(reason));
    batch.append(&mut queue.items);
    drop(queue);
    for mut item in batch {
        sink.abandon(&item.work);
        item.outcome = Err(StoreError::Io(Arc::clone(reason)));
        item.answer();
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
        queue.failure.get_or_insert_with(|| Arc::from("its writer has stopped"));
        queue.items.clear();
    }
}

#[cfg(test)]
mod tests;
