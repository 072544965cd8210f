//! Tokens that the gateway signs (JWT, RFC 7519): who a client is, for a server or a router that believes a signature rather than headers.
//!
//! ```text
//! SigningKeys    the files of private keys, of which the first signs, or one key of the configuration
//! Signer::sign   what there is to say of a client -> a token that counts for a short time
//! PublicKeys     what verifies the tokens of all signers: those keys, and the ones before them until their tokens have ended
//! ```
//!
//! The kind of a key decides the algorithm, so that no token can have another one. A token costs 18 (ES256) to 26 µs (`EdDSA`), nearly all of it the signature,
//! so that none is kept for the next request.

mod claims;
mod key;
mod keys;
mod options;
mod public;
#[cfg(test)]
mod tests;

pub(crate) use self::{claims::Claims, key::KeyFault};
pub use self::{
    key::SigningKey,
    keys::{KeyFile, SigningKeys},
    options::{AssertionOptions, Signer},
    public::PublicKeys,
};
