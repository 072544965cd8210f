//! `cryptosign`: the client signs a challenge with its Ed25519 key (WAMP specification, "Cryptosign-based
//! Authentication").

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use ed25519_dalek::{Signature, VerifyingKey};
use rand::CryptoRng;
use serde_json::Map;
use subtle::{Choice, ConstantTimeEq as _};

use super::{
    Applicant, AuthError, Claim, CryptosignOptions, CryptosignPrincipal, Method, Opening, Principal, State,
    principals, standing,
};
use crate::identity::Name;

/// "The challenge sent by the router is a 32 bytes random value, encoded as a Hex string".
const CHALLENGE_SIZE: usize = 32;

/// A challenge that waits for its signature.
pub(super) struct PendingCryptosign {
    claim: Claim,
    is_known: Choice,
    /// The key that the client says it has.
    key: [u8; 32],
    /// What is to be signed: the challenge, bound to the channel where the client asked for it.
    message: [u8; CHALLENGE_SIZE],
}

/// What a HELLO of the method says, checked.
pub(super) struct Shown {
    key: [u8; 32],
    /// The channel binding that the client asks for, and the channel.
    binding: Option<(String, [u8; 32])>,
}

impl Shown {
    pub(super) fn of(applicant: &Applicant<'_>) -> Result<Self, AuthError> {
        let key = applicant.hello.authextra.text("pubkey").as_deref().and_then(from_hex::<32>);
        let key = key.ok_or(AuthError::Missing(
            Method::Cryptosign.name(),
            "authextra.pubkey, 64 hexadecimal digits,",
        ))?;
        let binding = match applicant.channel_binding(Method::Cryptosign)? {
            // The specification lets a router go on without the binding. A client that asks for one has a reason.
            Some(kind) => match applicant.tls_exporter {
                Some(channel) if kind == "tls-exporter" => Some((kind, channel)),
                _ => return Err(AuthError::ChannelBinding(kind)),
            },
            None => None,
        };
        Ok(Self { key, binding })
    }

    /// The key in hexadecimal digits.
    pub(super) fn key_text(&self) -> String {
        to_hex(&self.key)
    }
}

pub(super) fn begin(
    config: &CryptosignOptions,
    applicant: &Applicant<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Opening, AuthError> {
    let shown = Shown::of(applicant)?;
    let key = shown.key;
    let table = config.file.as_ref().map(|file| file.current());
    let owner = applicant.hello.authid.as_deref().or_else(|| match &table {
        Some(table) => table.owner(&key).map(Name::as_str),
        None => owner(&config.principals, &key),
    });
    // A client with an unknown key or name gets a challenge as well, and is refused afterwards.
    let authid = owner.unwrap_or_default();
    let (name, principal, is_known) = principals::find(
        &config.principals,
        table.as_deref(),
        &applicant.stand_ins.cryptosign,
        applicant.key,
        authid,
    )
    .ok_or(AuthError::Credentials(Method::Cryptosign.name()))?;
    let standing = standing::of(applicant.place, name, principal, config.file.as_ref());
    let claim = applicant
        .claim(Method::Cryptosign, name, &principal.role, principal.realm.as_ref(), standing)
        .vouched(config.file.as_ref(), name, principal);
    Ok(open(shown, claim, principal, is_known, rng))
}

/// Makes the challenge for a principal, or for the one that stands in for it.
pub(super) fn open(
    Shown { key, binding }: Shown,
    claim: Claim,
    principal: &CryptosignPrincipal,
    is_known: Choice,
    rng: &mut impl CryptoRng,
) -> Opening {
    let is_authorized = principal.keys.iter().fold(Choice::from(0), |any, known| any | known.ct_eq(&key));
    let mut challenge = [0; CHALLENGE_SIZE];
    rng.fill_bytes(&mut challenge);
    let mut extra = Map::new();
    extra.insert("challenge".to_owned(), to_hex(&challenge).into());
    let message = bound(challenge, binding.as_ref().map(|(_, channel)| *channel));
    extra.insert("channel_binding".to_owned(), binding.map(|(kind, _)| kind).into());
    let pending = PendingCryptosign { claim, is_known: is_known & is_authorized, key, message };
    Opening { extra, state: State::Cryptosign(pending) }
}

/// The one principal with this key; none if several have it.
fn owner<'a>(principals: &'a BTreeMap<Name, CryptosignPrincipal>, key: &[u8; 32]) -> Option<&'a str> {
    let mut owners = principals.iter().filter(|(_, principal)| principal.keys.contains(key));
    match (owners.next(), owners.next()) {
        (Some((authid, _)), None) => Some(authid),
        _ => None,
    }
}

/// "The challenge MUST first be XOR'ed bytewise with the channel ID".
fn bound(mut challenge: [u8; CHALLENGE_SIZE], channel: Option<[u8; 32]>) -> [u8; CHALLENGE_SIZE] {
    challenge.iter_mut().zip(channel.unwrap_or_default()).for_each(|(byte, other)| *byte ^= other);
    challenge
}

impl PendingCryptosign {
    /// "The client MUST return the concatenation of the signature and the message signed (96 bytes)".
    pub(super) fn finish(self, answer: &str) -> Result<Principal, AuthError> {
        let is_right = Choice::from(u8::from(is_signed(answer, &self.key, &self.message)));
        self.claim.settle(is_right & self.is_known)
    }
}

fn is_signed(answer: &str, key: &[u8; 32], message: &[u8; CHALLENGE_SIZE]) -> bool {
    let Some(answer) = from_hex::<96>(answer) else { return false };
    let Some((signature, signed)) = answer.split_first_chunk::<64>() else { return false };
    let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
    signed == message && key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

impl fmt::Debug for PendingCryptosign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCryptosign").field("claim", &self.claim).finish_non_exhaustive()
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly `N` bytes.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut bytes = [0; N];
    for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *slot = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
