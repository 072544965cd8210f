//! Clients that join a router behind the gateway: who they are there, what passes, and how each side hears of the other's end.

mod joining;

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, SigningKey};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::metrics::metrics;
use crate::support::{
    Client, Frame, Gateway, Jar, PATIENCE, Serializer, bytes,
    client::{Refused, uri},
    code,
    command::{run, wampgate},
    config::{TICKET, With as _, endpoint, ticket_auth, tracked, web, web_paths},
    router::{EDGE, Router, welcome},
    websocket::opcode,
};

/// A router that knows joe and the edge by the ticket of the edge, and the edge by a signature.
#[track_caller]
fn router() -> Gateway {
    let roles = ["frontend", "admin"].map(|role| {
        let everything = json!({ "call": true, "register": true, "publish": true, "subscribe": true });
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
    Gateway::start(&web(&service).with("realms", json!([realm])))
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
    let auth = ticket_auth().with("cookie", json!({})).with("anonymous", json!({ "type": "static" }));
    tracked().with("auth", auth).with("upstream", upstream(url, more))
}

fn with_metrics(service: &Value) -> Value {
    let mut config = web_paths(&json!({ "ws": service }));
    config["transports"].as_array_mut().unwrap().push(
        json!({ "type": "web", "endpoint": endpoint(), "paths": { "metrics": { "type": "metrics" } } }),
    );
    config
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
#[track_caller]
fn counted(gateway: &Gateway, line: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = metrics(gateway);
        if seen.contains(&format!("{line}\n")) {
            return;
        }
        assert!(Instant::now() < end, "{line}: {seen}");
    }
}

/// What a router that a test plays hears next.
#[track_caller]
fn hears(told: &Receiver<Value>) -> Value {
    told.recv_timeout(PATIENCE).unwrap()
}

// === Who is there ===

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
    counted(&gateway, "wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"client-closed\"} 1");
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
    let router = router();
    for account in [
        json!({ "type": "account", "authid": "edge", "ticket": EDGE }),
        json!({ "type": "account", "authid": "crate", "wampcra": EDGE }),
    ] {
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
        assert_eq!(json(head), json!({ "alg": "EdDSA", "typ": "JWT" }));
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

// === What passes ===

#[test]
fn every_serializer_passes_to_every_other() {
    let router = router();
    for spoken in [json!(["json"]), json!(["msgpack"]), json!(["cbor"]), json!(["cbor", "msgpack", "json"])] {
        let gateway = gateway(&at(&router), &json!({ "serializers": spoken }));
        for serializer in Serializer::ALL {
            for batched in [false, true] {
                let (mut client, _) = joe_with(&gateway, serializer, batched);
                client.echoes();
                let topic = client.subscribe("com.example.data").unwrap();
                let (args, kwargs) =
                    (json!([bytes(b"\x00\xff"), 1_u64 << 40, -1, 1.5, null]), json!({ "ü": ["x"] }));
                client.publish("com.example.data", &args, &kwargs).unwrap();
                let event = client.expect(code::EVENT);
                assert_eq!(
                    (&event[1], &event[4], &event[5]),
                    (&topic, &args, &kwargs),
                    "{spoken} {serializer:?}"
                );
                let call = client.call("com.example.nothing", &json!([]), &json!({}));
                assert_eq!(uri(&client.result(call).unwrap_err()), "wamp.error.no_such_procedure");
                client.leaves();
            }
        }
    }
}

#[test]
fn a_burst_passes_whole_and_in_order() {
    const EVENTS: u64 = 3000;
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut subscriber, _) = joe_with(&gateway, Serializer::Cbor, false);
    subscriber.subscribe("com.example.burst").unwrap();
    let (mut publisher, _) = joe_with(&gateway, Serializer::Json, true);
    let text = "x".repeat(300);
    let publish = |id: u64| json!([code::PUBLISH, id + 1, {}, "com.example.burst", [id, text]]);
    for part in (0..EVENTS).map(publish).collect::<Vec<_>>().chunks(100) {
        publisher.send_all(part);
    }
    for id in 0..EVENTS {
        assert_eq!(subscriber.receive()[4][0], id);
    }
}

#[test]
fn what_belongs_before_welcome_reaches_no_router() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = gateway(&router.url(), &json!({}));
    for smuggled in [
        json!([code::HELLO, "realm1", { "authid": "root", "roles": { "caller": {} } }]),
        json!([code::AUTHENTICATE, "x", {}]),
        json!([code::WELCOME, 1, {}]),
        json!([code::CHALLENGE, "ticket", {}]),
        json!([code::INVOCATION, 1, 1, {}]),
        json!([4242, 1]),
        json!(["48", 1, {}, "com.a"]),
    ] {
        let (mut client, _) = joe(&gateway);
        assert_eq!(hears(&told)[0], code::HELLO);
        let call = json!([code::CALL, 1, {}, "com.example.call"]);
        client.send_all(&[call.clone(), smuggled]);
        let refused = client.is_aborted("wamp.error.protocol_violation");
        assert_eq!(refused.close, 1002);
        assert_eq!(hears(&told), call);
        assert_eq!(hears(&told), json!([code::GOODBYE, {}, "wamp.close.normal"]));
        assert_eq!(hears(&told), 1000);
    }
    // Two messages in one frame of a serializer that has one in each.
    let (mut client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    client.socket().send(&Frame::text("[48,1,{},\"com.a\"][1,\"realm1\",{}]"));
    client.is_aborted("wamp.error.protocol_violation");
    assert_eq!(hears(&told)[0], code::GOODBYE);
}

// === How it ends ===

#[test]
fn a_client_that_leaves_may_join_again() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    for _ in 0..3 {
        let call = joe.call("com.example.nothing", &json!([]), &json!({}));
        joe.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        assert!(joe.result(call).is_err(), "what was asked before is answered before GOODBYE is");
        assert_eq!(joe.expect(code::GOODBYE)[2], "wamp.close.goodbye_and_out");
        joe.join_by_ticket("joe", TICKET).unwrap();
        joe.echoes();
    }
    counted(&gateway, "wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 1");
}

#[test]
fn a_session_that_the_router_ends_hears_its_words() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let mut root = root(&router);
    let (mut joe, _) = joe(&gateway);
    let call = root.call(
        "wamp.session.kill_by_authid",
        &json!(["joe"]),
        &json!({ "reason": "com.example.out", "message": "go home" }),
    );
    root.result(call).unwrap();
    assert_eq!(ends(&mut joe, 1000), ("com.example.out".to_owned(), "go home".to_owned()));
    counted(&gateway, "wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"upstream-closed\"} 1");
}

#[test]
fn a_router_that_is_gone_is_told_from_one_that_refuses() {
    let mut router = router();
    let gateway = gateway(&at(&router), &json!({ "response_timeout": 500, "join_timeout": 500 }));
    let (mut lost, _) = joe(&gateway);
    router.kill9();
    let (reason, _) = ends(&mut lost, 1012);
    assert_eq!(reason, "wamp.close.system_shutdown");
    let down = refused(&gateway);
    assert_eq!((&*down.reason, down.close), ("wamp.error.unavailable", 1013));
    assert!(!down.message.contains("refused"), "nothing of the network is told to clients: {down:?}");
    gateway.output().until("reason=\"upstream-unreachable\"", 1);
    gateway.output().until("reason=\"upstream-lost\"", 1);
    counted(&gateway, "wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 0");
}

#[test]
fn a_router_that_shuts_down_says_so_itself() {
    let mut router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    router.signal_term();
    let (reason, message) = ends(&mut joe, 1012);
    assert_eq!((&*reason, &*message), ("wamp.close.system_shutdown", "the gateway is shutting down"));
    router.await_exit();
}

#[test]
fn a_router_that_is_stopped_keeps_no_client_waiting() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({ "response_timeout": 300 }));
    router.signal(Signal::STOP);
    let stopped = refused(&gateway);
    assert_eq!((&*stopped.reason, stopped.close), ("wamp.error.unavailable", 1013));
    router.signal(Signal::CONT);
    let (mut joe, _) = joe(&gateway);
    joe.echoes();
    gateway.output().until("reason=\"upstream-silent\"", 1);
}

#[test]
fn a_refusal_of_the_gateway_is_none_of_its_client() {
    let router = router();
    let told = |auth: &Value| {
        let gateway = gateway(&at(&router), &json!({ "auth": auth }));
        let refused = refused(&gateway);
        gateway.output().until("reason=\"upstream-login\"", 1);
        let said = gateway.output().text();
        assert!(!said.contains("not-the-secret"), "{said}");
        (refused.reason, refused.close)
    };
    let unavailable = ("wamp.error.unavailable".to_owned(), 1013);
    assert_eq!(told(&json!({ "type": "ticket", "ticket": "not-the-secret" })), unavailable);
    assert_eq!(
        told(&json!({ "type": "account", "authid": "edge", "ticket": "not-the-secret" })),
        unavailable
    );
    assert_eq!(
        told(&json!({ "type": "account", "authid": "crate", "wampcra": "not-the-secret" })),
        unavailable
    );
    // A method that the router does not have.
    let fake = Router::start(|link| {
        link.receive();
        link.send(&json!([code::CHALLENGE, "cryptosign", { "challenge": "00" }]));
        assert_eq!(link.frame().map(|frame| frame.opcode), None, "no secret is sent");
    });
    let gateway = gateway(&fake.url(), &json!({}));
    assert_eq!(refused(&gateway).reason, "wamp.error.unavailable");
}

#[test]
fn a_router_may_refuse_a_client_and_its_realm() {
    let router = router();
    let unknown =
        json!([{ "name": "realm1", "upstream_name": "nowhere", "roles": ["anonymous", "frontend"] }]);
    let gateway = gateway(&at(&router), &json!({ "realms": unknown }));
    assert_eq!(refused(&gateway).reason, "wamp.error.no_such_realm");
    let mut client = Client::open(&gateway, &mut Jar::default());
    let refused_here = client.join("other", json!({})).unwrap_err();
    assert_eq!(
        refused_here.reason, "wamp.error.no_such_realm",
        "only the realms of the configuration are asked for"
    );
    let banning = Router::start(|link| {
        link.receive();
        link.send(&json!([code::ABORT, { "message": "internal words" }, "com.example.banned"]));
        link.frame();
    });
    let gateway = self::gateway(&banning.url(), &json!({}));
    let banned = refused(&gateway);
    assert_eq!((&*banned.reason, &*banned.message, banned.close), ("com.example.banned", "", 1000));
    gateway.output().until("reason=\"upstream-refused\"", 1);
}

/// What a router answers to a HELLO.
type Answer = Box<dyn Fn(&Value) -> Value + Send + Sync>;

#[test]
fn nonsense_lets_no_client_in() {
    let answers: [Answer; 6] = [
        // The router takes joe for another one.
        Box::new(|_| json!([code::WELCOME, 1, welcome(&json!("root"))])),
        Box::new(|_| json!([code::WELCOME, 1, { "roles": {} }])),
        Box::new(|hello| json!([code::WELCOME, 0, welcome(&hello[2]["authid"])])),
        Box::new(|_| json!([code::EVENT, 1, 2, {}])),
        Box::new(|_| json!({})),
        Box::new(|_| json!([code::WELCOME])),
    ];
    for answer in answers {
        let router = Router::start(move |link| {
            let hello = link.receive();
            link.send(&answer(&hello));
            link.frame();
        });
        let gateway = gateway(&router.url(), &json!({}));
        let refused = refused(&gateway);
        assert_eq!((&*refused.reason, refused.close), ("wamp.error.unavailable", 1013));
    }
    let silent = Router::start(|link| while link.frame().is_some() {});
    let gateway = gateway(&silent.url(), &json!({ "join_timeout": 200 }));
    assert_eq!(refused(&gateway).reason, "wamp.error.unavailable");
    gateway.output().until("reason=\"upstream-silent\"", 1);
}

#[test]
fn nonsense_in_a_session_ends_it() {
    let nonsense: [Vec<u8>; 7] = [
        Frame::text("[48,1,{},\"com.a\"]").unmasked(),
        Frame::text("[2,1,{}]").unmasked(),
        Frame::text("[36,1,2,{}] ]").unmasked(),
        Frame::text("no JSON").unmasked(),
        Frame::new(opcode::BINARY, b"[36,1,2,{}]").unmasked(),
        Frame::text("x".repeat(20_000)).unmasked(),
        // A frame of a type that is reserved.
        b"\x83\x00".to_vec(),
    ];
    for bytes in nonsense {
        let (router, told) = Router::welcoming(move |link| link.write(&bytes));
        let gateway = gateway(&router.url(), &json!({ "max_message_size": 10_000 }));
        let (mut joe, _) = joe(&gateway);
        assert_eq!(ends(&mut joe, 1014).0, "wamp.close.system_shutdown");
        assert_eq!(hears(&told)[0], code::HELLO);
        assert_eq!(hears(&told), 1002);
        gateway.output().until("reason=\"upstream-nonsense\"", 1);
    }
}

#[test]
fn an_abort_of_the_router_reaches_the_client() {
    let (router, told) =
        Router::welcoming(|link| link.send(&json!([code::ABORT, { "message": "no" }, "com.example.stop"])));
    let gateway = gateway(&router.url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    let aborted = joe.is_aborted("com.example.stop");
    assert_eq!((&*aborted.message, aborted.close), ("no", 1000));
    assert_eq!((&hears(&told)[0], hears(&told)), (&json!(code::HELLO), json!(1000)));
}

#[test]
fn a_revocation_closes_a_hundred_sessions_at_once_and_no_other() {
    const SESSIONS: usize = 100;
    let (router, told) = Router::welcoming(|_| {});
    let gateway = anonymous(&router);
    let mut jar = Jar::default();
    let (first, welcome) = Client::joined(&gateway, &mut jar);
    let mut clients = vec![first];
    clients.extend((1..SESSIONS).map(|_| Client::joined(&gateway, &mut jar).0));
    let (mut stranger, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..=SESSIONS {
        assert_eq!(hears(&told)[0], code::HELLO);
    }
    let begun = Instant::now();
    let mut revoke = wampgate();
    let public_id = welcome["x_wampgate_public_id"].as_str().unwrap();
    revoke.args(["cookies", "revoke", "--node-dir"]).arg(gateway.path()).args(["--", public_id]);
    let printed = run(&mut revoke, "").printed();
    assert_eq!(printed, format!("revoked 1 cookie, closed {SESSIONS} connections\n"));
    for client in &mut clients {
        assert_eq!(ends(client, 1008).0, "wamp.close.killed");
    }
    let (mut goodbyes, mut closes) = (0, 0);
    while goodbyes + closes < 2 * SESSIONS {
        let heard = hears(&told);
        if heard == json!([code::GOODBYE, {}, "wamp.close.normal"]) {
            goodbyes += 1;
        } else {
            assert_eq!(heard, 1000);
            closes += 1;
        }
    }
    println!("{SESSIONS} sessions were ended within {:?}, the command included", begun.elapsed());
    let call = json!([code::CALL, 1, {}, "com.example.call"]);
    stranger.send(&call);
    assert_eq!(hears(&told), call);
    counted(&gateway, "wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"revoked\"} 100");
}

#[test]
fn a_logout_reaches_the_router_and_the_other_tabs() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = gateway(&router.url(), &json!({}));
    let mut jar = Jar::default();
    let mut tab = Client::open(&gateway, &mut jar);
    tab.join_by_ticket("joe", TICKET).unwrap();
    let mut other = Client::open(&gateway, &mut jar);
    other.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    assert_eq!([hears(&told)[0].clone(), hears(&told)[0].clone()], [code::HELLO; 2].map(Value::from));
    tab.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    assert_eq!(ends(&mut tab, 1000).0, "wamp.close.goodbye_and_out");
    assert_eq!(ends(&mut other, 1008).0, "wamp.close.logout");
    let mut heard: Vec<_> = (0..4).map(|_| hears(&told).to_string()).collect();
    heard.sort();
    let goodbye = "[6,{},\"wamp.close.normal\"]";
    assert_eq!(heard, ["1000", "1000", goodbye, goodbye]);
}

#[test]
fn the_router_hears_of_a_client_that_vanishes_and_of_a_gateway_that_ends() {
    let (router, told) = Router::welcoming(|_| {});
    let mut gateway = gateway(&router.url(), &json!({}));
    let (client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    drop(client);
    assert_eq!([hears(&told), hears(&told)], [json!([code::GOODBYE, {}, "wamp.close.normal"]), json!(1000)]);
    let (mut client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    gateway.signal_term();
    assert_eq!(ends(&mut client, 1001).0, "wamp.close.system_shutdown");
    assert_eq!([hears(&told), hears(&told)], [json!([code::GOODBYE, {}, "wamp.close.normal"]), json!(1000)]);
    gateway.await_exit();
}

#[test]
fn a_reload_ends_the_sessions_that_it_takes_the_ground_from() {
    let (router, told) = Router::welcoming(|_| {});
    let service = behind(&router.url(), &json!({}));
    let gateway = Gateway::start(&with_metrics(&service));
    let (mut joe, _) = joe(&gateway);
    let (mut stays, _) = Client::joined(&gateway, &mut Jar::default());
    assert_eq!([hears(&told)[0].clone(), hears(&told)[0].clone()], [code::HELLO; 2].map(Value::from));
    // Another time-out is no reason to end anything.
    let (said, exit) =
        gateway.reload(&with_metrics(&behind(&router.url(), &json!({ "join_timeout": 4000 }))));
    assert_eq!(exit, 0, "{said}");
    let call = json!([code::CALL, 1, {}, "com.example.call"]);
    joe.send(&call);
    assert_eq!(hears(&told), call);
    // Joe is no longer known.
    let mut without = service.clone();
    without["auth"]["ticket"]["principals"] = json!({ "jane": { "ticket": TICKET, "role": "frontend" } });
    let (said, exit) = gateway.reload(&with_metrics(&without));
    assert_eq!(exit, 0, "{said}");
    assert_eq!(ends(&mut joe, 1008).0, "wamp.close.killed");
    assert_eq!([hears(&told), hears(&told)], [json!([code::GOODBYE, {}, "wamp.close.normal"]), json!(1000)]);
    stays.send(&call);
    assert_eq!(hears(&told), call);
    // The router is no longer there for the path.
    let mut local = service;
    local.as_object_mut().unwrap().remove("upstream");
    let (said, exit) = gateway.reload(&with_metrics(&local));
    assert_eq!(exit, 0, "{said}");
    assert_eq!(ends(&mut stays, 1008).0, "wamp.close.killed");
    assert_eq!([hears(&told), hears(&told)], [json!([code::GOODBYE, {}, "wamp.close.normal"]), json!(1000)]);
    Client::joined(&gateway, &mut Jar::default()).0.echoes();
}

// === What waits ===

#[test]
fn a_client_that_reads_slowly_slows_the_router_down() {
    const EVENTS: usize = 400;
    let (sent, seen) = std::sync::mpsc::channel();
    let text = "x".repeat(100_000);
    let (router, _told) = Router::welcoming(move |link| {
        for id in 0..EVENTS {
            link.send(&json!([code::EVENT, 1, id + 1, {}, [text]]));
            let _ = sent.send(id);
        }
    });
    let gateway = gateway(&router.url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    // The router sends until nothing goes any more: far less than all of it.
    let mut last = 0;
    while let Ok(id) = seen.recv_timeout(Duration::from_secs(2)) {
        last = id;
    }
    assert!(last + 1 < EVENTS, "the gateway has taken 40 MB for a client that reads nothing");
    for id in 0..EVENTS {
        assert_eq!(joe.receive()[2], id + 1);
    }
}

#[test]
fn two_gateways_behind_each_other_do_not_wait_for_each_other() {
    const CALLS: u64 = 300;
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    joe.register("com.example.large").unwrap();
    let text = "x".repeat(60_000);
    // Far more than all buffers between the two hold, before anything is read.
    for id in 0..CALLS {
        joe.send(&json!([code::CALL, id + 2, {}, "com.example.nothing", [text]]));
        if id % 10 == 9 {
            for _ in 0..10 {
                assert_eq!(joe.receive()[0], code::ERROR);
            }
        }
    }
    joe.echoes();
}
