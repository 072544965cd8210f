//! A connection to an upstream: TCP, with TLS or without, or a Unix socket.

use std::{io, path::PathBuf, sync::Arc};

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::{UpstreamAddress, UpstreamPlace};
use crate::{stream::Stream, tls};

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum LinkFault {
    /// Nothing listens there, or the name has no address.
    Unreachable(io::Error),
    /// The certificate does not count, or TLS is not spoken.
    Tls(io::Error),
}

/// Connects. An address that wants TLS is never spoken to without. The name is looked up each time: what it stands for may have moved.
pub(super) async fn open(
    address: &UpstreamAddress,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Stream, LinkFault> {
    let (host, port) = match &address.place {
        UpstreamPlace::Unix(path) => {
            return UnixStream::connect(path).await.map(Stream::Unix).map_err(LinkFault::Unreachable);
        }
        UpstreamPlace::Tcp(host, port) => (host, *port),
    };
    let stream = connect(host, port).await.map_err(LinkFault::Unreachable)?;
    let stream = if address.has_tls {
        let tls = tls.ok_or_else(|| LinkFault::Tls(io::Error::other("no authority is known")))?;
        let name = ServerName::try_from(host.clone())
            .map_err(|error| LinkFault::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream =
            TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(LinkFault::Tls)?;
        Stream::Tls(Box::new(stream.into()))
    } else {
        Stream::Tcp(stream)
    };
    stream.keep_alive();
    Ok(stream)
}

/// Tries each address of a name. The caller limits the time of all together.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages leave at once. A socket that refuses this works without it.
                let _ = stream.set_nodelay(true);
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
