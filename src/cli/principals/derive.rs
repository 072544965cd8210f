//! Keys from passwords, and key pairs.

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Params, Version};
use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Kdf;
use wampgate::config::Salting;

/// OWASP's recommendation: what a browser computes in a fraction of a second.
const ARGON2_MEMORY: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
/// OWASP's recommendation for PBKDF2 with HMAC-SHA256.
const PBKDF2_ITERATIONS: u32 = 600_000;
/// What the key of WAMP-CRA costs those who try passwords; its clients compute it in JavaScript at each login.
const CRA_ITERATIONS: u32 = 100_000;

/// RFC 5802, 3: what verifies a password, and tells nothing that opens a session.
pub(super) fn scram(password: &str, kdf: Kdf) -> anyhow::Result<Map<String, Value>> {
    let salt: [u8; 16] = rand::random();
    let mut salted = [0; 32];
    let parameters = match kdf {
        Kdf::Argon2id13 => {
            let params = Params::new(ARGON2_MEMORY, ARGON2_PASSES, 1, Some(salted.len()))
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt, &mut salted)
                .map_err(|error| anyhow::anyhow!("the password cannot be used: {error}"))?;
            json!({ "kdf": "argon2id-13", "iterations": ARGON2_PASSES, "memory": ARGON2_MEMORY })
        }
        Kdf::Pbkdf2 => {
            pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, PBKDF2_ITERATIONS, &mut salted);
            json!({ "kdf": "pbkdf2", "iterations": PBKDF2_ITERATIONS })
        }
    };
    let client_key = hmac(&salted, b"Client Key");
    let mut members = parameters.as_object().cloned().unwrap_or_default();
    for (name, value) in [
        ("salt", hex(&salt)),
        ("stored-key", hex(&Sha256::digest(client_key))),
        ("server-key", hex(&hmac(&salted, b"Server Key"))),
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

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
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
