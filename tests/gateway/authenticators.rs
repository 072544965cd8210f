//! Methods whose principals a component knows, through the front door: what it answers counts as far as it fits the question, and
//! whatever goes wrong refuses the client.

mod faults;
mod lasting;

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar,
    auth::{Login, METHODS, SECRET, every_method, joe},
    client::Refused,
    code,
    config::{TICKET, With as _, tracked, untracked, web},
};

/// Answers what its configuration says: `plugins/scripted`.
const SCRIPTED: &[u8] = include_bytes!("../component/scripted.wasm");
/// The example: `plugins/invitation`.
const INVITATION: &[u8] = include_bytes!("../component/invitation.wasm");

/// A method whose principals the scripted component knows.
fn scripted(answer: &Value) -> Value {
    json!({
        "type": "component", "component": "scripted.wasm", "deadline": "10s",
        "config": { "authenticate": answer },
    })
}

fn accept() -> Value {
    json!({ "accept": { "authrole": "frontend" } })
}

/// The scripted answer with joe's secret of a method.
fn secret(method: &str) -> Value {
    let configured = every_method();
    let name = if method == "wamp-scram" { "scram" } else { method };
    let principals = configured[name].get("principals").unwrap_or(&configured[name]["users"]);
    let mut known = principals["joe"].clone().with("authrole", json!("frontend"));
    known["key"] = known["secret"].take();
    json!({ "secret": known })
}

fn gateway_with(service: &Value, auth: &Value) -> Gateway {
    Gateway::prepare(&web(&service.clone().with("auth", auth.clone())))
        .file("scripted.wasm", SCRIPTED)
        .file("invitation.wasm", INVITATION)
        .run()
}

fn gateway(auth: &Value) -> Gateway {
    gateway_with(&untracked(), auth)
}

/// A gateway whose methods are all scripted to answer right.
fn every_method_scripted() -> Value {
    let mut auth = json!({ "ticket": scripted(&accept()) });
    for method in ["wampcra", "scram", "cryptosign"] {
        auth[method] = scripted(&secret(method));
    }
    auth
}

#[track_caller]
fn login(gateway: &Gateway, login: &Login<'_>) -> Result<Value, Refused> {
    Client::open(gateway, &mut Jar::default()).join_by(login)
}

/// A client that offers methods, and answers if it is asked.
#[track_caller]
fn comes(gateway: &Gateway, jar: &mut Jar, methods: &[&str], login: &Login<'_>) -> Result<Value, Refused> {
    Client::open(gateway, jar).join_if_asked(login.hello(methods), |challenge| login.authenticate(challenge))
}

#[track_caller]
fn is_refused(gateway: &Gateway, method: &'static str, reason: &str) -> Refused {
    let refused = comes(gateway, &mut Jar::default(), &[method], &joe(method)).unwrap_err();
    assert_eq!(refused.reason, reason, "{refused:?}");
    refused
}

#[test]
fn the_right_secret_joins_as_the_principal_that_the_component_knows() {
    let gateway = gateway(&every_method_scripted());
    for method in METHODS {
        let mut client = Client::open(&gateway, &mut Jar::default());
        let welcome = client.join_by(&joe(method)).unwrap_or_else(|refused| panic!("{method}: {refused:?}"));
        assert_eq!(welcome["authid"], "joe", "{welcome}");
        assert_eq!((&welcome["authrole"], &welcome["authmethod"]), (&json!("frontend"), &json!(method)));
        assert_eq!(welcome["authprovider"], "component");
        client.echoes();
        if method != "ticket" {
            let wrong = Login { secret: "guess", seed: [8; 32], ..joe(method) };
            assert_eq!(login(&gateway, &wrong).unwrap_err().reason, "wamp.error.not_authorized");
        }
    }
    // The gateway proves itself beside what the component has to say.
    let welcome = login(&gateway, &joe("scram")).unwrap();
    assert!(welcome["authextra"]["scram_server_signature"].is_string(), "{welcome}");
}

/// The keys of a dictionary and how long their texts are, also in a text that is JSON itself.
fn shape(value: &Value) -> Vec<(String, usize)> {
    let entries = value.as_object().unwrap().iter();
    let lengths = entries.flat_map(|(key, value)| {
        let text = value.as_str().unwrap_or_default();
        match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => shape(&inner),
            _ => vec![(key.clone(), text.len())],
        }
    });
    lengths.collect()
}

#[test]
fn an_unknown_principal_takes_a_challenge_like_any_other_and_is_refused_like_a_wrong_secret() {
    let known = gateway(&every_method_scripted());
    let mut auth = json!({ "ticket": scripted(&json!({ "unknown": {} })) });
    for method in ["wampcra", "scram", "cryptosign"] {
        auth[method] = scripted(&json!({ "unknown": secret(method)["secret"] }));
    }
    let unknown = gateway(&auth);
    for method in METHODS {
        let challenge = |gateway| Client::open(gateway, &mut Jar::default()).challenged(&joe(method));
        let (one, other) = (challenge(&known), challenge(&unknown));
        assert_eq!(shape(&one[2]), shape(&other[2]), "{method}");
        if method != "ticket" && method != "cryptosign" {
            assert_eq!(challenge(&unknown)[2].get("salt"), other[2].get("salt"), "the same salt each time");
        }
        // Even with the secret of the one that it looks like.
        let refused = login(&unknown, &joe(method)).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized");
        if method != "ticket" {
            let wrong = Login { secret: "guess", seed: [8; 32], ..joe(method) };
            assert_eq!(login(&known, &wrong).unwrap_err(), refused, "{method}");
        }
    }
}

#[test]
fn a_component_that_names_no_principal_to_look_like_leaves_it_to_the_gateway() {
    let mut auth = json!({});
    for method in ["wampcra", "scram", "cryptosign"] {
        auth[method] = scripted(&json!({ "unknown": {} }));
    }
    let gateway = gateway(&auth);
    for method in ["wampcra", "wamp-scram", "cryptosign"] {
        let mut client = Client::open(&gateway, &mut Jar::default());
        let challenge = client.challenged(&joe(method));
        let keys: Vec<_> = shape(&challenge[2]).into_iter().map(|(key, _)| key).collect();
        let expected: &[&str] = match method {
            "wampcra" => &["salt", "iterations", "keylen", "nonce"],
            "wamp-scram" => &["salt", "iterations", "kdf", "memory", "nonce"],
            _ => &["challenge"],
        };
        assert!(expected.iter().all(|key| keys.iter().any(|found| found == key)), "{method}: {keys:?}");
        client.send(&json!([code::AUTHENTICATE, "AAAA", { "nonce": challenge[2]["nonce"] }]));
        assert_eq!(client.outcome().unwrap_err().reason, "wamp.error.not_authorized");
    }
}

#[test]
fn an_authenticator_is_told_who_comes_and_with_what() {
    let echo = scripted(&json!({ "accept": { "authid": "ann", "authrole": "frontend", "echo": true } }))
        .with("headers", json!(["x-shown"]));
    let gateway = gateway_with(&tracked(), &json!({ "ticket": echo }));
    let mut client = Client::open(&gateway, &mut Jar::default());
    let details = json!({ "authmethods": ["ticket"], "authid": "joe", "authextra": { "app": "chat" } });
    client.hello("realm1", details);
    client.expect(code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, "the-ticket", {}]));
    let welcome = client.outcome().unwrap();
    assert_eq!(welcome["authid"], "ann", "the component names the principal");
    let asked = &welcome["authextra"];
    for (key, value) in [
        ("method", json!("ticket")),
        ("realm", json!("realm1")),
        ("authid", json!("joe")),
        ("credential", json!("ticket")),
        ("shown", json!("the-ticket")),
        ("authextra", json!("{\"app\":\"chat\"}")),
        ("path", json!("/ws")),
        ("headers", json!([])),
    ] {
        assert_eq!(asked[key], value, "{asked}");
    }
    assert!(asked["public_id"].is_string(), "{asked}");
}

#[test]
fn an_answer_that_does_not_fit_refuses_the_client() {
    let known = |change: &Value| {
        let mut known = secret("wampcra");
        known["secret"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        known
    };
    let accept = |principal: Value| json!({ "accept": principal });
    let no_role = "wamp.error.no_such_role";
    let failed = "wamp.error.authentication_failed";
    for (method, answer, reason) in [
        // Nothing has verified these clients.
        ("wampcra", accept(json!({ "authrole": "frontend" })), failed),
        ("scram", accept(json!({ "authrole": "frontend" })), failed),
        ("cryptosign", accept(json!({ "authrole": "frontend" })), failed),
        // A secret of another method.
        ("scram", secret("wampcra"), failed),
        ("wampcra", secret("cryptosign"), failed),
        ("ticket", secret("wampcra"), failed),
        // Parts that are out of range.
        ("wampcra", known(&json!({ "key": "" })), failed),
        ("wampcra", known(&json!({ "salt": "pepper", "iterations": 0, "keylen": 32 })), failed),
        ("wampcra", known(&json!({ "salt": "pepper", "iterations": 1, "keylen": 65 })), failed),
        ("cryptosign", json!({ "secret": { "authrole": "frontend", "authorized_keys": ["00"] } }), failed),
        ("scram", json!({ "secret": { "authrole": "frontend", "salt": "00", "iterations": 1 } }), failed),
        ("ticket", accept(json!({ "authrole": "" })), failed),
        ("ticket", accept(json!({ "authrole": "frontend", "authid": "" })), failed),
        ("ticket", accept(json!({ "authrole": "frontend", "authid": "$id" })), failed),
        ("ticket", accept(json!({ "authrole": "frontend", "authextra": "[]" })), failed),
        ("ticket", accept(json!({ "authrole": "frontend", "realm": "no realm" })), failed),
        ("ticket", json!({ "deny": { "reason": "no uri", "message": "" } }), failed),
        ("ticket", json!({}), failed),
        // Answers that fit, and refuse.
        ("ticket", accept(json!({ "authrole": "admin" })), no_role),
        ("wampcra", known(&json!({ "authrole": "admin" })), no_role),
        ("ticket", accept(json!({ "authrole": "frontend", "realm": "realm2" })), "wamp.error.not_authorized"),
        ("wampcra", known(&json!({ "realm": "realm2" })), "wamp.error.not_authorized"),
        (
            "ticket",
            json!({ "deny": { "reason": "com.example.closed", "message": "after hours" } }),
            "com.example.closed",
        ),
        (
            "scram",
            json!({ "deny": { "reason": "com.example.closed", "message": "after hours" } }),
            "com.example.closed",
        ),
    ] {
        let gateway = {
            let realm = json!({ "name": "realm1", "roles": [{ "name": "frontend", "permissions": [] }] });
            let service = tracked().with("auth", json!({ method: scripted(&answer) }));
            let config = web(&service).with("version", json!(2)).with("realms", json!([realm]));
            Gateway::prepare(&config).file("scripted.wasm", SCRIPTED).run()
        };
        let refused = is_refused(&gateway, method, reason);
        assert!(reason != "com.example.closed" || refused.message == "after hours", "{answer}: {refused:?}");
    }
}

#[test]
fn an_anonymous_client_gets_the_identity_that_the_component_gives() {
    let named =
        json!({ "accept": { "authid": "guest-7", "authrole": "frontend", "authextra": "{\"quota\":5}" } });
    let gateway = gateway(&json!({ "anonymous": scripted(&named) }));
    let welcome = Client::open(&gateway, &mut Jar::default()).join("realm1", json!({})).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("guest-7"), &json!("frontend")));
    assert_eq!(
        (&welcome["authmethod"], &welcome["authprovider"]),
        (&json!("anonymous"), &json!("component"))
    );
    assert_eq!(welcome["authextra"]["quota"], 5);
}

#[test]
fn what_the_component_leaves_open_for_an_anonymous_client_is_as_the_policy_says() {
    let gateway = gateway_with(&tracked(), &json!({ "anonymous": scripted(&accept()) }));
    let mut jar = Jar::default();
    let first = Client::open(&gateway, &mut jar).join("realm1", json!({})).unwrap();
    let again = Client::open(&gateway, &mut jar).join("realm1", json!({})).unwrap();
    assert_eq!(first["authid"], again["authid"], "the cookie names the client");
    assert_eq!(again["authrole"], "frontend");

    for (answer, reason) in [
        (json!({ "unknown": {} }), "wamp.error.not_authorized"),
        (json!({ "deny": { "reason": "com.example.closed", "message": "" } }), "com.example.closed"),
        (json!("trap"), "wamp.error.authentication_failed"),
        (secret("wampcra"), "wamp.error.authentication_failed"),
    ] {
        let (said, code) =
            gateway.reload(&web(&tracked().with("auth", json!({ "anonymous": scripted(&answer) }))));
        assert_eq!(code, 0, "{said}");
        let refused = Client::open(&gateway, &mut Jar::default()).join("realm1", json!({})).unwrap_err();
        assert_eq!(refused.reason, reason, "{answer}");
    }
}

fn invited(until: &str) -> Value {
    json!({
        "type": "component", "component": "invitation.wasm", "deadline": "10s",
        "config": { "invited": {
            "ann": { "role": "frontend", "invitation": SECRET, "until": until },
            "joe": { "role": "frontend", "invitation": TICKET },
        } },
    })
}

#[test]
fn the_example_lets_in_who_is_invited_until_the_invitation_ends() {
    let auth = |until| json!({ "ticket": invited(until), "wampcra": invited(until) });
    let gateway = gateway(&auth("2999-12-31"));
    let ann = |method| Login { authid: Some("ann"), secret: SECRET, ..joe(method) };
    for method in ["ticket", "wampcra"] {
        assert_eq!(login(&gateway, &ann(method)).unwrap()["authid"], "ann");
        let wrong = Login { secret: TICKET, ..ann(method) };
        let refused = login(&gateway, &wrong).unwrap_err();
        assert_eq!(login(&gateway, &Login { authid: Some("eve"), ..ann(method) }).unwrap_err(), refused);
    }
    let (said, code) = gateway.reload(&web(&untracked().with("auth", auth("2020-12-31"))));
    assert_eq!(code, 0, "{said}");
    for method in ["ticket", "wampcra"] {
        login(&gateway, &ann(method)).unwrap_err();
        login(&gateway, &Login { secret: TICKET, ..joe(method) }).unwrap();
    }
    // What is wrong with the configuration of the component, the component itself says.
    let (said, code) = gateway.reload(&web(&untracked().with("auth", auth("tomorrow"))));
    assert_eq!(code, 1);
    assert!(said.contains("invited.ann.until: use a day"), "{said}");
}
