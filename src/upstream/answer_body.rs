//! The body of an upstream's answer on its way to a client. It holds its connection, and leaves it to the next request at its end.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{
    Tally,
    pool::{Lease, Pool},
};

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
}

impl AnswerBody {
    pub(super) fn new(body: Incoming, idle: Duration, lease: Lease, pool: Arc<Pool>, tally: Tally) -> Self {
        let has_ended = body.is_end_stream();
        Self { body, has_ended, idle, clock: None, lease: Some(lease), pool, tally, passed: 0 }
    }

    /// How much has passed.
    pub const fn passed(&self) -> u64 {
        self.passed
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

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let limit = this.idle;
            let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
            return clock.as_mut().poll(cx).map(|()| {
                let why = format!("no byte has come for {limit:?}");
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
            });
        };
        this.clock = None;
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let length = data.len() as u64;
            this.passed += length;
            this.tally.count(&mut 0, &mut { length });
        }
        // Nothing comes behind trailers, and hyper does not ask.
        let is_last = |frame: &Frame<Bytes>| frame.is_trailers();
        this.has_ended = match &frame {
            None => true,
            Some(frame) => frame.as_ref().is_ok_and(is_last) || this.body.is_end_stream(),
        };
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
