//! The way into a realm: one queue for everything, in order, bounded for messages, never full for leaving.
//!
//! If a bounded client were full, the end of a session would have to wait or would get lost; a second client for it
//! could overtake the session's last messages. So the queue itself has no bound. A message and a join need slots before
//! they enter it; only leaving needs none. The queue holds at most [`SLOTS`] slots' worth of messages and joins, one
//! departure for each session, and what the operator changes or looks at. Senders wait for slots in order.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use super::{
    authorization::Authorizers, listing::Listing, member::Client, options::SessionLimits,
    permissions::Ruling, rules::Rules,
};
use crate::{
    identity::Identity,
    wamp::{ClientMessage, RouterFeatures, SessionId, Uri},
    wire::Outbox,
};

/// The realm's owner has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the realm has been closed")]
pub struct RealmClosed;

/// How many messages may wait for the owner: deep enough that it never runs dry between two turns of the senders.
const SLOTS: u32 = 4096;

/// How much payload and how many options a message may bring along for one slot, in bytes. With [`SLOTS`], a realm's
/// inbox holds at most 16 MiB of them, or one message that is larger.
const SLOT_BYTES: usize = 4096;

/// One of a realm's sessions: its identifier, and a number that no other attachment to the realm has. If an identifier
/// is drawn twice, the number tells the two sessions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionKey {
    pub(super) session: SessionId,
    pub(super) number: u64,
}

/// What the owner is told.
#[derive(Debug)]
pub(super) enum Arrival {
    Attach {
        key: SessionKey,
        identity: Arc<Identity>,
        outbox: Arc<Outbox>,
        client: Client,
    },
    Message {
        key: SessionKey,
        slots: u32,
        ruling: Option<Ruling>,
        message: ClientMessage,
    },
    /// The gateway calls a procedure.
    Question {
        key: SessionKey,
        slots: u32,
        /// The session that waits for the answer, of which nothing is read meanwhile.
        about: Option<SessionId>,
        message: ClientMessage,
    },
    /// The session leaves; `done` learns that nothing of it is under way any more.
    Detach {
        key: SessionKey,
        done: Option<oneshot::Sender<()>>,
    },
    /// The realm goes by other rules from now on; `done` learns how many sessions that ends.
    Reconfigure {
        rules: Arc<Rules>,
        limits: SessionLimits,
        done: oneshot::Sender<usize>,
    },
    /// The operator ends a session; `done` learns whether there was one.
    Kill {
        session: SessionId,
        done: oneshot::Sender<bool>,
    },
    /// The operator looks at the sessions.
    List {
        wanted: String,
        most: usize,
        done: oneshot::Sender<Listing>,
    },
    /// The realm ends; `done` learns how many sessions that ends.
    Close {
        done: oneshot::Sender<usize>,
    },
}

/// What senders and owner share besides the queue.
#[derive(Debug)]
pub(super) struct Gate {
    /// Closed when the owner has stopped.
    pub(super) slots: Semaphore,
    /// How many sessions the owner knows.
    pub(super) sessions: AtomicUsize,
}

impl Gate {
    /// How many slots are taken.
    pub(super) fn used(&self) -> usize {
        (SLOTS as usize).saturating_sub(self.slots.available_permits())
    }
}

/// The senders' side of a realm.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) name: Uri,
    /// Read once for each join.
    pub(super) rules: ArcSwap<Rules>,
    /// What decides about the roles that have an authorizer.
    pub(super) authorizers: ArcSwap<Authorizers>,
    pub(super) features: RouterFeatures,
    pub(super) gate: Arc<Gate>,
    queue: mpsc::UnboundedSender<Arrival>,
    attached: AtomicU64,
}

impl Inbox {
    /// An inbox, and the end from which its owner takes.
    pub(super) fn new(
        name: Uri,
        rules: Arc<Rules>,
        features: RouterFeatures,
    ) -> (Self, mpsc::UnboundedReceiver<Arrival>) {
        let (queue, arrivals) = mpsc::unbounded_channel();
        let gate = Gate { slots: Semaphore::new(SLOTS as usize), sessions: AtomicUsize::new(0) };
        let inbox = Self {
            name,
            rules: rules.into(),
            authorizers: ArcSwap::default(),
            features,
            gate: Arc::new(gate),
            queue,
            attached: AtomicU64::new(0),
        };
        (inbox, arrivals)
    }

    /// A key for one more session.
    pub(super) fn next_key(&self, session: SessionId) -> SessionKey {
        SessionKey { session, number: self.attached.fetch_add(1, Ordering::Relaxed) }
    }

    /// Adds an arrival, waiting for its slots. A call that is dropped while it waits adds nothing.
    pub(super) async fn send(&self, arrival: Arrival) -> Result<(), RealmClosed> {
        let room = self.room(arrival.slots()).await?;
        self.put(room, arrival)
    }

    /// Waits for slots.
    pub(super) async fn room(&self, slots: u32) -> Result<SemaphorePermit<'_>, RealmClosed> {
        self.gate.slots.acquire_many(slots).await.map_err(|_| RealmClosed)
    }

    /// Adds an arrival that has its slots.
    pub(super) fn put(&self, room: SemaphorePermit<'_>, arrival: Arrival) -> Result<(), RealmClosed> {
        self.queue.send(arrival).map_err(|_| RealmClosed)?;
        // The owner gives them back when it has taken the arrival.
        room.forget();
        Ok(())
    }

    /// Adds an arrival that needs no slots. If the owner is gone, there is nothing left to tell.
    pub(super) fn send_now(&self, arrival: Arrival) {
        debug_assert_eq!(arrival.slots(), 0);
        drop(self.queue.send(arrival));
    }
}

impl Arrival {
    /// How many slots a message takes.
    pub(super) fn slots_of(message: &ClientMessage) -> u32 {
        let slots = u32::try_from(message.serialized_size() / SLOT_BYTES).unwrap_or(u32::MAX);
        slots.saturating_add(1).min(SLOTS)
    }

    /// How many slots the arrival occupies while it waits.
    pub(super) const fn slots(&self) -> u32 {
        match self {
            Self::Attach { .. } => 1,
            Self::Message { slots, .. } | Self::Question { slots, .. } => *slots,
            Self::Detach { .. }
            | Self::Reconfigure { .. }
            | Self::Kill { .. }
            | Self::List { .. }
            | Self::Close { .. } => 0,
        }
    }
}

#[cfg(test)]
impl Inbox {
    /// Takes all slots until the returned permit is dropped: senders find the inbox full.
    pub(super) async fn fill(&self) -> SemaphorePermit<'_> {
        self.gate.slots.acquire_many(SLOTS).await.unwrap()
    }
}
