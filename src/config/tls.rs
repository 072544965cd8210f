//! TLS at an endpoint: certificates with their keys, and the authorities of clients. Every file is read and checked here, so that
//! `check` finds what a start would find.

use std::path::PathBuf;

use super::{
    CertificateFiles, ClientCertificates, TlsOptions,
    reader::{Located, NodePath, Own, Walk, object, words},
};
use crate::{
    time::Timestamp,
    tls::{self, Pair, Part},
};

object! {
    /// TLS 1.2 and 1.3. The gateway reads the files again when they change.
    struct RawTls {
        /// The file with the certificate in PEM; its chain may follow in the same file.
        certificate: required Located<NodePath>,
        /// The file with the certificate's private key in PEM. Users other than its owner and its group must not have access to it.
        key: required Located<NodePath>,
        /// Files with further certificates of the chain, in PEM. Default none.
        chain_certificates: optional Vec<Located<NodePath>>,
        /// Further certificates. A client gets the one with the name for which it asks, or else the first one. Default none.
        sni: optional Vec<RawPair>,
        /// Files with the authorities, in PEM, one of which must have issued the certificate that a client shows. Default: clients are
        /// not asked for certificates.
        ca_certificates: optional Located<Vec<Located<NodePath>>>,
        /// Whether a client needs a certificate: `required`, or `optional`. Default `required` where there are `ca_certificates`.
        client_certificates: optional Located<Demand>,
    }
    ignores {
        "dhparam": String => "rustls has no finite-field Diffie-Hellman, and exchanges keys over elliptic curves",
        "ciphers": String => "rustls has suites with forward secrecy and authenticated encryption only (AES-GCM, ChaCha20-Poly1305), and all of them are on",
    }
}

object! {
    /// A certificate with its key.
    struct RawPair {
        /// The file with the certificate in PEM; its chain may follow in the same file.
        certificate: required Located<NodePath>,
        /// The file with the certificate's private key in PEM. Users other than its owner and its group must not have access to it.
        key: required Located<NodePath>,
        /// Files with further certificates of the chain, in PEM. Default none.
        chain_certificates: optional Vec<Located<NodePath>>,
    }
}

/// Whether a client needs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    Required,
    Optional,
}

words! {
    Demand as "ClientCertificates" {
        "required" => Self::Required,
        "optional" => Self::Optional,
    }
}

impl RawTls {
    pub(super) fn check(self, walk: &mut Walk<'_>) -> Option<TlsOptions> {
        let Self { certificate, key, chain_certificates, sni, ca_certificates, client_certificates, .. } =
            self;
        let first = RawPair { certificate, key, chain_certificates }.check(walk);
        let sni: Vec<_> = sni.unwrap_or_default().into_iter().map(|pair| pair.check(walk)).collect();
        let clients = clients(ca_certificates, client_certificates, walk);
        Some(TlsOptions { certificate: first?, sni: sni.into_iter().collect::<Option<_>>()?, clients })
    }
}

impl RawPair {
    fn check(self, walk: &mut Walk<'_>) -> Option<CertificateFiles> {
        let (certificate, key) = (self.certificate?, self.key?);
        let chain = self.chain_certificates.unwrap_or_default();
        Some(checked_pair(&certificate, &key, &chain, Pair::warnings, walk))
    }
}

/// What the gateway shows to servers.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) certificate: Option<Located<NodePath>>,
    pub(super) key: Option<Located<NodePath>>,
    pub(super) chain: Option<Vec<Located<NodePath>>>,
}

impl Shown {
    /// Where it stands, if it does.
    pub(super) fn path(&self) -> Option<&str> {
        let first = self.certificate.as_ref().or(self.key.as_ref());
        first.or_else(|| self.chain.as_ref()?.first()).map(|file| &*file.path)
    }

    pub(super) fn check(self, walk: &mut Walk<'_>) -> Option<CertificateFiles> {
        match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => {
                let chain = self.chain.unwrap_or_default();
                Some(checked_pair(&certificate, &key, &chain, Pair::warnings_to_servers, walk))
            }
            (Some(certificate), None) => {
                walk.fault_at(certificate.path, "needs its private key: write `key` beside it");
                None
            }
            (None, Some(key)) => {
                walk.fault_at(key.path, "needs its certificate: write `certificate` beside it");
                None
            }
            (None, None) => {
                if let Some(file) = self.chain.into_iter().flatten().next() {
                    walk.fault_at(
                        file.path,
                        "needs the certificate: write `certificate` and `key` beside it",
                    );
                }
                None
            }
        }
    }
}

fn checked_pair(
    certificate: &Located<NodePath>,
    key: &Located<NodePath>,
    chain: &[Located<NodePath>],
    warnings: fn(&Pair, Timestamp) -> Vec<String>,
    walk: &mut Walk<'_>,
) -> CertificateFiles {
    walk.protect(Own::PrivateKey, &key.value.path, &*key.path);
    let paths = |files: &[Located<NodePath>]| files.iter().map(|file| file.value.path.clone()).collect();
    let files = CertificateFiles {
        certificate: certificate.value.path.clone(),
        key: key.value.path.clone(),
        chain: paths(chain),
    };
    if walk.surroundings.options.without_files {
        return files;
    }
    match Pair::read(&files) {
        Ok(pair) => {
            for warning in warnings(&pair, Timestamp::now()) {
                walk.warn_at(&certificate.path, warning);
            }
        }
        Err(faults) => {
            for fault in faults {
                let place = match fault.part {
                    Part::Certificate => &certificate.path,
                    Part::Key => &key.path,
                    Part::Chain(place) => chain.get(place).map_or(&certificate.path, |file| &file.path),
                };
                let may_be_missing = walk.surroundings.options.allow_missing_secrets;
                if fault.part == Part::Key && fault.is_missing && may_be_missing {
                    walk.warn_at(place, fault.what);
                } else {
                    walk.fault_at(place, fault.what);
                }
            }
        }
    }
    files
}

fn clients(
    authorities: Option<Located<Vec<Located<NodePath>>>>,
    demand: Option<Located<Demand>>,
    walk: &mut Walk<'_>,
) -> Option<ClientCertificates> {
    let Some(Located { path, value: authorities }) = authorities else {
        if let Some(demand) = demand {
            walk.warn_at(
                demand.path,
                "has no effect without `ca_certificates`, which say whose certificates count",
            );
        }
        return None;
    };
    if authorities.is_empty() {
        walk.fault_at(path, "the list is empty: name the files of the authorities, or leave the key out");
    }
    let files = checked_authorities(&authorities, walk);
    let required = demand.is_none_or(|demand| demand.value == Demand::Required);
    Some(ClientCertificates { authorities: files, required })
}

/// The files of authorities; what is wrong with them is reported.
pub(super) fn checked_authorities(named: &[Located<NodePath>], walk: &mut Walk<'_>) -> Vec<PathBuf> {
    let files: Vec<_> = named.iter().map(|file| file.value.path.clone()).collect();
    if !walk.surroundings.options.without_files {
        for (place, what) in tls::read_authorities(&files).err().unwrap_or_default() {
            if let Some(file) = named.get(place) {
                walk.fault_at(&file.path, what);
            }
        }
    }
    files
}
