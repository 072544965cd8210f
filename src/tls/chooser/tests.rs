use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};

use super::*;
use crate::tls::CertificateFiles;

const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
const ED25519: SignatureScheme = SignatureScheme::ED25519;

/// A certificate of its own authority, read from its files.
fn pair(folder: &Path, names: &[&str], algorithm: &'static SignatureAlgorithm) -> Pair {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let files = CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        chain: Vec::new(),
    };
    fs::write(&files.certificate, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    Pair::read(&files).unwrap()
}

#[test]
fn the_name_decides_first_and_then_the_kind_of_key_that_the_client_knows() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        pair(folder.path(), &["first.example"], &PKCS_ECDSA_P256_SHA256),
        pair(folder.path(), &["*.wild.example"], &PKCS_ECDSA_P256_SHA256),
        pair(folder.path(), &["A.wild.example"], &PKCS_ED25519),
        pair(folder.path(), &["a.wild.example"], &PKCS_ECDSA_P256_SHA256),
    ];
    let chooser = Chooser::new(&pairs);
    for (name, schemes, place) in [
        (None, &[P256][..], 0),
        (None, &[ED25519], 2),
        (Some("first.example"), &[P256, ED25519], 0),
        (Some("b.wild.example"), &[P256], 1),
        // A name that is there goes before a wildcard, and a wildcard stands for one label.
        (Some("a.wild.example"), &[P256, ED25519], 2),
        (Some("a.wild.example"), &[P256], 3),
        (Some("x.b.wild.example"), &[P256], 0),
        (Some("wild.example"), &[P256], 0),
        (Some("stranger.example"), &[P256], 0),
        // A client that knows none of the keys is told so by rustls.
        (Some("first.example"), &[SignatureScheme::RSA_PSS_SHA256], 0),
        (None, &[], 0),
    ] {
        let chosen = chooser.choose(name, schemes).unwrap();
        assert!(Arc::ptr_eq(&chosen, &pairs[place].key), "{name:?} {schemes:?}, not {place}");
    }
}

#[test]
fn the_only_certificate_is_for_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [pair(folder.path(), &["first.example"], &PKCS_ED25519)];
    let chosen = Chooser::new(&pairs).choose(Some("stranger.example"), &[P256]).unwrap();
    assert!(Arc::ptr_eq(&chosen, &pairs[0].key));
}
