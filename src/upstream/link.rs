//! A connection to an upstream: TCP, with TLS or without, or a Unix socket.

use std::{error::Error, io};

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, AlertDescription, pki_types::ServerName},
};

use super::{UpstreamAddress, UpstreamPlace};
use crate::{stream::Stream, tls::Connector};

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum LinkFault {
    /// Nothing listens there, or the name has no address.
    Unreachable(io::Error),
    /// The certificate does not count, or TLS is not spoken.
    Tls(io::Error),
}

/// Connects. An address that wants TLS is never spoken to without. The name is looked up each time: what it stands for may have moved.
pub(super) async fn open(address: &UpstreamAddress, tls: Option<&Connector>) -> Result<Stream, LinkFault> {
    let (host, port) = match &address.place {
        UpstreamPlace::Unix(path) => {
            return UnixStream::connect(path).await.map(Stream::Unix).map_err(LinkFault::Unreachable);
        }
        UpstreamPlace::Tcp(host, port) => (host, *port),
    };
    let stream = connect(host, port).await.map_err(LinkFault::Unreachable)?;
    let stream = if address.has_tls {
        let tls = tls.and_then(Connector::config);
        let tls = tls.ok_or_else(|| LinkFault::Tls(io::Error::other("the files for TLS cannot be used")))?;
        let name = ServerName::try_from(host.clone())
            .map_err(|error| LinkFault::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(LinkFault::Tls)?;
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

/// Whether the server has ended TLS because it wants another certificate of the gateway: with TLS 1.3 it says so after the handshake. Other
/// alerts may be about what a client has asked for, such as one of a server that wants to negotiate anew for some of its paths.
pub(super) fn is_certificate_refused(fault: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(fault);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(rustls::Error::AlertReceived(alert)) = inner.and_then(|inner| inner.downcast_ref()) {
            return is_about_certificates(*alert);
        }
        cause = error.source();
    }
    false
}

/// RFC 8446, 6.2.
const fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alerts_about_certificates_are_the_servers_word_about_that_of_the_gateway() {
        let said = |alert| {
            let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
            is_certificate_refused(&error)
        };
        assert!(said(AlertDescription::CertificateRequired) && said(AlertDescription::UnknownCA));
        assert!(!said(AlertDescription::HandshakeFailure) && !said(AlertDescription::InternalError));
        assert!(!is_certificate_refused(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}
