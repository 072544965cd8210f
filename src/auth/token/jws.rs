//! The compact form of a signed token (RFC 7515, 3.1), as far as it can be read before the signature is verified.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Algorithm, TokenError, error::MAX_TOKEN, json};

/// RFC 7515, 4.1: members that carry a key or say where one is. An attacker who signs with its own key would put that here.
const EMBEDDED_KEYS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// What `typ` may be, without `application/`: a token whose type says nothing, and an access token (RFC 9068). Logout tokens,
/// security events and proofs of possession are signed by the same keys, and stand for no login (RFC 8725, 3.11).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token that has the right form. Nothing in it is known to be true.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    /// `kid`
    pub(super) key: Option<String>,
    /// What is signed: header and payload as they were sent.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    /// The payload in base64url.
    pub(super) payload: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Form);
        };
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(TokenError::Form)?;
        let signature = decode(signature)?;
        let header = json::object(&decode(header)?).ok_or(TokenError::Header)?;
        if EMBEDDED_KEYS.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError::EmbeddedKey);
        }
        // RFC 7515, 4.1.11: a recipient that does not understand an extension rejects the token. The gateway knows none.
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        // A `cty` announces a token inside of this one.
        if header.contains_key("cty") || !header.get("typ").is_none_or(is_login) {
            return Err(TokenError::Type);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        let key = match header.get("kid") {
            None => None,
            Some(Value::String(key)) => Some(key.clone()),
            Some(_) => return Err(TokenError::Header),
        };
        Ok(Self { algorithm: algorithm.ok_or(TokenError::Algorithm)?, key, signed, signature, payload })
    }
}

/// RFC 7515, 4.1.9: media types are compared without regard to case, and may leave `application/` out.
fn is_login(typ: &Value) -> bool {
    typ.as_str().is_some_and(|typ| {
        let typ = typ.to_ascii_lowercase();
        TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    })
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form)
}
