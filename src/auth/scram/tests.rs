//! SCRAM with a client of both dialects, and the example of RFC 7677 that the specification quotes.

use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::Value;

use super::*;
use crate::auth::{
    AuthOptions, ScramPrincipal,
    tests::{NOW, Scene, hello, name, uri},
};

const PASSWORD: &str = "pencil";

/// `SaltedPassword = KDF(Normalize(password), salt, params...)`
fn salted(kdf: Kdf, password: &str, salt: &[u8]) -> SecretKey {
    let mut key = [0; 32];
    match kdf {
        Kdf::Pbkdf2 { iterations } => {
            pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut key);
        }
        Kdf::Argon2id13 { iterations, memory } => {
            let params = Params::new(memory, iterations, 1, Some(32)).unwrap();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(password.as_bytes(), salt, &mut key).unwrap();
        }
    }
    SecretKey(key)
}

fn principal(kdf: Kdf, salt: &[u8], realm: Option<&str>) -> ScramPrincipal {
    let salted = salted(kdf, PASSWORD, salt);
    ScramPrincipal {
        kdf,
        salt: salt.to_vec(),
        stored_key: SecretKey(Sha256::digest(hmac(&salted, "Client Key")).into()),
        server_key: SecretKey(hmac(&salted, "Server Key")),
        role: name("frontend"),
        realm: realm.map(uri),
    }
}

/// `joe` with PBKDF2, `ann` with Argon2 in `home`, `a,b=c` with PBKDF2.
fn scene(method: Method, authid: &str, realm: &str) -> Scene {
    let pbkdf2 = Kdf::Pbkdf2 { iterations: 64 };
    let argon2 = Kdf::Argon2id13 { iterations: 1, memory: 64 };
    let principals = [
        (name("joe"), principal(pbkdf2, b"sixteen bytes !!", None)),
        (name("ann"), principal(argon2, b"other 16 bytes !", Some("home"))),
        (name("a,b=c"), principal(pbkdf2, b"eight by", None)),
    ]
    .into();
    let config =
        AuthOptions { scram: Some(ScramOptions { principals, file: None }), ..AuthOptions::default() };
    let mut hello = hello(&[method.name()], Some(authid));
    hello.authextra.insert("nonce", "egVDf3DMJh0=");
    Scene { realm: uri(realm), ..Scene::new(Some(config), hello) }
}

/// What a client makes of a challenge.
struct Client {
    proof: String,
    extra: Dictionary,
    verifier: Value,
}

fn answer(method: Method, authid: &str, password: &str, challenge: &Map<String, Value>) -> Client {
    let text = |key: &str| challenge[key].as_str().unwrap();
    let iterations = u32::try_from(challenge["iterations"].as_u64().unwrap()).unwrap();
    let kdf = match text("kdf") {
        "pbkdf2" => Kdf::Pbkdf2 { iterations },
        "argon2id13" | "argon2id-13" => {
            let memory = u32::try_from(challenge["memory"].as_u64().unwrap()).unwrap();
            Kdf::Argon2id13 { iterations, memory }
        }
        other => panic!("{other}"),
    };
    let salted = salted(kdf, password, &BASE64_STANDARD.decode(text("salt")).unwrap());
    let (name, binding) = match method {
        Method::WampScram => (authid.replace('=', "=3D").replace(',', "=2C"), "biws"),
        _ => (authid.to_owned(), ""),
    };
    let (nonce, salt) = (text("nonce"), text("salt"));
    let message = format!("n={name},r=egVDf3DMJh0=,r={nonce},s={salt},i={iterations},c={binding},r={nonce}");
    let client_key = hmac(&salted, "Client Key");
    let signature = hmac(&SecretKey(Sha256::digest(client_key).into()), &message);
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    let verifier = BASE64_STANDARD.encode(hmac(&SecretKey(hmac(&salted, "Server Key")), &message));
    let is_strict = method == Method::WampScram;
    let mut extra = Dictionary::default();
    if is_strict {
        extra.insert("nonce", nonce);
    }
    let verifier = if is_strict { format!("v={verifier}") } else { verifier }.into();
    Client { proof: BASE64_STANDARD.encode(proof), extra, verifier }
}

fn run(method: Method, authid: &str, realm: &str, password: &str) -> Result<Principal, AuthError> {
    let (challenge, pending) = scene(method, authid, realm).challenge(method);
    let client = answer(method, authid, password, &challenge);
    let principal = pending.finish(&client.proof, &client.extra, NOW)?;
    let name = if method == Method::WampScram { "verifier" } else { "scram_server_signature" };
    assert_eq!(principal.authextra.as_ref().unwrap()[name], client.verifier, "the gateway proves itself");
    Ok(principal)
}

#[test]
fn verifies_the_specifications_example() {
    // Section "Salted Challenge Response Authentication" has proof and verifier of RFC 7677, 3.
    let kdf = Kdf::Pbkdf2 { iterations: 4096 };
    let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let ScramPrincipal { stored_key, server_key, role, .. } = principal(kdf, &salt, None);
    let scene = scene(Method::WampScram, "user", "realm1");
    let client_nonce = "rOprNGfwEbeRWgbNEkqO";
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
    let mut extra = Dictionary::default();
    extra.insert("nonce", nonce.clone());
    let pending = PendingScram {
        claim: scene.applicant().claim(
            Method::WampScram,
            &name("user"),
            &role,
            None,
            crate::identity::Standing::of_place(0),
        ),
        is_known: Choice::from(1),
        dialect: &SPECIFIED,
        stored_key,
        server_key,
        messages: messages(&SPECIFIED, "user", client_nonce, &nonce, "W22ZaJ0SNY7soEsUEjb6gQ==", 4096),
        nonce,
    };
    let principal = pending.finish("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &extra).unwrap();
    assert_eq!(principal.authextra.unwrap()["verifier"], "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn clients_of_both_dialects_log_in() {
    for method in [Method::WampScram, Method::Scram] {
        for (authid, realm) in [("joe", "realm1"), ("ann", "home"), ("a,b=c", "realm1")] {
            let principal = run(method, authid, realm, PASSWORD).unwrap();
            assert_eq!((&*principal.authid, principal.authmethod), (authid, method.name()));
        }
    }
}

#[test]
fn wrong_passwords_unknown_names_and_other_realms_are_refused() {
    for method in [Method::WampScram, Method::Scram] {
        let refused = Err(AuthError::Credentials(method.name()));
        for (authid, realm, password) in
            [("joe", "realm1", "pencils"), ("eve", "realm1", PASSWORD), ("aaa", "home", PASSWORD)]
        {
            assert_eq!(run(method, authid, realm, password), refused, "{authid} {password}");
        }
        assert_eq!(run(method, "ann", "realm1", PASSWORD), Err(AuthError::OtherRealm));
    }
}

#[test]
fn a_proof_counts_for_its_own_challenge_only() {
    for method in [Method::WampScram, Method::Scram] {
        let scene = scene(method, "joe", "realm1");
        let ((old, _), (_, pending)) = (scene.challenge(method), scene.challenge(method));
        let client = answer(method, "joe", PASSWORD, &old);
        let replayed = pending.finish(&client.proof, &client.extra, NOW);
        assert_eq!(replayed, Err(AuthError::Credentials(method.name())));
    }
}

#[test]
fn the_specified_dialect_repeats_the_nonce() {
    let method = Method::WampScram;
    let mut other = Dictionary::default();
    other.insert("nonce", "egVDf3DMJh0=");
    for extra in [Dictionary::default(), other] {
        let (challenge, pending) = scene(method, "joe", "realm1").challenge(method);
        let client = answer(method, "joe", PASSWORD, &challenge);
        let refused = pending.finish(&client.proof, &extra, NOW);
        assert_eq!(refused, Err(AuthError::Credentials(method.name())));
    }
}

#[test]
fn what_is_no_proof_is_refused() {
    for proof in ["", "x", "AAAA", &BASE64_STANDARD.encode([0; 32]), &BASE64_STANDARD.encode([0; 33])] {
        let (_, pending) = scene(Method::Scram, "joe", "realm1").challenge(Method::Scram);
        assert_eq!(pending.finish(proof, &Dictionary::default(), NOW), Err(AuthError::Credentials("scram")));
    }
}

#[test]
fn a_nonce_is_required_and_bounded() {
    for nonce in [Value::Null, "".into(), "no base64!".into(), 7.into(), "AAAA".repeat(33).into()] {
        let mut scene = scene(Method::Scram, "joe", "realm1");
        scene.hello.authextra.insert("nonce", nonce.clone());
        assert!(matches!(scene.begin(Method::Scram), Err(AuthError::Missing("scram", _))), "{nonce}");
    }
}

#[test]
fn a_channel_binding_is_refused() {
    let mut scene = scene(Method::WampScram, "joe", "realm1");
    scene.hello.authextra.insert("channel_binding", "tls-unique");
    let refused = scene.begin(Method::WampScram).unwrap_err();
    assert_eq!(refused, AuthError::ChannelBinding("tls-unique".into()));
}

#[test]
fn an_unknown_name_is_challenged_like_a_known_one_and_always_alike() {
    // Names, salts' lengths and parameters, of those that may stand in.
    let shape = |challenge: &Map<String, Value>| {
        let keys: Vec<_> = challenge.keys().cloned().collect();
        let same = ["kdf", "iterations", "memory"].map(|name| challenge.get(name).cloned());
        (keys, same, challenge["salt"].as_str().unwrap().len())
    };
    let known =
        ["joe", "ann", "a,b=c"].map(|name| scene(Method::Scram, name, "home").challenge(Method::Scram).0);
    for name in ["aaa", "b", "zoe"] {
        let unknown = scene(Method::Scram, name, "home");
        let ((one, _), (other, _)) = (unknown.challenge(Method::Scram), unknown.challenge(Method::Scram));
        assert_eq!(one["salt"], other["salt"]);
        assert_ne!(one["nonce"], other["nonce"]);
        assert!(known.iter().any(|known| shape(known) == shape(&one)), "{one:?}");
        assert!(known.iter().all(|known| known["salt"] != one["salt"]), "{one:?}");
    }
}

#[test]
fn the_server_nonce_continues_the_clients() {
    let (challenge, _) = scene(Method::Scram, "joe", "realm1").challenge(Method::Scram);
    let nonce = challenge["nonce"].as_str().unwrap();
    assert!(nonce.starts_with("egVDf3DMJh0=") && nonce.len() == 12 + 24, "{nonce}");
    assert!(!challenge.contains_key("memory"), "PBKDF2 has none");
}
