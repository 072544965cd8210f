//! What a token says.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use super::Signer;
use crate::time::Timestamp;

/// What there is to say of a client, as servers and other clients may know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    /// `aud`: who is to believe it.
    pub audience: &'a str,
    /// `sub`: the authid; none: the client has no name of its own.
    pub subject: Option<&'a str>,
    /// `role`
    pub role: &'a str,
    /// `authmethod`
    pub authmethod: Option<&'a str>,
    /// `realm`: where the role counts.
    pub realm: Option<&'a str>,
    /// `client`: the public ID of the client's cookie.
    pub client: Option<&'a str>,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authmethod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    iat: u64,
    exp: u64,
    /// No two tokens are the same, so that a server may refuse one that it has seen.
    jti: &'a str,
}

impl Signer {
    /// A token about a client. None: there is no key, or the system gives no random bytes.
    pub(crate) fn sign(&self, claims: &Claims<'_>, now: Timestamp) -> Option<String> {
        let Claims { audience, subject, role, authmethod, realm, client } = *claims;
        let key = self.keys.signing()?;
        let iat = now.as_millis() / 1000;
        let payload = Payload {
            iss: &self.issuer,
            aud: audience,
            sub: subject,
            role,
            authmethod,
            realm,
            client,
            iat,
            exp: iat + self.lifetime.as_secs(),
            jti: &BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        };
        key.sign(&serde_json::to_vec(&payload).ok()?)
    }
}
