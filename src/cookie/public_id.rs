//! The public ID: what other clients and the log see instead of a tracking ID.
//!
//! A public ID is the HMAC-SHA256 of the tracking ID under the node's key, cut to 96 bits and written as 16
//! URL-safe base64 characters. One-way, because a short tracking ID (6 characters are 36 bits) under an
//! unkeyed hash could be found by trying all of them. 96 bits, because it is a name and no credential: of a
//! billion records, two share a name with a chance of 1 in 10^11, and 16 characters still read well in a log.

use std::{
    fmt, fs, io,
    io::Write as _,
    num::NonZeroU64,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use sha2::Sha256;

use super::TrackingId;
use crate::file::{self, ReadError};

/// The file in the node directory that holds the key.
pub(crate) const FILE: &str = "public-id.key";
/// The size of a key in bytes: the hash's output, more adds nothing (RFC 2104, 3).
const KEY_SIZE: usize = 32;
/// The size of a public ID in bytes before it is written as text.
const PUBLIC_SIZE: usize = 12;
/// The size of a public ID's text: 4 characters for 3 bytes.
const TEXT_SIZE: usize = PUBLIC_SIZE / 3 * 4;

/// The node's key for public IDs. With a key of its own in the node directory they survive a restart.
#[derive(Clone)]
pub struct PublicIdKey {
    /// The state after the key went in, so that a public ID costs two blocks of the hash rather than four.
    keyed: Hmac<Sha256>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublicIdKeyError {
    /// The file could not be read, written or created.
    #[error(
        "cannot use {} for the key of public IDs: {source}; its folder must exist, and this user must be allowed to \
         read and write it", path.display()
    )]
    File {
        /// The key's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no key: it is damaged, or another file.
    #[error(
        "{} should be a key of {KEY_SIZE} bytes and is not: restore it, or move it away to get a new key \
         (clients then get new public IDs)", path.display()
    )]
    Size {
        /// The key's file.
        path: PathBuf,
    },
    /// The operating system has no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(rand::rngs::SysError),
}

impl PublicIdKey {
    /// A key that is gone when the gateway stops: for nodes whose records are gone then as well.
    pub fn random() -> Result<Self, PublicIdKeyError> {
        Ok(Self::new(&random_key()?))
    }

    /// The key in a node directory, which goes with the records of the node's stores.
    pub fn of_node(node_dir: &Path) -> Result<Self, PublicIdKeyError> {
        Self::load_or_create(&node_dir.join(FILE))
    }

    /// Whether there is a key in a file. Fails if what stands there is none, or cannot be read.
    pub(crate) fn look(path: &Path) -> Result<bool, PublicIdKeyError> {
        match file::read(path, KEY_SIZE as u64) {
            Err(error) if error.is_not_found() => Ok(false),
            found => Self::read(found, path).map(|_| true),
        }
    }

    /// A key that gateways have agreed on; nothing if the text is none.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self::new(&bytes.try_into().ok()?))
    }

    /// A new key as the text that [`from_text`](Self::from_text) reads.
    pub(crate) fn random_text() -> Result<String, PublicIdKeyError> {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(random_key()?))
    }

    /// Reads the key from a file, and makes the file (mode 0600) if there is none.
    ///
    /// Another process that does the same at the same moment gets the same key.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, PublicIdKeyError> {
        let failed = |source| PublicIdKeyError::File { path: path.to_owned(), source };
        match file::read(path, KEY_SIZE as u64) {
            Err(error) if error.is_not_found() => {}
            found => return Self::read(found, path),
        }
        create(path, &random_key()?).map_err(failed)?;
        Self::read(file::read(path, KEY_SIZE as u64), path)
    }

    fn new(key: &[u8; KEY_SIZE]) -> Self {
        // RFC 2104, 2: a key that is shorter than the hash's block is filled up with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
        Self { keyed: Hmac::new(&block.into()) }
    }

    fn read(found: Result<Vec<u8>, ReadError>, path: &Path) -> Result<Self, PublicIdKeyError> {
        let wrong_size = || PublicIdKeyError::Size { path: path.to_owned() };
        let bytes = found.map_err(|error| match error {
            ReadError::TooLarge => wrong_size(),
            error => PublicIdKeyError::File { path: path.to_owned(), source: error.into() },
        })?;
        let key = <[u8; KEY_SIZE]>::try_from(bytes).map_err(|_| wrong_size())?;
        Ok(Self::new(&key))
    }

    /// Whether a text looks like a public ID. Of a text that does, only the tracking ID can tell.
    pub fn may_have_made(text: &str) -> bool {
        text.len() == TEXT_SIZE
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// The public ID of a tracking ID.
    pub fn public_id(&self, id: &TrackingId) -> Arc<str> {
        if let Some((_, public_id)) = id.stands_for() {
            return Arc::from(public_id);
        }
        let mut mac = self.keyed.clone();
        mac.update(id.expose().as_bytes());
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        let cut = hash.get(..PUBLIC_SIZE).unwrap_or_default();
        let mut text = [0; TEXT_SIZE];
        // The text has exactly the size that 12 bytes take.
        let written = BASE64_URL_SAFE_NO_PAD.encode_slice(cut, &mut text).unwrap_or_default();
        debug_assert_eq!(written, TEXT_SIZE);
        Arc::from(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Stands for a principal that has logged in, where only equality matters: who it is, the mark does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrincipalMark(NonZeroU64);

impl PrincipalMark {
    /// The mark that this number stands for; 0 stands for none.
    pub const fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The mark as a number, which is never 0.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl PublicIdKey {
    /// The mark of a principal in a realm. Gateways that have the key in common make the same one.
    ///
    /// Of 64 bits under a key: a client can neither compute a mark nor try many, so that it finds no second principal with
    /// the mark of a first one.
    pub fn mark(&self, realm: &str, authid: &str) -> PrincipalMark {
        let hash = self.keyed_hash(["principal", realm, authid]);
        let number = hash.first_chunk().map_or(0, |start| u64::from_le_bytes(*start));
        PrincipalMark(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The mark of what attempts to log in are counted by: a kind of count, an address, a principal. Never 0.
    pub(crate) fn attempt_mark(&self, kind: &str, address: &str, principal: &str) -> u64 {
        let hash = self.keyed_hash([kind, address, principal]);
        hash.first_chunk().map_or(1, |start| u64::from_le_bytes(*start)).max(1)
    }

    /// What a principal that does not exist has in place of a salt: always the same for a name, as a real
    /// one.
    ///
    /// No tracking ID contains a zero byte, so that these values and the public IDs have nothing to do with
    /// each other although they come from one key.
    pub(crate) fn mock(&self, method: &str, authid: &str) -> [u8; 32] {
        self.keyed_hash(["mock", method, authid])
    }

    fn keyed_hash(&self, parts: [&str; 3]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for PublicIdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicIdKey(..)")
    }
}

fn random_key() -> Result<[u8; KEY_SIZE], PublicIdKeyError> {
    let mut key = [0; KEY_SIZE];
    SysRng.try_fill_bytes(&mut key).map_err(PublicIdKeyError::Random)?;
    Ok(key)
}

/// Puts a key in place: whole or not at all, and never over another one.
fn create(path: &Path, key: &[u8; KEY_SIZE]) -> io::Result<()> {
    let draft = path.with_added_extension(format!("{:x}.new", rand::random::<u64>()));
    let outcome = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(key).and_then(|()| file.sync_all()))
        // A link fails where a rename would replace.
        .and_then(|()| fs::hard_link(&draft, path));
    // The draft is of no use any more, whatever happened; that it stays behind harms nothing.
    let _ = fs::remove_file(&draft);
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), |directory| {
            // The name itself must survive a power failure, or the public IDs would change.
            fs::File::open(directory)?.sync_all()
        }),
    }
}

#[cfg(test)]
mod tests;
