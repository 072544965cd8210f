//! Tokens (JWT) through the front door: on which a client joins, for how long, and that no log holds one.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{
    Client, Gateway, Handshake, Jar, Serializer,
    client::Refused,
    code,
    config::{With as _, tracked, untracked, web},
};

const SECRET: &str = "a secret of 32 bytes at the least";

/// In seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token of the key `one`, which this secret signs.
pub(super) fn token_by(secret: &str, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT", "kid": "one" })), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Joe's token, which ends in so many seconds.
/// How long a token lives whose end a test waits for, in seconds: enough for a login on a busy machine.
const BRIEF: i64 = 6;

fn token(seconds: i64) -> String {
    let exp = now().saturating_add_signed(seconds);
    token_by(SECRET, &json!({ "sub": "joe", "role": "frontend", "aud": "chat", "exp": exp }))
}

/// `auth` with tokens; `changes` are keys of `ticket`.
#[expect(clippy::needless_pass_by_value, reason = "so that a test can write what changes in place")]
fn auth(changes: Value) -> Value {
    let ticket = json!({ "type": "jwt", "keys": { "secret": SECRET }, "algorithms": ["HS256"], "audience": "chat", "leeway": 0 });
    json!({ "ticket": changes.as_object().unwrap().iter().fold(ticket, |ticket, (key, value)| ticket.with(key, value.clone())) })
}

fn start(service: &Value, changes: Value) -> Gateway {
    Gateway::start(&web(&service.clone().with("auth", auth(changes))))
}

/// Answers the challenge with a token. The client need not tell its authid, which the token does.
#[track_caller]
fn answer(client: &mut Client, token: &str) -> Result<Value, Refused> {
    client.hello("realm1", json!({ "authmethods": ["ticket"] }));
    let challenge = client.receive();
    assert_eq!((&challenge[0], &challenge[1]), (&json!(code::CHALLENGE), &json!("ticket")), "{challenge}");
    client.send(&json!([code::AUTHENTICATE, token, {}]));
    client.outcome()
}

fn open(gateway: &Gateway) -> Client {
    Client::open(gateway, &mut Jar::default())
}

fn open_by(gateway: &Gateway, handshake: Handshake) -> Client {
    Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false)
}

#[track_caller]
fn is_ended(client: &mut Client, message: &str) {
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.killed")), "{goodbye}");
    assert!(goodbye[1]["message"].as_str().unwrap().contains(message), "{goodbye}");
    assert_eq!(client.socket().await_close(), 1008);
}

#[test]
fn a_token_joins_as_the_principal_that_it_names() {
    let gateway = start(&untracked(), json!({ "claims": { "extra": ["aud"] } }));
    let mut client = open(&gateway);
    let welcome = answer(&mut client, &token(60)).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("joe"), &json!("frontend")), "{welcome}");
    assert_eq!((&welcome["authmethod"], &welcome["authprovider"]), (&json!("ticket"), &json!("jwt")));
    assert_eq!(welcome["authextra"]["aud"], "chat", "{welcome}");
    assert!(welcome["authextra"]["exp"].as_u64().unwrap() > now(), "{welcome}");
    client.echoes();
    // A client that tells its authid, as the specification asks it to, must tell the token's.
    open(&gateway).join_by_ticket("joe", &token(60)).unwrap();
    open(&gateway).join_by_ticket("ann", &token(60)).unwrap_err();
}

#[test]
fn a_token_that_is_not_accepted_tells_the_operator_why_and_the_client_only_of_its_end() {
    let gateway = start(&untracked(), json!({}));
    let claims = json!({ "sub": "joe", "role": "frontend", "aud": "chat", "exp": now() + 60 });
    let other = token_by("another secret of thirty-two bytes", &claims);
    for (token, told, logged) in [
        (token(-1), "has expired", "it has expired"),
        (other, "not accepted", "its signature is wrong"),
        (token_by(SECRET, &claims.clone().with("aud", json!("mail"))), "not accepted", "another audience"),
        ("correct-horse-battery-staple".to_owned(), "not accepted", "no JWT in compact form"),
        ("a".repeat(40_000), "not accepted", "more than 8192 bytes"),
    ] {
        let refused = answer(&mut open(&gateway), &token).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized", "{refused:?}");
        assert!(refused.message.contains(told), "{refused:?}");
        gateway.output().until(logged, 1);
        assert!(!gateway.output().text().contains(&token), "the log holds a token");
    }
}

#[test]
fn a_session_ends_when_its_token_does_where_that_is_configured() {
    let lasting = start(&untracked(), json!({}));
    let ending = start(&untracked(), json!({ "end_at_expiry": true }));
    let token = token(BRIEF);
    let (mut lasts, mut ends) = (open(&lasting), open(&ending));
    answer(&mut lasts, &token).unwrap();
    answer(&mut ends, &token).unwrap();
    is_ended(&mut ends, "the token has expired");
    assert!(now() >= token_end(&token), "the session ended before its token");
    lasts.echoes();
    ending.output().until("logged out", 1);
}

fn token_end(token: &str) -> u64 {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["exp"].as_u64().unwrap()
}

#[test]
fn a_session_that_has_left_is_not_ended_by_its_token() {
    let gateway = start(&untracked(), json!({ "end_at_expiry": true }));
    let mut client = open(&gateway);
    answer(&mut client, &token(BRIEF)).unwrap();
    client.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
    assert_eq!(client.expect(code::GOODBYE)[2], "wamp.close.goodbye_and_out");
    answer(&mut client, &token(60)).unwrap();
    // The first token ends meanwhile, and says nothing to the second session.
    let mut other = open(&gateway);
    answer(&mut other, &token(BRIEF + 1)).unwrap();
    is_ended(&mut other, "the token has expired");
    client.echoes();
}

#[test]
fn a_cookie_remembers_the_token_until_it_ends() {
    let service = tracked();
    let with_cookie = |changes| {
        Gateway::start(&web(&service.clone().with("auth", auth(changes).with("cookie", json!({})))))
    };
    let offer = |gateway: &Gateway, jar: &mut Jar| {
        let mut client = Client::open(gateway, jar);
        client.join("realm1", json!({ "authmethods": ["cookie"] })).map(|welcome| (client, welcome))
    };
    let strict = with_cookie(json!({ "end_at_expiry": true }));
    let mut jar = Jar::default();
    answer(&mut Client::open(&strict, &mut jar), &token(BRIEF)).unwrap();
    let (mut client, welcome) = offer(&strict, &mut jar).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("joe"), &json!("frontend")), "{welcome}");
    assert_eq!(welcome["authprovider"], "cookie", "{welcome}");
    is_ended(&mut client, "the token has expired");
    offer(&strict, &mut jar).unwrap_err();

    let lenient = with_cookie(json!({ "end_at_expiry": true, "cookie_may_outlive": true }));
    let mut jar = Jar::default();
    let mut first = Client::open(&lenient, &mut jar);
    answer(&mut first, &token(BRIEF)).unwrap();
    is_ended(&mut first, "the token has expired");
    let (mut client, _) = offer(&lenient, &mut jar).unwrap();
    client.echoes();
}

#[test]
fn a_handshake_brings_its_token_only_where_it_may() {
    let token = token(60);
    let header = || Handshake::default().header("Authorization", &format!("Bearer {token}"));
    let query = || Handshake::default().path(&format!("/ws?access_token={token}"));
    let cookie = || Handshake::default().header("Cookie", &format!("session={token}"));
    let places = [
        (json!({ "header": true }), header()),
        (json!({ "query": "access_token" }), query()),
        (json!({ "cookie": "session" }), cookie()),
    ];
    let hello = json!({ "authmethods": ["ticket"], "roles": { "caller": {} } });
    for (place, _) in &places {
        let mut gateway = Gateway::prepare(&web(&untracked().with("auth", auth(json!({ "from": place })))))
            .environment("WAMPGATE_LOG", "trace")
            .run();
        for (other, handshake) in &places {
            let mut client = open_by(&gateway, handshake.clone());
            client.hello("realm1", hello.clone());
            if place == other {
                assert_eq!(client.outcome().unwrap()["authid"], "joe");
                continue;
            }
            let challenge = client.receive();
            assert_eq!(challenge[0], code::CHALLENGE, "{place} takes {other}: {challenge}");
        }
        assert!(gateway.terminate().success());
        let said = gateway.output().text();
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(said.contains("logged in") && !said.contains(signature), "the log holds a token");
    }
    let gateway = start(&untracked(), json!({ "from": { "header": true } }));
    let old = token_by(SECRET, &json!({ "sub": "joe", "role": "frontend", "aud": "chat", "exp": 1 }));
    let mut client =
        open_by(&gateway, Handshake::default().header("Authorization", &format!("Bearer {old}")));
    client.hello("realm1", hello);
    assert!(client.outcome().unwrap_err().message.contains("has expired"));
}

#[test]
fn a_page_of_another_origin_cannot_use_the_cookie_with_a_token() {
    let options = json!({ "allowed_origins": ["*"] });
    let gateway = |from| {
        let service =
            untracked().with("auth", auth(json!({ "from": from }))).with("options", options.clone());
        Gateway::start(&web(&service))
    };
    let null = Handshake::default().header("Origin", "null");
    null.is_refused(&gateway(json!({ "cookie": "session" })), 403);
    null.opens(&gateway(json!({ "header": true })));
}

/// A JWK Set with one secret.
fn keys(name: &str, secret: &str) -> String {
    json!({ "keys": [{ "kty": "oct", "kid": name, "k": BASE64_URL_SAFE_NO_PAD.encode(secret) }] }).to_string()
}

/// A gateway whose keys are in a file, and the file.
fn with_keys_in_a_file() -> (Gateway, PathBuf) {
    let service =
        untracked().with("auth", auth(json!({})).with("ticket", json!({ "keys": { "file": "jwks.json" } })));
    let gateway = Gateway::prepare(&web(&service)).private_file("jwks.json", keys("one", SECRET)).run();
    let file = gateway.path().join("jwks.json");
    (gateway, file)
}

#[test]
fn the_last_key_that_is_withdrawn_opens_no_session_any_more_until_it_is_back() {
    let (gateway, file) = with_keys_in_a_file();
    let mut before = open(&gateway);
    answer(&mut before, &token(60)).unwrap();
    std::fs::write(&file, json!({ "keys": [] }).to_string()).unwrap();
    let lacks = "no token is accepted by transports[0].paths.ws.auth.ticket.keys.file any more";
    gateway.output().until(lacks, 1);
    answer(&mut open(&gateway), &token(60)).unwrap_err();
    before.echoes();
    std::fs::write(&file, keys("one", SECRET)).unwrap();
    gateway.output().until("the keys of tokens were reloaded, there are 1 now", 1);
    answer(&mut open(&gateway), &token(60)).unwrap();
    assert_eq!(gateway.output().text().matches(lacks).count(), 1);
}

#[test]
fn a_changed_file_of_keys_counts_at_once_and_a_broken_one_does_not() {
    let (gateway, file) = with_keys_in_a_file();
    answer(&mut open(&gateway), &token(60)).unwrap();
    std::fs::write(&file, "{").unwrap();
    gateway.output().until("goes on with what the file held before", 1);
    answer(&mut open(&gateway), &token(60)).unwrap();
    std::fs::write(&file, keys("two", SECRET)).unwrap();
    gateway.output().until("the keys of tokens were reloaded", 1);
    answer(&mut open(&gateway), &token(60)).unwrap_err();
}
