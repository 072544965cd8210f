//! A stream as tungstenite's engine reads and writes it.

use std::{
    io::{self, Read, Write},
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::{stream::Stream, wire::metrics::Traffic};

/// The stream as the engine wants it: what would wait is `WouldBlock`, and the task is woken when to try again.
///
/// Without a task to wake, every call is `WouldBlock`: the engine then only queues.
pub(super) struct Blocking<'a, 'c> {
    pub(super) stream: &'a mut Stream,
    pub(super) received: &'a mut usize,
    pub(super) uncounted: &'a mut usize,
    pub(super) traffic: &'a Traffic,
    pub(super) cx: Option<&'a mut Context<'c>>,
}

impl Read for Blocking<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(cx) = self.cx.as_deref_mut() else { return Err(io::ErrorKind::WouldBlock.into()) };
        self.traffic.received.messages(mem::take(self.uncounted));
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(outcome) => outcome.map(|()| {
                let size = buffer.filled().len();
                *self.received = self.received.wrapping_add(size);
                self.traffic.received.bytes(size);
                size
            }),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Blocking<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(cx) = self.cx.as_deref_mut() else { return Err(io::ErrorKind::WouldBlock.into()) };
        match Pin::new(&mut *self.stream).poll_write(cx, bytes) {
            Poll::Ready(outcome) => outcome.inspect(|size| self.traffic.sent.bytes(*size)),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(cx) = self.cx.as_deref_mut() else { return Ok(()) };
        match Pin::new(&mut *self.stream).poll_flush(cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
