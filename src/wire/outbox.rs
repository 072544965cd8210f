//! What waits to be sent on one connection: encoded messages in order, up to a bound, then a close.
//!
//! Every part of the gateway may push (the realm's owner, the session); only the connection's own task takes. Frames are
//! reference-counted, so that a broadcast holds one copy however many subscribers it has.
//!
//! *Bound*: the frames' bytes and [`FRAME_OVERHEAD`] for each of them, together at most the outbox's limit. A frame that finds the queue
//! empty is always taken, and a burst may take the queue to [`BURST`] times the limit for as long as [`PATIENCE`]: the limit catches peers
//! that read too slowly, and a peer that reads all the time must not lose its connection to a few large messages of other clients, which
//! come faster than any network carries them. There are bursts only while less than half of the budget of the process is taken.
//! What all outboxes hold is charged to the budget of the process ([`memory`](crate::memory)), and so is what was taken and is still
//! under way: a socket that takes nothing keeps a copy of it. A frame that finds the queue empty is charged once it is taken.
//! *Overflow*: the connection is dropped ([`Closing::Overflow`]). Only what the gateway may leave out
//! ([`push_if_room`](Outbox::push_if_room)) is left out instead.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{CloseCode, KEPT_PLACES};
use crate::{
    memory::{self, Charge},
    wamp::Serializer,
};

/// What a waiting frame counts besides its bytes: its place in the queue, what its allocation has to spare, as measured for the smallest
/// messages, and the head of that. Without it, a limit in bytes would not bound the number of small frames.
pub const FRAME_OVERHEAD: usize = 128;

/// How many times its limit a queue may be for a while.
const BURST: usize = 8;

/// How long it may be longer than its limit.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue of one connection.
#[derive(Debug)]
pub struct Outbox {
    serializer: Serializer,
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// What the frames count against the limit.
    cost: usize,
    /// What was taken last, by the same count.
    under_way: usize,
    /// What is charged for both.
    charge: Charge,
    /// Whether the connection only waits for its write to go on: then nothing but an overflow needs to wake it.
    is_stuck: bool,
    closing: Option<Closing>,
    /// Since when the frames count more than the limit.
    over_since: Option<Instant>,
    /// Wakes the connection's task, if it waits.
    waiting: Option<Waker>,
}

/// What waits to be sent.
enum Frame {
    /// A message.
    Encoded(Bytes),
    /// A message that the connection encodes when its turn comes, and what it counts until then.
    Later(usize, Encode),
}

/// Encodes a message.
type Encode = Box<dyn FnOnce() -> Bytes + Send>;

/// Why a realm throws a client out. The client has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// It broke the WAMP protocol, in this way.
    Violation(&'static str),
    /// Its session's identifier is another session's.
    Taken,
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// With this code, after what is queued.
    After(CloseCode),
    /// As [`After`](Self::After), for something that the operator hears of.
    Complaint(Complaint),
    /// The peer reads too slowly: the connection is dropped, what waits is lost.
    Overflow,
}

/// What [`Outbox::take`] gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Frames were moved to the caller's buffer.
    Frames,
    /// The queue is empty, and this is how to end.
    Closing(Closing),
}

/// What comes next: something for the caller of [`Outbox::take`], or a message that is still to be encoded.
enum Next {
    Taken(Taken),
    Encode(Encode),
}

impl Outbox {
    /// An empty queue for messages of one serializer; `limit` is in bytes.
    pub fn new(serializer: Serializer, limit: usize) -> Self {
        Self { serializer, limit, queue: Mutex::default() }
    }

    /// What the connection's messages are to be encoded with.
    pub const fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// Adds a message. After a close nothing is added any more; over the limit the connection is given up.
    pub fn push(&self, frame: Bytes) {
        self.add(Frame::Encoded(frame));
    }

    /// [`push`](Self::push) for a message that takes long to encode: the connection's own task does that, and the caller goes
    /// on. Until then the message counts `size` bytes.
    pub fn push_later(&self, size: usize, encode: impl FnOnce() -> Bytes + Send + 'static) {
        self.add(Frame::Later(size, Box::new(encode)));
    }

    /// [`push`](Self::push) for a message that is left out where the queue would exceed half of the limit: many of them at once
    /// then leave room for others. Where at most one frame waits, such as the reply before them, the message is taken
    /// however large it is: half of the limit and one message are the bound.
    pub fn push_if_room(&self, encode: impl FnOnce() -> Bytes) {
        let has_room = |queue: &Queue| queue.closing.is_none() && queue.cost < self.limit / 2;
        if !has_room(&self.lock()) {
            return;
        }
        // Others do not wait for the lock meanwhile.
        let frame = Frame::Encoded(encode());
        let mut queue = self.lock();
        let cost = queue.cost.saturating_add(frame.cost());
        let fits = cost <= self.limit / 2 || queue.frames.len() <= 1;
        if !has_room(&queue) || !fits || !queue.cover(cost) {
            return;
        }
        queue.cost = cost;
        queue.frames.push_back(frame);
        if !queue.is_stuck {
            wake(queue);
        }
    }

    /// [`push`](Self::push) for a sender that waits while much is queued ([`backlog`](Self::backlog)) and so keeps within its bounds by
    /// itself: only where the process has no memory left is the connection given up. It is the connection's own task, which takes next, and
    /// is not woken.
    pub fn pass(&self, frame: Bytes) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        let cost = queue.cost.saturating_add(cost(&frame));
        if queue.cover(cost) {
            queue.cost = cost;
            queue.frames.push_back(Frame::Encoded(frame));
        } else {
            queue.overflow();
        }
    }

    /// What is queued, in bytes that count.
    pub fn backlog(&self) -> usize {
        self.lock().cost
    }

    fn add(&self, frame: Frame) {
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        let cost = queue.cost.saturating_add(frame.cost());
        let (is_over, was_over) = (cost > self.limit && !queue.frames.is_empty(), queue.over_since.is_some());
        let fits = queue.frames.is_empty() || (!is_over || self.bears(&mut queue, cost)) && queue.cover(cost);
        if fits {
            queue.cost = cost;
            queue.frames.push_back(frame);
        } else {
            queue.overflow();
        }
        // A task whose write is stuck looks at the time from here on.
        if !fits || !queue.is_stuck || was_over != queue.over_since.is_some() {
            wake(queue);
        }
    }

    /// Whether more than the limit may wait for now.
    fn bears(&self, queue: &mut Queue, cost: usize) -> bool {
        let now = Instant::now();
        let since = *queue.over_since.get_or_insert(now);
        cost <= self.limit.saturating_mul(BURST)
            && now < since + PATIENCE
            && memory::has_room(memory::limit() / 2)
    }

    /// Ends the connection after what is queued now; the first call counts.
    pub fn close(&self, how: Closing) {
        let mut queue = self.lock();
        queue.closing.get_or_insert(how);
        wake(queue);
    }

    /// Waits for frames and moves up to `max_bytes` of them (at least one) into `into`; or tells how to end. What was taken before must
    /// have been sent: it is no longer charged.
    pub async fn take(&self, into: &mut Vec<Bytes>, max_bytes: usize) -> Taken {
        match poll_fn(|cx| self.poll_take(cx, into, max_bytes)).await {
            Next::Taken(taken) => taken,
            Next::Encode(encode) => {
                into.push(encode());
                Taken::Frames
            }
        }
    }

    /// Resolves once the connection has been given up for overflow; for use while a write is stuck.
    pub async fn overflowed(&self) {
        // Boxed: few connections are ever over their limit.
        let mut late: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            let mut queue = self.lock();
            if queue.closing == Some(Closing::Overflow) {
                return Poll::Ready(());
            }
            if let Some(since) = queue.over_since {
                let late = late.get_or_insert_with(|| Box::pin(sleep_until(since + PATIENCE)));
                if late.as_mut().poll(cx).is_ready() {
                    queue.overflow();
                    return Poll::Ready(());
                }
            }
            queue.is_stuck = true;
            queue.wait(cx)
        })
        .await;
    }

    fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<Bytes>, max_bytes: usize) -> Poll<Next> {
        let mut queue = self.lock();
        queue.is_stuck = false;
        queue.under_way = 0;
        if queue.frames.is_empty() {
            queue.charge.clear();
            return match queue.closing {
                Some(how) => Poll::Ready(Next::Taken(Taken::Closing(how))),
                None => queue.wait(cx),
            };
        }
        let mut bytes = 0;
        let mut encode = None;
        while let Some(frame) = queue.frames.pop_front() {
            match frame {
                Frame::Encoded(frame) if bytes == 0 || bytes + frame.len() <= max_bytes => {
                    bytes += frame.len();
                    queue.cost = queue.cost.saturating_sub(cost(&frame));
                    queue.under_way += cost(&frame);
                    into.push(frame);
                }
                // The caller encodes it: others do not wait for the lock meanwhile.
                Frame::Later(size, later) if bytes == 0 => {
                    queue.cost = queue.cost.saturating_sub(size + FRAME_OVERHEAD);
                    queue.under_way = size + FRAME_OVERHEAD;
                    encode = Some(later);
                    break;
                }
                later => {
                    queue.frames.push_front(later);
                    break;
                }
            }
        }
        let waiting = queue.cost;
        if waiting <= self.limit {
            queue.over_since = None;
        }
        if !queue.cover(waiting) {
            queue.overflow();
            into.clear();
            return Poll::Ready(Next::Taken(Taken::Closing(Closing::Overflow)));
        }
        if queue.frames.is_empty() && queue.frames.capacity() > KEPT_PLACES {
            // What a burst has needed is given back.
            queue.frames.shrink_to(KEPT_PLACES);
        }
        Poll::Ready(encode.map_or(Next::Taken(Taken::Frames), Next::Encode))
    }

    // The lock is held for a few pushes and pops and never across an await; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the connection's task. Others do not wait for the lock meanwhile.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let waiting = queue.waiting.take();
    drop(queue);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

impl Queue {
    /// Has the connection's task woken at the next change.
    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        match &mut self.waiting {
            Some(waiting) => waiting.clone_from(cx.waker()),
            waiting => *waiting = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives the connection up. What waits is lost.
    fn overflow(&mut self) {
        let waiting = self.waiting.take();
        *self = Self { closing: Some(Closing::Overflow), waiting, ..Self::default() };
    }

    /// Charges what would wait, and what is under way.
    fn cover(&mut self, waiting: usize) -> bool {
        self.charge.cover(waiting.saturating_add(self.under_way))
    }
}

impl Frame {
    fn cost(&self) -> usize {
        match self {
            Self::Encoded(frame) => cost(frame),
            Self::Later(size, _) => size.saturating_add(FRAME_OVERHEAD),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame(counts {})", self.cost())
    }
}

const fn cost(frame: &Bytes) -> usize {
    frame.len() + FRAME_OVERHEAD
}

#[cfg(test)]
mod tests;
