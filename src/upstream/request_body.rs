//! The body of a client's request on its way to an upstream: never more of it in memory than one read, and never longer than it may be.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::Tally;

/// A request's body, if it has one.
#[derive(Debug, Default)]
pub struct RequestBody(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    body: Incoming,
    /// How much may still come.
    left: u64,
    limits: BodyLimits,
    clock: Option<Pin<Box<Sleep>>>,
    watch: Arc<Watch>,
    tally: Tally,
}

/// What a body may have.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// How many bytes.
    pub size: u64,
    /// How long no byte of it may come.
    pub idle: Duration,
}

/// What is wrong with a client's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is longer than it may be.
    #[error("the body is longer than {0} bytes, which `max_body_size` allows")]
    TooLarge(u64),
    /// It does not come on.
    #[error("no byte of the body has come for {0:?}, which `idle_timeout` allows")]
    Late(Duration),
    /// The client has gone, or its chunks are none.
    #[error("the body breaks off, or its chunks are none")]
    Broken,
}

/// What becomes of a body, for the exchange that waits for an answer meanwhile.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Counts what has come.
    frames: AtomicU64,
    /// Whether more must come from the client before the upstream can answer.
    waits_for_client: AtomicBool,
    fault: OnceLock<BodyFault>,
}

impl RequestBody {
    /// A client's body within limits.
    pub fn new(body: Incoming, limits: BodyLimits, tally: Tally) -> Self {
        let watch = Arc::default();
        Self(Some(Box::new(Inner { body, left: limits.size, limits, clock: None, watch, tally })))
    }

    /// What becomes of it; none: there is no body.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.0.as_ref().map(|inner| Arc::clone(&inner.watch))
    }

    /// How long it is. None: its chunks will tell.
    pub(super) fn length(&self) -> Option<u64> {
        self.0.as_ref().map_or(Some(0), |inner| inner.body.size_hint().exact())
    }
}

impl Watch {
    /// Whether the upstream cannot have answered yet, since a body is on its way that has moved after `seen` frames, or waits for the client.
    pub(super) fn goes_on(&self, seen: &mut u64) -> bool {
        let frames = self.frames.load(Relaxed);
        let has_moved = std::mem::replace(seen, frames) != frames;
        has_moved || self.waits_for_client.load(Relaxed)
    }

    pub(super) fn fault(&self) -> Option<BodyFault> {
        self.fault.get().copied()
    }
}

impl Inner {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.watch.waits_for_client.store(true, Relaxed);
            let limit = self.limits.idle;
            let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
            return clock.as_mut().poll(cx).map(|()| Some(Err(BodyFault::Late(limit))));
        };
        self.clock = None;
        self.watch.waits_for_client.store(false, Relaxed);
        self.watch.frames.fetch_add(1, Relaxed);
        let Some(frame) = frame else { return Poll::Ready(None) };
        let Ok(frame) = frame else { return Poll::Ready(Some(Err(BodyFault::Broken))) };
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyFault::TooLarge(self.limits.size)))),
            }
            self.tally.count(&mut { length }, &mut 0);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(inner) = &mut self.get_mut().0 else { return Poll::Ready(None) };
        let polled = inner.poll(cx);
        if let Poll::Ready(Some(Err(fault))) = &polled {
            let _ = inner.watch.fault.set(*fault);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |inner| inner.body.size_hint())
    }
}
