//! How bytes arrive: an accepted connection, who is at its other end, and whether TLS protects it.
//!
//! A listener makes an [`Incoming`]; nothing behind it knows what kind of stream carries a connection. One more kind of stream
//! is one more variant of [`Stream`], and what later stages must know of it travels in [`Incoming`].

mod noted;

use std::{
    fmt,
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsStream;

pub use self::noted::{Noted, OpenSocket};
use crate::{address, tls::Tls};

/// A connection that a listener has accepted.
#[derive(Debug)]
pub struct Incoming {
    /// Its bytes.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: PeerAddr,
    /// Whether the peer is a proxy that has not said for whom it connects. What comes from there may be any client's.
    pub is_nameless: bool,
    /// The TLS session that protects it, if the gateway itself ended TLS.
    pub tls: Option<Tls>,
}

/// A byte stream: one that was accepted, or one to a server behind the gateway.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a Unix socket.
    Unix(UnixStream),
    /// A TCP connection with TLS. Boxed, so that it does not make the others larger.
    Tls(Box<TlsStream<TcpStream>>),
    /// A WebSocket of which the access log tells.
    Noted(Box<Noted>),
}

/// Who is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAddr {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

impl PeerAddr {
    /// What limits count the peer by ([`address::network`]); none for Unix sockets, where a proxy may speak for many.
    pub fn network(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => address::network(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// How long a TCP connection is silent until the system asks whether the peer is still there, and how often it asks again.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(25), Duration::from_secs(8));

impl Stream {
    /// Has the system find out whether a silent peer is still there, where nothing else does. A Unix socket knows.
    pub fn keep_alive(&self) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(_) => return,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Noted(noted) => return noted.inner().keep_alive(),
        };
        let (time, interval) = KEEP_ALIVE;
        let keep_alive = TcpKeepalive::new().with_time(time).with_interval(interval);
        // A stream that is gone need not be asked.
        drop(SockRef::from(stream).set_tcp_keepalive(&keep_alive));
    }

    /// Has the system reset the connection when the stream is dropped, so that the peer does not take it for a whole. A Unix socket
    /// just ends.
    pub fn reset(&self) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(_) => return,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Noted(noted) => return noted.inner().reset(),
        };
        // A stream that is gone need not be reset.
        drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
    }

    /// Whether small writes leave at once (`TCP_NODELAY`). A Unix socket never holds anything back.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(nodelay),
            Self::Unix(_) => Ok(()),
            Self::Tls(stream) => stream.get_ref().0.set_nodelay(nodelay),
            Self::Noted(noted) => noted.inner().set_nodelay(nodelay),
        }
    }

    /// The stream of a WebSocket, whose end the access log is to tell; so much has been read from it already.
    #[must_use]
    pub fn noted(self, of: OpenSocket, received: usize) -> Self {
        Self::Noted(Box::new(Noted::new(self, of, received)))
    }

    /// A close frame comes or goes with this code.
    pub fn closes(&mut self, code: u16, how: &str) {
        if let Self::Noted(noted) = self {
            noted.closes(code, how);
        }
    }

    /// Waits until a read has something to give: bytes, the end, or a fault. Ready at once where only a read can tell.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Unix(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Tls(_) => Poll::Ready(()),
            Self::Noted(noted) => noted.inner().poll_readable(cx),
        }
    }

    /// Whether TLS has a buffer of its own.
    pub const fn is_buffered(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(_) => true,
            Self::Noted(noted) => noted.inner().is_buffered(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Noted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Noted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Noted(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Noted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Noted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Noted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
