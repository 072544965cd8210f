//! The keys that verify tokens: a secret, or a JWK Set (RFC 7517) in a file that the gateway reads anew when it changes.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use ring::{agreement, hmac, rand::SystemRandom, signature};
use serde_json::{Map, Value};

use super::{Algorithm, TokenError, json, jws::Jws};
use crate::{
    auth::watch::{AS_BEFORE, LoginFile, Reread},
    file,
};

/// The largest file of keys.
const MAX_FILE: u64 = 1024 * 1024;

/// The most keys in a file: a token without a `kid` is tried with each that fits.
const MAX_KEYS: usize = 64;

/// RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used". `ring` takes no more than 8192.
const RSA: RangeInclusive<usize> = 256..=1024;

/// Where the keys of a service come from, and what they are now.
pub struct TokenKeys {
    file: Option<PathBuf>,
    /// Where the configuration names the file.
    place: String,
    algorithms: Vec<Algorithm>,
    keys: Reread<KeySet>,
}

/// Keys that verify tokens.
#[derive(Default)]
pub struct KeySet(Vec<Key>);

/// Why a file gives no keys. The message holds nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySetError(String);

struct Key {
    /// `kid`; none: the key fits each token.
    name: Option<String>,
    /// `alg`: the only algorithm that the key is for; none: all of its kind.
    only: Option<Algorithm>,
    material: Material,
}

enum Material {
    Secret(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(VerifyingKey),
}

// === impl TokenKeys ===

impl TokenKeys {
    /// A secret that the issuer shares.
    pub fn secret(secret: &str) -> Self {
        let key = Key { name: None, only: None, material: Material::Secret(secret.as_bytes().to_vec()) };
        Self { file: None, place: String::new(), algorithms: Vec::new(), keys: Reread::of(KeySet(vec![key])) }
    }

    /// The keys of a file, which the configuration names at `place`. At least one of them must be for one of the algorithms, or the service
    /// could accept no token.
    pub fn read(file: &Path, algorithms: &[Algorithm], place: &str) -> Result<Self, KeySetError> {
        let keys = Reread::begin(read(file, false), |bytes| {
            let keys = parse(bytes, file)?;
            keys.fits(algorithms).map(|()| keys)
        })?;
        let (file, place) = (Some(file.to_owned()), place.to_owned());
        Ok(Self { file, place, algorithms: algorithms.to_vec(), keys })
    }

    /// No keys, where only the rest of a configuration is checked.
    pub fn absent(file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            place: String::new(),
            algorithms: Vec::new(),
            keys: Reread::of(KeySet::default()),
        }
    }

    /// The keys that count now.
    pub fn current(&self) -> Arc<KeySet> {
        self.keys.current()
    }
}

impl LoginFile for TokenKeys {
    fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    fn reload(&self) -> Option<Result<String, String>> {
        let file = self.file.as_ref()?;
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
        let lack = self.keys.load().fits(&self.algorithms).err().filter(|_| self.file.is_some())?;
        Some(format!("no token is accepted by {} any more: the file {lack}", self.place))
    }
}

/// Two services with the same file have the same keys.
impl PartialEq for TokenKeys {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.current(), other.current());
        self.file == other.file && (self.file.is_some() || ours.is_same_secret(&theirs))
    }
}

/// As far as they can be compared: the file, or the secret.
impl Hash for TokenKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.hash(state);
        if self.file.is_none() {
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
        f.debug_struct("TokenKeys").field("file", &self.file).finish_non_exhaustive()
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

    /// Whether a key is there for one of these algorithms, of which there is at least one.
    pub(super) fn fits(&self, algorithms: &[Algorithm]) -> Result<(), KeySetError> {
        let is_wanted = |key: &Key| algorithms.iter().any(|algorithm| key.is_for(*algorithm));
        if algorithms.is_empty() || self.0.iter().any(is_wanted) {
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

// === impl Key ===

impl Key {
    /// None: a key that cannot verify tokens here.
    fn read(members: &Map<String, Value>) -> Result<Option<Self>, String> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
            decoded.ok_or_else(|| format!("has no `{name}`, or one that is not base64url"))
        };
        if text("use").is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        if let Some(Value::Array(operations)) = members.get("key_ops")
            && !operations.iter().any(|operation| operation == "verify")
        {
            return Ok(None);
        }
        let only = match text("alg").map(Algorithm::parse) {
            // It is for something that the gateway does not have.
            Some(None) => return Ok(None),
            Some(only) => only,
            None => None,
        };
        let material = match (text("kty"), text("crv")) {
            (Some("oct"), _) => Material::Secret(bytes("k")?),
            _ if members.contains_key("d") => {
                return Err("is a private key, which belongs to the issuer alone: leave out all but its public members".to_owned());
            }
            (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?)?,
            (Some("EC"), Some("P-256")) => {
                Material::P256(point(&bytes("x")?, &bytes("y")?, 32, &agreement::ECDH_P256)?)
            }
            (Some("EC"), Some("P-384")) => {
                Material::P384(point(&bytes("x")?, &bytes("y")?, 48, &agreement::ECDH_P384)?)
            }
            (Some("OKP"), Some("Ed25519")) => {
                let key = <[u8; 32]>::try_from(bytes("x")?).ok();
                let key =
                    key.and_then(|key| VerifyingKey::from_bytes(&key).ok()).filter(|key| !key.is_weak());
                Material::Ed25519(key.ok_or("is no public key of Ed25519")?)
            }
            (None, _) => return Err("has no `kty`".to_owned()),
            _ => return Ok(None),
        };
        let name = text("kid").map(str::to_owned);
        let key = Self { name, only, material };
        if let Material::Secret(secret) = &key.material {
            let least = key.only.unwrap_or(Algorithm::Hs256).least_secret().unwrap_or(usize::MAX);
            if secret.len() < least {
                return Err(format!("is a secret of {} bytes, use at least {least}", secret.len()));
            }
        }
        Ok(Some(key))
    }

    /// Whether the key is made for an algorithm. Its kind decides: no token can turn a public key into a secret.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        self.only.is_none_or(|only| only == algorithm)
            && match &self.material {
                Material::Secret(secret) => {
                    algorithm.least_secret().is_some_and(|least| secret.len() >= least)
                }
                Material::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
                Material::P256(_) => algorithm == Es256,
                Material::P384(_) => algorithm == Es384,
                Material::Ed25519(_) => algorithm == EdDsa,
            }
    }

    fn is_named(&self, jws: &Jws<'_>) -> bool {
        self.name.is_none() || jws.key.is_none() || self.name == jws.key
    }

    fn has_signed(&self, jws: &Jws<'_>) -> bool {
        let (message, signature) = (jws.signed.as_bytes(), jws.signature.as_slice());
        let point = |algorithm, key: &Vec<u8>| {
            signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match (&self.material, jws.algorithm) {
            (Material::Secret(secret), algorithm) => {
                let algorithm = match algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return false,
                };
                // In constant time.
                hmac::verify(&hmac::Key::new(algorithm, secret), message, signature).is_ok()
            }
            (Material::Rsa { n, e }, algorithm) => {
                let parameters = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (Material::P256(key), Algorithm::Es256) => point(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Material::P384(key), Algorithm::Es384) => point(&signature::ECDSA_P384_SHA384_FIXED, key),
            // Strictly, as for `cryptosign`.
            (Material::Ed25519(key), Algorithm::EdDsa) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            _ => false,
        }
    }
}

/// A public key of RSA that `ring` takes. Some issuers put a zero before the modulus (RFC 7518, 6.3.1.1).
fn rsa(n: &[u8], e: &[u8]) -> Result<Material, String> {
    let [n, e] = [n, e].map(|number| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).unwrap_or_default().to_vec()
    });
    if n.len() < *RSA.start() {
        return Err("is an RSA key of less than 2048 bits, which is too weak".to_owned());
    }
    if n.len() > *RSA.end() {
        return Err("is an RSA key of more than 8192 bits: use a shorter one".to_owned());
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // `ring` takes exponents of up to 33 bits.
    let exponent =
        e.iter().fold(0_u64, |number, byte| number.saturating_mul(256).saturating_add((*byte).into()));
    if !is_odd(&n) || !is_odd(&e) || !(3..1 << 33).contains(&exponent) {
        return Err("is no public key of RSA: copy its `n` and its `e` from the issuer again".to_owned());
    }
    Ok(Material::Rsa { n, e })
}

/// SEC 1, 2.3.3: an uncompressed point, which lies on the curve. `ring` looks at that when it uses a key, so that one of its own is used
/// once: otherwise each login with a token of such a key would fail.
fn point(x: &[u8], y: &[u8], size: usize, curve: &'static agreement::Algorithm) -> Result<Vec<u8>, String> {
    if x.len() != size || y.len() != size {
        return Err(format!("has an `x` or a `y` of another length than {size} bytes"));
    }
    let point = [&[4], x, y].concat();
    let own = agreement::EphemeralPrivateKey::generate(curve, &SystemRandom::new());
    let agrees = own.and_then(|own| {
        agreement::agree_ephemeral(own, &agreement::UnparsedPublicKey::new(curve, &point), |_| ())
    });
    agrees.map_err(|_| {
        "is no point on its curve, so that it verifies nothing: copy its `x` and its `y` from the issuer again"
    })?;
    Ok(point)
}
