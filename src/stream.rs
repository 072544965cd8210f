//! How bytes arrive: an accepted connection, who is at its other end, and whether TLS protects it.
//!
//! A listener makes an [`Incoming`]; nothing behind it knows what kind of stream carries a connection. One more kind of stream
//! is one more variant of [`Stream`], and what later stages must know of it travels in [`Incoming`].

use std::{
    fmt,
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A connection that a listener has accepted.
#[derive(Debug)]
pub struct Incoming {
    /// Its bytes.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: PeerAddr,
    /// The TLS session that protects it, if the gateway itself ended TLS.
    pub tls: Option<Tls>,
}

/// An accepted byte stream.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a Unix socket.
    Unix(UnixStream),
}

/// Who is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAddr {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

/// A TLS session that the gateway has ended.
///
/// No listener speaks TLS, so no value of this type exists, and an `Option<Tls>` takes no room. The stages that depend on TLS
/// (`Secure` on the tracking cookie, what a policy is told, channel binding) ask this one place nevertheless: a listener that
/// speaks TLS gives the type a value and changes none of them.
#[derive(Debug, Clone, Copy)]
pub enum Tls {}

impl Tls {
    /// What the session exports for channel binding (RFC 9266, `tls-exporter`).
    pub const fn exporter(self) -> [u8; 32] {
        match self {}
    }
}

impl PeerAddr {
    /// The part of the address that one client cannot change at will, by which limits count it: IPv6 hands out 64 bits at a time.
    ///
    /// None for Unix sockets, 127.0.0.1 and `::1`, where a proxy may speak for all of its clients: there one hostile client would shut
    /// out the others. (`trusted_proxies` lets such a proxy tell who the client is.)
    pub fn network(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => network(address.ip()),
            Self::Unix => None,
        }
    }
}

/// [`PeerAddr::network`] of an address.
pub(crate) fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Some(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
        address @ IpAddr::V4(_) => Some(address),
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

impl Stream {
    /// Whether small writes leave at once (`TCP_NODELAY`). A Unix socket never holds anything back.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(nodelay),
            Self::Unix(_) => Ok(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
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
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PeerAddr;

    #[test]
    fn limits_count_networks_and_not_what_a_proxy_may_speak_for() {
        let network = |peer: &str| PeerAddr::Tcp(peer.parse().unwrap()).network().map(|ip| ip.to_string());
        for (peer, counted) in [
            ("203.0.113.9:1", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"),
            ("127.0.0.2:1", "127.0.0.2"),
            ("[::ffff:127.0.0.2]:1", "127.0.0.2"),
        ] {
            assert_eq!(network(peer).as_deref(), Some(counted), "{peer}");
        }
        for peer in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(network(peer), None, "{peer}");
        }
        assert_eq!(PeerAddr::Unix.network(), None);
    }
}
