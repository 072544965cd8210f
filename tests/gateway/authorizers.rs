//! Roles whose permissions a component decides: it is asked about each action, its answers are kept within bounds, and whatever goes
//! wrong denies.

use std::{fs, time::Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, PATIENCE,
    client::uri,
    code,
    config::{With as _, everything, tracked, untracked, web},
};

/// Answers what its configuration says: `plugins/scripted`.
const SCRIPTED: &[u8] = include_bytes!("../component/scripted.wasm");
/// The example: `plugins/own-topics`.
const OWN_TOPICS: &[u8] = include_bytes!("../component/own-topics.wasm");

/// A configuration whose anonymous clients are judged by an authorizer; clients in `free` may do everything.
fn judged(service: &Value, authorizer: &Value) -> Value {
    let all = everything();
    let free = json!({ "name": "free", "permissions": [{ "uri": "", "match": "prefix", "allow": all }] });
    let roles = json!([{ "name": "anonymous", "authorizer": authorizer }, free]);
    web(service).with("version", json!(2)).with("realms", json!([{ "name": "realm1", "roles": roles }]))
}

fn scripted(answers: &Value) -> Value {
    json!({ "component": "scripted.wasm", "deadline": "10s", "config": answers })
}

fn allow() -> Value {
    json!({ "allow": true })
}

fn start(config: &Value) -> Gateway {
    Gateway::prepare(config)
        .file("scripted.wasm", SCRIPTED)
        .file("own-topics.wasm", OWN_TOPICS)
        .arguments(&["--log", "debug"])
        .run()
}

fn gateway(answers: &Value) -> Gateway {
    start(&judged(&untracked(), &scripted(answers)))
}

fn client(gateway: &Gateway) -> Client {
    let mut client = Client::open(gateway, &mut Jar::default());
    client.joins();
    client
}

/// The component has been asked so often since the gateway started. Its lines come in order, so that one too many shows at the
/// latest with the next question.
#[track_caller]
fn was_asked(gateway: &Gateway, times: usize) {
    gateway.output().until("asked: ", times);
    assert_eq!(gateway.output().text().matches("asked: ").count(), times);
}

#[test]
fn each_action_is_what_the_component_says_of_it() {
    for (action, others) in
        [("call", allow()), ("register", allow()), ("publish", allow()), ("subscribe", allow())]
    {
        let gateway = gateway(&json!({ "authorize": others, action: { "allow": false } }));
        let mut client = client(&gateway);
        let denied = |name: &str| name == action;
        let not = "wamp.error.not_authorized";
        let registered = client.register("com.example.add");
        assert_eq!(registered.is_err(), denied("register"), "{registered:?}");
        let subscribed = client.subscribe("com.example.topic");
        assert_eq!(subscribed.clone().err().as_deref(), denied("subscribe").then_some(not), "{subscribed:?}");
        let published = client.publish("com.example.topic", &json!([]), &json!({}));
        assert_eq!(published.err().as_deref(), denied("publish").then_some(not));
        let call = client.call("com.example.none", &json!([]), &json!({}));
        let error = uri(&client.result(call).unwrap_err());
        assert_eq!(error, if denied("call") { not } else { "wamp.error.no_such_procedure" });
    }
}

#[test]
fn an_authorizer_is_told_what_the_session_wants_and_who_it_is() {
    let gateway = gateway(&json!({ "authorize": allow() }));
    let mut client = client(&gateway);
    client.request(code::SUBSCRIBE, &json!([{ "match": "prefix" }, "com.example."]));
    client.expect(code::SUBSCRIBED);
    was_asked(&gateway, 1);
    let log = gateway.output().text();
    let line = log.lines().find(|line| line.contains("asked: ")).unwrap();
    for part in ["Subscribe", "Prefix", "com.example.", "realm1", "authrole: \"anonymous\"", "get_retained"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn an_answer_is_kept_as_long_and_for_whom_the_component_says() {
    for (answer, by_one, by_another) in [
        (json!({ "allow": true }), 3, 3),
        (json!({ "allow": true, "seconds": 600 }), 1, 1),
        (json!({ "allow": true, "seconds": 600, "scope": "role" }), 1, 0),
    ] {
        let gateway = gateway(&json!({ "authorize": answer }));
        let mut total = 0;
        for expected in [by_one, by_another] {
            let mut client = client(&gateway);
            for _ in 0..3 {
                client.publish("com.example.topic", &json!([]), &json!({})).unwrap();
            }
            total += expected;
            was_asked(&gateway, total);
        }
        // Another URI, another action: another question.
        let mut client = client(&gateway);
        client.publish("com.example.other", &json!([]), &json!({})).unwrap();
        client.subscribe("com.example.other").unwrap();
        was_asked(&gateway, total + 2);
    }
}

#[test]
fn a_denial_is_kept_as_well() {
    let gateway = gateway(&json!({ "authorize": { "allow": false, "seconds": 600 } }));
    let mut client = client(&gateway);
    for _ in 0..3 {
        assert_eq!(client.subscribe("com.example.topic").unwrap_err(), "wamp.error.not_authorized");
    }
    was_asked(&gateway, 1);
}

#[test]
fn a_new_component_is_asked_anew() {
    let gateway = gateway(&json!({ "authorize": { "allow": true, "seconds": 600, "scope": "role" } }));
    let mut client = client(&gateway);
    client.publish("com.example.topic", &json!([]), &json!({})).unwrap();
    let mut changed = SCRIPTED.to_vec();
    changed.extend([0, 2, 1, b'x']);
    fs::write(gateway.path().join("scripted.wasm"), changed).unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("policy reloaded", 1);
    client.publish("com.example.topic", &json!([]), &json!({})).unwrap();
    was_asked(&gateway, 2);
}

#[test]
fn who_acts_is_disclosed_where_the_component_says_so() {
    for disclose in [false, true] {
        let gateway = gateway(&json!({ "authorize": { "allow": true, "disclose": disclose } }));
        let (mut publisher, mut subscriber) = (client(&gateway), client(&gateway));
        subscriber.subscribe("com.example.topic").unwrap();
        publisher.publish("com.example.topic", &json!([1]), &json!({})).unwrap();
        let event = subscriber.expect(code::EVENT);
        assert_eq!(event[3].get("publisher").is_some(), disclose, "{event}");
    }
}

#[test]
fn a_pattern_that_was_allowed_covers_what_it_matches() {
    let gateway = gateway(&json!({ "authorize": allow(), "publish": allow() }));
    let (mut publisher, mut subscriber) = (client(&gateway), client(&gateway));
    subscriber.request(code::SUBSCRIBE, &json!([{ "match": "prefix" }, "com.example."]));
    subscriber.expect(code::SUBSCRIBED);
    publisher.publish("com.example.topic", &json!([1]), &json!({})).unwrap();
    assert_eq!(subscriber.expect(code::EVENT)[4], json!([1]));
}

#[test]
fn a_hostile_authorizer_denies_and_no_other_client_waits() {
    for deed in ["trap", "loop", "flood", "grow", "error"] {
        let hostile = scripted(&json!({ "authorize": deed })).with("deadline", json!("50ms"));
        let service = untracked().with(
            "auth",
            json!({
                "anonymous": { "type": "static" },
                "ticket": { "type": "static", "principals": { "joe": { "ticket": "secret!!!", "role": "free" } } },
            }),
        );
        let gateway = start(&judged(&service, &hostile));
        let (mut client, begun) = (client(&gateway), Instant::now());
        assert_eq!(
            client.subscribe("com.example.topic").unwrap_err(),
            "wamp.error.authorization_failed",
            "{deed}"
        );
        assert_eq!(
            client.publish("com.example.topic", &json!([]), &json!({})).unwrap_err(),
            "wamp.error.authorization_failed"
        );
        assert!(begun.elapsed() < PATIENCE);
        gateway.output().until("no decision: ", 1);
        // Many of its questions under way.
        let mut others: Vec<Client> = (0..4).map(|_| self::client(&gateway)).collect();
        for other in &mut others {
            for number in 0..8 {
                other.request(code::SUBSCRIBE, &json!([{}, format!("com.example.{number}")]));
            }
        }
        let mut joe = Client::open(&gateway, &mut Jar::default());
        joe.join_by_ticket("joe", "secret!!!").unwrap();
        joe.publish("com.example.topic", &json!([]), &json!({})).unwrap();
    }
}

#[test]
fn an_answer_out_of_range_denies() {
    for seconds in [0, 86_401] {
        let gateway = gateway(&json!({ "authorize": { "allow": true, "seconds": seconds } }));
        let refused = client(&gateway).subscribe("com.example.topic").unwrap_err();
        assert_eq!(refused, "wamp.error.authorization_failed");
    }
}

#[test]
fn an_authorizer_gives_nothing_that_takes_a_permission_by_name() {
    let gateway = gateway(&json!({ "authorize": allow() }));
    let (mut client, mut other) = (client(&gateway), client(&gateway));
    // To end the sessions of others takes a permission whose URI begins with wamp.
    let call = client.call("wamp.session.kill_all", &json!([]), &json!({}));
    assert_eq!(uri(&client.result(call).unwrap_err()), "wamp.error.not_authorized");
    // What it was asked about a call is no answer about a publication.
    let testament = json!(["com.example.topic", [], {}]);
    let call = client.call("wamp.session.add_testament", &testament, &json!({}));
    assert_eq!(uri(&client.result(call).unwrap_err()), "wamp.error.not_authorized");
    other.publish("com.example.topic", &json!([]), &json!({})).unwrap();
}

#[test]
fn sessions_whose_role_gets_another_authorizer_come_back_to_it() {
    let gateway = gateway(&json!({ "authorize": allow() }));
    let mut client = client(&gateway);
    client.subscribe("com.example.topic").unwrap();
    let strict = judged(&untracked(), &scripted(&json!({ "authorize": { "allow": false } })));
    let (said, code) = gateway.reload(&strict);
    assert_eq!(code, 0, "{said}");
    assert_eq!(client.receive()[0], code::GOODBYE);
    let mut again = self::client(&gateway);
    again.subscribe("com.example.topic").unwrap_err();

    // Permissions in its place count from the next message on.
    let all = everything();
    let mut config = strict;
    config["realms"][0]["roles"][0] =
        json!({ "name": "anonymous", "permissions": [{ "uri": "", "match": "prefix", "allow": all }] });
    let (said, code) = gateway.reload(&config);
    assert_eq!(code, 0, "{said}");
    again.subscribe("com.example.topic").unwrap();
}

#[test]
fn in_the_example_each_client_owns_what_begins_with_its_public_id() {
    let config = json!({ "own": "com.example.user.", "shared": ["com.example.public."], "readable": true });
    let authorizer = json!({ "component": "own-topics.wasm", "deadline": "10s", "config": config });
    let gateway = start(&judged(&tracked(), &authorizer));
    let join = || {
        let mut client = Client::open(&gateway, &mut Jar::default());
        let welcome = client.joins();
        (client, welcome["x_wampgate_public_id"].as_str().map(str::to_owned), welcome)
    };
    let (mut ann, id, welcome) = join();
    let id = id.unwrap_or_else(|| panic!("no public ID in {welcome}"));
    let (mut joe, ..) = join();
    let own = format!("com.example.user.{id}.inbox");
    ann.register(&own).unwrap();
    ann.publish(&own, &json!([]), &json!({})).unwrap();
    joe.subscribe(&own).unwrap();
    assert_eq!(joe.publish(&own, &json!([]), &json!({})).unwrap_err(), "wamp.error.not_authorized");
    joe.register(&format!("com.example.user.{id}.other")).unwrap_err();
    joe.publish("com.example.public.news", &json!([]), &json!({})).unwrap();
    joe.subscribe("com.example.elsewhere").unwrap_err();
}

#[test]
fn a_component_of_another_kind_is_refused_with_what_it_should_be() {
    let authorizer = json!({ "component": "policy.wasm" });
    let default = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");
    let mut gateway = Gateway::prepare(&judged(&untracked(), &authorizer)).file("policy.wasm", default);
    assert_eq!(gateway.run_to_end().code(), Some(1));
    let said = gateway.output().text();
    assert!(said.contains("it is no authorizer as the contract has it"), "{said}");
    assert!(said.contains("it is a policy: name it as the `policy` of a websocket service"), "{said}");
    assert!(said.contains("wampgate:authid/authorization@0.3.0"), "{said}");
}
