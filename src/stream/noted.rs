//! A WebSocket in the access log: a line when it ends, with what has gone over it.
//!
//! The stream counts for itself and writes the line when it goes, however that comes. So a connection of a transport without an access log
//! carries nothing of this.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{PeerAddr, Stream};

/// What the access log tells of a WebSocket when it ends.
#[derive(Debug)]
pub struct OpenSocket {
    /// The transport's `id`.
    pub transport: String,
    /// Its path, without the query.
    pub path: String,
    /// Who is at the other end, as a trusted proxy says.
    pub peer: PeerAddr,
    /// When its request came.
    pub begun: Instant,
    /// The client's public ID, if the service tracks it.
    pub public_id: Option<String>,
}

/// A stream whose end is noted.
#[derive(Debug)]
pub struct Noted {
    stream: Stream,
    of: OpenSocket,
    received: u64,
    sent: u64,
    /// Who has closed first: with which code, and what the gateway said.
    close: Option<(u16, String)>,
}

impl Noted {
    /// Notes the end of a stream, from which so much has been read already.
    pub(super) fn new(stream: Stream, of: OpenSocket, received: usize) -> Self {
        Self { stream, of, received: received as u64, sent: 0, close: None }
    }

    pub(super) const fn inner(&self) -> &Stream {
        &self.stream
    }

    /// The first close frame counts: the other end's is the answer to it.
    pub(super) fn closes(&mut self, code: u16, how: &str) {
        self.close.get_or_insert_with(|| (code, how.to_owned()));
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let Self { of: OpenSocket { transport, path, peer, begun, public_id }, close, .. } = self;
        let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (bytes_in, bytes_out) = (self.received, self.sent);
        let (close, how) = close.as_ref().map_or((None, "lost"), |(code, how)| (Some(*code), how.as_str()));
        tracing::info!(
            target: "wampgate::access",
            transport, %peer, path, public_id, close, how, bytes_in, bytes_out, duration_us, "websocket ended"
        );
    }
}

impl AsyncRead for Noted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let noted = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut noted.stream).poll_read(cx, buf))?;
        noted.received += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Noted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let noted = self.get_mut();
        let size = ready!(Pin::new(&mut noted.stream).poll_write(cx, bytes))?;
        noted.sent += size as u64;
        Poll::Ready(Ok(size))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let noted = self.get_mut();
        let size = ready!(Pin::new(&mut noted.stream).poll_write_vectored(cx, slices))?;
        noted.sent += size as u64;
        Poll::Ready(Ok(size))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
