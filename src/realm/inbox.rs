//! The way into a realm: one queue for everything, in order, bounded for messages, never full for leaving.
//!
//! A bounded channel would make the end of a session wait or get lost when it is full, and a second channel for it
//! could overtake the session's last messages. So the queue itself has no bound; what enters it needs slots first,
//! and only leaving needs none. At most [`SLOTS`] slots' worth of messages and joins are waiting, plus one departure
//! for each session. Senders that get no slots wait, in order.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::{Semaphore, mpsc};

use super::{Channel, RealmClosed, permissions::Permissions};
use crate::{
    identity::Identity,
    wamp::{ClientMessage, Payload, SessionId, Uri},
    wire::Outbox,
};

/// How many messages may wait for the owner: deep enough that it never runs dry between two turns of the senders.
const SLOTS: u32 = 4096;

/// How much payload a message may bring along for one slot, in bytes. With [`SLOTS`], a realm's inbox holds at most
/// 16 MiB of payload, or one message that is larger.
const SLOT_BYTES: usize = 4096;

/// One of a realm's sessions: its identifier, and a number that no other attachment to the realm has. Should an
/// identifier be drawn twice, the number tells which of the two sessions is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) session: SessionId,
    pub(super) number: u64,
}

/// What the owner is told.
#[derive(Debug)]
pub(super) enum Entry {
    Attach { key: Key, identity: Arc<Identity>, outbox: Arc<Outbox>, channel: Channel },
    Message { key: Key, slots: u32, message: ClientMessage },
    Detach { key: Key },
    Close,
}

/// What senders and owner share besides the queue.
#[derive(Debug)]
pub(super) struct Gate {
    /// Closed when the owner has stopped.
    pub(super) slots: Semaphore,
    /// How many sessions the owner knows.
    pub(super) sessions: AtomicUsize,
}

/// The senders' side of a realm.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) name: Uri,
    pub(super) permissions: Arc<Permissions>,
    pub(super) gate: Arc<Gate>,
    queue: mpsc::UnboundedSender<Entry>,
    attached: AtomicU64,
}

impl Inbox {
    /// An inbox, and the end from which its owner takes.
    pub(super) fn new(name: Uri, permissions: Arc<Permissions>) -> (Self, mpsc::UnboundedReceiver<Entry>) {
        let (queue, entries) = mpsc::unbounded_channel();
        let gate = Gate { slots: Semaphore::new(SLOTS as usize), sessions: AtomicUsize::new(0) };
        (Self { name, permissions, gate: Arc::new(gate), queue, attached: AtomicU64::new(0) }, entries)
    }

    /// A key for one more attachment.
    pub(super) fn next_key(&self, session: SessionId) -> Key {
        Key { session, number: self.attached.fetch_add(1, Ordering::Relaxed) }
    }

    /// Adds an entry, waiting for its slots. Dropped while it waits, it has added nothing.
    pub(super) async fn send(&self, entry: Entry) -> Result<(), RealmClosed> {
        let slots = self.gate.slots.acquire_many(entry.slots()).await.map_err(|_| RealmClosed)?;
        self.queue.send(entry).map_err(|_| RealmClosed)?;
        // The owner gives them back when it has taken the entry.
        slots.forget();
        Ok(())
    }

    /// Adds an entry that needs no slots. Where there is no owner any more, nothing is left to be told.
    pub(super) fn send_now(&self, entry: Entry) {
        debug_assert_eq!(entry.slots(), 0);
        drop(self.queue.send(entry));
    }
}

impl Entry {
    /// A message's entry.
    pub(super) fn message(key: Key, message: ClientMessage) -> Self {
        let payload = match &message {
            ClientMessage::InvocationError { payload, .. }
            | ClientMessage::Publish { payload, .. }
            | ClientMessage::Call { payload, .. }
            | ClientMessage::Yield { payload, .. } => bytes(payload),
            _ => 0,
        };
        let slots = u32::try_from(payload / SLOT_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        Self::Message { key, slots: slots.min(SLOTS), message }
    }

    /// How many slots the entry occupies while it waits.
    pub(super) const fn slots(&self) -> u32 {
        match self {
            Self::Attach { .. } => 1,
            Self::Message { slots, .. } => *slots,
            Self::Detach { .. } | Self::Close => 0,
        }
    }
}

fn bytes(payload: &Payload) -> usize {
    [&payload.args, &payload.kwargs].into_iter().flatten().map(bytes::Bytes::len).sum()
}

#[cfg(test)]
impl Inbox {
    /// Takes all slots until the returned permit is dropped: senders find the inbox full.
    pub(super) async fn fill(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.gate.slots.acquire_many(SLOTS).await.unwrap()
    }
}
