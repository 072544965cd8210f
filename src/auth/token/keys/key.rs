//! One key of an issuer: how a JWK describes it (RFC 7517, RFC 7518), and whether it has signed a token.

use std::ops::RangeInclusive;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use ring::{agreement, hmac, rand::SystemRandom, signature};
use serde_json::{Map, Value};

use crate::auth::token::{Algorithm, jws::Jws};

/// RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used". `ring` takes no more than 8192.
const RSA: RangeInclusive<usize> = 256..=1024;

/// A key that verifies tokens.
pub(super) struct Key {
    /// `kid`; none: the key fits each token.
    pub(super) name: Option<String>,
    /// `alg`: the only algorithm that the key is for; none: all of its kind.
    pub(super) only: Option<Algorithm>,
    pub(super) material: Material,
}

pub(super) enum Material {
    Secret(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(VerifyingKey),
}

impl Key {
    /// None: a key that cannot verify tokens here.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Option<Self>, String> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
            decoded.ok_or_else(|| format!("has no `{name}`, or one that is not base64url"))
        };
        if text("use").is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        if let Some(Value::Array(operations)) = members.get("key_ops")
            && !operations.iter().any(|operation| operation == "verify")
        {
            return Ok(None);
        }
        let only = match text("alg").map(Algorithm::parse) {
            // It is for something that the gateway does not have.
            Some(None) => return Ok(None),
            Some(only) => only,
            None => None,
        };
        let material = match (text("kty"), text("crv")) {
            (Some("oct"), _) => Material::Secret(bytes("k")?),
            _ if members.contains_key("d") => {
                return Err("is a private key, which belongs to the issuer alone: leave out all but its public members".to_owned());
            }
            (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?)?,
            (Some("EC"), Some("P-256")) => {
                Material::P256(point(&bytes("x")?, &bytes("y")?, 32, &agreement::ECDH_P256)?)
            }
            (Some("EC"), Some("P-384")) => {
                Material::P384(point(&bytes("x")?, &bytes("y")?, 48, &agreement::ECDH_P384)?)
            }
            (Some("OKP"), Some("Ed25519")) => {
                let key = <[u8; 32]>::try_from(bytes("x")?).ok();
                let key =
                    key.and_then(|key| VerifyingKey::from_bytes(&key).ok()).filter(|key| !key.is_weak());
                Material::Ed25519(key.ok_or("is no public key of Ed25519")?)
            }
            (None, _) => return Err("has no `kty`".to_owned()),
            _ => return Ok(None),
        };
        let name = text("kid").map(str::to_owned);
        let key = Self { name, only, material };
        if let Material::Secret(secret) = &key.material {
            let least = key.only.unwrap_or(Algorithm::Hs256).least_secret().unwrap_or(usize::MAX);
            if secret.len() < least {
                return Err(format!("is a secret of {} bytes, use at least {least}", secret.len()));
            }
        }
        Ok(Some(key))
    }

    /// Whether the key is made for an algorithm. Its kind decides: no token can turn a public key into a secret.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        self.only.is_none_or(|only| only == algorithm)
            && match &self.material {
                Material::Secret(secret) => {
                    algorithm.least_secret().is_some_and(|least| secret.len() >= least)
                }
                Material::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
                Material::P256(_) => algorithm == Es256,
                Material::P384(_) => algorithm == Es384,
                Material::Ed25519(_) => algorithm == EdDsa,
            }
    }

    pub(super) fn is_named(&self, jws: &Jws<'_>) -> bool {
        self.name.is_none() || jws.key.is_none() || self.name == jws.key
    }

    pub(super) fn has_signed(&self, jws: &Jws<'_>) -> bool {
        let (message, signature) = (jws.signed.as_bytes(), jws.signature.as_slice());
        let point = |algorithm, key: &Vec<u8>| {
            signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match (&self.material, jws.algorithm) {
            (Material::Secret(secret), algorithm) => {
                let algorithm = match algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return false,
                };
                // In constant time.
                hmac::verify(&hmac::Key::new(algorithm, secret), message, signature).is_ok()
            }
            (Material::Rsa { n, e }, algorithm) => {
                let parameters = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (Material::P256(key), Algorithm::Es256) => point(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Material::P384(key), Algorithm::Es384) => point(&signature::ECDSA_P384_SHA384_FIXED, key),
            // Strictly, as for `cryptosign`.
            (Material::Ed25519(key), Algorithm::EdDsa) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            _ => false,
        }
    }
}

/// A public key of RSA that `ring` takes. Some issuers put a zero before the modulus (RFC 7518, 6.3.1.1).
fn rsa(n: &[u8], e: &[u8]) -> Result<Material, String> {
    let [n, e] = [n, e].map(|number| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).unwrap_or_default().to_vec()
    });
    if n.len() < *RSA.start() {
        return Err("is an RSA key of less than 2048 bits, which is too weak".to_owned());
    }
    if n.len() > *RSA.end() {
        return Err("is an RSA key of more than 8192 bits: use a shorter one".to_owned());
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // `ring` takes exponents of up to 33 bits.
    let exponent =
        e.iter().fold(0_u64, |number, byte| number.saturating_mul(256).saturating_add((*byte).into()));
    if !is_odd(&n) || !is_odd(&e) || !(3..1 << 33).contains(&exponent) {
        return Err("is no public key of RSA: copy its `n` and its `e` from the issuer again".to_owned());
    }
    Ok(Material::Rsa { n, e })
}

/// SEC 1, 2.3.3: an uncompressed point, which lies on the curve. `ring` looks at that when it uses a key, so that one of its own is used
/// once: otherwise each login with a token of such a key would fail.
fn point(x: &[u8], y: &[u8], size: usize, curve: &'static agreement::Algorithm) -> Result<Vec<u8>, String> {
    if x.len() != size || y.len() != size {
        return Err(format!("has an `x` or a `y` of another length than {size} bytes"));
    }
    let point = [&[4], x, y].concat();
    let own = agreement::EphemeralPrivateKey::generate(curve, &SystemRandom::new());
    let agrees = own.and_then(|own| {
        agreement::agree_ephemeral(own, &agreement::UnparsedPublicKey::new(curve, &point), |_| ())
    });
    agrees.map_err(|_| {
        "is no point on its curve, so that it verifies nothing: copy its `x` and its `y` from the issuer again"
    })?;
    Ok(point)
}
