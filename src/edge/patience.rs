//! A stream whose writes do not wait forever: otherwise a client that asks for a file and never reads it would hold its
//! connection, and its permit, as long as it likes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::strict::{Strict, Unclear};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// How long the peer may take no byte at all. TCP keeps a slow but living peer well below this.
const MAX_STALL: Duration = Duration::from_secs(30);

/// A stream that fails with [`io::ErrorKind::TimedOut`] once a write has been stuck for [`MAX_STALL`].
///
/// The clock exists only while a write is stuck, so that a handshake pays nothing for it.
#[derive(Debug)]
pub(crate) struct Patience<'a, S> {
    stream: &'a mut S,
    stalled: Option<Pin<Box<Sleep>>>,
    has_withheld: bool,
    /// An octet that was read already.
    first: Option<u8>,
    /// Reads along where a request's end must be clear.
    strict: Option<Box<Strict>>,
    unclear: Option<Unclear>,
}

impl<'a, S> Patience<'a, S> {
    /// The stream; `first` is an octet of it that was read already.
    pub(crate) fn new(stream: &'a mut S, first: Option<u8>) -> Self {
        Self { stream, stalled: None, has_withheld: false, first, strict: None, unclear: None }
    }

    /// The same, which fails where a request comes whose end is not clear.
    pub(super) fn strict(self, strict: Option<Box<Strict>>) -> Self {
        Self { strict, ..self }
    }

    /// What is wrong with such a request, if one has come.
    pub(super) const fn unclear(&self) -> Option<Unclear> {
        self.unclear
    }

    /// Whether a bare answer of hyper's to a head that it could not read was withheld: the caller has a better one.
    pub(crate) const fn has_withheld(&self) -> bool {
        self.has_withheld
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let clock = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(MAX_STALL)));
        clock.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<'_, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() > 0
            && let Some(first) = this.first.take()
        {
            buf.put_slice(&[first]);
            if let Some(strict) = &mut this.strict {
                // One octet is no line.
                let _ = strict.read(&[first]);
            }
            return Poll::Ready(Ok(()));
        }
        let Some(strict) = &mut this.strict else { return Pin::new(&mut *this.stream).poll_read(cx, buf) };
        if this.unclear.is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut *this.stream).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if let Err(unclear) = strict.read(read) {
            this.unclear = Some(unclear);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<'_, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if is_bare_answer(buf) {
            this.has_withheld = true;
            return Poll::Ready(Ok(buf.len()));
        }
        let outcome = Pin::new(&mut *this.stream).poll_write(cx, buf);
        this.watch(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [only] = bufs
            && is_bare_answer(only)
        {
            this.has_withheld = true;
            return Poll::Ready(Ok(only.len()));
        }
        let outcome = Pin::new(&mut *this.stream).poll_write_vectored(cx, bufs);
        this.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Whether these bytes are what hyper answers by itself: a whole reply with a status from 400 on, without content, and without the
/// `Server` that all replies of the gateway have.
fn is_bare_answer(bytes: &[u8]) -> bool {
    const LONGEST: usize = 256;
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    bytes.starts_with(b"HTTP/1.1 4")
        && bytes.len() <= LONGEST
        && bytes.ends_with(b"\r\n\r\n")
        && has(b"\r\nContent-Length: 0\r\n")
        && !has(b"\r\nServer: ")
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::Instant,
    };

    use super::*;

    /// Writes a byte for which there is no room.
    async fn get_stuck(patience: &mut Patience<'_, DuplexStream>) {
        let stuck =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut *patience).poll_write(cx, b".").is_pending())).await;
        assert!(stuck, "there was room for a byte");
    }

    #[tokio::test]
    async fn a_write_that_the_peer_does_not_read_fails_after_the_stall_limit() {
        let (mut near, _far) = tokio::io::duplex(16);
        let mut patience = Patience::new(&mut near, None);
        patience.write_all(&[0; 16]).await.unwrap();
        let before = Instant::now();
        get_stuck(&mut patience).await;
        let limit = patience.stalled.as_mut().unwrap();
        assert!((before..=Instant::now()).contains(&(limit.deadline() - MAX_STALL)));
        // The limit is over.
        limit.as_mut().reset(before);
        let error = patience.write_all(b".").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn each_byte_that_a_slow_reader_takes_starts_the_limit_again() {
        let (mut near, mut far) = tokio::io::duplex(1);
        let mut patience = Patience::new(&mut near, None);
        for byte in b"slowly" {
            patience.write_all(&[*byte]).await.unwrap();
            assert!(patience.stalled.is_none(), "no clock runs while bytes move");
            get_stuck(&mut patience).await;
            assert!(patience.stalled.is_some());
            assert_eq!(far.read_u8().await.unwrap(), *byte);
        }
    }
}
