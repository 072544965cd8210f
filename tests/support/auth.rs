//! The client's side of the authentication methods, computed as the specification says, and principals to go with it.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Client,
    client::Refused,
    code,
    config::{TICKET, With as _, ticket_auth},
};

/// Joe's secret for WAMP-CRA, Ann's password for its salted form, and the password of all for SCRAM.
pub(crate) const SECRET: &str = "trombone-anvil-lantern";

/// The seed of Joe's Ed25519 key.
pub(crate) const SEED: [u8; 32] = [7; 32];

/// Base64 of 16 bytes.
const CLIENT_NONCE: &str = "AAECAwQFBgcICQoLDA0ODw==";

/// What CHALLENGE calls Argon2id in `scram`.
const AUTOBAHNS_ARGON2: &str = "argon2id-13";

/// What CHALLENGE calls Argon2id in `wamp-scram`.
const SPECIFIED_ARGON2: &str = "argon2id13";

/// How a client logs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) method: &'static str,
    pub(crate) authid: Option<&'a str>,
    /// The ticket, the secret or the password.
    pub(crate) secret: &'a str,
    pub(crate) seed: [u8; 32],
    /// What the client's TLS session exports, if the login is bound to it.
    pub(crate) channel: Option<[u8; 32]>,
}

/// Joe's right login for a method.
pub(crate) fn joe(method: &'static str) -> Login<'static> {
    let secret = if method == "ticket" { TICKET } else { SECRET };
    Login { method, authid: Some("joe"), secret, seed: SEED, channel: None }
}

/// Every method that verifies something.
pub(crate) const METHODS: [&str; 5] = ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign"];

/// `joe` in every method; `ann` with a salted secret for WAMP-CRA, and with Argon2 for `scram`; `amy` with Argon2 for `wamp-scram`.
pub(crate) fn every_method() -> Value {
    let salt = "salt-of-ann";
    let derived = BASE64_STANDARD.encode(pbkdf2(SECRET, salt.as_bytes(), 100));
    let scram_salt = [9; 16];
    let verifier = |salted: &[u8]| {
        let stored_key: [u8; 32] = Sha256::digest(hmac(salted, "Client Key")).into();
        json!({ "salt": hex(&scram_salt), "stored-key": hex(&stored_key), "role": "frontend",
                "server-key": hex(&hmac(salted, "Server Key")) })
    };
    let argon2 = |kdf| {
        verifier(&argon2(kdf, SECRET, &scram_salt, 1, 64))
            .with("kdf", json!("argon2id-13"))
            .with("iterations", json!(1))
            .with("memory", json!(64))
    };
    ticket_auth()
        .with("wampcra", json!({ "type": "static", "users": {
            "joe": { "secret": SECRET, "role": "frontend" },
            "ann": { "secret": derived, "role": "frontend", "salt": salt, "iterations": 100 },
        } }))
        .with("scram", json!({ "type": "static", "principals": {
            "joe": verifier(&pbkdf2(SECRET, &scram_salt, 4096)).with("kdf", json!("pbkdf2")).with("iterations", json!(4096)),
            "ann": argon2(AUTOBAHNS_ARGON2),
            "amy": argon2(SPECIFIED_ARGON2),
        } }))
        .with("cryptosign", json!({ "type": "static", "principals": {
            "joe": { "authorized_keys": [hex(SigningKey::from_bytes(&SEED).verifying_key().as_bytes())], "role": "frontend" },
        } }))
}

impl Login<'_> {
    /// HELLO.Details for this login; `methods` are what the client offers.
    pub(crate) fn hello(&self, methods: &[&str]) -> Value {
        let mut details = json!({ "authmethods": methods });
        if let Some(authid) = self.authid {
            details["authid"] = authid.into();
        }
        match self.method {
            "scram" | "wamp-scram" => details["authextra"] = json!({ "nonce": CLIENT_NONCE }),
            "cryptosign" => {
                let key = SigningKey::from_bytes(&self.seed).verifying_key();
                details["authextra"] = json!({
                    "pubkey": hex(key.as_bytes()), "channel_binding": self.channel.map(|_| "tls-exporter"),
                });
            }
            _ => {}
        }
        details
    }

    /// AUTHENTICATE in answer to a CHALLENGE.
    #[track_caller]
    pub(crate) fn authenticate(&self, challenge: &Value) -> Value {
        let extra = &challenge[2];
        match self.method {
            "ticket" => json!([code::AUTHENTICATE, self.secret, {}]),
            "wampcra" => {
                let key = match extra["salt"].as_str() {
                    None => self.secret.to_owned(),
                    Some(salt) => {
                        assert_eq!(extra["keylen"], 32, "{extra}");
                        BASE64_STANDARD.encode(pbkdf2(
                            self.secret,
                            salt.as_bytes(),
                            number(extra, "iterations"),
                        ))
                    }
                };
                let signature = hmac(key.as_bytes(), text(extra, "challenge"));
                json!([code::AUTHENTICATE, BASE64_STANDARD.encode(signature), {}])
            }
            "scram" | "wamp-scram" => self.prove(extra),
            "cryptosign" => {
                // As `sign_challenge` of autobahn for Python does it: the challenge XOR the channel's ID is signed, and sent.
                let channel = self.channel.unwrap_or_default();
                let challenge = unhex(text(extra, "challenge"));
                let challenge: Vec<u8> =
                    challenge.iter().zip(channel).map(|(one, other)| one ^ other).collect();
                let signature = SigningKey::from_bytes(&self.seed).sign(&challenge).to_bytes();
                json!([code::AUTHENTICATE, hex(&signature) + &hex(&challenge), {}])
            }
            other => panic!("{other}"),
        }
    }

    #[track_caller]
    fn prove(&self, extra: &Value) -> Value {
        let (nonce, salt) = (text(extra, "nonce"), text(extra, "salt"));
        let iterations = number(extra, "iterations");
        let bytes = BASE64_STANDARD.decode(salt).unwrap();
        let salted = match text(extra, "kdf") {
            "pbkdf2" => pbkdf2(self.secret, &bytes, iterations).to_vec(),
            kdf => argon2(kdf, self.secret, &bytes, iterations, number(extra, "memory")),
        };
        assert!(nonce.starts_with(CLIENT_NONCE) && nonce.len() > CLIENT_NONCE.len(), "{nonce}");
        let binding = if self.method == "scram" { "" } else { "biws" };
        let name = self.authid.unwrap_or_default();
        let message =
            format!("n={name},r={CLIENT_NONCE},r={nonce},s={salt},i={iterations},c={binding},r={nonce}");
        let client_key = hmac(&salted, "Client Key");
        let signature = hmac(&Sha256::digest(client_key), &message);
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(one, other)| one ^ other).collect();
        json!([code::AUTHENTICATE, BASE64_STANDARD.encode(proof), { "nonce": nonce }])
    }
}

impl Client {
    /// Says HELLO for a login; the CHALLENGE.
    #[track_caller]
    pub(crate) fn challenged(&mut self, login: &Login<'_>) -> Value {
        self.hello("realm1", login.hello(&[login.method]));
        let challenge = self.expect(code::CHALLENGE);
        assert_eq!(challenge[1], login.method, "{challenge}");
        challenge
    }

    /// Joins `realm1` by a login.
    #[track_caller]
    pub(crate) fn join_by(&mut self, login: &Login<'_>) -> Result<Value, Refused> {
        let challenge = self.challenged(login);
        self.send(&login.authenticate(&challenge));
        self.outcome()
    }
}

fn text<'v>(extra: &'v Value, key: &str) -> &'v str {
    extra[key].as_str().unwrap_or_else(|| panic!("no {key} in {extra}"))
}

fn number(extra: &Value, key: &str) -> u32 {
    extra[key]
        .as_u64()
        .and_then(|number| number.try_into().ok())
        .unwrap_or_else(|| panic!("no {key} in {extra}"))
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

fn pbkdf2(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut key);
    key
}

/// The salted password: the hash, or for autobahn's dialect its text.
fn argon2(kdf: &str, password: &str, salt: &[u8], iterations: u32, memory: u32) -> Vec<u8> {
    let mut key = [0; 32];
    let params = argon2::Params::new(memory, iterations, 1, Some(32)).unwrap();
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut key)
        .unwrap();
    match kdf {
        AUTOBAHNS_ARGON2 => BASE64_STANDARD_NO_PAD.encode(key).into_bytes(),
        SPECIFIED_ARGON2 => key.to_vec(),
        other => panic!("{other}"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
