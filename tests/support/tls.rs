//! TLS as clients speak it: an authority of the test's own, certificates that it issues, and clients that trust it.

use std::{
    io,
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, SanType, date_time_ymd,
};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};

pub(crate) use tokio_rustls::rustls::{ClientConnection as Session, Stream};

/// How many authorities there have been.
static AUTHORITIES: AtomicUsize = AtomicUsize::new(1);

/// An authority.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A client that trusts one authority.
#[derive(Debug, Clone)]
pub(crate) struct TlsClient {
    pub(crate) config: Arc<ClientConfig>,
    /// The name for which it asks.
    name: ServerName<'static>,
}

/// How long an issued certificate holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Validity {
    /// For longer than anyone runs this test.
    Now,
    /// It has ended.
    Over,
    /// It has not begun.
    Later,
    /// It begins in some seconds.
    Soon,
}

impl Authority {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // Clients look for an issuer by its name: no two may have the same one.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// Its certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names.
    #[track_caller]
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_for(names, Validity::Now)
    }

    #[track_caller]
    pub(crate) fn issue_for(&self, names: &[&str], validity: Validity) -> Issued {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
            Validity::Over => (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1)),
            Validity::Later => (date_time_ymd(2120, 1, 1), date_time_ymd(2120, 4, 1)),
            Validity::Soon => {
                let soon = SystemTime::now() + Duration::from_secs(5);
                (soon.into(), date_time_ymd(2120, 1, 1))
            }
        };
        self.sign(&params)
    }

    /// A client's certificate for Alice.
    #[track_caller]
    pub(crate) fn issue_alice(&self) -> Issued {
        let mut params = CertificateParams::new(vec!["alice.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.subject_alt_names.push(SanType::Rfc822Name("alice@example.org".try_into().unwrap()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    #[track_caller]
    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that asks for this name.
    #[track_caller]
    pub(crate) fn client(&self, name: &str) -> TlsClient {
        self.client_with(name, &[&TLS13, &TLS12], None)
    }

    /// A client that speaks TLS 1.2 at most.
    #[track_caller]
    pub(crate) fn old_client(&self, name: &str) -> TlsClient {
        self.client_with(name, &[&TLS12], None)
    }

    /// A client that shows a certificate if it is asked for one.
    #[track_caller]
    pub(crate) fn client_as(&self, name: &str, shown: &Issued) -> TlsClient {
        self.client_with(name, &[&TLS13, &TLS12], Some(shown))
    }

    #[track_caller]
    fn client_with(
        &self,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
        shown: Option<&Issued>,
    ) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        TlsClient { config: Arc::new(config), name: ServerName::try_from(name.to_owned()).unwrap() }
    }
}

impl Issued {
    /// Writes `NAME.pem` and `NAME.key` into a folder, the key for its owner alone.
    #[track_caller]
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        // Each takes the place of the one before at once, as programs that renew certificates do.
        for (ending, text, mode) in [("pem", &self.certificate, 0o644), ("key", &self.key, 0o600)] {
            let new = folder.join(format!("{name}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
            std::fs::rename(&new, folder.join(format!("{name}.{ending}"))).unwrap();
        }
    }
}

impl TlsClient {
    /// The same client with its configuration changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Makes a handshake. It waits until the gateway has taken it: with TLS 1.3, a client is done before the gateway has looked
    /// at its certificate.
    pub(crate) fn handshake(&self, stream: &mut TcpStream) -> io::Result<Session> {
        let mut session =
            Session::new(Arc::clone(&self.config), self.name.clone()).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(stream)?;
        }
        Ok(session)
    }
}
