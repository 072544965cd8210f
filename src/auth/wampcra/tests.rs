//! WAMP-CRA with a client, and the specification's example.

use serde_json::Value;

use super::*;
use crate::{
    auth::{
        AuthOptions, WampCraPrincipal,
        tests::{NOW, Scene, hello, name, uri},
    },
    wamp::Dictionary,
};

/// `joe` has the key; `ann` derives it from a password, and belongs to `home`.
fn scene(authid: &str, realm: &str) -> Scene {
    let salting = Salting { salt: "salt123".to_owned(), iterations: 100, key_length: 16 };
    let joe = WampCraPrincipal {
        key: Secret::new("secret!!!".to_owned()),
        salting: None,
        role: name("frontend"),
        realm: None,
    };
    let ann = WampCraPrincipal {
        key: salting.derive("hidden"),
        salting: Some(salting),
        role: name("backend"),
        realm: Some(uri("home")),
    };
    let principals = [(name("joe"), joe), (name("ann"), ann)].into();
    let config =
        AuthOptions { wampcra: Some(WampCraOptions { principals, file: None }), ..AuthOptions::default() };
    Scene { realm: uri(realm), ..Scene::new(Some(config), hello(&["wampcra"], Some(authid))) }
}

/// Plays a client that has a secret or a password.
fn run(scene: &Scene, secret: &str) -> Result<Principal, AuthError> {
    let (extra, pending) = scene.challenge(Method::WampCra);
    let key = match extra.get("salt").and_then(Value::as_str) {
        None => Secret::new(secret.to_owned()),
        Some(salt) => {
            let salting = Salting { salt: salt.to_owned(), iterations: 100, key_length: 16 };
            assert_eq!((&extra["iterations"], &extra["keylen"]), (&json!(100), &json!(16)));
            salting.derive(secret)
        }
    };
    let signature = sign(&key, extra["challenge"].as_str().unwrap());
    pending.finish(&signature, &Dictionary::default(), NOW)
}

#[test]
fn the_right_secret_makes_the_configured_principal() {
    let joe = run(&scene("joe", "realm1"), "secret!!!").unwrap();
    assert_eq!((&*joe.authid, &*joe.authrole, joe.authmethod), ("joe", "frontend", "wampcra"));
    let ann = run(&scene("ann", "home"), "hidden").unwrap();
    assert_eq!((&*ann.authid, &*ann.authrole, ann.realm), ("ann", "backend", uri("home")));
}

#[test]
fn wrong_secrets_unknown_names_and_other_realms_are_refused() {
    let refused = Err(AuthError::Credentials("wampcra"));
    for (authid, realm, secret) in [
        ("joe", "realm1", "wrong"),
        ("joe", "realm1", ""),
        ("ann", "home", "secret!!!"),
        ("ann", "realm1", "wrong"),
        ("eve", "realm1", "secret!!!"),
        ("aaa", "home", "hidden"),
    ] {
        assert_eq!(run(&scene(authid, realm), secret), refused, "{authid} {secret}");
    }
    assert_eq!(run(&scene("ann", "realm1"), "hidden"), Err(AuthError::OtherRealm));
}

#[test]
fn a_challenge_has_all_members_and_is_never_repeated() {
    let scene = scene("joe", "realm1");
    let challenge = || {
        let (extra, pending) = scene.challenge(Method::WampCra);
        (extra["challenge"].as_str().unwrap().to_owned(), pending)
    };
    let ((one, _), (other, pending)) = (challenge(), challenge());
    let members: Map<String, Value> = serde_json::from_str(&one).unwrap();
    for (key, expected) in [
        ("authid", json!("joe")),
        ("authrole", json!("frontend")),
        ("authmethod", json!("wampcra")),
        ("authprovider", json!("static")),
        ("session", json!(3_251_278_072_152_162_u64)),
        ("timestamp", json!("2023-11-14T22:13:20.000Z")),
    ] {
        assert_eq!(members[key], expected);
    }
    assert_ne!(one, other);
    // An answer to one challenge is none to another one.
    let replayed = pending.finish(&sign(&Secret::new("secret!!!".into()), &one), &Dictionary::default(), NOW);
    assert_eq!(replayed, Err(AuthError::Credentials("wampcra")));
}

#[test]
fn an_unknown_name_is_challenged_like_everybody_and_always_with_the_same_salt() {
    let real = |name| scene(name, "home").challenge(Method::WampCra).0;
    let (plain, salted) = (real("joe"), real("ann"));
    let (mut like_plain, mut like_salted) = (0, 0);
    // Each scene has a key of its own, and so other stand-ins.
    for _ in 0..100 {
        let scene = scene("aaa", "home");
        let ((one, _), (other, _)) = (scene.challenge(Method::WampCra), scene.challenge(Method::WampCra));
        assert_eq!(one.get("salt"), other.get("salt"));
        if let Some(salt) = one.get("salt") {
            like_salted += 1;
            assert_ne!(*salt, salted["salt"]);
            assert_eq!(salt.as_str().unwrap().len(), salted["salt"].as_str().unwrap().len());
            assert!(one.keys().eq(salted.keys()));
        } else {
            like_plain += 1;
            assert!(one.keys().eq(plain.keys()));
        }
    }
    assert!(
        like_plain > 0 && like_salted > 0,
        "not only the neighbor stands in: {like_plain}, {like_salted}"
    );
}

#[test]
fn derives_and_signs_as_the_specification_does() {
    // Section "Challenge Response Authentication": the salted CHALLENGE and the AUTHENTICATE of its example,
    // which belong to the password `secret1`.
    let salting = Salting { salt: "salt123".to_owned(), iterations: 1000, key_length: 32 };
    let challenge = "{\"nonce\": \"LHRTC9zeOIrt_9U3\", \"authprovider\": \"userdb\", \
                 \"authid\": \"peter\", \"timestamp\": \"2014-06-22T16:36:25.448Z\", \
                 \"authrole\": \"user\", \"authmethod\": \"wampcra\", \"session\": 3251278072152162}";
    let signature = sign(&salting.derive("secret1"), challenge);
    assert_eq!(signature, "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=");
}

#[test]
fn a_mock_salt_looks_like_the_one_it_stands_for_and_stays_the_same() {
    let mock_salt = |like: &str, mock: &[u8; 32]| {
        let salt = mock_salt(like, mock);
        String::from_utf8(principals::choose(Choice::from(0), like.as_bytes(), salt.as_bytes())).unwrap()
    };
    for like in ["salt123", "00ff00ff00ff00ff", "jXkSt%3dd0x!", &"f".repeat(80)] {
        let mock = mock_salt(like, &[7; 32]);
        assert_eq!(mock.len(), like.len());
        assert_eq!(mock, mock_salt(like, &[7; 32]));
        assert_ne!(mock, mock_salt(like, &[8; 32]));
    }
    assert!(mock_salt("00ff", &[0xab; 32]).bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn times_are_written_as_the_specification_writes_them() {
    assert_eq!(iso_8601(Timestamp::from_millis(1_403_454_985_448)), "2014-06-22T16:36:25.448Z");
    assert_eq!(iso_8601(Timestamp::from_millis(0)), "1970-01-01T00:00:00.000Z");
}
