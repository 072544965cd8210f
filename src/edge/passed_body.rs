//! An upstream's answer while it passes to the client: the log hears of its end, and the gateway's own end waits for it.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

use super::addresses::Seat;
use crate::{
    memory::{self, Charge},
    metrics::{Refusals, Stage},
    stream::PeerAddr,
    upstream::AnswerBody,
};

/// Why an answer that has begun does not come to its end.
pub(crate) const BROKEN_OFF: &str = "upstream-lost";

/// An answer of an upstream, while it passes.
pub(crate) struct PassedBody {
    pub(super) body: AnswerBody,
    /// Is told at the end how many bytes have passed.
    pub(super) at_end: Option<Box<dyn FnOnce(u64) + Send + Sync>>,
    pub(super) refusals: Refusals,
    pub(super) peer: PeerAddr,
    /// The path as the log may have it.
    pub(super) path: Box<str>,
    pub(super) _in_transit: InTransit,
}

/// An exchange that passes on a transport, counted for as long as it does, and charged.
pub(super) struct InTransit {
    count: Arc<AtomicUsize>,
    _memory: Charge,
    _seat: Option<Seat>,
}

impl InTransit {
    /// One more exchange, if there is memory for it. `seat` is the place that its client takes.
    pub(super) fn new(count: &Arc<AtomicUsize>, seat: Option<Seat>) -> Option<Self> {
        let memory = Charge::new(memory::EXCHANGE)?;
        count.fetch_add(1, Relaxed);
        Some(Self { count: Arc::clone(count), _memory: memory, _seat: seat })
    }
}

impl Drop for InTransit {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for PassedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl PassedBody {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.note(error);
        }
        polled
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// Tells the operator that an answer breaks off. The client sees the same: a body that has no end.
    fn note(&self, error: &io::Error) {
        let Some(line) = self.refusals.count(Stage::Request, BROKEN_OFF) else { return };
        let mut why = error.to_string();
        if let Some(cause) = error.get_ref().and_then(|error| error.source()) {
            why = format!("{why}: {cause}");
        }
        self.refusals.note(Stage::Request, BROKEN_OFF, line, &self.peer, &why);
        let (peer, path, reason, left_out) = (self.peer, &*self.path, BROKEN_OFF, line.left_out);
        tracing::warn!(%peer, path, reason, left_out, "an upstream's answer has broken off: {why}");
    }
}

impl Drop for PassedBody {
    fn drop(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end(self.body.passed());
        }
    }
}
