//! `ticket` of type `jwt`: the client sends a token (RFC 7519) that an issuer has signed, in place of a secret that the gateway
//! knows.
//!
//! ```text
//! token -> Jws (form, header) -> a key of the set (kid, algorithm) -> signature -> Claims (issuer, audience, times) -> Principal
//! ```
//!
//! The order is the point (RFC 8725): the gateway bounds the token's size before it looks at it, uses an algorithm only if the
//! configuration names it *and* the key is made for it, takes no key from the token itself, and reads no claim of a token whose
//! signature it has not verified.

mod algorithm;
mod claims;
mod error;
mod json;
mod jws;
mod keys;
mod options;

#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub(super) use claims::Claims;
pub use error::TokenError;
pub use keys::{KeySet, KeySetError, TokenKeys};
pub use options::{ClaimNames, TokenOptions, TokenPlaces};

use self::jws::Jws;
use crate::time::Timestamp;

/// Where `authextra` tells when the token ends, in seconds: RFC 7519's own name.
pub(super) const EXPIRES: &str = "exp";

/// Where `authextra` keeps the token's own role, if a policy has given another one. A cookie's login goes back to the token's.
pub(super) const ROLE: &str = "token_role";

/// The names in `authextra` that are the gateway's own.
pub const RESERVED: [&str; 2] = [EXPIRES, ROLE];

impl TokenOptions {
    /// The claims of a token that an issuer of the configuration has signed for this gateway, and that holds now.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let jws = Jws::parse(token)?;
        if !self.algorithms.contains(&jws.algorithm) {
            return Err(TokenError::Algorithm);
        }
        if !self.keys.current().verify(&jws)? {
            return Err(TokenError::Signature);
        }
        let claims = Claims::parse(jws.payload, self.max_age)?;
        claims.check(self, now)?;
        Ok(claims)
    }
}
