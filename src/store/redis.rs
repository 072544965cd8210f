//! Records in Redis or Valkey: one truth for many gateways.
//!
//! The layout stands in [`layout`]: tracking IDs are not in Redis. One thread of its own keeps the connections and runs the
//! operations, so that callers need no runtime, and many small operations share their packets.
//!
//! *Durable* means here what the server promises: with `appendonly yes` and `appendfsync everysec` it may lose the last second
//! when its machine fails. With `durability: "always"` a change counts when the server's disk and so many replicas have it. While it does not answer, calls fail at once or within `timeout`; nothing is answered from what the
//! gateway remembers. A revocation counts in any case: the gateway removes the record when the server is back.
//!
//! What differs from stores on this machine: Redis itself drops records when their time is over, so that
//! [`purge`](CookieStore::purge) has nothing to do. There is no bound of the number of records but the server's memory. If a
//! principal has too many records, those lose their login that expire first. [`scan`](CookieStore::scan) gives what stands for an
//! ID and not the ID itself; [`revoke`](CookieStore::revoke) and [`look_up`](CookieStore::look_up) take both.

mod attempts;
mod attend;
mod cache;
mod connect;
mod durable;
mod fault;
mod hear;
mod jobs;
mod layout;
mod link;
mod outage;
mod recent;
mod startup;
mod state;
mod work;

use std::{
    future::Future,
    sync::{Arc, Weak, mpsc as threads},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{Notify, mpsc, oneshot};

use self::{
    durable::Barrier,
    jobs::Job,
    layout::Digest,
    link::Link,
    state::State,
    work::{Place, Worker},
};
use super::{
    Attempt, Authentication, Commit, CookieRecord, CookieStore, Durability, Lookup, OpenConnections, Parting,
    RedisOptions, Replacement, Revocation, Revocations, StoreAnswer, StoreError, StoreOpenError, StoreTally,
    commit::stopped,
};
use crate::{
    cookie::{PublicIdKey, TrackingId},
    time::Timestamp,
};

/// How many operations wait for their turn: as many as connections in a storm of reconnects, in some 2 MB.
const MAX_WAITING: usize = 16_384;

/// How many messages to other gateways wait. What finds no place is made up for by the look at all open connections.
const MAX_OUTBOX: usize = 1024;

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(10);

/// What this store has in place of an ID: the text of its digest, which [`TrackingId::stands_for`] gives of a stand-in.
pub(crate) fn digest_text(id: &TrackingId) -> Option<String> {
    layout::digest(id).map(|digest| layout::text(&digest))
}

/// The store on Redis.
#[derive(Debug)]
pub struct RedisStore {
    state: Arc<State>,
    /// None while the store is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Revocations that reach all gateways.
#[derive(Debug)]
pub(super) struct RedisRevocations {
    state: Arc<State>,
    outbox: mpsc::Sender<String>,
}

/// A store that was just opened.
pub(super) struct Opened {
    pub(super) store: RedisStore,
    pub(super) revocations: RedisRevocations,
    /// Attempts to log in, which all gateways count.
    pub(super) attempts: attempts::RedisAttempts,
    /// The key that the gateways have in common.
    pub(super) key: Arc<PublicIdKey>,
}

impl RedisStore {
    /// Connects, and looks at the server. Blocks until the server answers or refuses.
    pub(super) fn open(options: &RedisOptions, tally: &StoreTally) -> Result<Opened, StoreOpenError> {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let (outbox, messages) = mpsc::channel(MAX_OUTBOX);
        let (attempts, attempted) = attempts::outbox();
        let (opened, state) = threads::channel();
        let (started, is_started) = threads::channel();
        let refused = startup::refused(options);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| refused(format!("no runtime: {error}; raise the limit of open files")))?;
        let (options, tally) = (options.clone(), tally.clone());
        let timeout = options.timeout;
        let thread = thread::Builder::new()
            .name("cookie-store".to_owned())
            .spawn(move || {
                runtime.block_on(run(options, tally, (waiting, messages, attempted), opened, started));
            })
            .map_err(|error| refused(format!("no thread: {error}; raise the limit of threads")))?;
        let late = |_| refused(format!("it has not answered for {} seconds", OPENING.as_secs()));
        let state = state.recv_timeout(OPENING).map_err(late)??;
        is_started.recv_timeout(OPENING).map_err(|_| {
            refused(format!(
                "it takes no changes, or does not send back what the gateway publishes within {} ms: see the log above, and \
                 docs/scaling.md for the permissions that the user of `url` needs",
                timeout.as_millis()
            ))
        })?;
        let key = Arc::clone(&state.key);
        let revocations = RedisRevocations { state: Arc::clone(&state), outbox };
        let attempts = attempts::RedisAttempts::new(Arc::clone(&state), attempts);
        let store = Self { state, jobs: Some(jobs), thread: Some(thread) };
        Ok(Opened { store, revocations, attempts, key })
    }

    /// Hands work to the thread.
    fn submit<T, F>(&self, work: impl FnOnce(Arc<Worker>) -> F + Send + 'static) -> StoreAnswer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let Some(jobs) = &self.jobs else { return StoreAnswer::done(Err(stopped())) };
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |worker| {
            Box::pin(async move {
                // A caller that is gone wants no answer.
                drop(reply.send(work(worker).await));
            })
        });
        match jobs.try_send(job) {
            Ok(()) => StoreAnswer::Waiting(answer),
            Err(mpsc::error::TrySendError::Full(_)) => StoreAnswer::done(Err(StoreError::Overrun)),
            Err(mpsc::error::TrySendError::Closed(_)) => StoreAnswer::done(Err(stopped())),
        }
    }

    /// The digest of an ID whose record may change. A stand-in's record cannot be written, since its seals need the ID.
    fn writable(&self, id: &TrackingId) -> Option<Digest> {
        let digest = layout::digest(id).filter(|_| id.stands_for().is_none())?;
        self.state.cache.forget(&digest);
        Some(digest)
    }
}

/// What the store's thread does from its beginning to its end.
async fn run(
    options: RedisOptions,
    tally: StoreTally,
    (jobs, outbox, attempts): (mpsc::Receiver<Job>, mpsc::Receiver<String>, mpsc::Receiver<Attempt>),
    opened: threads::Sender<Result<Arc<State>, StoreOpenError>>,
    started: threads::Sender<()>,
) {
    let timeout = options.timeout.saturating_mul(2);
    let (state, first) = match begin(options, tally).await {
        Ok(begun) => begun,
        Err(error) => {
            drop(opened.send(Err(error)));
            return;
        }
    };
    drop(opened.send(Ok(Arc::clone(&state))));
    let link = Arc::new(Link::new(Arc::clone(&state)));
    let (barrier, changes) = match state.options.durability {
        Durability::Server => (None, None),
        Durability::Always { .. } => {
            let (barrier, changes) = Barrier::new();
            (Some(barrier), Some(changes))
        }
    };
    let keeping = changes.map(|changes| {
        let (link, state) = (Arc::clone(&link), Arc::clone(&state));
        tokio::spawn(async move { durable::serve(|| link.keeper(), &state, changes).await })
    });
    let worker = Arc::new(Worker::new(state, link, barrier));
    let attending = tokio::spawn(attend::attend(Arc::clone(&worker), first, started));
    let telling_attempts = tokio::spawn(attempts::tell(Arc::clone(&worker), attempts));
    let bounding = tokio::spawn(outage::bound(Arc::clone(&worker.state)));
    let closing = Arc::<Notify>::default();
    let telling = tokio::spawn(hear::tell(Arc::clone(&worker), outbox, Arc::clone(&closing)));
    jobs::run(worker, jobs).await;
    // A command that revokes ends right afterwards.
    closing.notify_one();
    drop(tokio::time::timeout(timeout, telling).await);
    attending.abort();
    bounding.abort();
    telling_attempts.abort();
    if let Some(keeping) = keeping {
        keeping.abort();
    }
}

async fn begin(
    options: RedisOptions,
    tally: StoreTally,
) -> Result<(Arc<State>, attend::Connections), StoreOpenError> {
    let refused = startup::refused(&options);
    let mut redis =
        connect::Servers::connect(&options).await.map_err(|error| refused(fault::explain(&error)))?;
    let key = startup::check(&mut redis, &options).await?;
    let state = State::new(options.clone(), key, tally);
    let first = attend::open(&state).await.map_err(refused)?;
    Ok((Arc::new(state), first))
}

impl CookieStore for RedisStore {
    fn look_up(&self, id: &TrackingId, now: Timestamp) -> Lookup {
        let Some(digest) = layout::digest(id) else { return Lookup::done(Ok(None)) };
        // Revoked while Redis took no changes.
        if self.state.owed.contains(&digest) {
            return Lookup::done(Ok(None));
        }
        if id.stands_for().is_none()
            && let Some(record) = self.state.cache.get(&digest)
        {
            self.state.tally.cache_hits.inc();
            return Lookup::done(Ok(Some(record).filter(|record| !record.is_expired(now))));
        }
        let id = id.clone();
        self.submit(move |worker| async move { worker.look_up(&id, digest, now).await })
    }

    fn seen(&self, id: &TrackingId, now: Timestamp) {
        let Some(digest) = self.writable(id) else { return };
        let id = id.clone();
        drop(self.submit(move |worker| async move { worker.see(&id, digest, now).await }));
    }

    fn create(&self, id: &TrackingId, record: CookieRecord) -> Commit {
        let Some(digest) = self.writable(id) else { return Commit::done(Err(STAND_IN)) };
        let id = id.clone();
        self.submit(move |worker| async move { worker.create(&id, digest, &record).await })
    }

    fn replace(&self, id: &TrackingId, next: &Replacement, now: Timestamp) -> Commit {
        let (Some(digest), Some(next_digest)) = (self.writable(id), self.writable(&next.id)) else {
            return Commit::done(Err(STAND_IN));
        };
        let (id, next) = (id.clone(), next.clone());
        self.submit(move |worker| async move { worker.replace(&id, digest, &next, next_digest, now).await })
    }

    fn authenticate(
        &self,
        id: &TrackingId,
        authentication: Option<Authentication>,
        now: Timestamp,
    ) -> Commit {
        if let Err(unfit) = authentication.as_ref().map_or(Ok(()), Authentication::check) {
            return Commit::done(Err(unfit));
        }
        if !id.is_recorded() && id.stands_for().is_none() {
            // It has no record, which is no error.
            return Commit::done(Ok(()));
        }
        let Some(digest) = self.writable(id) else { return Commit::done(Err(STAND_IN)) };
        let (id, authentication) = (id.clone(), authentication.map(Arc::new));
        self.submit(move |worker| async move { worker.authenticate(&id, digest, authentication, now).await })
    }

    fn revoke(&self, id: &TrackingId, _now: Timestamp) -> Commit {
        let Some(digest) = layout::digest(id) else { return Commit::done(Ok(())) };
        self.state.cache.forget(&digest);
        let answer = self.submit(move |worker| async move {
            let outcome = worker.revoke(digest).await;
            if outcome.is_err() {
                worker.state.owed.add(&digest);
            }
            outcome
        });
        if let StoreAnswer::Done(Some(Err(_))) = answer {
            self.state.owed.add(&digest);
        }
        answer
    }

    fn purge(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn scan(
        &self,
        now: Timestamp,
        each: &mut dyn FnMut(&TrackingId, &CookieRecord),
    ) -> Result<(), StoreError> {
        // A walk may meet a key twice.
        let mut met = std::collections::HashSet::new();
        let mut next = Some(Place::default());
        while let Some(place) = next {
            let page = self.submit(move |worker| async move { worker.page(place).await });
            let (behind, records) = page.wait()?;
            next = behind;
            for (id, record) in records.iter().filter(|(_, record)| !record.is_expired(now)) {
                if let Some(digest) = layout::digest(id)
                    && met.insert(digest)
                {
                    each(id, record);
                }
            }
        }
        Ok(())
    }

    fn find_logins(
        &self,
        authrealm: &str,
        authid: &str,
        now: Timestamp,
    ) -> Option<Result<Vec<TrackingId>, StoreError>> {
        let (realm, authid) = (authrealm.to_owned(), authid.to_owned());
        Some(self.submit(move |worker| async move { worker.of_principal(&realm, &authid, now).await }).wait())
    }
}

/// Only clients' IDs have records of their own.
const STAND_IN: StoreError = StoreError::Unfit("it is for a cookie whose ID this store does not know");

impl Drop for RedisStore {
    /// Waits until Redis has what the store was handed, or does not answer.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Revocations for RedisRevocations {
    fn publish(&self, revocation: &Revocation) -> usize {
        let ended = hear::end_here(&self.state, revocation);
        if revocation.why == Parting::LoggedOut {
            // Other gateways may hear of it only when Redis is back: then they tell their clients the same.
            let digests = revocation.ids.iter().filter_map(layout::digest);
            digests
                .filter(|digest| self.state.owed.contains(digest))
                .for_each(|digest| self.state.left.add(&digest));
        }
        for message in hear::Told::of(&self.state.gateway, revocation) {
            // If there is no room, other gateways notice it when they look at their connections.
            drop(self.outbox.try_send(message));
        }
        ended
    }

    fn subscribe(&self, connections: Weak<dyn OpenConnections>) {
        self.state.subscribers.add(connections);
    }
}
