//! A connection to an upstream: TCP, with TLS or without, or a Unix socket.

use std::{
    io::{self, IoSlice},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::{UpstreamAddress, UpstreamPlace};
use crate::tls;

/// A peer that is gone without a word is found out after this time: the kernel asks, and a connection that is idle costs nothing.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A connection to an upstream.
#[derive(Debug)]
pub enum Link {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP. Boxed, so that it does not make the others larger.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum LinkFault {
    /// Nothing listens there, or the name has no address.
    Unreachable(io::Error),
    /// The certificate does not count, or TLS is not spoken.
    Tls(io::Error),
}

impl Link {
    /// Connects. An address that wants TLS is never spoken to without. The name is looked up each time: what it stands for may have moved.
    pub(super) async fn open(
        address: &UpstreamAddress,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, LinkFault> {
        match &address.place {
            UpstreamPlace::Unix(path) => {
                UnixStream::connect(path).await.map(Self::Unix).map_err(LinkFault::Unreachable)
            }
            UpstreamPlace::Tcp(host, port) => {
                let stream = connect(host, *port).await.map_err(LinkFault::Unreachable)?;
                if !address.has_tls {
                    return Ok(Self::Tcp(stream));
                }
                let tls = tls.ok_or_else(|| LinkFault::Tls(io::Error::other("no authority is known")))?;
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| LinkFault::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let stream = TlsConnector::from(Arc::clone(tls))
                    .connect(name, stream)
                    .await
                    .map_err(LinkFault::Tls)?;
                Ok(Self::Tls(Box::new(stream)))
            }
        }
    }
}

/// Tries each address of a name. The caller limits the time of all together.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages leave at once. A socket that refuses these options works without them.
                let _ = stream.set_nodelay(true);
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How TLS is spoken, by these authorities or those of the system.
pub(super) fn tls(authorities: Option<&[PathBuf]>) -> Result<Arc<ClientConfig>, String> {
    let roots = match authorities {
        Some(files) => tls::read_authorities(files).map_err(|faults| {
            let faults: Vec<_> = faults
                .into_iter()
                .map(|(place, what)| {
                    format!(
                        "{}: {what}",
                        files.get(place).map_or_else(String::new, |file| file.display().to_string())
                    )
                })
                .collect();
            faults.join("; ")
        })?,
        None => of_the_system()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "this system has no certificates of authorities: name a file in `ca_certificates`".to_owned()
        );
    }
    Ok(roots)
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
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
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
