//! Listening sockets that a service manager has opened: systemd's socket activation.
//!
//! systemd keeps the socket open while the gateway restarts, so that no client is refused meanwhile, and opens ports that the
//! gateway's user may not. The gateway takes a socket whose address is that of an endpoint, and opens the other endpoints
//! itself.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener},
    os::unix::net::UnixListener as StdUnixListener,
    path::{Path, PathBuf},
};

use listenfd::ListenFd;
use tracing::warn;

/// The sockets that the process was started with, as far as no endpoint has them yet.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    tcp: Vec<(SocketAddr, StdTcpListener)>,
    unix: Vec<(PathBuf, StdUnixListener)>,
}

impl Inherited {
    /// Takes the sockets that the environment announces (`LISTEN_FDS`, `LISTEN_PID`). The first call gets all of them.
    pub(super) fn take() -> Self {
        let mut announced = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..announced.len() {
            if let Err(error) = inherited.add(&mut announced, place) {
                warn!(%error, place, "a socket of the service manager is of no use: it must listen for TCP or Unix streams");
            }
        }
        inherited
    }

    fn add(&mut self, announced: &mut ListenFd, place: usize) -> io::Result<()> {
        if let Ok(Some(listener)) = announced.take_tcp_listener(place) {
            listener.set_nonblocking(true)?;
            self.tcp.push((listener.local_addr()?, listener));
        } else if let Some(listener) = announced.take_unix_listener(place)? {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let path = address.as_pathname().ok_or_else(|| io::Error::other("the socket has no path"))?;
            self.unix.push((path.to_owned(), listener));
        }
        Ok(())
    }

    /// The socket of a TCP endpoint.
    pub(super) fn tcp(&mut self, endpoint: SocketAddr) -> Option<StdTcpListener> {
        let place = self.tcp.iter().position(|(address, _)| serves(*address, endpoint))?;
        Some(self.tcp.swap_remove(place).1)
    }

    /// The socket of a Unix endpoint.
    pub(super) fn unix(&mut self, endpoint: &Path) -> Option<StdUnixListener> {
        let place = self.unix.iter().position(|(path, _)| path == endpoint)?;
        Some(self.unix.swap_remove(place).1)
    }

    /// Says which sockets no endpoint has taken: their clients would wait forever.
    pub(super) fn warn_of_rest(&self) {
        let tcp = self.tcp.iter().map(|(address, _)| address.to_string());
        for place in tcp.chain(self.unix.iter().map(|(path, _)| path.display().to_string())) {
            warn!(
                "the service manager has opened {place}, where no transport listens: write the same address in both"
            );
        }
    }
}

/// Whether a socket is that of an endpoint. A socket of all IPv6 interfaces serves IPv4 as well.
fn serves(socket: SocketAddr, endpoint: SocketAddr) -> bool {
    let is_any = |address: IpAddr| address.is_unspecified();
    socket == endpoint || (socket.port() == endpoint.port() && is_any(socket.ip()) && is_any(endpoint.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_serves_the_endpoint_of_its_address() {
        for (socket, endpoint, does) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "0.0.0.0:81", false),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("[::1]:80", "127.0.0.1:80", false),
        ] {
            assert_eq!(
                serves(socket.parse().unwrap(), endpoint.parse().unwrap()),
                does,
                "{socket} {endpoint}"
            );
        }
    }

    #[test]
    fn each_socket_is_taken_once() {
        let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut inherited = Inherited { tcp: vec![(address, listener)], unix: Vec::new() };
        assert!(inherited.tcp(address).is_some() && inherited.tcp(address).is_none());
    }
}
