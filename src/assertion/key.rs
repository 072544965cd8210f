//! A private key that signs tokens, with the public one that verifies them.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::{auth::SecretKey, tls};

/// A key that signs, and only with the algorithm of its kind.
pub struct SigningKey {
    pair: Pair,
    /// Stands for the public key (RFC 7638), so that a server finds the one that a token was signed with.
    kid: Box<str>,
    /// The head of each token, encoded.
    head: Box<str>,
    /// The public key as a JSON Web Key.
    public: Box<str>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// Why a text holds no key that can sign. The message holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct KeyFault(pub(super) &'static str);

const OTHER_KIND: KeyFault = KeyFault(
    "holds a key of another kind: use Ed25519 (`openssl genpkey -algorithm ed25519 -out FILE`), or ECDSA with P-256 (`openssl genpkey \
     -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE`)",
);

const SEC1: KeyFault = KeyFault(
    "holds a key in the old form of OpenSSL: convert it with `openssl pkcs8 -topk8 -nocrypt -in FILE -out FILE.pem`",
);

const PUBLIC: KeyFault =
    KeyFault("holds a public key, with which nothing can be signed: name the file of the private key");

/// Stands at the beginning and at the end of each private key.
const PRIVATE: &[u8] = b"PRIVATE KEY-----";

const SEVERAL: KeyFault = KeyFault(
    "holds more than one private key: keep one in each file, and name the files in `keys`, of which the first signs",
);

impl SigningKey {
    /// The key of Ed25519 with this seed.
    pub(crate) fn of_seed(seed: &SecretKey) -> Result<Self, KeyFault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed.0).map_err(|_| OTHER_KIND)?;
        Ok(Self::new(Pair::Ed25519(pair)))
    }

    /// The private key in a text in PEM: of Ed25519, or of ECDSA with P-256.
    pub(crate) fn of_pem(text: &[u8]) -> Result<Self, KeyFault> {
        if text.windows(16).any(|window| window == b"BEGIN PUBLIC KEY") {
            return Err(PUBLIC);
        }
        // The first would sign, and an operator who has added the next one to the file waits for the second.
        if text.windows(PRIVATE.len()).filter(|window| *window == PRIVATE).count() > 2 {
            return Err(SEVERAL);
        }
        let der = match tls::private_key_in(text).map_err(KeyFault)? {
            PrivateKeyDer::Pkcs8(der) => der,
            PrivateKeyDer::Sec1(_) => return Err(SEC1),
            _ => return Err(OTHER_KIND),
        };
        let der = der.secret_pkcs8_der();
        // Not all programs write the public key beside the private one.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::new(Pair::Ed25519(pair)));
        }
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()) {
            Ok(pair) => Ok(Self::new(Pair::P256(pair))),
            Err(_) => Err(OTHER_KIND),
        }
    }

    fn new(pair: Pair) -> Self {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (algorithm, mut public) = match &pair {
            Pair::Ed25519(pair) => {
                ("EdDSA", json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }))
            }
            Pair::P256(pair) => {
                // SEC 1, 2.3.3: a four, and two numbers of 32 bytes.
                let (x, y) = pair
                    .public_key()
                    .as_ref()
                    .get(1..)
                    .unwrap_or_default()
                    .split_at_checked(32)
                    .unwrap_or_default();
                ("ES256", json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) }))
            }
        };
        // These members, in the order of their names and without blanks, as `serde_json` writes them.
        let kid = encode(&Sha256::digest(public.to_string()));
        let head = encode(json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }).to_string().as_bytes());
        if let Some(members) = public.as_object_mut() {
            let more = [("alg", algorithm), ("kid", &*kid), ("use", "sig")];
            members.extend(more.map(|(name, value)| (name.to_owned(), value.into())));
        }
        Self { pair, kid: kid.into(), head: head.into(), public: public.to_string().into() }
    }

    /// Stands for the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JSON Web Key (RFC 7517).
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// A token in its compact form (RFC 7515, 7.1). None: the system gives no random bytes.
    pub(super) fn sign(&self, payload: &[u8]) -> Option<String> {
        let mut token = String::with_capacity(self.head.len() + payload.len() * 4 / 3 + 96);
        token.push_str(&self.head);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(token.as_bytes()),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), token.as_bytes()).ok()?,
        };
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
