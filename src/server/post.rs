//! Where a transport is served: what it serves now, who is connected, and how that ends. A reload changes the first, and the rest stays.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use rand::seq::SliceRandom as _;
use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Entrance, ListenerOptions};
use crate::edge::Edge;

/// In how many groups the connections of a transport are told that the gateway ends, where the operator wants that to take its time.
const WAVES: u16 = 256;

/// A transport's place among the listeners.
#[derive(Debug)]
pub(crate) struct Post {
    serving: ArcSwap<Serving>,
    /// How many connections have a place.
    open: AtomicUsize,
    /// Ends the connections.
    stop: CancellationToken,
    /// Whether the connections end once nothing more is accepted.
    is_closing: AtomicBool,
    /// Ends the listener.
    pub(super) stop_accepting: CancellationToken,
    /// Each ends its share of the connections; `stop` ends all of them.
    waves: Box<[CancellationToken]>,
    next_wave: AtomicUsize,
    /// The task that accepts them.
    pub(super) accepting: TaskTracker,
    pub(super) connections: TaskTracker,
}

/// What a connection meets that comes now.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) edge: Arc<Edge>,
    pub(crate) entrance: Option<Arc<Entrance>>,
    max_connections: usize,
}

/// The place of a connection among those of its transport.
#[derive(Debug)]
pub(super) struct Permit(Arc<Post>);

/// The posts of a gateway, shared by its server and by what reloads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    posts: Vec<Arc<Post>>,
    /// The gateway ends: nothing new comes.
    is_draining: bool,
    /// How long connections are told, one group after another, that the gateway ends.
    spread: Duration,
}

// === impl Serving ===

impl Serving {
    /// What a listener with these options serves.
    pub(crate) fn new(options: &ListenerOptions, edge: Arc<Edge>, entrance: Option<Arc<Entrance>>) -> Self {
        let max_connections = options.max_connections.unwrap_or(ListenerOptions::DEFAULT_MAX_CONNECTIONS);
        Self { edge, entrance, max_connections }
    }
}

// === impl Post ===

impl Post {
    /// A post that nothing is connected to.
    pub(crate) fn new(serving: Serving) -> Self {
        let stop = CancellationToken::new();
        Self {
            serving: ArcSwap::from_pointee(serving),
            open: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            stop_accepting: CancellationToken::new(),
            waves: (0..WAVES).map(|_| stop.child_token()).collect(),
            next_wave: AtomicUsize::new(0),
            stop,
            accepting: TaskTracker::new(),
            connections: TaskTracker::new(),
        }
    }

    /// What is served now.
    pub(crate) fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }

    /// Serves something else from now on, also to the next request on a connection that is open.
    pub(crate) fn serve(&self, serving: Serving) {
        let edge = Arc::clone(&serving.edge);
        let before = self.serving.swap(Arc::new(serving));
        before.edge.retire(&edge);
    }

    /// Accepts nothing more, and ends the connections as at the gateway's end. They are told once nothing more comes: a client that comes
    /// while the listener is handed over would otherwise be turned away.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Relaxed);
        self.stop_accepting.cancel();
    }

    /// Nothing more comes.
    pub(super) fn has_stopped_accepting(&self) {
        if self.is_closing.load(Relaxed) {
            self.end();
        }
    }

    /// Accepts nothing more. Done once nothing more comes.
    pub(super) async fn stop_accepting(&self) {
        self.stop_accepting.cancel();
        self.accepting.close();
        self.accepting.wait().await;
    }

    /// Ends the connections.
    pub(super) fn end(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    /// What tells one more connection to end. Only the one task that accepts may ask.
    pub(super) fn wave(&self) -> CancellationToken {
        let next = self.next_wave.fetch_add(1, Relaxed) % usize::from(WAVES);
        self.waves.get(next).unwrap_or(&self.stop).clone()
    }

    /// Ends the connections in random order, evenly over `spread`, so that the clients do not come back all at once. Done as soon as
    /// none is left. Nothing is accepted any more.
    pub(super) async fn end_over(&self, spread: Duration) {
        let begun = Instant::now();
        let mut waves: Vec<_> = self.waves.iter().collect();
        waves.shuffle(&mut rand::rng());
        let tell = async {
            for (turn, wave) in (0_u32..).zip(waves) {
                sleep_until(begun + spread * turn / u32::from(WAVES)).await;
                wave.cancel();
            }
        };
        self.connections.close();
        tokio::select! {
            () = self.connections.wait() => {}
            () = tell => {}
        }
    }

    /// How many connections have a place.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many may have one.
    pub(crate) fn most(&self) -> usize {
        self.serving().max_connections
    }

    /// A place for one more connection; none: there are as many as there may be. Only the one task that accepts may ask.
    pub(super) fn enter(self: &Arc<Self>, serving: &Serving) -> Option<Permit> {
        if self.open.load(Relaxed) >= serving.max_connections {
            return None;
        }
        self.open.fetch_add(1, Relaxed);
        Some(Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

// === impl Posts ===

impl Posts {
    /// Adds a post. False: the gateway ends, and the post is not served.
    pub(super) fn add(&self, post: Arc<Post>) -> bool {
        let mut state = self.lock();
        // A post that was closed is of no more use once its last connection has ended.
        state.posts.retain(|post| !post.stop.is_cancelled() || !post.connections.is_empty());
        if !state.is_draining {
            state.posts.push(post);
        }
        !state.is_draining
    }

    /// Has connections told over this time that the gateway ends, when it does.
    pub(crate) fn spread_end(&self, spread: Duration) {
        self.lock().spread = spread;
    }

    /// Every post there is, and how long its connections are told to end. No post is added afterwards.
    pub(super) fn drain(&self) -> (Vec<Arc<Post>>, Duration) {
        let mut state = self.lock();
        state.is_draining = true;
        (std::mem::take(&mut state.posts), state.spread)
    }

    // Held for a moment, and never across an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
