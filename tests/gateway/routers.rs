//! Clients that join a router behind the gateway, and who they are there.

mod endings;
mod joining;
mod passing;
mod raw;

use std::{
    sync::mpsc::Receiver,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, SigningKey};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::metrics::counted;
use crate::support::{
    Client, Frame, Gateway, Jar, PATIENCE, Serializer, bytes,
    client::{Refused, uri},
    code,
    config::{self, TICKET, With as _, endpoint, logins, ticket_auth, tracked, web},
    router::{EDGE, Router, welcome},
    websocket::opcode,
};

/// A router that knows joe and the edge by the ticket of the edge, and the edge by a signature.
#[track_caller]
fn router() -> Gateway {
    Gateway::start(&router_config())
}

fn router_config() -> Value {
    let roles = ["frontend", "admin"].map(|role| {
        let everything = config::everything();
        let rules = ["", "wamp."].map(|uri| json!({ "uri": uri, "match": "prefix", "allow": everything }));
        json!({ "name": role, "permissions": rules })
    });
    let principal = |ticket: &str, role: &str| json!({ "ticket": ticket, "role": role });
    let auth = json!({
        "ticket": { "type": "static", "principals": {
            "joe": principal(EDGE, "frontend"),
            "edge": principal(EDGE, "frontend"),
            "root": principal(TICKET, "admin"),
        } },
        "wampcra": { "type": "static", "users": {
            "crate": { "secret": EDGE, "role": "frontend" },
            "salted": { "secret": "Nlih29Q0E9rBOgRt1CpGnJhpZn1vWLI2e2FT8RWVRlY=", "salt": "pepper", "iterations": 100, "keylen": 32, "role": "frontend" },
        } },
    });
    let service = json!({ "type": "websocket", "auth": auth });
    let realm = json!({ "name": "inner", "roles": roles });
    web(&service).with("realms", json!([realm]))
}

/// `upstream` at this URL.
fn upstream(url: &str, more: &Value) -> Value {
    let mut upstream = json!({
        "type": "wamp",
        "addresses": [url],
        "realms": [{ "name": "realm1", "upstream_name": "inner", "roles": ["anonymous", "frontend"] }],
        "auth": { "type": "ticket", "ticket": EDGE },
    });
    upstream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    upstream
}

fn at(router: &Gateway) -> String {
    format!("ws://{}/ws", router.address())
}

/// A service on which joe can log in, and whose clients go on to a router.
fn behind(url: &str, more: &Value) -> Value {
    logins().with("upstream", upstream(url, more))
}

fn with_metrics(service: &Value) -> Value {
    config::with_metrics(&json!({ "ws": service }))
}

#[track_caller]
fn gateway(url: &str, more: &Value) -> Gateway {
    Gateway::start(&with_metrics(&behind(url, more)))
}

/// A gateway that tracks its clients, knows them by nothing else, and has them join a router that a test plays.
#[track_caller]
fn anonymous(router: &Router) -> Gateway {
    Gateway::start(&with_metrics(&tracked().with("upstream", upstream(&router.url(), &json!({})))))
}

/// Joe at the gateway.
#[track_caller]
fn joe(gateway: &Gateway) -> (Client, Value) {
    joe_with(gateway, Serializer::Json, false)
}

#[track_caller]
fn joe_with(gateway: &Gateway, serializer: Serializer, batched: bool) -> (Client, Value) {
    let mut client = Client::open_with(gateway, &mut Jar::default(), serializer, batched);
    let welcome = client.join_by_ticket("joe", TICKET).unwrap();
    (client, welcome)
}

/// An administrator at the router itself.
#[track_caller]
fn root(router: &Gateway) -> Client {
    let mut client = Client::open(router, &mut Jar::default());
    client.hello("inner", json!({ "authmethods": ["ticket"], "authid": "root" }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    client.outcome().unwrap();
    client
}

#[track_caller]
fn ask(client: &mut Client, procedure: &str, args: &Value) -> Value {
    let call = client.call(procedure, args, &json!({}));
    client.result(call).unwrap()[3][0].clone()
}

/// Joe cannot join; what he hears.
#[track_caller]
fn refused(gateway: &Gateway) -> Refused {
    Client::open(gateway, &mut Jar::default()).join_by_ticket("joe", TICKET).unwrap_err()
}

/// The session ends with GOODBYE and this close code; its reason and message.
#[track_caller]
fn ends(client: &mut Client, close: u16) -> (String, String) {
    let goodbye = client.receive();
    assert_eq!(goodbye[0], code::GOODBYE, "{goodbye}");
    client.socket().is_closed_with(close);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&goodbye[2]), text(&goodbye[1]["message"]))
}

/// Waits until the metrics have a line.
/// What a router that a test plays hears next.
#[track_caller]
fn hears(told: &Receiver<Value>) -> Value {
    told.recv_timeout(PATIENCE).unwrap()
}

/// It hears that the gateway leaves.
#[track_caller]
fn hears_goodbye(told: &Receiver<Value>) {
    assert_eq!(hears(told), json!([code::GOODBYE, {}, "wamp.close.normal"]));
    assert_eq!(hears(told), 1000);
}

#[test]
fn a_client_is_a_session_of_the_router_as_who_the_gateway_says() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let mut root = root(&router);
    let joins = root.subscribe("wamp.session.on_join").unwrap();
    let (mut joe, welcome) = joe(&gateway);
    let shown = root.expect(code::EVENT);
    assert_eq!(shown[1], joins);
    let there = &shown[4][0];
    assert_eq!((&there["authid"], &there["authrole"]), (&json!("joe"), &json!("frontend")));
    // The gateway's own truth about who the client is and how it knows.
    assert_eq!((&welcome["realm"], &welcome["authid"]), (&json!("realm1"), &json!("joe")));
    assert_eq!((&welcome["authmethod"], &welcome["authprovider"]), (&json!("ticket"), &json!("static")));
    assert_eq!(welcome["x_wampgate_known"], json!(false));
    // The router's session and features.
    assert_eq!(welcome["roles"]["dealer"]["features"]["progressive_call_results"], true);
    assert_eq!(ask(&mut joe, "wamp.session.list", &json!([["frontend"]])), json!([there["session"]]));
    joe.leaves();
    counted(
        &gateway,
        &["wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"client-closed\"} 1"],
    );
    assert_eq!(ask(&mut root, "wamp.session.list", &json!([["frontend"]])), json!([]));
}

#[test]
fn what_a_client_writes_in_its_hello_reaches_no_router() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = gateway(&router.url(), &json!({}));
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello("realm1", json!({
        "authmethods": ["ticket"], "authid": "joe", "authrole": "trusted", "authextra": { "proxy_authid": "root" }, "x_more": 1,
        "roles": { "caller": { "features": { "call_canceling": true, "x": "no", "NO such": true, "call_timeout": false } }, "other": {} },
    }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    let answer = client.receive();
    assert_eq!((&answer[0], &answer[1]), (&json!(code::WELCOME), &json!(4711)), "{answer}");
    let hello = json!([code::HELLO, "inner", {
        "authid": "joe",
        "authmethods": ["ticket"],
        "roles": { "caller": { "features": { "call_canceling": true } } },
    }]);
    assert_eq!(hears(&told), hello);
    // Nothing of the router's own about the session.
    assert_eq!(answer[2].get("authextra"), None);
    assert_eq!(answer[2]["authrole"], "frontend");
    assert_eq!(
        answer[2]["roles"],
        json!({
            "broker": { "features": { "pattern_based_subscription": true } },
            "dealer": { "features": { "call_canceling": true } },
        })
    );
}

#[test]
fn a_cookie_is_told_to_no_router() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = anonymous(&router);
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    let welcome = client.joins();
    assert_eq!(welcome["authid"].as_str(), jar.id.as_deref(), "the client's own name is its cookie");
    let hello = hears(&told);
    assert_eq!(hello[2]["authid"], welcome["x_wampgate_public_id"], "the router knows it by the public ID");
    assert!(!hello.to_string().contains(&jar.id.unwrap()));
}

#[test]
fn one_account_may_stand_for_all_clients() {
    for account in [
        json!({ "type": "account", "authid": "edge", "ticket": EDGE }),
        json!({ "type": "account", "authid": "crate", "wampcra": EDGE }),
    ] {
        // Each has a router of its own, which knows no client of the one before.
        let router = router();
        let gateway = gateway(&at(&router), &json!({ "auth": account }));
        let (mut client, welcome) = Client::joined(&gateway, &mut Jar::default());
        assert_eq!(welcome["authrole"], "anonymous");
        let sessions = ask(&mut client, "wamp.session.list", &json!([]));
        assert_eq!(sessions.as_array().unwrap().len(), 1);
        assert_eq!(ask(&mut client, "wamp.session.get", &sessions)["authid"], account["authid"]);
        client.leaves();
    }
}

#[test]
fn a_signed_ticket_names_the_client_and_counts_once_and_for_a_while() {
    let (tell, told) = std::sync::mpsc::channel();
    let router = Router::start(move |link| {
        let hello = link.receive();
        link.send(&json!([code::CHALLENGE, "ticket", {}]));
        tell.send(link.receive()).unwrap();
        link.send(&json!([code::WELCOME, 1, welcome(&hello[2]["authid"])]));
        link.frame();
    });
    let key = SigningKey::from_bytes(&[7; 32]);
    let auth = json!({ "auth": { "type": "ticket-token", "key": "07".repeat(32), "issuer": "edge" } });
    let gateway = gateway(&router.url(), &auth);
    let mut identifiers = Vec::new();
    for _ in 0..2 {
        let (_joe, _) = joe(&gateway);
        let answer = hears(&told);
        let token = answer[1].as_str().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
        let signature = Signature::from_slice(&bytes(signature)).unwrap();
        key.verifying_key().verify_strict(signed.as_bytes(), &signature).unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        let json = |part: &str| serde_json::from_slice::<Value>(&bytes(part)).unwrap();
        let head = json(head);
        assert_eq!((&head["alg"], &head["typ"]), (&json!("EdDSA"), &json!("JWT")));
        let mut claims = json(claims);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let (begun, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(begun.abs_diff(now) < 60 && ends == begun + 30, "{claims} at {now}");
        identifiers.push(claims["jti"].take());
        assert_eq!(
            claims,
            json!({ "iss": "edge", "aud": "inner", "sub": "joe", "role": "frontend", "iat": begun, "exp": ends, "jti": null })
        );
    }
    assert_ne!(identifiers[0], identifiers[1]);
    assert!(!gateway.output().text().contains("eyJ"), "no ticket stands in the log");
}

#[test]
fn crossbar_takes_the_word_of_the_gateway_at_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("router.sock");
    let (tell, told) = std::sync::mpsc::channel();
    Router::start_at(&socket, move |link| {
        let hello = link.receive();
        link.send(&json!([code::WELCOME, 4711, welcome(&hello[2]["authextra"]["proxy_authid"])]));
        tell.send(hello).unwrap();
        link.frame();
    });
    let more = json!({
        "auth": { "type": "crossbar" },
        "realms": [{ "name": "realm1", "upstream_name": "inner", "roles": ["frontend"] }],
    });
    let upstream = upstream(&format!("unix:{}:/", socket.display()), &more);
    let gateway =
        Gateway::start(&with_metrics(&tracked().with("auth", ticket_auth()).with("upstream", upstream)));
    let (_joe, welcome) = joe(&gateway);
    assert_eq!((&welcome["authid"], &welcome["authmethod"]), (&json!("joe"), &json!("ticket")));
    let hello = hears(&told);
    assert_eq!(
        hello[2]["authextra"],
        json!({
            "proxy_realm": "inner", "proxy_authid": "joe", "proxy_authrole": "frontend",
            "proxy_authmethod": "ticket", "proxy_authprovider": "static", "proxy_authextra": {},
        })
    );
    assert_eq!((&hello[1], &hello[2]["authmethods"]), (&json!("inner"), &json!(["anonymous-proxy"])));
}
