//! Files of keys: what they may hold, who may change them, and changes while the gateway runs.

use super::*;
use crate::auth::watch::LoginFile as _;

#[test]
fn a_changed_file_of_keys_counts_and_a_broken_one_does_not() {
    let (folder, options) = public(&[Algorithm::Es256]);
    let file = folder.path().join("jwks.json");
    let token = pyjwt("ES256");
    assert!(options.keys.reload().is_none(), "nothing has changed");
    for broken in ["{", "{}", r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#] {
        std::fs::write(&file, broken).unwrap();
        assert!(options.keys.reload().unwrap().is_err(), "{broken}");
        assert!(options.keys.reload().is_none(), "told once");
        options.verify(&token, NOW).unwrap();
    }
    std::fs::remove_file(&file).unwrap();
    assert!(options.keys.reload().unwrap().is_err());
    options.verify(&token, NOW).unwrap();
    let mut made: Value = serde_json::from_str(PYJWT).unwrap();
    made["keys"][1]["kid"] = "another".into();
    std::fs::write(&file, made.to_string()).unwrap();
    assert!(options.keys.reload().unwrap().unwrap().contains("4 now"));
    assert_eq!(refusal(&options, &token), TokenError::NoKey);
}

#[test]
fn a_key_that_leaves_the_file_counts_no_more_even_if_no_other_one_fits() {
    let (folder, options) = public(&[Algorithm::Es256]);
    let file = folder.path().join("jwks.json");
    let token = pyjwt("ES256");
    let without = |keep: bool| {
        let mut made: Value = serde_json::from_str(PYJWT).unwrap();
        made["keys"].as_array_mut().unwrap().retain(|key| keep && key["kty"] != "EC");
        made.to_string()
    };
    for keeps_others in [true, false] {
        std::fs::write(&file, PYJWT).unwrap();
        drop(options.keys.reload());
        assert_eq!(options.keys.lacks(), None);
        options.verify(&token, NOW).unwrap();
        std::fs::write(&file, without(keeps_others)).unwrap();
        options.keys.reload().unwrap().unwrap();
        assert_eq!(refusal(&options, &token), TokenError::NoKey, "{keeps_others}");
        let lacks = options.keys.lacks().unwrap();
        assert!(lacks.contains("by auth.jwt any more") && lacks.contains("no key for ES256"), "{lacks}");
        // The gateway does not start with it.
        TokenKeys::read(&file, &[Algorithm::Es256], "auth.jwt").unwrap_err();
    }
}

#[test]
fn a_zero_before_the_modulus_does_no_harm() {
    let (folder, _) = public(&[Algorithm::Rs256]);
    let file = folder.path().join("jwks.json");
    let mut made: Value = serde_json::from_str(PYJWT).unwrap();
    for key in made["keys"].as_array_mut().unwrap().iter_mut().filter(|key| key["kty"] == "RSA") {
        let n = BASE64_URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
        key["n"] = BASE64_URL_SAFE_NO_PAD.encode([vec![0], n].concat()).into();
    }
    std::fs::write(&file, made.to_string()).unwrap();
    let algorithms = [Algorithm::Rs256];
    let options = options(TokenKeys::read(&file, &algorithms, "auth.jwt").unwrap(), &algorithms);
    options.verify(&pyjwt("RS256"), NOW).unwrap();
}

fn long<const N: usize>(bytes: [u8; N]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_set_says_what_is_wrong_with_it_and_shows_no_key() {
    let parse = |text: &str| {
        let read = KeySet::parse(text.as_bytes());
        read.and_then(|keys| keys.fits(&[Algorithm::Es256])).unwrap_err().to_string()
    };
    let oct = |size: usize| json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode("s".repeat(size)) });
    for (text, expected) in [
        ("[]".to_owned(), "is no JWK Set"),
        (r#"{"keys":[],"keys":[]}"#.to_owned(), "stand twice"),
        (json!({ "keys": vec![oct(40); 65] }).to_string(), "more than 64 keys"),
        (json!({ "keys": [oct(40)] }).to_string(), "has no key for ES256"),
        (json!({ "keys": [oct(31)] }).to_string(), "a secret of 31 bytes, use at least 32"),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "c2VjcmV0" }).to_string(),
            "is a private key",
        ),
        (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }).to_string(), "less than 2048 bits"),
        (json!({ "kty": "RSA", "n": long([0x80; 256]), "e": "AQAB" }).to_string(), "no public key of RSA"),
        (json!({ "kty": "RSA", "n": long([0xff; 1025]), "e": "AQAB" }).to_string(), "more than 8192 bits"),
        (json!({ "kty": "RSA", "n": long([0xff; 256]), "e": "AQ" }).to_string(), "no public key of RSA"),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": long([1; 32]), "y": long([1; 32]) }).to_string(),
            "no point on its curve",
        ),
        (
            json!({ "kty": "EC", "crv": "P-384", "x": long([1; 48]), "y": long([1; 48]) }).to_string(),
            "no point on its curve",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode([0; 32]) })
                .to_string(),
            "no public key of Ed25519",
        ),
        (json!({ "keys": [{ "kty": "EC", "crv": "P-521" }] }).to_string(), "has no key for ES256"),
    ] {
        let message = parse(&text);
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("c2VjcmV0") && !message.contains("ssss"), "{message}");
    }
    let shared = KeySet::parse(oct(32).to_string().as_bytes()).unwrap();
    assert_eq!(format!("{shared:?}"), "KeySet(1)");
}

#[test]
fn a_file_of_public_keys_that_others_may_change_is_refused() {
    let (folder, options) = public(&[Algorithm::Es256]);
    let file = folder.path().join("jwks.json");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o646, 0o664, 0o666] {
        mode(open);
        let error = TokenKeys::read(&file, &[Algorithm::Es256], "auth.jwt").unwrap_err().to_string();
        assert!(error.contains("whose tokens count") && error.contains("chmod go-w"), "{error}");
    }
    // While the gateway runs, the keys from before go on.
    assert!(options.keys.reload().unwrap().unwrap_err().contains("chmod go-w"));
    assert!(options.keys.reload().is_none(), "told once");
    options.verify(&pyjwt("ES256"), NOW).unwrap();
    mode(0o444);
    TokenKeys::read(&file, &[Algorithm::Es256], "auth.jwt").unwrap();
    assert!(options.keys.reload().unwrap().unwrap().contains("nothing has changed"));
}

#[test]
fn a_file_with_a_secret_must_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let key = json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) });
    std::fs::write(&file, key.to_string()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = TokenKeys::read(&file, &[Algorithm::Hs256], "auth.jwt").unwrap_err().to_string();
    assert!(error.contains("holds a secret") && error.contains("chmod"), "{error}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let options =
        options(TokenKeys::read(&file, &[Algorithm::Hs256], "auth.jwt").unwrap(), &[Algorithm::Hs256]);
    options.verify(&signed(&claims().to_string()), NOW).unwrap();
    // While the gateway runs as well: for the same bytes, for new ones, and until the mode is right.
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(options.keys.reload().unwrap().unwrap_err().contains("chmod"));
    assert!(options.keys.reload().is_none(), "told once");
    std::fs::write(&file, key.to_string() + "\n").unwrap();
    assert!(options.keys.reload().is_none(), "nothing can be read, so that it is as before");
    mode(0o600);
    assert!(options.keys.reload().unwrap().unwrap().contains("1 now"));
    assert!(options.keys.reload().is_none());
}

#[test]
fn a_secret_that_comes_into_a_file_counts_once_its_mode_is_right() {
    let (folder, options) = public(&[Algorithm::Es256, Algorithm::Hs256]);
    let file = folder.path().join("jwks.json");
    let key = json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) });
    std::fs::write(&file, key.to_string()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(options.keys.reload().unwrap().unwrap_err().contains("holds a secret"));
    assert!(options.keys.reload().is_none(), "told once");
    options.verify(&pyjwt("ES256"), NOW).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(options.keys.reload().unwrap().unwrap().contains("1 now"));
    options.verify(&signed(&claims().to_string()), NOW).unwrap();
}
