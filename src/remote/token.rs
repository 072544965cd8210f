//! Tickets that the gateway signs: a router's authenticator believes what stands in one, for half a minute.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::TokenLogin;
use crate::{identity::Identity, time::Timestamp, wamp::Uri};

/// How long a ticket counts, in seconds: a join takes less, and the clocks of two machines may differ a little.
const LIFETIME: u64 = 30;

impl TokenLogin {
    /// The ticket of a client for a realm: a JSON Web Token (RFC 7519), signed with Ed25519 (RFC 8037).
    pub(super) fn ticket(&self, identity: &Identity, realm: &Uri, now: Timestamp) -> String {
        let seconds = now.as_millis() / 1000;
        let claims = json!({
            "iss": self.issuer,
            "aud": realm.as_str(),
            "sub": identity.authid.public(),
            "role": identity.authrole.as_str(),
            "iat": seconds,
            "exp": seconds + LIFETIME,
            // No two tickets are the same, so that an authenticator may refuse one that it has seen.
            "jti": BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "EdDSA", "typ": "JWT" })), part(&claims));
        let signature = SigningKey::from_bytes(&self.key.0).sign(signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}
