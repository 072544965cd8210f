//! The public ID: what other clients and the log see instead of a tracking ID.
//!
//! A public ID is the HMAC-SHA256 of the tracking ID under the node's key, cut to 96 bits and written as 16
//! URL-safe base64 characters. One-way, because a short tracking ID (6 characters are 36 bits) under an
//! unkeyed hash could be found by trying all of them. 96 bits, because it is a name and no credential: of a
//! billion records, two share a name with a chance of 1 in 10^11, and 16 characters still read well in a log.

use std::{
    fmt, fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use sha2::Sha256;

use super::TrackingId;

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
pub enum KeyError {
    /// The file could not be read, written or created.
    #[error("cannot use {} for the key of public IDs: {source}", path.display())]
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
    pub fn random() -> Result<Self, KeyError> {
        Ok(Self::new(&random_key()?))
    }

    /// Reads the key from a file, and makes the file (mode 0600) if there is none.
    ///
    /// Whoever else does the same at the same moment gets the same key.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        match fs::File::open(path) {
            Ok(file) => return Self::read(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        create(path, &random_key()?).map_err(failed)?;
        Self::read(fs::File::open(path).map_err(failed)?, path)
    }

    fn new(key: &[u8; KEY_SIZE]) -> Self {
        // RFC 2104, 2: a key that is shorter than the hash's block is filled up with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
        Self { keyed: Hmac::new(&block.into()) }
    }

    fn read(file: fs::File, path: &Path) -> Result<Self, KeyError> {
        // One byte more than a key, to notice a file that is longer.
        let mut bytes = Vec::with_capacity(KEY_SIZE + 1);
        file.take(KEY_SIZE as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        let key = <[u8; KEY_SIZE]>::try_from(bytes).map_err(|_| KeyError::Size { path: path.to_owned() })?;
        Ok(Self::new(&key))
    }

    /// Whether a text looks like a public ID. Of a text that does, only the tracking ID can tell.
    pub fn may_have_made(text: &str) -> bool {
        text.len() == TEXT_SIZE
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// The public ID of a tracking ID.
    pub fn public_id(&self, id: &TrackingId) -> Arc<str> {
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

impl PublicIdKey {
    /// What a principal that does not exist has in place of a salt: always the same for a name, as a real
    /// one.
    ///
    /// No tracking ID contains a zero byte, so that these values and the public IDs have nothing to do with
    /// each other although they come from one key.
    pub(crate) fn mock(&self, method: &str, authid: &str) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in ["mock", method, authid] {
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

fn random_key() -> Result<[u8; KEY_SIZE], KeyError> {
    let mut key = [0; KEY_SIZE];
    SysRng.try_fill_bytes(&mut key).map_err(KeyError::Random)?;
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
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn id(text: &str) -> TrackingId {
        TrackingId::parse(text).unwrap()
    }

    #[test]
    fn a_public_id_is_the_cut_hmac_of_the_id() {
        // printf %s ynxeF9djpFhvdtla3T/sM+2N | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707… -binary
        //   | head -c 12 | base64 | tr +/ -_
        let key = PublicIdKey::new(&[7; KEY_SIZE]);
        assert_eq!(&*key.public_id(&id("ynxeF9djpFhvdtla3T/sM+2N")), "nAgRtBpITBx_E3t0");
    }

    #[test]
    fn what_looks_like_a_public_id_has_its_length_and_its_characters() {
        assert!(PublicIdKey::may_have_made("nAgRtBpITBx_E3t0"));
        assert!(PublicIdKey::may_have_made("-AgRtBpITBx_E3t0"));
        for other in
            ["", "joe", "nAgRtBpITBx_E3t", "nAgRtBpITBx_E3t00", "nAgRtBpITBx/E3t0", "joe@example.com."]
        {
            assert!(!PublicIdKey::may_have_made(other), "{other}");
        }
    }

    #[test]
    fn public_ids_differ_by_id_and_by_key() {
        let (one, other) = (PublicIdKey::random().unwrap(), PublicIdKey::random().unwrap());
        assert_eq!(one.public_id(&id("abcdef")), one.public_id(&id("abcdef")));
        assert_ne!(one.public_id(&id("abcdef")), one.public_id(&id("abcdeg")));
        assert_ne!(one.public_id(&id("abcdef")), other.public_id(&id("abcdef")));
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("public-id.key");
        let made = PublicIdKey::load_or_create(&path).unwrap();
        let loaded = PublicIdKey::load_or_create(&path).unwrap();
        assert_eq!(made.public_id(&id("abcdef")), loaded.public_id(&id("abcdef")));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 32));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn whoever_starts_at_the_same_moment_gets_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("public-id.key");
        let names: std::collections::HashSet<_> = std::thread::scope(|scope| {
            let make = || PublicIdKey::load_or_create(&path).unwrap().public_id(&id("abcdef"));
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn a_file_of_another_size_is_refused_by_name_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for size in [0, 31, 33, 1000] {
            let path = directory.path().join(format!("key-of-{size}"));
            fs::write(&path, vec![1; size]).unwrap();
            let error = PublicIdKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::Size { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("key-of-{size}")), "{error}");
            assert_eq!(fs::read(&path).unwrap().len(), size);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing").join("public-id.key");
        let error = PublicIdKey::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("missing/public-id.key"), "{error}");
    }

    #[test]
    fn debug_does_not_show_a_key() {
        assert_eq!(format!("{:?}", PublicIdKey::new(&[7; KEY_SIZE])), "PublicIdKey(..)");
    }
}
