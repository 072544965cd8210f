//! The body of an upstream's answer on its way to a client. It holds its connection, and leaves it to the next request at its end.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep, timeout};

use super::{
    Tally,
    pool::{Lease, Pool},
};

/// How long the head of an answer waits for the beginning of its body. An answer that has broken off by then becomes a 502.
const HEAD_START: Duration = Duration::from_millis(20);

/// What comes next of a body: a frame, a fault, or its end.
type Next = Option<Result<Frame<Bytes>, io::Error>>;

/// The body of an answer.
pub struct AnswerBody {
    body: Incoming,
    has_ended: bool,
    /// How long no byte of it may come.
    idle: Duration,
    clock: Option<Pin<Box<Sleep>>>,
    lease: Option<Lease>,
    pool: Arc<Pool>,
    tally: Tally,
    passed: u64,
    /// What has come already, and is still to be handed on.
    next: Option<Next>,
    /// Whether its reader has been told to wait, and so has sent what it had.
    is_flushed: bool,
}

impl AnswerBody {
    pub(super) fn new(body: Incoming, idle: Duration, lease: Lease, pool: Arc<Pool>, tally: Tally) -> Self {
        let has_ended = body.is_end_stream();
        Self {
            body,
            has_ended,
            idle,
            clock: None,
            lease: Some(lease),
            pool,
            tally,
            passed: 0,
            next: None,
            is_flushed: false,
        }
    }

    /// Waits for the beginning of the body, for a short time. The error says why none will come.
    pub(super) async fn begin(&mut self) -> Result<(), io::Error> {
        if self.body.is_end_stream() {
            return Ok(());
        }
        // What does not come now may still come later.
        let Ok(next) = timeout(HEAD_START, poll_fn(|cx| self.poll_next(cx))).await else { return Ok(()) };
        if let Some(Err(error)) = next {
            return Err(error);
        }
        self.next = Some(next);
        Ok(())
    }

    /// How much has passed.
    pub const fn passed(&self) -> u64 {
        self.passed
    }
}

impl AnswerBody {
    /// What comes next from the upstream.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            let limit = self.idle;
            let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
            return clock.as_mut().poll(cx).map(|()| {
                let why = format!("no byte has come for {limit:?}");
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
            });
        };
        self.clock = None;
        // Nothing comes behind trailers, and hyper does not ask.
        let is_last = |frame: &Frame<Bytes>| frame.is_trailers();
        self.has_ended = match &next {
            None => true,
            Some(frame) => frame.as_ref().is_ok_and(is_last) || self.body.is_end_stream(),
        };
        Poll::Ready(next.map(|frame| frame.map_err(io::Error::other)))
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("passed", &self.passed).finish_non_exhaustive()
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let this = self.get_mut();
        let next = match this.next.take() {
            Some(next) => next,
            None => match this.poll_next(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    this.is_flushed = true;
                    return Poll::Pending;
                }
            },
        };
        let has_waited = std::mem::replace(&mut this.is_flushed, true);
        match &next {
            // hyper drops what it has not sent yet when a body fails. While it waits it sends all of it.
            Some(Err(_)) if !has_waited => {
                this.next = Some(next);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Err(_)) | None => {}
            Some(Ok(frame)) => {
                this.is_flushed = false;
                if let Some(data) = frame.data_ref() {
                    let length = data.len() as u64;
                    this.passed += length;
                    this.tally.count(&mut 0, &mut { length });
                }
            }
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let waiting = match &self.next {
            Some(Some(Ok(frame))) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        hint.exact().map_or(hint, |left| SizeHint::with_exact(left.saturating_add(waiting)))
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // A connection with the rest of an answer on it is closed.
        if self.has_ended
            && let Some(lease) = self.lease.take()
        {
            self.pool.give(lease);
        }
    }
}
