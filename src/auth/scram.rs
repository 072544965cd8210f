//! `scram`: salted challenge and response; the gateway holds no password and nothing that opens a session
//! (WAMP specification, "Salted Challenge Response Authentication"; RFC 5802, RFC 7677).
//!
//! There are two dialects. The specification calls the method `wamp-scram`; Autobahn and Crossbar.io
//! implement an earlier draft as `scram`. The client's word for it says which one it speaks, see [`Dialect`].

#[cfg(test)]
mod tests;

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::CryptoRng;
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{
    Applicant, AuthError, Claim, Kdf, Method, Opening, Principal, ScramOptions, ScramPrincipal, SecretKey,
    State, principals, standing,
};
use crate::wamp::Dictionary;

/// "A length of 16 octets (128 bits) is recommended for each of the client and server-generated nonces."
const NONCE_SIZE: usize = 16;
/// The longest nonce that a client may send, in characters: 96 bytes, six times what is recommended.
const MAX_CLIENT_NONCE: usize = 128;

/// What the two dialects write differently.
struct Dialect {
    method: Method,
    /// `c=`, what a client without channel binding signs. RFC 5802: base64 of the header `n,,`; the draft:
    /// nothing.
    channel_binding: &'static str,
    /// What the draft calls Argon2id.
    argon2: &'static str,
    /// Where WELCOME carries the gateway's own signature.
    verifier: &'static str,
    /// Whether `,` and `=` in an authid are escaped, and `AUTHENTICATE.Extra` repeats the nonce.
    is_strict: bool,
}

const SPECIFIED: Dialect = Dialect {
    method: Method::WampScram,
    channel_binding: "biws",
    argon2: "argon2id13",
    verifier: "verifier",
    is_strict: true,
};

const DRAFT: Dialect = Dialect {
    method: Method::Scram,
    channel_binding: "",
    argon2: "argon2id-13",
    verifier: "scram_server_signature",
    is_strict: false,
};

/// A challenge that waits for its proof.
pub(super) struct PendingScram {
    claim: Claim,
    is_known: Choice,
    dialect: &'static Dialect,
    stored_key: SecretKey,
    server_key: SecretKey,
    /// Client and server nonce together.
    nonce: String,
    /// `AuthMessage` up to `ClientFinalNoProof`.
    messages: String,
}

/// What a HELLO of the method says, checked.
pub(super) struct Opened<'a> {
    dialect: &'static Dialect,
    authid: &'a str,
    nonce: String,
}

impl<'a> Opened<'a> {
    pub(super) fn of(method: Method, applicant: &'a Applicant<'_>) -> Result<Self, AuthError> {
        let dialect = if method == Method::WampScram { &SPECIFIED } else { &DRAFT };
        let authid = applicant.authid(method)?;
        // "The server MUST terminate [..] if the server does not support the requested channel_binding type": it
        // supports none for this method.
        if let Some(kind) = applicant.channel_binding(method)? {
            return Err(AuthError::ChannelBinding(kind));
        }
        let client_nonce = applicant.hello.authextra.text("nonce");
        let nonce = client_nonce
            .filter(|nonce| !nonce.is_empty() && nonce.len() <= MAX_CLIENT_NONCE && is_base64(nonce))
            .ok_or(AuthError::Missing(method.name(), "authextra.nonce, base64 of 1 to 96 bytes,"))?;
        Ok(Self { dialect, authid, nonce })
    }
}

pub(super) fn begin(
    method: Method,
    config: &ScramOptions,
    applicant: &Applicant<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Opening, AuthError> {
    let opened = Opened::of(method, applicant)?;
    let table = config.file.as_ref().map(|file| file.current());
    let (name, principal, is_known) = principals::find(
        &config.principals,
        table.as_deref(),
        &applicant.stand_ins.scram,
        applicant.key,
        opened.authid,
    )
    .ok_or(AuthError::Credentials(method.name()))?;
    let standing = standing::of(applicant.place, name, principal, config.file.as_ref());
    let claim = applicant.claim(method, name, &principal.role, principal.realm.as_ref(), standing).vouched(
        config.file.as_ref(),
        name,
        principal,
    );
    Ok(open(&opened, applicant, claim, principal, is_known, rng))
}

/// Makes the challenge for a principal, or for the one that stands in for it.
pub(super) fn open(
    opened: &Opened<'_>,
    applicant: &Applicant<'_>,
    claim: Claim,
    principal: &ScramPrincipal,
    is_known: Choice,
    rng: &mut impl CryptoRng,
) -> Opening {
    let &Opened { dialect, authid, nonce: ref client_nonce } = opened;
    let mut drawn = [0; NONCE_SIZE];
    rng.fill_bytes(&mut drawn);
    let nonce = format!("{client_nonce}{}", BASE64_STANDARD.encode(drawn));
    // "This mock CHALLENGE SHOULD contain a generated salt value that is always the same for a given authid".
    let mock = applicant.key.mock("scram", authid);
    let salt = BASE64_STANDARD.encode(principals::choose(is_known, &principal.salt, &mock));

    let mut extra = Map::new();
    let iterations = match principal.kdf {
        Kdf::Pbkdf2 { iterations } => {
            extra.insert("kdf".to_owned(), "pbkdf2".into());
            iterations
        }
        Kdf::Argon2id13 { iterations, memory } => {
            extra.insert("kdf".to_owned(), dialect.argon2.into());
            // Left out where there is none: Autobahn does not take the specification's `null`.
            extra.insert("memory".to_owned(), memory.into());
            iterations
        }
    };
    extra.insert("iterations".to_owned(), iterations.into());
    let messages = messages(dialect, authid, client_nonce, &nonce, &salt, iterations);
    extra.insert("salt".to_owned(), salt.into());
    extra.insert("nonce".to_owned(), nonce.clone().into());
    let (stored_key, server_key) = (principal.stored_key.clone(), principal.server_key.clone());
    let pending = PendingScram { claim, is_known, dialect, stored_key, server_key, nonce, messages };
    Opening { extra, state: State::Scram(pending) }
}

/// `ClientFirstBare` and `ServerFirst`, joined.
fn messages(
    dialect: &Dialect,
    authid: &str,
    client_nonce: &str,
    nonce: &str,
    salt: &str,
    iterations: u32,
) -> String {
    // The client has normalized its name already (SASLprep), and the configuration holds it in that form.
    let name =
        if dialect.is_strict { authid.replace('=', "=3D").replace(',', "=2C") } else { authid.to_owned() };
    format!("n={name},r={client_nonce},r={nonce},s={salt},i={iterations}")
}

impl PendingScram {
    pub(super) fn finish(self, proof: &str, extra: &Dictionary) -> Result<Principal, AuthError> {
        // RFC 5802, 7: the proof stands for the nonce as well; a client that repeats it must repeat this one.
        let repeated = extra.text("nonce");
        let is_repeated = repeated.map_or(!self.dialect.is_strict, |repeated| repeated == self.nonce);
        let message = format!("{},c={},r={}", self.messages, self.dialect.channel_binding, self.nonce);

        let proof = BASE64_STANDARD.decode(proof).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let is_proof = Choice::from(u8::from(proof.is_some()));
        let mut client_key = hmac(&self.stored_key, &message);
        client_key.iter_mut().zip(proof.unwrap_or_default()).for_each(|(byte, other)| *byte ^= other);
        let recovered: [u8; 32] = Sha256::digest(client_key).into();
        let is_right = recovered.ct_eq(&self.stored_key.0);

        let verifier = BASE64_STANDARD.encode(hmac(&self.server_key, &message));
        let is_repeated = Choice::from(u8::from(is_repeated));
        let mut principal = self.claim.settle(is_right & is_proof & is_repeated & self.is_known)?;
        // The specification's example has `v=` before it, as in RFC 5802; the draft does not.
        let verifier = if self.dialect.is_strict { format!("v={verifier}") } else { verifier };
        let extra = principal.authextra.get_or_insert_default();
        extra.insert(self.dialect.verifier.to_owned(), verifier.into());
        Ok(principal)
    }
}

impl fmt::Debug for PendingScram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.dialect.method;
        f.debug_struct("PendingScram")
            .field("method", &method)
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

fn hmac(key: &SecretKey, message: &str) -> [u8; 32] {
    // RFC 2104, 2: a key that is shorter than the hash's block is filled up with zeros.
    let mut block = [0; 64];
    block.iter_mut().zip(key.0).for_each(|(slot, byte)| *slot = byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

fn is_base64(text: &str) -> bool {
    BASE64_STANDARD.decode(text).is_ok()
}
