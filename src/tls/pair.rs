//! A certificate with its private key, read from files and checked against each other.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    Error, InconsistentKeys,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

use super::{CertificateFiles, TlsOptions, x509::Said};
use crate::{
    file::{self, ReadError},
    time::Timestamp,
};

/// The largest file of certificates: a chain takes some kilobytes, all authorities of a browser 250.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// From when on the end of a certificate is a warning: most are renewed a month before.
const SOON: u64 = 7;

const MILLIS_PER_DAY: u64 = 86_400_000;

/// A certificate that can be served.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(crate) said: Said,
    /// The file of the certificate: its name in messages and metrics.
    pub(crate) file: PathBuf,
}

/// The file of a pair that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Certificate,
    Key,
    /// The place in the list of further certificates.
    Chain(usize),
}

/// Why a pair cannot be served.
#[derive(Debug)]
pub(crate) struct PairFault {
    pub(crate) part: Part,
    /// What is wrong with the part's file, and what to do.
    pub(crate) what: String,
    /// Whether the file is not there, or not for this user.
    pub(crate) is_missing: bool,
}

impl PairFault {
    fn new(part: Part, what: impl Into<String>) -> Self {
        Self { part, what: what.into(), is_missing: false }
    }

    fn unread(part: Part, file: &Path, error: &ReadError) -> Self {
        Self { part, what: error.told(file), is_missing: error.is_missing() }
    }

    /// The file at fault.
    pub(super) fn file<'a>(&self, files: &'a CertificateFiles) -> &'a Path {
        match self.part {
            Part::Certificate => &files.certificate,
            Part::Key => &files.key,
            Part::Chain(place) => files.chain.get(place).unwrap_or(&files.certificate),
        }
    }
}

impl fmt::Display for PairFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Pair {
    /// Whether it is the same certificate.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }

    /// Reads the files of a pair. Every file at fault is in the list.
    pub(crate) fn read(files: &CertificateFiles) -> Result<Self, Vec<PairFault>> {
        let mut faults = Vec::new();
        let mut chain = Vec::new();
        let own = [(Part::Certificate, &files.certificate)];
        let further = files.chain.iter().enumerate().map(|(place, file)| (Part::Chain(place), file));
        for (part, file) in own.into_iter().chain(further) {
            match certificates(part, file) {
                Ok(found) => chain.extend(found),
                Err(fault) => faults.push(fault),
            }
        }
        let key = private_key(&files.key).map_err(|fault| faults.push(fault)).ok();
        let said = chain.first().filter(|_| faults.iter().all(|fault| fault.part != Part::Certificate));
        let said = said.map(|leaf| Said::read(leaf).ok_or(NOT_X509));
        let (Some(said), Some(key), true) = (said, key, faults.is_empty()) else { return Err(faults) };
        let said = said.map_err(|what| vec![PairFault::new(Part::Certificate, what)])?;
        let key = matching(chain, &key).map_err(|fault| vec![fault])?;
        Ok(Self { key: Arc::new(key), said, file: files.certificate.clone() })
    }

    /// How many whole days the certificate still holds; negative once it has ended.
    pub(crate) fn days_left(&self, now: Timestamp) -> i64 {
        days(now, self.said.not_after)
    }

    /// Why clients refuse the certificate now, if they do.
    pub(crate) fn out_of_time(&self, now: Timestamp) -> Option<String> {
        let renew = "renew it, and check this machine's clock";
        if now > self.said.not_after {
            Some(format!("the certificate has expired {}; {renew}", ago(-self.days_left(now))))
        } else if now < self.said.not_before {
            let days = days(now, self.said.not_before);
            Some(format!("the certificate begins to hold in {}; {renew}", days_of(days)))
        } else {
            None
        }
    }

    /// What is unwise about the certificate, which the gateway shows to servers.
    pub(crate) fn warnings_to_servers(&self, now: Timestamp) -> Vec<String> {
        self.time_warning(now, "servers").into_iter().collect()
    }

    fn time_warning(&self, now: Timestamp, peers: &str) -> Option<String> {
        if let Some(why) = self.out_of_time(now) {
            return Some(format!("{peers} refuse it: {why}"));
        }
        let left = self.days_left(now);
        let ends = u64::try_from(left).is_ok_and(|days| days < SOON);
        ends.then(|| format!("the certificate ends in {}: renew it", days_of(left)))
    }

    /// What is unwise about the certificate, which the gateway shows to clients.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings: Vec<_> = self.time_warning(now, "clients").into_iter().collect();
        if self.said.names.is_empty() {
            warnings.push(
                "the certificate has no subject alternative name, and clients look at nothing else: make one with the names under which \
                 clients reach the gateway"
                    .to_owned(),
            );
        }
        warnings
    }

    /// The certificate's names as a list for people.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.said.names.iter().map(ToString::to_string).collect();
        if names.is_empty() { self.said.subject.clone() } else { names.join(", ") }
    }
}

impl TlsOptions {
    /// The files of all certificates, the default one first.
    pub fn pairs(&self) -> impl Iterator<Item = &CertificateFiles> {
        std::iter::once(&self.certificate).chain(&self.sni)
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.pairs().flat_map(CertificateFiles::files);
        pairs.chain(self.clients.iter().flat_map(|clients| &clients.authorities))
    }

    /// What each certificate that can be read is for, and how long it holds: a line each, for people.
    pub fn certificates(&self) -> Vec<String> {
        let line = |files: &CertificateFiles| {
            let pair = Pair::read(files).ok()?;
            let (names, days) = (pair.names(), pair.days_left(Timestamp::now()));
            Some(format!("certificate for {names}, days left: {days}"))
        };
        self.pairs().filter_map(line).collect()
    }
}

const NOT_X509: &str =
    "holds a certificate that is not X.509: does the file come from the authority as it is?";

fn days(from: Timestamp, to: Timestamp) -> i64 {
    let whole = |later: Timestamp, earlier: Timestamp| {
        let millis = later.as_millis().saturating_sub(earlier.as_millis());
        i64::try_from(millis / MILLIS_PER_DAY).unwrap_or(i64::MAX)
    };
    // A certificate that ended an hour ago has fewer days left than one that ends in an hour.
    if to >= from { whole(to, from) } else { -1 - whole(from, to) }
}

fn days_of(days: i64) -> String {
    match days {
        ..=0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn ago(days: i64) -> String {
    if days <= 1 { "within the last day".to_owned() } else { format!("{} ago", days_of(days - 1)) }
}

/// The certificates in a file.
pub(super) fn certificates(part: Part, file: &Path) -> Result<Vec<CertificateDer<'static>>, PairFault> {
    let text = file::read(file, MAX_FILE).map_err(|error| PairFault::unread(part, file, &error))?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| PairFault::new(part, broken_pem(&error)))?;
    if found.is_empty() {
        return Err(PairFault::new(part, no_certificate(&text)));
    }
    Ok(found)
}

fn no_certificate(text: &[u8]) -> &'static str {
    // The tag of a sequence, with which DER begins.
    if text.first() == Some(&0x30) {
        return "is not PEM but looks like DER: convert it with `openssl x509 -inform der -in FILE -out FILE.pem`";
    }
    if holds(text, "PRIVATE KEY-----") {
        return "holds a private key and no certificate: have `certificate` and `key` been swapped?";
    }
    "holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
}

/// No message repeats what is in the file: it may be a key.
fn broken_pem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "is PEM that breaks off: a line -----END …----- is missing",
        pem::Error::Base64Decode(_) => "is PEM with something in it that is not base64: copy the file again",
        _ => "is not PEM: copy the file again",
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PairFault> {
    let text =
        file::read_private(file, MAX_FILE).map_err(|error| PairFault::unread(Part::Key, file, &error))?;
    private_key_in(&text).map_err(|what| PairFault::new(Part::Key, what))
}

/// The private key in a text in PEM. The message of a fault holds nothing of the text.
pub(crate) fn private_key_in(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if holds(text, "ENCRYPTED") => {
            "holds a key behind a pass phrase, for which the gateway cannot ask: write it without one, `openssl pkey -in FILE -out FILE.key`"
        }
        pem::Error::NoItemsFound if holds(text, "BEGIN CERTIFICATE") => {
            "holds a certificate and no private key: have `certificate` and `key` been swapped?"
        }
        pem::Error::NoItemsFound => {
            "holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
        }
        error => broken_pem(&error),
    })
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn matching(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<CertifiedKey, PairFault> {
    let key = ring::sign::any_supported_type(key).map_err(|_| {
        PairFault::new(
            Part::Key,
            "holds a key that cannot be used: ECDSA with P-256 or P-384, Ed25519, and RSA of 2048 to 8192 bits can",
        )
    })?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InconsistentKeys(_)) => Err(PairFault::new(
            Part::Key,
            "is not the key of the certificate: name the key that the certificate was made for, and put the server's own certificate \
             first in its file",
        )),
        Err(_) => Err(PairFault::new(Part::Certificate, NOT_X509)),
    }
}
