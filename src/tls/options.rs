//! Which files TLS is made of.

use std::path::PathBuf;

/// TLS at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate that clients get that ask for no name, or for one that no certificate has.
    pub certificate: CertificateFiles,
    /// Further certificates, for clients that ask for one of their names.
    pub sni: Vec<CertificateFiles>,
    /// Whether clients are asked for certificates. Default: they are not.
    pub clients: Option<ClientCertificates>,
}

/// The files of a certificate, all of them in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate. Its chain may follow in the same file.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Further certificates of the chain.
    pub chain: Vec<PathBuf>,
}

/// Certificates that clients show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The files with the authorities that must have issued them.
    pub authorities: Vec<PathBuf>,
    /// Whether a client without a certificate is refused. Default true, as in Crossbar.
    pub required: bool,
}

/// TLS toward servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectorOptions {
    /// The files with the authorities that servers' certificates must be from. None: those of the system.
    pub authorities: Option<Vec<PathBuf>>,
    /// The certificate that the gateway shows to servers that ask for one. Default: none.
    pub certificate: Option<CertificateFiles>,
}

impl CertificateFiles {
    /// All of them.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.chain)
    }
}
