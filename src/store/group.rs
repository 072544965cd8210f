//! Group commit: many changes, one write, one fsync.
//!
//! Callers queue their work and get a [`Commit`]; one thread takes everything that has gathered while it was
//! busy with the batch before, hands it to the store's [`Sink`], and answers all of it. So the slower the
//! disk, the larger the batches, and nobody waits for more than two of them.
//!
//! The first failure is the last thing that the thread does. An fsync that failed once may succeed the next
//! time without having written anything, because the kernel has dropped the pages in question: so nothing is
//! tried again.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Commit, StoreError};

/// How much may wait to be written, in bytes as [`Sink::weigh`] counts them: 150,000 ordinary changes, three
/// for every connection that the gateway takes by default.
const MAX_QUEUED: usize = 64 * 1024 * 1024;

/// From which queue length on sightings are not noted any more: they are the first thing to go without.
const MAX_QUEUED_NOTES: usize = MAX_QUEUED / 8;

/// What makes changes durable.
pub(super) trait Sink: Send + 'static {
    /// One change.
    type Work: Send + 'static;

    /// Roughly how much memory a change takes while it waits.
    fn weigh(work: &Self::Work) -> usize;

    /// Makes a batch durable, and sets the outcome of those changes that are refused. An error is the end of
    /// the store.
    fn commit(&mut self, batch: &mut [Item<Self::Work>]) -> Result<(), Arc<str>>;

    /// Called for every change that will never be durable.
    fn abandon(&mut self, work: &Self::Work);

    /// Called after every batch and when the time that it gave has passed: whatever is due now and then.
    fn tick(&mut self) -> Result<Option<Duration>, Arc<str>>;

    /// Called when nothing more will come.
    fn close(&mut self) -> Result<(), Arc<str>>;
}

/// A change on its way.
#[derive(Debug)]
pub(super) struct Item<W> {
    pub(super) work: W,
    pub(super) outcome: Result<(), StoreError>,
    waiter: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// A change that is not taken any more.
#[derive(Debug)]
pub(super) struct Rejected<W> {
    pub(super) work: W,
    pub(super) error: StoreError,
}

/// The queue and its thread. Dropping it waits until everything has been written.
#[derive(Debug)]
pub(super) struct Group<S: Sink> {
    shared: Arc<Shared<S::Work>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<W> {
    queue: Mutex<Queue<W>>,
    wake: Condvar,
}

#[derive(Debug)]
struct Queue<W> {
    items: Vec<Item<W>>,
    weight: usize,
    is_idle: bool,
    is_closing: bool,
    failure: Option<Arc<str>>,
}

impl<S: Sink> Group<S> {
    /// Starts the thread.
    pub(super) fn start(name: &str, sink: S) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                items: Vec::new(),
                weight: 0,
                is_idle: false,
                is_closing: false,
                failure: None,
            }),
            wake: Condvar::new(),
        });
        let theirs = Ending(Arc::clone(&shared));
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

    /// Queues a change whose outcome is known: it is told once everything up to it has been written.
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
        self.shared.add(queue, Item { work, outcome, waiter: Some(sender) }, S::weigh);
        Ok(Commit::Waiting(receiver))
    }

    /// Queues a change that nobody waits for and that may be left out.
    pub(super) fn note(&self, work: S::Work) {
        let queue = self.shared.lock();
        if queue.check().is_ok() && queue.weight < MAX_QUEUED_NOTES {
            self.shared.add(queue, Item { work, outcome: Ok(()), waiter: None }, S::weigh);
        }
    }
}

impl<S: Sink> Drop for Group<S> {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been dealt with by `Ending`.
            drop(thread.join());
        }
    }
}

impl<W> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, mut queue: MutexGuard<'_, Queue<W>>, item: Item<W>, weigh: fn(&W) -> usize) {
        queue.weight = queue.weight.saturating_add(weigh(&item.work));
        queue.items.push(item);
        let wake = mem::replace(&mut queue.is_idle, false);
        drop(queue);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Moves what has gathered into an empty `batch`, waiting for it at most so long; false at the end.
    fn take(&self, batch: &mut Vec<Item<W>>, wait: Option<Duration>) -> bool {
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

impl<W> Queue<W> {
    fn check(&self) -> Result<(), StoreError> {
        self.failure.as_ref().map_or(Ok(()), |reason| Err(StoreError::Io(Arc::clone(reason))))
    }
}

fn run<S: Sink>(shared: &Shared<S::Work>, mut sink: S) {
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
fn fail<S: Sink>(shared: &Shared<S::Work>, mut sink: S, mut batch: Vec<Item<S::Work>>, reason: &Arc<str>) {
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

impl<W> Item<W> {
    fn answer(self) {
        if let Some(waiter) = self.waiter {
            // Nobody listens if the connection has gone away meanwhile.
            drop(waiter.send(self.outcome));
        }
    }
}

/// Held by the thread: however it ends, nobody waits for it in vain.
struct Ending<W>(Arc<Shared<W>>);

impl<W> Drop for Ending<W> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.failure.get_or_insert_with(|| Arc::from("its writer has stopped"));
        queue.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes changes until one says "break"; writes down what it abandoned. "wait" waits for the second lock.
    struct Fragile(Arc<Mutex<Vec<&'static str>>>, Arc<Mutex<()>>);

    impl Sink for Fragile {
        type Work = &'static str;

        fn weigh(work: &Self::Work) -> usize {
            if *work == "heavy" { MAX_QUEUED } else { work.len() }
        }

        fn commit(&mut self, batch: &mut [Item<Self::Work>]) -> Result<(), Arc<str>> {
            for item in &mut *batch {
                match item.work {
                    "break" => return Err(Arc::from("broken")),
                    "wait" => drop(self.1.lock().unwrap()),
                    "panic" => panic!("as asked"),
                    "refuse" => item.outcome = Err(StoreError::Exists),
                    _ => {}
                }
            }
            Ok(())
        }

        fn abandon(&mut self, work: &Self::Work) {
            self.0.lock().unwrap().push(work);
        }

        fn tick(&mut self) -> Result<Option<Duration>, Arc<str>> {
            Ok(None)
        }

        fn close(&mut self) -> Result<(), Arc<str>> {
            self.0.lock().unwrap().push("closed");
            Ok(())
        }
    }

    fn start() -> (Group<Fragile>, Arc<Mutex<Vec<&'static str>>>) {
        let log = Arc::default();
        (Group::start("test", Fragile(Arc::clone(&log), Arc::default())).unwrap(), log)
    }

    #[tokio::test]
    async fn queue_that_is_full_admits_nothing_until_it_is_written() {
        let gate = Arc::new(Mutex::new(()));
        let group = Group::start("test", Fragile(Arc::default(), Arc::clone(&gate))).unwrap();
        let closed = gate.lock().unwrap();
        let mut commits = vec![group.push("wait").unwrap()];
        // The writer takes some of it before it has to wait, and then no more.
        while group.admit().is_ok() {
            commits.push(group.push("heavy").unwrap());
        }
        assert!(matches!(group.admit(), Err(StoreError::Busy)));
        drop(closed);
        for commit in commits {
            commit.await.unwrap();
        }
        group.admit().unwrap();
    }

    #[tokio::test]
    async fn every_change_gets_its_own_outcome() {
        let (group, _) = start();
        let commits = ["fine", "refuse", "fine"].map(|work| group.push(work).unwrap());
        let [first, second, third] = commits;
        first.await.unwrap();
        assert!(matches!(second.await, Err(StoreError::Exists)));
        third.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_after_a_failure() {
        let (group, log) = start();
        group.push("fine").unwrap().await.unwrap();
        assert!(matches!(group.push("break").unwrap().await, Err(StoreError::Io(_))));
        assert!(matches!(group.push("fine"), Err(Rejected { work: "fine", error: StoreError::Io(_) })));
        assert!(matches!(group.admit(), Err(StoreError::Io(_))));
        drop(group);
        assert_eq!(*log.lock().unwrap(), ["break"]);
    }

    #[tokio::test]
    async fn panicking_writer_leaves_nobody_waiting() {
        let (group, _) = start();
        assert!(matches!(group.push("panic").unwrap().await, Err(StoreError::Io(_))));
        while group.push("fine").is_ok() {
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn dropping_the_group_writes_what_was_queued() {
        let (group, log) = start();
        let commits: Vec<_> = (0..100).map(|_| group.push("fine").unwrap()).collect();
        drop(group);
        for commit in commits {
            commit.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["closed"]);
    }
}
