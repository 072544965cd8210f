//! Tokens of another implementation and of this one, and what is asked of them.

mod attacks;
mod claims;
mod files;
mod logins;

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value, json};

use super::*;
use crate::auth::tests::NOW;

const SECRET: &str = "a secret of more than 32 bytes, drawn by chance";
const NOW_SECONDS: u64 = NOW.as_millis() / 1000;
/// Keys and tokens that `PyJWT` has made.
const PYJWT: &str = include_str!("tests/pyjwt.json");

fn options(keys: TokenKeys, algorithms: &[Algorithm]) -> TokenOptions {
    TokenOptions {
        keys: Arc::new(keys),
        algorithms: algorithms.to_vec(),
        issuer: Some("https://issuer.example".to_owned()),
        audience: vec!["wampgate".to_owned()],
        claims: ClaimNames::default(),
        role: None,
        leeway: Duration::from_secs(30),
        max_age: None,
        end_at_expiry: false,
        cookie_may_outlive: false,
        from: TokenPlaces::default(),
    }
}

fn shared() -> TokenOptions {
    options(TokenKeys::secret(SECRET), &[Algorithm::Hs256])
}

fn public(algorithms: &[Algorithm]) -> (tempfile::TempDir, TokenOptions) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, PYJWT).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let options = options(TokenKeys::read(&file, algorithms, "auth.jwt").unwrap(), algorithms);
    (folder, options)
}

fn pyjwt(algorithm: &str) -> String {
    let made: Value = serde_json::from_str(PYJWT).unwrap();
    made["tokens"][algorithm].as_str().unwrap().to_owned()
}

fn claims() -> Value {
    json!({
        "sub": "joe",
        "role": "frontend",
        "iss": "https://issuer.example",
        "aud": "wampgate",
        "exp": NOW_SECONDS + 60,
    })
}

/// The claims with some others in place of theirs; `null`: without.
fn with(changes: &Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims.to_string()
}

fn sign(header: &str, payload: &str, key: &[u8]) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn signed(payload: &str) -> String {
    sign(r#"{"alg":"HS256","typ":"JWT"}"#, payload, SECRET.as_bytes())
}

fn refusal(options: &TokenOptions, token: &str) -> TokenError {
    options.verify(token, NOW).unwrap_err()
}
