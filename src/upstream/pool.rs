//! Connections to an upstream over which requests go one after the other, and those of them that wait for the next request.
//!
//! *Bound*: each connection holds one of the upstream's places until it is closed. At most [`MAX_IDLE`] of them wait, and none of them
//! longer than [`IDLE`].

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Place, member::UnderWay, patient::Patient, request_body::RequestBody};
use crate::stream::Stream;

/// How many connections may wait.
const MAX_IDLE: usize = 64;

/// How long a connection may wait: less than servers keep one (Node and uvicorn 5 s), so that a request seldom meets their close.
const IDLE: Duration = Duration::from_secs(4);

/// How old a connection may be that takes another request: certificates and authorities that were read anew count for all requests after
/// that time, and the name of an address is looked up again.
const AGE: Duration = Duration::from_mins(1);

/// How long a connection may take to become free once its answer has passed. The rest of a body may still be on its way.
const FREE: Duration = Duration::from_secs(1);

/// How long a connection may take to end.
const END: Duration = Duration::from_secs(2);

/// How large the head of an answer may be, and how much of its body is read at once.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;

/// The connections of an upstream that wait.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    idle: Vec<Idle>,
    /// Whether a task looks after them.
    is_swept: bool,
}

#[derive(Debug)]
struct Idle {
    lease: Lease,
    since: Instant,
}

/// A connection for one request at a time. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Lease {
    /// The place of its address in the configuration.
    pub(super) address: usize,
    pub(super) sender: SendRequest<RequestBody>,
    /// Whether a request has gone over it already.
    pub(super) is_used: bool,
    opened: Instant,
    /// The request that it serves now.
    under_way: Option<UnderWay>,
    open: DropGuard,
    task: JoinHandle<()>,
}

impl Lease {
    /// Speaks HTTP over a connection.
    pub(super) async fn new(address: usize, link: Stream, place: Place) -> Result<Self, hyper::Error> {
        let mut http = http1::Builder::new();
        http.max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .title_case_headers(true);
        let (sender, mut connection) = http.handshake(TokioIo::new(Patient::new(link))).await?;
        let open = CancellationToken::new();
        let closed = open.clone();
        let task = tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                // What goes wrong is told to the request that it concerns.
                _ = &mut connection => {}
                () = closed.cancelled() => drop(timeout(END, connection).await),
            }
        });
        Ok(Self {
            address,
            sender,
            is_used: false,
            opened: Instant::now(),
            under_way: None,
            open: open.drop_guard(),
            task,
        })
    }

    /// The same with a request.
    pub(super) fn busy(mut self, under_way: Option<UnderWay>) -> Self {
        self.under_way = under_way;
        self
    }

    /// Closes the connection, and waits until its place is free.
    pub(super) async fn close(self) {
        let Self { sender, open, task, .. } = self;
        drop((sender, open));
        // A connection that does not end is cut off.
        let _ = task.await;
    }
}

impl Lease {
    /// Whether it may take another request.
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) < AGE
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < IDLE
            && self.lease.is_young(now)
            && !self.lease.sender.is_closed()
    }
}

impl Pool {
    /// A connection to an address that waits; the one that was used last. None of an address: to any.
    pub(super) fn take(&self, address: Option<usize>) -> Option<Lease> {
        let (mut state, now) = (self.lock(), Instant::now());
        state.idle.retain(|idle| idle.is_fresh(now));
        let fits = |idle: &Idle| address.is_none_or(|address| idle.lease.address == address);
        let place = state.idle.iter().rposition(|idle| fits(idle) && idle.lease.sender.is_ready())?;
        Some(state.idle.remove(place).lease)
    }

    /// Keeps a connection whose answer has passed, once it is free.
    pub(super) fn give(self: &Arc<Self>, mut lease: Lease) {
        lease.is_used = true;
        lease.under_way = None;
        if lease.sender.is_ready() {
            self.keep(lease);
        } else if !lease.sender.is_closed() {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                let freed = timeout(FREE, poll_fn(|cx| lease.sender.poll_ready(cx))).await;
                if matches!(freed, Ok(Ok(()))) {
                    pool.keep(lease);
                }
            });
        }
    }

    fn keep(self: &Arc<Self>, lease: Lease) {
        let mut state = self.lock();
        if state.idle.len() >= MAX_IDLE {
            return;
        }
        state.idle.push(Idle { lease, since: Instant::now() });
        if !std::mem::replace(&mut state.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    // Held for a few instructions, and never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that have waited long enough, until none waits.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let (mut state, now) = (pool.lock(), Instant::now());
        state.idle.retain(|idle| idle.is_fresh(now));
        if state.idle.is_empty() {
            state.is_swept = false;
            return;
        }
    }
}
