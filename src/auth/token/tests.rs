//! Tokens of another implementation, and the attacks of RFC 8725.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    auth::{
        AuthError, AuthOptions, Method, MethodStep, Principal, StaleLogin, cookie,
        tests::{NOW, Scene, hello, name, tracked, uri},
        watch::LoginFile as _,
    },
    identity::Lease,
    store::Authentication,
};

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
    let options = options(TokenKeys::read(&file, algorithms).unwrap(), algorithms);
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

#[test]
fn tokens_of_another_implementation_are_right_for_their_algorithm_only() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.least_secret().is_none()) {
        let (_folder, options) = public(&[algorithm]);
        options.verify(&pyjwt(algorithm.name()), NOW).unwrap();
        let mut broken = pyjwt(algorithm.name());
        let place = broken.rfind('.').unwrap() + 5;
        let other = if &broken[place..=place] == "A" { "B" } else { "A" };
        broken.replace_range(place..=place, other);
        assert_eq!(refusal(&options, &broken), TokenError::Signature, "{algorithm:?}");
        for other in
            Algorithm::ALL.into_iter().filter(|other| *other != algorithm && other.least_secret().is_none())
        {
            assert_eq!(refusal(&options, &pyjwt(other.name())), TokenError::Algorithm, "{other:?}");
        }
    }
}

/// RFC 8725, 2.1 and 3.1.
#[test]
fn a_token_without_a_signature_is_refused_however_none_is_written() {
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": none, "typ": "JWT" }).to_string();
        let token = sign(&header, &claims().to_string(), SECRET.as_bytes());
        let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(refusal(&shared(), &token), TokenError::Algorithm);
        assert_eq!(refusal(&shared(), &bare), TokenError::Algorithm);
    }
    let bare = signed(&claims().to_string());
    assert_eq!(refusal(&shared(), &format!("{}.", bare.rsplit_once('.').unwrap().0)), TokenError::Signature);
}

/// RFC 8725, 2.1: the attacker signs with the public key, as if it were a secret.
#[test]
fn a_public_key_is_no_secret() {
    let made: Value = serde_json::from_str(PYJWT).unwrap();
    let n = BASE64_URL_SAFE_NO_PAD.decode(made["keys"][0]["n"].as_str().unwrap()).unwrap();
    let keys = [PYJWT.as_bytes().to_vec(), n, made["keys"][0].to_string().into_bytes(), b"".to_vec()];
    let (_folder, pinned) = public(&[Algorithm::Rs256]);
    // Even if the operator lets both kinds be used.
    let (_other, both) = public(&[Algorithm::Rs256, Algorithm::Hs256]);
    for key in keys {
        for header in [r#"{"alg":"HS256","kid":"r"}"#, r#"{"alg":"HS256"}"#] {
            let token = sign(header, &claims().to_string(), &key);
            assert_eq!(refusal(&pinned, &token), TokenError::Algorithm);
            assert_eq!(refusal(&both, &token), TokenError::NoKey);
        }
    }
}

#[test]
fn a_key_that_is_named_is_the_only_one_that_counts() {
    let (_folder, options) = public(&[Algorithm::Es256, Algorithm::Es384]);
    let token = pyjwt("ES256");
    let (header, rest) = token.split_once('.').unwrap();
    let header = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    for other in ["f", "x", "", "../../../dev/null", "e' OR '1'='1"] {
        let header = header.replace("\"kid\":\"e\"", &format!("\"kid\":{}", json!(other)));
        let token = format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header));
        assert_eq!(refusal(&options, &token), TokenError::NoKey, "{other}");
    }
}

/// RFC 8725, 3.10: what comes with the token is the attacker's.
#[test]
fn keys_that_a_token_brings_along_are_refused() {
    for member in [
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "jku": "https://attacker.example/jwks.json" }),
        json!({ "x5c": ["MII"] }),
        json!({ "x5u": "https://attacker.example/cert" }),
        json!({ "jwk": null }),
    ] {
        let mut header = member;
        header["alg"] = "HS256".into();
        let token = sign(&header.to_string(), &claims().to_string(), SECRET.as_bytes());
        assert_eq!(refusal(&shared(), &token), TokenError::EmbeddedKey, "{header}");
    }
}

#[test]
fn what_a_header_asks_for_and_the_gateway_does_not_know_is_refused() {
    let payload = claims().to_string();
    let header = |header: &str| refusal(&shared(), &sign(header, &payload, SECRET.as_bytes()));
    assert_eq!(header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), TokenError::Critical);
    assert_eq!(header(r#"{"alg":"HS256","crit":[]}"#), TokenError::Critical);
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", ""] {
        assert_eq!(header(&json!({ "alg": "HS256", "typ": typ }).to_string()), TokenError::Type, "{typ}");
    }
    assert_eq!(header(r#"{"alg":"HS256","cty":"JWT"}"#), TokenError::Type);
    assert_eq!(header(r#"{"alg":"HS256","typ":1}"#), TokenError::Type);
    assert_eq!(header(r#"{"alg":"HS256","alg":"none"}"#), TokenError::Header);
    assert_eq!(header(r#"{"alg":"HS256","kid":1}"#), TokenError::Header);
    assert_eq!(header(r#"["HS256"]"#), TokenError::Header);
    assert_eq!(header("{"), TokenError::Header);
    for typ in ["at+jwt", "application/AT+JWT", "jwt"] {
        let header = json!({ "alg": "HS256", "typ": typ }).to_string();
        shared().verify(&sign(&header, &payload, SECRET.as_bytes()), NOW).unwrap();
    }
}

#[test]
fn claims_that_stand_twice_are_refused() {
    for twice in [
        r#"{"sub":"joe","sub":"admin","role":"frontend","exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        r#"{"sub":"joe","role":"frontend","exp":1,"exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        r#"{"sub":"joe","x":{"a":1,"\u0061":2},"exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        "[]",
        "",
        "{\"sub\":\"joe\"} {}",
    ] {
        assert_eq!(refusal(&shared(), &signed(twice)), TokenError::Claims, "{twice}");
    }
}

#[test]
fn a_huge_token_is_refused_before_it_is_looked_at() {
    let fill = |size: usize| signed(&with(&json!({ "x": "a".repeat(size) })));
    assert_eq!(refusal(&shared(), &fill(error::MAX_TOKEN)), TokenError::TooLarge);
    assert_eq!(refusal(&shared(), &"a".repeat(60_000)), TokenError::TooLarge);
    assert_eq!(refusal(&shared(), &".".repeat(8000)), TokenError::Form);
    // Nesting takes no more of the stack than its size allows.
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    assert_eq!(refusal(&shared(), &signed(&deep)), TokenError::Claims);
    shared().verify(&fill(5000), NOW).unwrap();
}

#[test]
fn what_is_no_token_is_refused() {
    let sound = signed(&claims().to_string());
    let (rest, signature) = sound.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        rest.to_owned(),
        format!("{sound}."),
        format!("{sound}="),
        format!("{rest}.{signature}="),
        format!(" {sound}"),
        format!("{rest}.{}", signature.replace(['-', '_'], "+")) + "/",
        "a.é.c".to_owned(),
    ] {
        let error = refusal(&shared(), &token);
        assert!(matches!(error, TokenError::Form | TokenError::Header), "{token}: {error:?}");
    }
}

#[test]
fn times_count_with_the_leeway_and_no_more() {
    let at = |seconds: i64| NOW_SECONDS.saturating_add_signed(seconds);
    for (changes, expected) in [
        (json!({ "exp": at(1) }), None),
        (json!({ "exp": at(-29) }), None),
        (json!({ "exp": at(-30) }), Some(TokenError::Expired)),
        (json!({ "exp": 0 }), Some(TokenError::Expired)),
        (json!({ "exp": null }), Some(TokenError::Endless)),
        (json!({ "exp": "4102444800" }), Some(TokenError::Value("exp"))),
        (json!({ "exp": -1 }), Some(TokenError::Value("exp"))),
        (json!({ "exp": 1e300 }), Some(TokenError::Value("exp"))),
        (json!({ "exp": [] }), Some(TokenError::Value("exp"))),
        (json!({ "exp": 4_102_444_800.5 }), None),
        (json!({ "exp": u64::MAX }), None),
        (json!({ "nbf": at(30) }), None),
        (json!({ "nbf": at(31) }), Some(TokenError::NotYet)),
        (json!({ "nbf": "x" }), Some(TokenError::Value("nbf"))),
        (json!({ "iat": at(31) }), Some(TokenError::NotYet)),
        (json!({ "iat": at(-1_000_000) }), None),
    ] {
        let got = shared().verify(&signed(&with(&changes)), NOW).err();
        assert_eq!(got, expected, "{changes}");
    }
    let aged = TokenOptions { max_age: Some(Duration::from_secs(100)), ..shared() };
    for (changes, expected) in [
        (json!({ "iat": at(-100) }), None),
        (json!({ "iat": at(-130) }), Some(TokenError::TooOld)),
        (json!({ "iat": at(-130), "exp": null }), Some(TokenError::TooOld)),
        (json!({ "iat": at(-100), "exp": null }), None),
        (json!({ "iat": null }), Some(TokenError::Endless)),
        (json!({ "iat": at(-100), "exp": at(-40) }), Some(TokenError::Expired)),
    ] {
        let got = aged.verify(&signed(&with(&changes)), NOW).err();
        assert_eq!(got, expected, "{changes}");
    }
}

/// RFC 8725, 3.8 and 3.9.
#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    for (changes, expected) in [
        (json!({ "iss": "https://issuer.example/" }), Some(TokenError::Issuer)),
        (json!({ "iss": ["https://issuer.example"] }), Some(TokenError::Issuer)),
        (json!({ "iss": null }), Some(TokenError::Issuer)),
        (json!({ "aud": "other" }), Some(TokenError::Audience)),
        (json!({ "aud": null }), Some(TokenError::Audience)),
        (json!({ "aud": [] }), Some(TokenError::Audience)),
        (json!({ "aud": { "wampgate": true } }), Some(TokenError::Audience)),
        (json!({ "aud": ["other", "wampgate"] }), None),
    ] {
        assert_eq!(shared().verify(&signed(&with(&changes)), NOW).err(), expected, "{changes}");
    }
    let open = TokenOptions { issuer: None, audience: Vec::new(), ..shared() };
    assert_eq!(refusal(&open, &signed(&claims().to_string())), TokenError::NoAudience);
    open.verify(&signed(&with(&json!({ "iss": null, "aud": null }))), NOW).unwrap();
}

/// Runs `ticket` in `realm1` for a client that claims an authid, if it does.
fn run(options: TokenOptions, claimed: Option<&str>, payload: &str) -> Result<Principal, AuthError> {
    let config = AuthOptions { token: Some(Arc::new(options)), ..AuthOptions::default() };
    let scene = Scene::new(Some(config), hello(&["ticket"], claimed));
    let (extra, pending) = scene.challenge(Method::Ticket);
    assert!(extra.is_empty());
    pending.finish(&signed(payload), &crate::wamp::Dictionary::default(), NOW)
}

#[test]
fn a_token_names_its_principal() {
    let principal = run(shared(), None, &claims().to_string()).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
    assert_eq!((principal.authmethod, principal.authprovider), ("ticket", "jwt"));
    assert_eq!(principal.authextra, Some(Map::from_iter([("exp".to_owned(), (NOW_SECONDS + 60).into())])));
    assert_eq!(principal.lease, Lease::default());
    assert!(run(shared(), Some("joe"), &claims().to_string()).is_ok());
    for (claimed, changes, expected) in [
        (Some("ann"), json!({}), TokenError::OtherAuthId),
        (None, json!({ "sub": null }), TokenError::NoAuthId),
        (None, json!({ "sub": 7 }), TokenError::Text),
        (None, json!({ "sub": "a\u{202e}b" }), TokenError::Text),
        (None, json!({ "sub": "" }), TokenError::Text),
        (None, json!({ "role": null }), TokenError::NoRole),
        (None, json!({ "role": ["frontend"] }), TokenError::Text),
    ] {
        assert_eq!(run(shared(), claimed, &with(&changes)), Err(expected.into()), "{changes}");
    }
}

#[test]
fn the_configuration_says_which_claims_count() {
    let claims = ClaimNames {
        authid: "email".to_owned(),
        role: "group".to_owned(),
        realm: Some("home".to_owned()),
        extra: vec!["name".to_owned(), "absent".to_owned()],
    };
    let options = || TokenOptions {
        claims: claims.clone(),
        role: Some(name("guest")),
        end_at_expiry: true,
        ..shared()
    };
    let payload = json!({ "email": "joe@example.com", "home": "realm1", "name": { "first": "Joe" } });
    let principal = run(options(), None, &with(&payload)).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe@example.com", "guest"));
    assert_eq!(principal.authextra.unwrap()["name"], json!({ "first": "Joe" }));
    assert_eq!(principal.lease.until, Some(NOW.plus_seconds(60)));
    let other = json!({ "email": "joe@example.com", "home": "realm2" });
    assert_eq!(run(options(), None, &with(&other)), Err(AuthError::OtherRealm));
    let none = json!({ "email": "joe@example.com" });
    assert_eq!(run(options(), None, &with(&none)), Err(TokenError::NoRealm.into()));
}

#[test]
fn a_token_of_the_handshake_needs_no_challenge() {
    let config = AuthOptions { token: Some(Arc::new(shared())), ..AuthOptions::default() };
    let scene = |token: String| Scene {
        token: Some(token),
        ..Scene::new(Some(config.clone()), hello(&["ticket"], None))
    };
    let Ok(MethodStep::Done(principal)) = scene(signed(&claims().to_string())).begin(Method::Ticket) else {
        panic!("no principal")
    };
    assert_eq!(&*principal.authid, "joe");
    let expired = signed(&with(&json!({ "exp": 1 })));
    assert!(matches!(scene(expired).begin(Method::Ticket), Err(AuthError::Token(TokenError::Expired))));
}

/// What a cookie makes of a login by this token, so many seconds later; and what the policy gave it.
fn by_cookie(options: TokenOptions, given: Option<&str>, later: u64) -> Result<Principal, AuthError> {
    let cookie = crate::auth::CookieAuthOptions::default();
    let config =
        AuthOptions { token: Some(Arc::new(options)), cookie: Some(cookie), ..AuthOptions::default() };
    let first = Scene {
        token: Some(signed(&claims().to_string())),
        ..Scene::new(Some(config.clone()), hello(&["ticket"], None))
    };
    let MethodStep::Done(principal) = first.begin(Method::Ticket).unwrap() else { panic!("a challenge") };
    let identity = principal.admit(given.map(name), |_| true).unwrap();
    let remembered: Authentication = cookie::remembered(&identity, "realm1", NOW).unwrap();
    let mut tracked = tracked();
    tracked.record.authentication = Some(Arc::new(remembered));
    let scene = Scene { tracked: Some(tracked), ..Scene::new(Some(config), hello(&["cookie"], None)) };
    match crate::auth::begin(Method::Cookie, &scene.applicant(), NOW.plus_seconds(later), &mut rand::rng())? {
        MethodStep::Done(principal) => Ok(principal),
        MethodStep::Challenge { .. } => panic!("a challenge"),
    }
}

#[test]
fn a_cookie_remembers_a_token_for_as_long_as_it_holds() {
    let ends = || TokenOptions { end_at_expiry: true, ..shared() };
    let principal = by_cookie(ends(), None, 59).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
    assert_eq!(principal.authprovider, "cookie");
    assert_eq!(principal.lease.until, Some(NOW.plus_seconds(60)));
    assert_eq!(by_cookie(shared(), None, 60), Err(StaleLogin::Expired.into()));
    let outlives = TokenOptions { cookie_may_outlive: true, ..ends() };
    assert_eq!(by_cookie(outlives, None, 60).unwrap().lease, Lease::default());
}

#[test]
fn a_role_that_a_policy_gave_does_not_stay_on_the_cookie() {
    assert_eq!(&*by_cookie(shared(), Some("admin"), 1).unwrap().authrole, "frontend");
}

#[test]
fn a_login_that_no_token_has_made_does_not_stand_for_one() {
    let config = shared();
    for (role, extra) in
        [("frontend", "{}"), ("frontend", ""), ("frontend", r#"{"exp":"x"}"#), ("", r#"{"exp":9}"#)]
    {
        assert!(config.remembered(role, extra).is_none(), "{role} {extra}");
    }
    assert_eq!(uri("realm1").as_str(), "realm1");
}

#[test]
fn a_changed_file_of_keys_counts_and_a_broken_one_does_not() {
    let (folder, options) = public(&[Algorithm::Es256]);
    let file = folder.path().join("jwks.json");
    let token = pyjwt("ES256");
    assert!(options.keys.reload().is_none(), "nothing has changed");
    for broken in ["{", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#]
    {
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
fn a_set_says_what_is_wrong_with_it_and_shows_no_key() {
    let parse = |text: &str| KeySet::parse(text.as_bytes(), &[Algorithm::Es256]).unwrap_err().to_string();
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
    let shared = KeySet::parse(oct(32).to_string().as_bytes(), &[Algorithm::Hs256]).unwrap();
    assert_eq!(format!("{shared:?}"), "KeySet(1)");
}

#[test]
fn a_file_of_public_keys_that_others_may_change_is_refused() {
    let (folder, options) = public(&[Algorithm::Es256]);
    let file = folder.path().join("jwks.json");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o646, 0o664, 0o666] {
        mode(open);
        let error = TokenKeys::read(&file, &[Algorithm::Es256]).unwrap_err().to_string();
        assert!(error.contains("whose tokens count") && error.contains("chmod go-w"), "{error}");
    }
    // While the gateway runs, the keys from before go on.
    assert!(options.keys.reload().unwrap().unwrap_err().contains("chmod go-w"));
    assert!(options.keys.reload().is_none(), "told once");
    options.verify(&pyjwt("ES256"), NOW).unwrap();
    mode(0o444);
    TokenKeys::read(&file, &[Algorithm::Es256]).unwrap();
    assert!(options.keys.reload().unwrap().unwrap().contains("4 now"));
}

#[test]
fn a_file_with_a_secret_must_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let key = json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(SECRET) });
    std::fs::write(&file, key.to_string()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = TokenKeys::read(&file, &[Algorithm::Hs256]).unwrap_err().to_string();
    assert!(error.contains("holds a secret") && error.contains("chmod"), "{error}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let options = options(TokenKeys::read(&file, &[Algorithm::Hs256]).unwrap(), &[Algorithm::Hs256]);
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
