//! A bound endpoint: TCP or a Unix socket.

use std::{
    io,
    net::SocketAddr,
    os::unix::net::UnixStream as BlockingUnixStream,
    path::{Path, PathBuf},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::Endpoint;
use crate::stream::{Incoming, PeerAddr, Stream};

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// Why the server cannot listen at an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {endpoint}: {source}{}", remedy(.source))]
pub struct BindError {
    endpoint: String,
    source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the other program, or choose another port or path",
        io::ErrorKind::PermissionDenied => "; ports below 1024 and folders of other users need privileges",
        io::ErrorKind::AddrNotAvailable => "; the interface's address is not one of this machine's",
        _ => "",
    }
}

impl Listener {
    /// Binds an endpoint. Needs a tokio runtime.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Tcp { interface, port, backlog, shared } => {
                let address = SocketAddr::new(*interface, *port);
                let socket = bind_tcp(address, *backlog, *shared);
                let socket = socket.and_then(|listener| {
                    let address = listener.local_addr()?;
                    Ok(Bound::Tcp(listener, address))
                });
                socket.map_err(|source| BindError { endpoint: address.to_string(), source })
            }
            Endpoint::Unix { path, backlog } => bind_unix(path, *backlog)
                .map(|listener| Bound::Unix(listener, path.clone()))
                .map_err(|source| BindError { endpoint: path.display().to_string(), source }),
        }
        .map(|socket| Self { socket })
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Incoming> {
        let (stream, peer) = match &self.socket {
            Bound::Tcp(listener, _) => {
                let (stream, address) = listener.accept().await?;
                (Stream::Tcp(stream), PeerAddr::Tcp(address))
            }
            Bound::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                (Stream::Unix(stream), PeerAddr::Unix)
            }
        };
        Ok(Incoming { stream, peer, tls: None })
    }

    /// Where a client finds the listener.
    pub fn url(&self) -> String {
        match &self.socket {
            Bound::Tcp(_, address) => format!("http://{address}"),
            Bound::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // So the next start need not tell a dead socket from a live one.
            drop(std::fs::remove_file(path));
        }
    }
}

fn bind_tcp(address: SocketAddr, backlog: u32, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Accepted streams inherit it, so that it costs no call for each: small messages leave at once.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &Path, backlog: u32) -> io::Result<UnixListener> {
    // A socket file without a listener was left behind by a process that was killed.
    if path.exists()
        && BlockingUnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    UnixListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn accepted_streams_do_not_hold_small_writes_back() {
        let interface = Ipv4Addr::LOCALHOST.into();
        let endpoint = Endpoint::Tcp { interface, port: 0, backlog: 1, shared: false };
        let listener = Listener::bind(&endpoint).unwrap();
        let Bound::Tcp(_, address) = &listener.socket else { panic!("{listener:?}") };
        let _client = TcpStream::connect(address).await.unwrap();
        let incoming = listener.accept().await.unwrap();
        let Stream::Tcp(stream) = incoming.stream else { panic!("no TCP stream") };
        assert!(stream.nodelay().unwrap());
    }
}
