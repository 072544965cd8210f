//! The keys that verify tokens: a secret, or a JWK Set (RFC 7517) in a file that the gateway reads anew when it changes.

mod key;

use std::{
    fmt,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use self::key::{Key, Material};
use super::{Algorithm, TokenError, json, jws::Jws};
use crate::{
    auth::watch::{AS_BEFORE, LoginFile, Reread},
    file,
};

/// The largest file of keys.
const MAX_FILE: u64 = 1024 * 1024;

/// The most keys in a file: a token without a `kid` is tried with each that fits.
const MAX_KEYS: usize = 64;

/// Where the keys of a service come from, and what they are now.
pub struct TokenKeys {
    /// None: a secret, which stands in the configuration.
    source: Option<Source>,
    keys: Reread<KeySet>,
}

/// A file of keys.
struct Source {
    file: PathBuf,
    /// Where the configuration names the file.
    place: String,
    /// What the keys are wanted for.
    algorithms: Vec<Algorithm>,
}

/// Keys that verify tokens.
#[derive(Default)]
pub struct KeySet(Vec<Key>);

/// Why a file gives no keys. The message holds nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySetError(String);

// === impl TokenKeys ===

impl TokenKeys {
    /// A secret that the issuer shares.
    pub fn secret(secret: &str) -> Self {
        let key = Key { name: None, only: None, material: Material::Secret(secret.as_bytes().to_vec()) };
        Self { source: None, keys: Reread::of(KeySet(vec![key])) }
    }

    /// The keys of a file, which the configuration names at `place`. At least one of them must be for one of the algorithms, or the service
    /// could accept no token.
    pub fn read(file: &Path, algorithms: &[Algorithm], place: &str) -> Result<Self, KeySetError> {
        let keys = Reread::begin(read(file, false), |bytes| {
            let keys = parse(bytes, file)?;
            keys.fits(algorithms).map(|()| keys)
        })?;
        let source =
            Source { file: file.to_owned(), place: place.to_owned(), algorithms: algorithms.to_vec() };
        Ok(Self { source: Some(source), keys })
    }

    /// No keys, where only the rest of a configuration is checked.
    pub fn absent(file: &Path) -> Self {
        let source = Source { file: file.to_owned(), place: String::new(), algorithms: Vec::new() };
        Self { source: Some(source), keys: Reread::of(KeySet::default()) }
    }

    /// The keys that count now.
    pub fn current(&self) -> Arc<KeySet> {
        self.keys.current()
    }
}

impl LoginFile for TokenKeys {
    fn file(&self) -> Option<&PathBuf> {
        self.source.as_ref().map(|source| &source.file)
    }

    fn reload(&self) -> Option<Result<String, String>> {
        let file = self.file()?;
        // A file with a secret that others may read by now is told.
        let is_secret = self.keys.load().has_secret();
        // Keys that the issuer has taken out count no more, also if no other one is left that fits.
        let read = self.keys.reload(|| read(file, is_secret), |bytes| parse(bytes, file))?;
        let replaced = read
            .map(|renewed| {
                if renewed.is_as_before {
                    return AS_BEFORE.to_owned();
                }
                format!("the keys of tokens were reloaded, there are {} now", renewed.value.0.len())
            })
            .map_err(|error| error.to_string());
        Some(replaced)
    }

    fn lacks(&self) -> Option<String> {
        let Source { place, algorithms, .. } = self.source.as_ref()?;
        let lack = self.keys.load().fits(algorithms).err()?;
        Some(format!("no token is accepted by {place} any more: the file {lack}"))
    }
}

/// Two services with the same file have the same keys.
impl PartialEq for TokenKeys {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.current(), other.current());
        self.file() == other.file() && (self.source.is_some() || ours.is_same_secret(&theirs))
    }
}

/// As far as they can be compared: the file, or the secret.
impl Hash for TokenKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file().hash(state);
        if self.source.is_none() {
            for key in &self.current().0 {
                if let Material::Secret(secret) = &key.material {
                    secret.hash(state);
                }
            }
        }
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("file", &self.file()).finish_non_exhaustive()
    }
}

/// Reads a file, which others must not be able to change, and not to read if it holds a secret.
fn read(file: &Path, is_secret: bool) -> Result<Vec<u8>, KeySetError> {
    let read = if is_secret { file::read_private } else { file::read_unwritable };
    read(file, MAX_FILE).map_err(|error| {
        KeySetError(match error {
            file::ReadError::Writable(_) => format!("says whose tokens count, and {error}"),
            file::ReadError::Exposed(_) => format!("holds a secret, and {error}"),
            error => error.told(file),
        })
    })
}

/// The keys in a file's text. Others must not be able to make tokens.
fn parse(bytes: &[u8], file: &Path) -> Result<KeySet, KeySetError> {
    let keys = KeySet::parse(bytes)?;
    if keys.has_secret() {
        read(file, true)?;
    }
    Ok(keys)
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWK Set, or a single key. Keys of kinds that the gateway cannot use are left out (RFC 7517, 5).
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let fault = |message: &str| KeySetError(message.to_owned());
        let set = json::object(bytes)
            .ok_or_else(|| fault("is no JWK Set: it must be a JSON object, {\"keys\": [ … ]}, without members that stand twice"))?;
        let list = match set.get("keys") {
            Some(Value::Array(list)) => list.clone(),
            None if set.contains_key("kty") => vec![Value::Object(set)],
            _ => return Err(fault("is no JWK Set: `keys` must be a list")),
        };
        if list.len() > MAX_KEYS {
            return Err(KeySetError(format!("has more than {MAX_KEYS} keys: leave old ones out")));
        }
        let mut keys = Vec::new();
        for (place, key) in list.iter().enumerate() {
            let Value::Object(members) = key else {
                return Err(KeySetError(format!("keys[{place}] is no JSON object")));
            };
            keys.extend(
                Key::read(members).map_err(|message| KeySetError(format!("keys[{place}] {message}")))?,
            );
        }
        Ok(Self(keys))
    }

    /// Whether a key is there for one of these algorithms.
    pub(super) fn fits(&self, algorithms: &[Algorithm]) -> Result<(), KeySetError> {
        let is_wanted = |key: &Key| algorithms.iter().any(|algorithm| key.is_for(*algorithm));
        if self.0.iter().any(is_wanted) {
            return Ok(());
        }
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        Err(KeySetError(format!(
            "has no key for {}: add the issuer's public key, or name the algorithm of the keys in `algorithms`",
            names.join(", ")
        )))
    }

    /// Whether one of the keys that may have made a token's signature has made it.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> Result<bool, TokenError> {
        let mut fitting =
            self.0.iter().filter(|key| key.is_for(jws.algorithm) && key.is_named(jws)).peekable();
        if fitting.peek().is_none() {
            return Err(TokenError::NoKey);
        }
        Ok(fitting.any(|key| key.has_signed(jws)))
    }

    fn has_secret(&self) -> bool {
        self.0.iter().any(|key| matches!(key.material, Material::Secret(_)))
    }

    fn is_same_secret(&self, other: &Self) -> bool {
        match (self.0.as_slice(), other.0.as_slice()) {
            (
                [Key { material: Material::Secret(one), .. }],
                [Key { material: Material::Secret(other), .. }],
            ) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({})", self.0.len())
    }
}
