//! Methods whose principals a component knows, through the front door: what it answers counts as far as it fits the question, and
//! whatever goes wrong refuses the client.

use std::{fs, time::Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, PATIENCE,
    auth::{Login, METHODS, SECRET, every_method, joe},
    client::Refused,
    code,
    config::{TICKET, With as _, tracked, tracked_in_file, untracked, web},
};

/// Answers what its configuration says: `plugins/scripted`.
const SCRIPTED: &[u8] = include_bytes!("../component/scripted.wasm");
/// The example: `plugins/invitation`.
const INVITATION: &[u8] = include_bytes!("../component/invitation.wasm");

/// A method whose principals the scripted component knows.
fn scripted(answer: &Value) -> Value {
    json!({
        "type": "component", "component": "scripted.wasm", "deadline": "2s",
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
fn a_hostile_authenticator_refuses_its_own_clients_and_no_other_one_waits() {
    for deed in ["trap", "loop", "flood", "grow", "error"] {
        for method in ["ticket", "wampcra"] {
            let hostile = scripted(&json!(deed)).with("deadline", json!("50ms"));
            let mut auth = every_method_scripted();
            auth[method] = hostile;
            let gateway = gateway(&auth);
            let begun = Instant::now();
            let refused = is_refused(&gateway, method, "wamp.error.authentication_failed");
            assert!(!refused.message.contains(deed), "{refused:?}");
            assert!(begun.elapsed() < PATIENCE);
            gateway.output().until("no decision: ", 1);
            // The others join meanwhile and afterwards.
            let mut waiting: Vec<Client> =
                (0..8).map(|_| Client::open(&gateway, &mut Jar::default())).collect();
            for client in &mut waiting {
                client.hello("realm1", joe(method).hello(&[method]));
            }
            login(&gateway, &joe("scram")).unwrap();
            login(&gateway, &joe("cryptosign")).unwrap();
        }
    }
}

#[test]
fn a_ticket_and_a_tracking_id_stand_in_no_log_whatever_the_authenticator_writes() {
    let gateway = gateway_with(&tracked(), &json!({ "ticket": scripted(&json!("leak")) }));
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap_err();
    gateway.output().until("[secret]", 2);
    gateway.output().until("[tracking ID]", 2);
    let log = gateway.output().text();
    assert!(!log.contains(TICKET), "{log}");
    assert!(!log.contains(jar.id.as_ref().unwrap()), "{log}");
}

#[test]
fn wrong_tickets_are_limited_as_those_of_the_configuration_are() {
    let auth = json!({ "ticket": scripted(&json!({ "unknown": {} })), "max_failures": 3 });
    let gateway = gateway(&auth);
    for _ in 0..3 {
        is_refused(&gateway, "ticket", "wamp.error.not_authorized");
    }
    is_refused(&gateway, "ticket", "wamp.error.unavailable");
    // A refusal in words of its own is no way around the limit.
    let denial = json!({ "deny": { "reason": "com.example.closed", "message": "" } });
    let (said, code) = gateway
        .reload(&web(&untracked().with("auth", json!({ "ticket": scripted(&denial), "max_failures": 3 }))));
    assert_eq!(code, 0, "{said}");
    let other = Login { authid: Some("ann"), ..joe("ticket") };
    let outcomes: Vec<_> = (0..4)
        .map(|_| comes(&gateway, &mut Jar::default(), &["ticket"], &other).unwrap_err().reason)
        .collect();
    assert_eq!(outcomes[..3], ["com.example.closed"; 3]);
    assert_eq!(outcomes[3], "wamp.error.unavailable");
}

#[test]
fn a_component_that_fails_makes_no_wrong_guesses_of_its_clients_tickets() {
    let service = |answer: &Value| {
        web(&untracked().with("auth", json!({ "ticket": scripted(answer), "max_failures": 2 })))
    };
    let gateway = gateway(&json!({ "ticket": scripted(&json!("trap")), "max_failures": 2 }));
    // It traps, wants too much memory, says that it has failed, and gives an answer that does not fit.
    for failure in [json!("trap"), json!("grow"), json!("error"), secret("wampcra")] {
        let (said, code) = gateway.reload(&service(&failure));
        assert_eq!(code, 0, "{said}");
        for _ in 0..3 {
            is_refused(&gateway, "ticket", "wamp.error.authentication_failed");
        }
    }
    let (said, code) = gateway.reload(&service(&accept()));
    assert_eq!(code, 0, "{said}");
    login(&gateway, &joe("ticket")).unwrap();
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
        "type": "component", "component": "invitation.wasm", "deadline": "2s",
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

#[test]
fn a_cookie_remembers_a_login_by_component_for_as_long_as_the_component_knows_the_principal() {
    let service = |auth: Value| tracked_in_file().with("auth", auth.with("cookie", json!({})));
    let both = ["cookie", "ticket"];
    let eve = Login { authid: Some("eve"), secret: "no ticket", ..joe("ticket") };
    let mut gateway = gateway_with(&service(json!({ "ticket": invited("2999-12-31") })), &json!({}));
    let mut jar = Jar::default();
    let ann = Login { authid: Some("ann"), secret: SECRET, ..joe("ticket") };
    comes(&gateway, &mut jar, &both, &ann).unwrap();
    // Rotation gives the new cookie with the next handshake.
    let _ = Client::open(&gateway, &mut jar);
    let welcome = comes(&gateway, &mut jar, &both, &eve).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authprovider"]), (&json!("ann"), &json!("cookie")));
    assert_eq!((&welcome["authmethod"], &welcome["authrole"]), (&json!("ticket"), &json!("frontend")));

    // The invitation has served; the name still counts, also after a restart.
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": invited("2020-12-31") }))));
    gateway.restart();
    assert_eq!(comes(&gateway, &mut jar, &both, &eve).unwrap()["authid"], "ann");

    // An authenticator that fails refuses, and forgets nothing.
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": scripted(&json!("trap")) }))));
    gateway.restart();
    let refused = comes(&gateway, &mut jar, &["cookie"], &eve).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.authentication_failed");
    // So does one that would have another client in its place.
    let other = json!({ "accept": { "authid": "joe", "authrole": "frontend" } });
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": scripted(&other) }))));
    gateway.restart();
    comes(&gateway, &mut jar, &["cookie"], &eve).unwrap_err();
}

#[test]
fn a_login_whose_principal_the_component_no_longer_knows_is_dropped() {
    let service = |auth: Value| tracked().with("auth", auth.with("cookie", json!({})));
    let gateway = gateway_with(&service(json!({ "ticket": scripted(&accept()) })), &json!({}));
    let mut jar = Jar::default();
    comes(&gateway, &mut jar, &["ticket"], &joe("ticket")).unwrap();
    let _ = Client::open(&gateway, &mut jar);
    for answer in [json!({ "unknown": {} }), accept()] {
        let (said, code) = gateway.reload(&web(&service(json!({ "ticket": scripted(&answer) }))));
        assert_eq!(code, 0, "{said}");
        // The second time the component would take the client, and its login is gone.
        comes(&gateway, &mut jar, &["cookie"], &joe("ticket")).unwrap_err();
    }
}

#[test]
fn sessions_end_when_a_reload_takes_their_component_away() {
    let auth = json!({ "ticket": scripted(&accept()), "wampcra": scripted(&secret("wampcra")) });
    let gateway = gateway(&auth);
    let mut by_ticket = Client::open(&gateway, &mut Jar::default());
    by_ticket.join_by(&joe("ticket")).unwrap();
    let mut by_key = Client::open(&gateway, &mut Jar::default());
    by_key.join_by(&joe("wampcra")).unwrap();

    // New bytes of the component are the component all the same.
    let mut changed = SCRIPTED.to_vec();
    changed.extend([0, 2, 1, b'x']);
    fs::write(gateway.path().join("scripted.wasm"), changed).unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("policy reloaded", 1);
    by_ticket.echoes();
    login(&gateway, &joe("ticket")).unwrap();

    let left = json!({ "wampcra": scripted(&secret("wampcra")) });
    let (said, code) = gateway.reload(&web(&untracked().with("auth", left)));
    assert_eq!(code, 0, "{said}");
    assert_eq!(by_ticket.receive()[0], code::GOODBYE);
    by_key.echoes();
}

#[test]
fn a_component_of_another_kind_is_refused_with_what_it_should_be() {
    let default = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");
    let auth = json!({ "ticket": { "type": "component", "component": "policy.wasm" } });
    let mut gateway = Gateway::prepare(&web(&untracked().with("auth", auth))).file("policy.wasm", default);
    assert_eq!(gateway.run_to_end().code(), Some(1));
    let said = gateway.output().text();
    assert!(said.contains("it is no authenticator as the contract has it"), "{said}");
    assert!(said.contains("it is a policy: name it as the `policy` of a websocket service"), "{said}");
    assert!(said.contains("wampgate:authid/authentication@0.3.0"), "{said}");
}
