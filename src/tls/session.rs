//! What a TLS session tells the stages behind the handshake.

use std::{fmt, fmt::Write as _, sync::Arc};

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::{ProtocolVersion, ServerConnection};

use super::x509::Said;

/// The label and the length of `tls-exporter` (RFC 9266, 2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const EXPORTER_SIZE: usize = 32;

/// As many names as a policy is told of.
const MAX_NAMES: usize = 64;
/// Bytes of subject and names together.
const MAX_TEXT: usize = 16 * 1024;

/// A TLS session that the gateway has ended. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    exporter: Option<[u8; EXPORTER_SIZE]>,
    client: Option<Box<ClientCertificate>>,
}

/// The certificate of a client, which an authority of the configuration has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject as RFC 4514 writes it: `CN=alice,O=Example`.
    pub subject: String,
    /// The alternative names with their kinds: `dns:host.example`, `ip:192.0.2.1`, `email:a@example.org`, `uri:spiffe://a/b`.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub sha256: String,
}

impl Tls {
    /// What there is to know of a session whose handshake is done; none if the client's certificate is not one that can be told of.
    pub(super) fn of(session: &ServerConnection) -> Option<Self> {
        // RFC 9266, 4.2: with TLS 1.2 only where the extended master secret is used, which rustls does not tell.
        let is_new = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let export = || session.export_keying_material([0; EXPORTER_SIZE], EXPORTER_LABEL, Some(b"")).ok();
        let exporter = if is_new { export() } else { None };
        let client = match session.peer_certificates().and_then(|chain| chain.first()) {
            Some(certificate) => Some(Box::new(ClientCertificate::read(certificate)?)),
            None => None,
        };
        Some(Self(Arc::new(Inner { exporter, client })))
    }

    /// What the session exports for channel binding (RFC 9266, `tls-exporter`); none with TLS 1.2.
    pub fn exporter(&self) -> Option<[u8; EXPORTER_SIZE]> {
        self.0.exporter
    }

    /// The client's certificate, if it was asked for one and has shown one.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.0.client.as_deref()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("client", &self.0.client).finish_non_exhaustive()
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, names, sha256 } = self;
        write!(f, "{subject} [{}] sha256:{sha256}", names.join(", "))
    }
}

impl ClientCertificate {
    /// Reads a certificate that rustls has verified; none if there is more in it than a policy can be told.
    fn read(certificate: &[u8]) -> Option<Self> {
        let Said { subject, names, .. } = Said::read(certificate)?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let text = subject.len() + names.iter().map(String::len).sum::<usize>();
        let sha256 = Sha256::digest(certificate).iter().fold(String::with_capacity(64), |mut out, byte| {
            // A `String` takes everything.
            let _ = write!(out, "{byte:02x}");
            out
        });
        (names.len() <= MAX_NAMES && text <= MAX_TEXT).then_some(Self { subject, names, sha256 })
    }
}
