//! The keys of a signer, in files that the gateway reads anew when they change.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{KeyFault, SigningKey};
use crate::{
    auth::{AS_BEFORE, LoginFile, Reread},
    file,
    time::Timestamp,
};

/// The largest file of a key.
const MAX_FILE: u64 = 64 * 1024;

/// How many keys that a file held before are still published. The oldest makes room for the next.
const MAX_RETIRED: usize = 8;

/// How far the clocks of a server and the gateway may be apart, in seconds: so long a token may count there that has ended here.
const LEEWAY: u64 = 60;

/// The keys of a signer. The first signs, and all of them are published.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    /// A key that stands in the configuration.
    own: Option<Arc<SigningKey>>,
    files: Vec<Arc<KeyFile>>,
}

/// A file with a private key.
pub struct KeyFile {
    file: PathBuf,
    /// For how many seconds tokens may count that the key has signed.
    counts: AtomicU64,
    held: Reread<Held>,
}

/// What a file holds, and has held.
struct Held {
    /// None: only the rest of a configuration is checked.
    key: Option<Arc<SigningKey>>,
    retired: Vec<Retired>,
}

/// A key that no longer signs, and verifies what it has signed.
#[derive(Debug, Clone)]
pub(super) struct Retired {
    pub(super) key: Arc<SigningKey>,
    /// When the last token has ended that it has signed.
    pub(super) until: Timestamp,
}

impl Retired {
    pub(super) fn new(key: Arc<SigningKey>, counts: u64, now: Timestamp) -> Self {
        Self { key, until: until(counts, now) }
    }

    pub(super) fn counts_at(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// When a token has ended, also by a clock that is late, that is signed now and counts for so many seconds.
pub(super) fn until(counts: u64, now: Timestamp) -> Timestamp {
    now.plus_seconds(counts.saturating_add(LEEWAY))
}

// === impl SigningKeys ===

impl SigningKeys {
    /// One key, which never changes.
    pub fn of_key(key: SigningKey) -> Self {
        Self { own: Some(Arc::new(key)), files: Vec::new() }
    }

    /// The keys of these files, the one first that signs.
    pub const fn of_files(files: Vec<Arc<KeyFile>>) -> Self {
        Self { own: None, files }
    }

    /// The files.
    pub fn files(&self) -> &[Arc<KeyFile>] {
        &self.files
    }

    /// The key that signs.
    pub fn signing(&self) -> Option<Arc<SigningKey>> {
        match &self.own {
            Some(key) => Some(Arc::clone(key)),
            None => self.files.first()?.held.load().key.clone(),
        }
    }

    /// The keys that stand in the configuration and its files now.
    pub(super) fn current(&self) -> Vec<Arc<SigningKey>> {
        let mut keys: Vec<_> = self.own.iter().cloned().collect();
        keys.extend(self.files.iter().filter_map(|file| file.held.current().key.clone()));
        keys
    }

    /// The keys that verify what counts now.
    pub(super) fn public(&self, now: Timestamp) -> Vec<Arc<SigningKey>> {
        let mut keys = self.current();
        let held: Vec<_> = self.files.iter().map(|file| file.held.current()).collect();
        let retired = held.iter().flat_map(|held| &held.retired).filter(|retired| retired.counts_at(now));
        keys.extend(retired.map(|retired| Arc::clone(&retired.key)));
        keys
    }
}

/// Two signers with the same files have the same keys.
impl PartialEq for SigningKeys {
    fn eq(&self, other: &Self) -> bool {
        let kid = |keys: &Self| keys.own.as_ref().map(|key| key.kid().to_owned());
        let files = |keys: &Self| keys.files.iter().map(|file| file.file.clone()).collect::<Vec<_>>();
        kid(self) == kid(other) && files(self) == files(other)
    }
}

impl Eq for SigningKeys {}

// === impl KeyFile ===

impl KeyFile {
    /// Reads a file. The message of a fault says what to do, and nothing of what is in the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let held = Reread::begin(read(file), |bytes| {
            let key = SigningKey::of_pem(bytes).map_err(|KeyFault(what)| what.to_owned())?;
            Ok(Held { key: Some(Arc::new(key)), retired: Vec::new() })
        })?;
        Ok(Self { file: file.to_owned(), counts: AtomicU64::new(0), held })
    }

    /// No key, where only the rest of a configuration is checked.
    pub fn absent(file: &Path) -> Self {
        let held = Reread::of(Held { key: None, retired: Vec::new() });
        Self { file: file.to_owned(), counts: AtomicU64::new(0), held }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Stands for the public key, as long as the file holds one.
    pub fn kid(&self) -> Option<String> {
        self.held.load().key.as_ref().map(|key| key.kid().to_owned())
    }

    /// Tokens that it signs may count for so long.
    pub fn signs_for(&self, lifetime: Duration) {
        self.counts.fetch_max(lifetime.as_secs(), Relaxed);
    }

    /// What another key leaves behind that takes the place of the file's.
    fn replaced_by(&self, key: SigningKey, now: Timestamp) -> Held {
        let before = self.held.current();
        let still =
            before.retired.iter().filter(|retired| retired.counts_at(now) && retired.key.kid() != key.kid());
        let mut retired: Vec<_> = still.cloned().collect();
        if let Some(old) = before.key.as_ref().filter(|old| old.kid() != key.kid()) {
            retired.push(Retired::new(Arc::clone(old), self.counts.load(Relaxed), now));
        }
        retired.drain(..retired.len().saturating_sub(MAX_RETIRED));
        Held { key: Some(Arc::new(key)), retired }
    }
}

impl LoginFile for KeyFile {
    fn file(&self) -> Option<&PathBuf> {
        Some(&self.file)
    }

    fn reload(&self) -> Option<Result<String, String>> {
        let before = self.kid();
        let read = self.held.reload(
            || read(&self.file),
            |bytes| match SigningKey::of_pem(bytes) {
                Ok(key) => Ok(self.replaced_by(key, Timestamp::now())),
                Err(KeyFault(what)) => Err(what.to_owned()),
            },
        )?;
        Some(read.map(|renewed| {
            if renewed.is_as_before {
                return AS_BEFORE.to_owned();
            }
            let held = renewed.value;
            let kid = held.key.as_ref().map_or("none", |key| key.kid());
            if before.as_deref() == Some(kid) {
                return format!("the file holds the same key as before, its `kid` is still {kid}");
            }
            format!("the key of signed assertions was reloaded, its `kid` is {kid} now")
        }))
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Reads a file that users other than its owner and its group must not be able to read.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    file::read_private(file, MAX_FILE).map_err(|error| error.told(file))
}
