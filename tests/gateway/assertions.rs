//! Tokens that the gateway signs for servers and proxies: who has one, what it says, by which keys it verifies, and that no client writes its own.

use std::{
    fs,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    config::{With as _, ticket_auth, tracked, untracked, web, web_paths},
    http::{Connection, Response},
    upstream::Upstream,
};

/// A new private key in PEM.
fn ed25519() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem()
}

fn p256() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem()
}

/// A gateway on which joe can log in at `/ws`, with these further paths and these keys.
fn start(paths: &Value, keys: &[(&str, String)]) -> Gateway {
    let logins = tracked()
        .with("auth", ticket_auth().with("cookie", json!({})).with("anonymous", json!({ "type": "static" })));
    let mut all = json!({ "ws": logins, "keys": { "type": "jwks", "max_age": 7 } });
    all.as_object_mut().unwrap().extend(paths.as_object().unwrap().clone());
    let mut config = web_paths(&all);
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1"] });
    let prepared = Gateway::prepare_exactly(&config);
    keys.iter().fold(prepared, |gateway, (name, text)| gateway.private_file(name, text)).run()
}

/// A path of a type that goes on to a server.
fn onward(kind: &str, upstream: &Upstream, assertion: &Value) -> Value {
    json!({
        "type": kind, "websocket": "/ws", "upstream": { "addresses": [format!("http://{}", upstream.address)] },
        "assertion": assertion,
    })
}

/// A server of HTTP that answers each request.
fn server() -> Upstream {
    Upstream::answering_each(|asked, peer| {
        let _ = asked.body(peer);
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_ok()
    })
}

fn joe(gateway: &Gateway) -> (String, Client) {
    let mut jar = Jar::default();
    let (client, _) = Client::joe(gateway, &mut jar);
    (jar.id.unwrap(), client)
}

#[track_caller]
fn ask(gateway: &Gateway, line: &str, headers: &str) -> Response {
    let mut connection = Connection::open(gateway);
    connection.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    if line.starts_with("HEAD") { connection.head() } else { connection.response() }
}

/// The keys that the gateway serves.
#[track_caller]
fn keys(gateway: &Gateway) -> Value {
    let response = ask(gateway, "GET /keys", "");
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(response.header("cache-control"), Some("public, max-age=7"));
    serde_json::from_str(&response.body).unwrap()
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// The claims of a token of Ed25519 that one of these keys has signed.
fn claims(token: &str, keys: &Value) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let head: Value = serde_json::from_slice(&decoded(head)).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"])?;
    let key = VerifyingKey::from_bytes(&decoded(key["x"].as_str().unwrap()).try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&decoded(signature)).unwrap();
    key.verify_strict(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&decoded(payload)).ok()
}

#[test]
fn a_server_gets_a_token_that_the_served_keys_verify_and_none_that_a_client_has_written() {
    let (sockets, pages) = (Upstream::echo(), server());
    let assertion = json!({ "keys": ["signing.pem"], "audience": "app", "header": "X-Identity", "issuer": "edge", "lifetime": 20 });
    let own = json!({ "keys": ["signing.pem"], "audience": "pages" });
    let paths = json!({
        "app": onward("websocket-proxy", &sockets, &assertion),
        "pages": onward("proxy", &pages, &assertion),
        "own": onward("proxy", &pages, &own),
    });
    let gateway = start(&paths, &[("signing.pem", ed25519())]);
    let (id, _client) = joe(&gateway);
    let spellings = ["X-Identity", "x_identity", "X.IDENTITY", "Wampgate-Assertion", "wampgate_assertion"];
    let mut spoofed = Handshake::default().path("/app").without("Sec-WebSocket-Protocol");
    for name in spellings {
        spoofed = spoofed.header(name, "root");
    }
    let (_socket, _) = spoofed.clone().cookie(&id).opens(&gateway);
    let head = sockets.head();
    assert!(!head.text().contains("root"), "{head:?}");
    let keys = keys(&gateway);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert!(keys["keys"][0].get("d").is_none());
    let token = head.all("x-identity")[0].to_owned();
    let mut told = claims(&token, &keys).expect("a signature that is right");
    let (begun, ends) = (told["iat"].as_u64().unwrap(), told["exp"].as_u64().unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(begun.abs_diff(now) < 60 && ends == begun + 20, "{told} at {now}");
    let first = told["jti"].take();
    let public_id = head.all("wampgate-client")[0];
    let expected = json!({
        "iss": "edge", "aud": "app", "sub": "joe", "role": "frontend", "authmethod": "ticket", "realm": "realm1", "client": public_id,
        "iat": begun, "exp": ends, "jti": null,
    });
    assert_eq!(told, expected);
    // A client without a login has the header with nothing in it.
    let (_other, _) = spoofed.opens(&gateway);
    let head = sockets.head();
    assert!(head.all("x-identity") == [""] && !head.text().contains("root"), "{head:?}");
    let lines = spellings.map(|name| format!("{name}: root\r\n")).concat();
    let trailer = format!("Trailer: {}\r\nTransfer-Encoding: chunked\r\n", spellings.join(", "));
    let cookie = format!("Cookie: cbtid={id}\r\n");
    let mut connection = Connection::open(&gateway);
    let body = format!("1\r\nx\r\n0\r\n{lines}\r\n");
    connection.send(format!("POST /pages HTTP/1.1\r\nHost: localhost\r\n{cookie}{lines}{trailer}\r\n{body}"));
    assert_eq!(connection.response().status, 200);
    let head = pages.head();
    assert!(!head.text().contains("root") && head.all("trailer").is_empty(), "{head:?}");
    let told = claims(head.all("x-identity")[0], &keys).unwrap();
    assert_eq!((&told["sub"], &told["aud"]), (&json!("joe"), &json!("app")));
    assert_ne!(told["jti"], first, "each request has a token of its own");
    assert_eq!(ask(&gateway, "GET /own", &format!("{cookie}{lines}")).status, 200);
    let head = pages.head();
    let told = claims(head.all("wampgate-assertion")[0], &keys).unwrap();
    assert_eq!((&told["iss"], &told["aud"]), (&json!("wampgate"), &json!("pages")));
    assert_eq!(ends - begun, 20);
    assert_eq!(told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap(), 60);
    assert!(!gateway.output().text().contains("eyJ"), "no token stands in the log");
}

#[test]
fn a_proxy_that_asks_is_given_the_token_and_nothing_in_it_where_there_is_no_identity() {
    let assertion = json!({ "keys": ["signing.pem"], "audience": "site" });
    let paths = json!({ "auth": { "type": "forward-auth", "websocket": "/ws", "assertion": assertion } });
    let gateway = start(&paths, &[("signing.pem", ed25519())]);
    let (id, _client) = joe(&gateway);
    let keys = keys(&gateway);
    let response = ask(&gateway, "GET /auth", &format!("Cookie: cbtid={id}\r\nWampgate-Assertion: root\r\n"));
    assert_eq!(response.status, 200);
    let told = claims(response.header("wampgate-assertion").unwrap(), &keys).unwrap();
    assert_eq!(
        (&told["sub"], &told["aud"], &told["role"]),
        (&json!("joe"), &json!("site"), &json!("frontend"))
    );
    assert_eq!(told["realm"], "realm1");
    let mut visitor = Jar::default();
    Client::open(&gateway, &mut visitor).join("realm1", json!({})).unwrap();
    let cookie = format!("Cookie: cbtid={}\r\n", visitor.id.unwrap());
    for (status, cookie) in [(200, &*cookie), (401, "")] {
        let response = ask(&gateway, "GET /auth", cookie);
        assert_eq!((response.status, response.header("wampgate-assertion")), (status, Some("")));
    }
}

/// Who verifies here is another gateway, for which the tokens of the first one are those of an issuer.
#[test]
fn another_gateway_takes_a_token_by_the_served_keys() {
    let pages = server();
    let assertion = json!({ "keys": ["signing.pem"], "audience": "chat", "lifetime": 5 });
    let gateway = start(&json!({ "pages": onward("proxy", &pages, &assertion) }), &[("signing.pem", p256())]);
    let (id, _client) = joe(&gateway);
    assert_eq!(ask(&gateway, "GET /pages", &format!("Cookie: cbtid={id}\r\n")).status, 200);
    let token = pages.head().all("wampgate-assertion")[0].to_owned();
    let by = |audience: &str| {
        let keys = keys(&gateway).to_string();
        let ticket = json!({
            "type": "jwt", "keys": { "file": "jwks.json" }, "algorithms": ["ES256"], "issuer": "wampgate", "audience": audience, "leeway": 600,
        });
        let other = Gateway::prepare(&web(&untracked().with("auth", json!({ "ticket": ticket }))));
        other.private_file("jwks.json", &keys).run()
    };
    let other = by("chat");
    let welcome = Client::open(&other, &mut Jar::default()).join_by_ticket("joe", &token).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("joe"), &json!("frontend")));
    let end = token.len() - 43;
    let forged =
        format!("{}{}", &token[..end], if &token[end..=end] == "A" { "B" } else { "A" }) + &token[end + 1..];
    Client::open(&other, &mut Jar::default()).join_by_ticket("joe", &forged).unwrap_err();
    Client::open(&by("mail"), &mut Jar::default()).join_by_ticket("joe", &token).unwrap_err();
}

#[test]
fn a_key_file_that_changes_signs_at_once_and_the_key_before_it_still_verifies() {
    let pages = server();
    let assertion = json!({ "keys": ["signing.pem", "next.pem"], "audience": "app" });
    let files = [("signing.pem", ed25519()), ("next.pem", ed25519())];
    let gateway = start(&json!({ "pages": onward("proxy", &pages, &assertion) }), &files);
    let (id, _client) = joe(&gateway);
    let token = || {
        assert_eq!(ask(&gateway, "GET /pages", &format!("Cookie: cbtid={id}\r\n")).status, 200);
        pages.head().all("wampgate-assertion")[0].to_owned()
    };
    let (old, before) = (token(), keys(&gateway));
    assert_eq!(before["keys"].as_array().unwrap().len(), 2, "a key that is yet to sign is served");
    let file = gateway.path().join("signing.pem");
    fs::write(&file, "no key").unwrap();
    gateway.output().until("goes on with what the file held before: holds no private key in PEM", 1);
    assert!(claims(&token(), &before).is_some());
    fs::write(&file, ed25519()).unwrap();
    gateway.output().until("the key of signed assertions was reloaded", 1);
    let (new, now) = (token(), keys(&gateway));
    assert!(claims(&new, &before).is_none(), "another key signs");
    assert!(claims(&new, &now).is_some() && claims(&old, &now).is_some(), "{now}");
    assert_eq!(now["keys"].as_array().unwrap().len(), 3);
    // The list itself changes: the second key signs, and what is gone still verifies.
    let text = fs::read_to_string(gateway.path().join("config.json")).unwrap();
    fs::write(
        gateway.path().join("config.json"),
        text.replace("[\"signing.pem\",\"next.pem\"]", "[\"next.pem\"]"),
    )
    .unwrap();
    gateway.signal(Signal::HUP);
    let deadline = Instant::now() + PATIENCE;
    while claims(&token(), &before).is_none() {
        assert!(Instant::now() < deadline, "the second key does not sign");
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = keys(&gateway);
    for token in [&old, &new] {
        assert!(claims(token, &after).is_some(), "{after}");
    }
}

#[test]
fn keys_are_served_to_all_who_read_and_to_no_other_method() {
    let gateway = start(&json!({}), &[]);
    assert_eq!(keys(&gateway), json!({ "keys": [] }));
    let head = ask(&gateway, "HEAD /keys", "");
    assert_eq!((head.status, head.header("cache-control")), (200, Some("public, max-age=7")));
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(&gateway, &format!("{method} /keys"), "").status, 405, "{method}");
    }
    let mut connection = Connection::open(&gateway);
    connection.send("GET /keys HTTP/1.1\r\nHost: gateway.internal\r\n\r\n");
    assert_eq!(connection.response().status, 200, "servers call the gateway by names of their own");
}
