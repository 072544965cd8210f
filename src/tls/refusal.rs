//! Why a TLS handshake comes to nothing.

use std::{fmt, io};

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// A handshake that came to nothing.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The client speaks something else than TLS, most often HTTP.
    NotTls,
    /// The handshake took too long.
    Timeout,
    /// The client hung up.
    Gone,
    /// The client refuses the session, most often the certificate.
    Alert(AlertDescription),
    /// The client has no certificate, and needs one.
    NoCertificate,
    /// The client's certificate is not one that is accepted.
    Certificate(String),
    /// Client and gateway have no version, suite or protocol in common.
    Incompatible(String),
    /// What the client has sent is no handshake.
    Broken(String),
}

/// The reasons by their names in metrics and in the log.
pub(crate) const REASONS: [&str; 8] = [
    "no-tls",
    "tls-timeout",
    "tls-closed",
    "tls-alert",
    "no-client-certificate",
    "client-certificate",
    "tls-incompatible",
    "tls-broken",
];

impl Refusal {
    /// Its name in metrics and in the log.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NotTls => "no-tls",
            Self::Timeout => "tls-timeout",
            Self::Gone => "tls-closed",
            Self::Alert(_) => "tls-alert",
            Self::NoCertificate => "no-client-certificate",
            Self::Certificate(_) => "client-certificate",
            Self::Incompatible(_) => "tls-incompatible",
            Self::Broken(_) => "tls-broken",
        }
    }

    /// Whether the operator has something to do about it. Browsers open connections ahead, and leave them.
    pub(crate) const fn is_told(&self) -> bool {
        !matches!(self, Self::Gone)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls => f.write_str(
                "the client does not speak TLS at a port that does: it must use https:// or wss://, not http:// or ws://",
            ),
            Self::Timeout => {
                let seconds = super::HANDSHAKE_LIMIT.as_secs();
                write!(f, "the handshake has not ended within {seconds} s")
            }
            Self::Gone => f.write_str("the client hung up during the handshake"),
            Self::Alert(AlertDescription::UnknownCA) => f.write_str(
                "the client does not know the authority of the certificate (unknown_ca): does the file of the certificate hold its whole \
                 chain?",
            ),
            Self::Alert(alert @ (AlertDescription::CertificateExpired | AlertDescription::BadCertificate)) => {
                write!(
                    f,
                    "the client does not accept the certificate ({alert:?}): does it hold still, and for the name that the client uses?"
                )
            }
            Self::Alert(alert) => write!(f, "the client broke the handshake off ({alert:?})"),
            Self::NoCertificate => f.write_str("the client shows no certificate, and `tls` asks for one"),
            Self::Certificate(why) => write!(f, "the client's certificate is not accepted: {why}"),
            Self::Incompatible(why) => write!(f, "the client has nothing in common with the gateway, which speaks TLS 1.2 and 1.3: {why}"),
            Self::Broken(why) => write!(f, "the client's handshake is broken: {why}"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Gone;
        };
        match tls {
            Error::AlertReceived(alert) => Self::Alert(*alert),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(why) => Self::Certificate(accused(why)),
            Error::PeerIncompatible(
                PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon,
            ) => Self::Incompatible("no cipher suite".to_owned()),
            Error::PeerIncompatible(why) => Self::Incompatible(format!("{why:?}")),
            Error::NoApplicationProtocol => {
                Self::Incompatible("it does not speak http/1.1 (ALPN)".to_owned())
            }
            // None of these repeats what a peer has sent.
            other => Self::Broken(other.to_string()),
        }
    }
}

/// What is wrong with a client's certificate. Nothing of the certificate itself is repeated.
fn accused(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it does not hold yet".to_owned()
        }
        CertificateError::UnknownIssuer => "no authority of `ca_certificates` has issued it".to_owned(),
        CertificateError::BadSignature => "its signature is wrong".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for clients (extended key usage)".to_owned()
        }
        _ => "it is malformed or has been revoked".to_owned(),
    }
}
