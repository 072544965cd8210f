//! `wampcra`: the client signs a challenge with a shared secret (WAMP specification, "Challenge Response
//! Authentication").

#[cfg(test)]
mod tests;

use std::fmt;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use cookie::time::OffsetDateTime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::CryptoRng;
use serde_json::{Map, json};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{
    Applicant, AuthError, Claim, Method, Opening, Principal, Salting, Secret, State, WampCraOptions,
    WampCraPrincipal, principals, standing,
};
use crate::time::Timestamp;

/// 144 random bits: no challenge is ever made twice, and 18 bytes are whole base64 groups.
const NONCE_SIZE: usize = 18;

/// A challenge that waits for its signature.
pub(super) struct PendingWampCra {
    claim: Claim,
    /// The hash of the signature's text: comparing hashes takes the same time whatever was sent.
    expected: [u8; 32],
    is_known: Choice,
}

pub(super) fn begin(
    config: &WampCraOptions,
    applicant: &Applicant<'_>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Opening, AuthError> {
    // "For WAMP-CRA, this MUST be provided."
    let authid = applicant.authid(Method::WampCra)?;
    let table = config.file.as_ref().map(|file| file.current());
    let (name, principal, is_known) = principals::find(
        &config.principals,
        table.as_deref(),
        &applicant.stand_ins.wampcra,
        applicant.key,
        authid,
    )
    .ok_or(AuthError::Credentials(Method::WampCra.name()))?;
    let standing = standing::of(applicant.place, name, principal, config.file.as_ref());
    let claim = applicant
        .claim(Method::WampCra, name, &principal.role, principal.realm.as_ref(), standing)
        .vouched(config.file.as_ref(), name, principal);
    open(applicant, claim, principal, is_known, now, rng)
}

/// Makes the challenge for a principal, or for the one that stands in for it.
pub(super) fn open(
    applicant: &Applicant<'_>,
    claim: Claim,
    principal: &WampCraPrincipal,
    is_known: Choice,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Opening, AuthError> {
    let authid = applicant.authid(Method::WampCra)?;
    let mut nonce = [0; NONCE_SIZE];
    rng.fill_bytes(&mut nonce);
    // The seven members that "MUST" be there; the session makes the challenge useless to any other one.
    let challenge = json!({
        "authid": authid,
        "authrole": principal.role.as_str(),
        "authmethod": Method::WampCra.name(),
        "authprovider": claim.principal.authprovider,
        "nonce": BASE64_URL_SAFE_NO_PAD.encode(nonce),
        "timestamp": iso_8601(now),
        "session": applicant.session.0,
    })
    .to_string();

    let expected = Sha256::digest(sign(&principal.key, &challenge)).into();
    let mut extra = Map::new();
    extra.insert("challenge".to_owned(), challenge.into());
    if let Some(Salting { salt, iterations, key_length }) = &principal.salting {
        let mock = mock_salt(salt, &applicant.key.mock(Method::WampCra.name(), authid));
        let salt = principals::choose(is_known, salt.as_bytes(), mock.as_bytes());
        // One of two texts, as a whole.
        extra.insert("salt".to_owned(), String::from_utf8(salt).unwrap_or_default().into());
        extra.insert("iterations".to_owned(), (*iterations).into());
        extra.insert("keylen".to_owned(), (*key_length).into());
    }
    Ok(Opening { extra, state: State::WampCra(PendingWampCra { claim, expected, is_known }) })
}

impl PendingWampCra {
    pub(super) fn finish(self, signature: &str) -> Result<Principal, AuthError> {
        let given: [u8; 32] = Sha256::digest(signature).into();
        self.claim.settle(given.ct_eq(&self.expected) & self.is_known)
    }
}

impl fmt::Debug for PendingWampCra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingWampCra").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl Salting {
    /// Whether a text has the form of a key that was derived in this way.
    pub fn has_derived(&self, key: &str) -> bool {
        BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == usize::from(self.key_length))
    }

    /// The key of a password: what a client that was sent the salt signs with.
    ///
    /// Every implementation uses the base64 text of the derived bytes as the key, which the specification
    /// leaves open.
    pub fn derive(&self, password: &str) -> Secret {
        let mut key = vec![0; usize::from(self.key_length)];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), self.salt.as_bytes(), self.iterations, &mut key);
        Secret::new(BASE64_STANDARD.encode(key))
    }
}

/// "signature := HMAC[SHA256]_{secret} (challenge)", "as a base64-encoded string".
pub fn sign(key: &Secret, challenge: &str) -> String {
    // An HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return String::new() };
    mac.update(challenge.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// A stand-in for a salt, with the alphabet of the real one.
fn mock_salt(like: &str, mock: &[u8; 32]) -> String {
    let is_hex = like.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex {
        mock.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    } else {
        BASE64_URL_SAFE_NO_PAD.encode(mock)
    }
}

/// "The UTC timestamp (ISO8601 format)", with milliseconds.
fn iso_8601(now: Timestamp) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now.as_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second, milli)) = (at.date(), at.to_hms_milli());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
