//! The authorities that issue the certificates of clients.

use std::{path::PathBuf, sync::Arc};

use tokio_rustls::rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    ClientCertificates,
    pair::{Part, certificates},
};

/// A file of authorities that is at fault: its place in the list, and what is wrong with it.
pub(crate) type AuthorityFault = (usize, String);

/// Reads authorities. Every file at fault is in the list.
pub(crate) fn read(files: &[PathBuf]) -> Result<RootCertStore, Vec<AuthorityFault>> {
    let mut roots = RootCertStore::empty();
    let mut faults = Vec::new();
    for (place, file) in files.iter().enumerate() {
        match certificates(Part::Chain(place), file) {
            Ok(found) => {
                for certificate in found {
                    if roots.add(certificate).is_err() {
                        faults.push((place, "holds a certificate that is no authority's".to_owned()));
                    }
                }
            }
            Err(fault) => faults.push((place, fault.what)),
        }
    }
    if faults.is_empty() { Ok(roots) } else { Err(faults) }
}

/// What verifies the certificates of clients.
pub(super) fn verifier(
    roots: RootCertStore,
    options: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let verifier = if options.required { verifier } else { verifier.allow_unauthenticated() };
    verifier.build().map_err(|error| format!("`ca_certificates`: {error}"))
}
