//! A bound endpoint: TCP or a Unix socket.

use std::{fmt, future::pending, io, net::SocketAddr, path::PathBuf, time::Duration};

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::{Endpoint, inherited::Inherited};
use crate::{
    socket_file::{SocketFile, SocketFileError},
    stream::{Incoming, PeerAddr, Stream},
};

/// How long handshakes of TCP that have begun may take when a listener is handed over. Shorter than the second after which clients send
/// their first packet again.
const HAND_OVER: Duration = Duration::from_millis(500);

/// A filter of what comes to a listening socket, in the classic BPF: drops each packet with SYN in its flags (RFC 9293, 3.1: octet 13 of the
/// header, bit 1), and lets others through.
const NO_SYN: [SockFilter; 4] = [
    SockFilter::new(0x30, 0, 0, 13),       // ldb [13]
    SockFilter::new(0x45, 0, 1, 0x02),     // jset #2, 0, 1
    SockFilter::new(0x06, 0, 0, 0),        // ret #0
    SockFilter::new(0x06, 0, 0, u32::MAX), // ret #-1
];

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
}

#[derive(Debug)]
enum Bound {
    Tcp {
        listener: TcpListener,
        address: SocketAddr,
        /// Whether other processes may listen there. The gateway has made the socket itself then, and it goes with the gateway.
        is_shared: bool,
    },
    /// The file goes with the listener, so that the next start need not tell a dead socket from a live one.
    Unix {
        /// None: the service manager has made it, and removes it.
        file: Option<SocketFile>,
        listener: UnixListener,
        path: PathBuf,
    },
}

/// Why the server cannot listen at an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {endpoint}: {fault}")]
pub struct BindError {
    endpoint: String,
    fault: BindFault,
}

#[derive(Debug)]
enum BindFault {
    Socket(io::Error),
    Unix(SocketFileError),
}

impl fmt::Display for BindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "{error}{}", remedy(error)),
            Self::Unix(error) => error.fmt(f),
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; stop the other program, or choose another port: `endpoint.port` in the configuration, or `--port`"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
        io::ErrorKind::AddrNotAvailable => "; the interface's address is not one of this machine's",
        _ => "",
    }
}

impl Listener {
    /// Takes the socket of an endpoint from the service manager, or binds it. Needs a tokio runtime.
    pub(super) fn bind(endpoint: &Endpoint, inherited: &mut Inherited) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Tcp { interface, port, backlog, shared } => {
                let address = SocketAddr::new(*interface, *port);
                let (socket, is_shared) = match inherited.tcp(address) {
                    Some(listener) => (TcpListener::from_std(listener), false),
                    None => (bind_tcp(address, *backlog, *shared), *shared),
                };
                let socket = socket.and_then(|listener| {
                    let address = listener.local_addr()?;
                    Ok(Bound::Tcp { listener, address, is_shared })
                });
                socket.map_err(|error| BindError {
                    endpoint: address.to_string(),
                    fault: BindFault::Socket(error),
                })
            }
            Endpoint::Unix { path, access, backlog } => {
                if let Some(listener) = inherited.unix(path) {
                    return UnixListener::from_std(listener)
                        .map(|listener| Self {
                            socket: Bound::Unix { file: None, listener, path: path.clone() },
                        })
                        .map_err(|error| BindError {
                            endpoint: path.display().to_string(),
                            fault: BindFault::Socket(error),
                        });
                }
                SocketFile::listen(path, *backlog, *access)
                    .map(|(listener, file)| Bound::Unix { file: Some(file), listener, path: path.clone() })
                    .map_err(|fault| BindError {
                        endpoint: path.display().to_string(),
                        fault: BindFault::Unix(fault),
                    })
            }
        }
        .map(|socket| Self { socket })
    }

    /// The next connection, as bare as it comes: TLS is the entrance's business.
    pub async fn accept(&self) -> io::Result<Incoming> {
        let (stream, peer) = match &self.socket {
            Bound::Tcp { listener, .. } => {
                let (stream, address) = listener.accept().await?;
                (Stream::Tcp(stream), PeerAddr::Tcp(address))
            }
            Bound::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                (Stream::Unix(stream), PeerAddr::Unix)
            }
        };
        Ok(Incoming { stream, peer, is_nameless: false, tls: None })
    }

    /// Lets no new connection begin here, where another process listens at the same address. The system would reset with the socket what is
    /// on its way to it: handshakes that have begun, and connections that wait to be accepted. So the first can be finished and the second
    /// accepted, for as long as this says. Clients whose first packet is dropped send it again after a second, and meet the other process.
    ///
    /// None: no other process is there. A socket of the service manager stays, and its connections wait for the next start.
    pub(super) fn hand_over(&self) -> Option<Duration> {
        let Bound::Tcp { listener, is_shared: true, .. } = &self.socket else { return None };
        if let Err(error) = SockRef::from(listener).attach_filter(&NO_SYN) {
            tracing::warn!(%error, "clients that connect while the listener closes may be refused");
        }
        Some(HAND_OVER)
    }

    /// Tells the operator when the file of a Unix socket is gone; never ends.
    pub(super) async fn watch(&self) {
        match &self.socket {
            Bound::Unix { file: Some(file), .. } => file.tell_of_removal().await,
            Bound::Unix { file: None, .. } | Bound::Tcp { .. } => pending().await,
        }
    }

    /// Where a client finds the listener.
    pub fn url(&self, is_tls: bool) -> String {
        match &self.socket {
            Bound::Tcp { address, .. } => format!("{}://{address}", if is_tls { "https" } else { "http" }),
            Bound::Unix { path, .. } => format!("unix:{}", path.display()),
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn accepted_streams_do_not_hold_small_writes_back() {
        let interface = Ipv4Addr::LOCALHOST.into();
        let endpoint = Endpoint::Tcp { interface, port: 0, backlog: 1, shared: false };
        let listener = Listener::bind(&endpoint, &mut Inherited::default()).unwrap();
        let Bound::Tcp { address, .. } = &listener.socket else { panic!("{listener:?}") };
        let _client = TcpStream::connect(address).await.unwrap();
        let incoming = listener.accept().await.unwrap();
        let Stream::Tcp(stream) = incoming.stream else { panic!("no TCP stream") };
        assert!(stream.nodelay().unwrap());
    }
}
