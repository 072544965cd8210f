//! Keys from passwords, and key pairs.

#[cfg(test)]
mod tests;

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use wampgate::config::Salting;

/// OWASP's recommendation: what a browser computes in a fraction of a second.
const ARGON2_MEMORY: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
/// OWASP's recommendation for PBKDF2 with HMAC-SHA256.
const PBKDF2_ITERATIONS: u32 = 600_000;
/// What the key of WAMP-CRA costs those who try passwords; its clients compute it in JavaScript at each login.
const CRA_ITERATIONS: u32 = 100_000;

/// How a client comes to the salted password of SCRAM.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kdf {
    Argon2id { memory: u32, passes: u32, form: Form },
    Pbkdf2 { iterations: u32 },
}

/// What a client takes for the salted password when it has an Argon2id hash. Keys tell nothing about the form that they come from, and
/// fit no client of the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The hash as text in base64 without padding. So do autobahn for Python and its `derive_scram_credential`.
    Text,
    /// The bytes of the hash, as the specification says.
    Bytes,
}

impl Kdf {
    pub(super) const PBKDF2: Self = Self::Pbkdf2 { iterations: PBKDF2_ITERATIONS };

    pub(super) fn argon2id(form: Form) -> Self {
        Self::Argon2id { memory: ARGON2_MEMORY, passes: ARGON2_PASSES, form }
    }
}

/// RFC 5802, 3: what verifies a password, and tells nothing that opens a session.
pub(super) fn scram(password: &str, kdf: Kdf) -> anyhow::Result<Map<String, Value>> {
    verifier(password, &rand::random(), kdf)
}

fn verifier(password: &str, salt: &[u8; 16], kdf: Kdf) -> anyhow::Result<Map<String, Value>> {
    let mut hash = [0; 32];
    let (parameters, form) = match kdf {
        Kdf::Argon2id { memory, passes, form } => {
            let params = Params::new(memory, passes, 1, Some(hash.len()))
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.as_bytes(), salt, &mut hash)
                .map_err(|error| anyhow::anyhow!("the password cannot be used: {error}"))?;
            (json!({ "kdf": "argon2id-13", "iterations": passes, "memory": memory }), form)
        }
        Kdf::Pbkdf2 { iterations } => {
            pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut hash);
            (json!({ "kdf": "pbkdf2", "iterations": iterations }), Form::Bytes)
        }
    };
    let text = BASE64_STANDARD_NO_PAD.encode(hash);
    let salted = match form {
        Form::Text => text.as_bytes(),
        Form::Bytes => &hash,
    };
    let client_key = hmac(salted, b"Client Key");
    let mut members = parameters.as_object().cloned().unwrap_or_default();
    for (name, value) in [
        ("salt", hex(salt)),
        ("stored-key", hex(&Sha256::digest(client_key))),
        ("server-key", hex(&hmac(salted, b"Server Key"))),
    ] {
        members.insert(name.to_owned(), value.into());
    }
    Ok(members)
}

/// The key that a client derives from its password, and signs with.
pub(super) fn wampcra(password: &str) -> Map<String, Value> {
    let salt = hex(&rand::random::<[u8; 16]>());
    let salting = Salting { salt, iterations: CRA_ITERATIONS, key_length: Salting::DEFAULT_KEY_LENGTH };
    let secret = salting.derive(password);
    let members = json!({
        "secret": secret.expose(),
        "salt": salting.salt,
        "iterations": salting.iterations,
        "keylen": salting.key_length,
    });
    members.as_object().cloned().unwrap_or_default()
}

/// A new public key and its private key, in hexadecimal digits.
pub(super) fn key_pair() -> (String, String) {
    let seed: [u8; 32] = rand::random();
    (hex(SigningKey::from_bytes(&seed).verifying_key().as_bytes()), hex(&seed))
}

/// A public key, checked.
pub(super) fn public_key(text: &str) -> anyhow::Result<String> {
    let key =
        unhex(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).filter(|key| !key.is_weak());
    let key = key.context("`--key` is no public key of Ed25519 in 64 hexadecimal digits")?;
    Ok(hex(key.as_bytes()))
}

/// The key is shorter than a block of the hash.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // RFC 2104, 2: a key that is shorter than the hash's block is filled up with zeros.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let bytes: Vec<u8> = text.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
    is_hex.then(|| bytes.try_into().ok()).flatten()
}
