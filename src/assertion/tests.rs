//! What is signed verifies by what is published, with other code than that which has signed, and only for its time.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{LoginFile as _, SecretKey},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

/// As OpenSSL writes it: without the public key.
fn ed25519(seed: u8) -> String {
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    pem(&[&head[..], &[seed; 32]].concat())
}

fn p256() -> String {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    pem(made.as_ref())
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn signer(keys: SigningKeys) -> Signer {
    Signer::new(keys, Some("edge".to_owned()), Duration::from_mins(1))
}

fn of_text(text: &str) -> Signer {
    signer(SigningKeys::of_key(SigningKey::of_pem(text.as_bytes()).unwrap()))
}

const CLAIMS: Claims<'_> = Claims {
    audience: "app",
    subject: Some("joe"),
    role: "frontend",
    authmethod: Some("ticket"),
    realm: Some("realm1"),
    client: Some("public"),
};

fn decoded(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

fn parsed(part: &str) -> Value {
    serde_json::from_slice(&decoded(part)).unwrap()
}

fn published(signers: Vec<Signer>, now: Timestamp) -> Value {
    let keys = PublicKeys::default();
    keys.are(signers, now);
    serde_json::from_str(&keys.document(now)).unwrap()
}

fn kids(keys: &PublicKeys, now: Timestamp) -> Vec<String> {
    let document: Value = serde_json::from_str(&keys.document(now)).unwrap();
    document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Verifies a token by a JWK Set, with other code than the signer's where there is any.
fn verifies(token: &str, set: &Value) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let head = parsed(signed.split_once('.').unwrap().0);
    let Some(key) = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]) else {
        return false;
    };
    let member = |name: &str| decoded(key[name].as_str().unwrap());
    assert_eq!((&head["alg"], &key["use"]), (&key["alg"], &json!("sig")));
    match head["alg"].as_str().unwrap() {
        "EdDSA" => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&member("x").try_into().unwrap()).unwrap();
            let signature = ed25519_dalek::Signature::from_slice(&decoded(signature)).unwrap();
            key.verify_strict(signed.as_bytes(), &signature).is_ok()
        }
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            let key =
                ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_token_says_who_the_client_is_and_verifies_by_the_published_key() {
    for (text, algorithm, kind) in [(ed25519(1), "EdDSA", "OKP"), (p256(), "ES256", "EC")] {
        let signer = of_text(&text);
        let token = signer.sign(&CLAIMS, NOW).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let kid = signer.keys.signing().unwrap().kid().to_owned();
        assert_eq!(parsed(parts[0]), json!({ "alg": algorithm, "typ": "JWT", "kid": kid }));
        let mut claims = parsed(parts[1]);
        assert_eq!(decoded(claims["jti"].take().as_str().unwrap()).len(), 16);
        let told = json!({
            "iss": "edge", "aud": "app", "sub": "joe", "role": "frontend", "authmethod": "ticket", "realm": "realm1", "client": "public",
            "iat": 1_800_000_000, "exp": 1_800_000_060, "jti": null,
        });
        assert_eq!(claims, told);
        let set = published(vec![signer.clone()], NOW);
        assert_eq!((set["keys"].as_array().unwrap().len(), &set["keys"][0]["kty"]), (1, &json!(kind)));
        assert!(set["keys"][0].get("d").is_none());
        assert!(verifies(&token, &set), "{token} {set}");
        let other = [parts[0], &BASE64_URL_SAFE_NO_PAD.encode("{\"sub\":\"root\"}"), parts[2]].join(".");
        assert!(!verifies(&other, &set));
        assert_ne!(token, signer.sign(&CLAIMS, NOW).unwrap(), "no two tokens are the same");
    }
}

#[test]
fn a_client_without_a_name_has_none_in_its_token() {
    let token = of_text(&ed25519(1)).sign(&Claims { subject: None, client: None, ..CLAIMS }, NOW).unwrap();
    let claims = parsed(token.split('.').nth(1).unwrap());
    assert!(claims.get("sub").is_none() && claims.get("client").is_none(), "{claims}");
}

/// RFC 8037, A.3.
#[test]
fn a_key_goes_by_its_thumbprint() {
    let seed = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").try_into().unwrap();
    let key = SigningKey::of_seed(&SecretKey(seed)).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(format!("{key:?}").contains(key.kid()) && !format!("{key:?}").contains("9d61b1"));
}

#[test]
fn what_cannot_sign_says_what_to_do() {
    let sec1 = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    for (text, told) in [
        ("", "holds no private key in PEM"),
        (sec1, "openssl pkcs8 -topk8"),
        (rsa, "openssl genpkey -algorithm ed25519"),
        (public, "holds a public key"),
        (&(ed25519(1) + &ed25519(2)), "holds more than one private key"),
        (&pem(b"nonsense"), "holds a key of another kind"),
    ] {
        let fault = SigningKey::of_pem(text.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(told), "{text}: {fault}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signing.pem");
    write(&file, &ed25519(1));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let fault = KeyFile::read(&file).unwrap_err();
    assert!(fault.contains("chmod o= FILE"), "{fault}");
}

#[test]
fn the_first_key_signs_and_all_are_published() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["next.pem", "old.pem"].map(|name| folder.path().join(name));
    let texts = [ed25519(2), p256()];
    for (file, text) in files.iter().zip(&texts) {
        write(file, text);
    }
    let read = |order: [usize; 2]| {
        signer(SigningKeys::of_files(order.map(|at| Arc::new(KeyFile::read(&files[at]).unwrap())).to_vec()))
    };
    let (before, after) = (read([1, 0]), read([0, 1]));
    let set = published(vec![before.clone(), after.clone()], NOW);
    assert_eq!(set["keys"].as_array().unwrap().len(), 2, "a key that two paths have is there once");
    for signer in [before, after] {
        let token = signer.sign(&CLAIMS, NOW).unwrap();
        assert!(verifies(&token, &set));
        assert!(verifies(&token, &published(vec![read([1, 0])], NOW)));
    }
}

#[test]
fn a_key_whose_file_changes_verifies_until_its_last_token_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signing.pem");
    write(&file, &ed25519(1));
    let key = Arc::new(KeyFile::read(&file).unwrap());
    let signer = signer(SigningKeys::of_files(vec![Arc::clone(&key)]));
    let keys = PublicKeys::default();
    keys.are(vec![signer.clone()], Timestamp::now());
    let old = signer.sign(&CLAIMS, NOW).unwrap();
    write(&file, "none");
    assert!(key.reload().unwrap().unwrap_err().contains("holds no private key"));
    assert_eq!(key.reload(), None, "a fault is told once");
    assert_eq!(kids(&keys, Timestamp::now()).len(), 1, "the gateway goes on with what the file held before");
    write(&file, &ed25519(1));
    assert!(key.reload().unwrap().unwrap().contains("nothing has changed"));
    assert_eq!(key.reload(), None);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(key.reload().unwrap().is_err());
    write(&file, &ed25519(1));
    assert!(key.reload().unwrap().unwrap().contains("nothing has changed"), "only its mode was wrong");
    write(&file, &format!("a comment\n{}", ed25519(1)));
    assert!(key.reload().unwrap().unwrap().contains("same key as before"));
    write(&file, &ed25519(2));
    assert!(key.reload().unwrap().unwrap().contains("`kid`"));
    let (now, new) = (Timestamp::now(), signer.sign(&CLAIMS, NOW).unwrap());
    let set: Value = serde_json::from_str(&keys.document(now)).unwrap();
    assert!(verifies(&old, &set) && verifies(&new, &set), "{set}");
    let later = now.plus_seconds(60 + 60 + 1);
    let set: Value = serde_json::from_str(&keys.document(later)).unwrap();
    assert!(!verifies(&old, &set) && verifies(&new, &set), "{set}");
    for seed in 3..30 {
        write(&file, &ed25519(seed));
        key.reload().unwrap().unwrap();
    }
    assert_eq!(kids(&keys, Timestamp::now()).len(), 9, "a file leaves so many keys behind and no more");
}

#[test]
fn a_key_that_leaves_the_configuration_verifies_until_its_last_token_has_ended() {
    let (one, two) = (of_text(&ed25519(1)), of_text(&ed25519(2)));
    let (keys, kid) =
        (PublicKeys::default(), |signer: &Signer| signer.keys.signing().unwrap().kid().to_owned());
    keys.are(vec![one.clone()], NOW);
    keys.are(vec![two.clone()], NOW);
    assert_eq!(kids(&keys, NOW), [kid(&two), kid(&one)]);
    assert_eq!(kids(&keys, NOW.plus_seconds(119)).len(), 2);
    assert_eq!(kids(&keys, NOW.plus_seconds(121)), [kid(&two)]);
    keys.are(vec![one.clone(), two.clone()], NOW);
    keys.are(vec![one.clone(), two.clone()], NOW);
    assert_eq!(kids(&keys, NOW), [kid(&one), kid(&two)], "a key that comes back is there once");
    for seed in 3..100 {
        keys.are(vec![of_text(&ed25519(seed))], NOW);
    }
    assert_eq!(kids(&keys, NOW).len(), 65);
}

#[test]
fn a_shorter_lifetime_does_not_cut_short_what_was_signed_before() {
    let (one, two) = (of_text(&ed25519(1)), of_text(&ed25519(2)));
    let long = Signer { lifetime: Duration::from_hours(1), ..one.clone() };
    let kid = |signer: &Signer| signer.keys.signing().unwrap().kid().to_owned();
    let keys = PublicKeys::default();
    keys.are(vec![long], NOW);
    keys.are(vec![one.clone()], NOW);
    assert_eq!(kids(&keys, NOW), [kid(&one)]);
    let later = NOW.plus_seconds(600);
    keys.are(vec![two.clone()], later);
    assert_eq!(kids(&keys, NOW.plus_seconds(3659)), [kid(&two), kid(&one)]);
    assert_eq!(kids(&keys, NOW.plus_seconds(3661)), [kid(&two)]);
}

#[test]
fn a_key_of_many_paths_takes_one_place_and_one_that_still_signs_none() {
    let first = of_text(&ed25519(1));
    let kid = first.keys.signing().unwrap().kid().to_owned();
    let many = vec![of_text(&ed25519(2)); 70];
    let next: Vec<Signer> = (100..170).map(|seed| of_text(&ed25519(seed))).collect();
    let keys = PublicKeys::default();
    keys.are(vec![first], NOW);
    keys.are(many.clone(), NOW);
    keys.are(many, NOW);
    keys.are(next.clone(), NOW);
    assert_eq!(kids(&keys, NOW).len(), 72);
    keys.are(next, NOW);
    assert!(kids(&keys, NOW).contains(&kid));
}
