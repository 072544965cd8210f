//! Roles about which a procedure decides, through the front door: the gateway asks it before it lets a message in, as Crossbar.io does,
//! keeps what may be kept, and denies whatever goes wrong.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar,
    client::uri,
    code,
    config::{With as _, everything, untracked, web_paths},
};

/// What decides about anonymous clients.
const PROCEDURE: &str = "com.example.authorize";
const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
const FAILED: &str = "wamp.error.authorization_failed";

fn config_with(authorizer: &Value) -> Value {
    let all = everything();
    let free = json!({ "name": "backend", "permissions": [{ "uri": "", "match": "prefix", "allow": all }] });
    let server = json!({ "ticket": { "type": "static", "principals": {
        "server": { "ticket": "server-ticket", "role": "backend" },
    } } });
    let judged = json!({ "name": "anonymous" }).with("authorizer", authorizer.clone());
    web_paths(&json!({ "ws": untracked(), "server": untracked().with("auth", server) }))
        .with("version", json!(2))
        .with("realms", json!([{ "name": "realm1", "roles": [free, judged] }]))
}

fn gateway() -> Gateway {
    Gateway::start(&config_with(&json!(PROCEDURE)))
}

/// A client whose role may do everything, and which has registered a procedure.
#[track_caller]
fn server(gateway: &Gateway, procedure: &str) -> Client {
    let mut server = Client::open_at(gateway, &mut Jar::default(), "/server");
    server.join_by_ticket("server", "server-ticket").unwrap();
    server.register(procedure).unwrap();
    server
}

fn client(gateway: &Gateway) -> Client {
    let mut client = Client::open(gateway, &mut Jar::default());
    client.joins();
    client
}

/// Answers the next question; what it was.
#[track_caller]
fn answers(server: &mut Client, answer: &Value) -> Value {
    let invocation = server.expect(code::INVOCATION);
    server.send(&json!([code::YIELD, invocation[1], {}, [answer]]));
    invocation[4].clone()
}

/// Subscribes while the server answers; the error's URI, if it is denied.
#[track_caller]
fn subscribes(client: &mut Client, server: &mut Client, topic: &str, answer: &Value) -> Result<(), String> {
    let id = client.request(code::SUBSCRIBE, &json!([{}, topic]));
    answers(server, answer);
    client.answer(code::SUBSCRIBE, id, code::SUBSCRIBED).map(drop).map_err(|error| uri(&error))
}

#[test]
fn the_procedure_is_asked_about_each_action_with_what_crossbar_tells() {
    let gateway = gateway();
    let mut server = server(&gateway, PROCEDURE);
    let mut client = Client::open(&gateway, &mut Jar::default());
    let welcome = client.joins();
    let cases = [
        (code::SUBSCRIBE, json!([{ "match": "prefix" }, "com.example.topic"]), "subscribe", code::SUBSCRIBED),
        (code::REGISTER, json!([{}, "com.example.procedure"]), "register", code::REGISTERED),
        (code::PUBLISH, json!([{ "acknowledge": true }, "com.example.topic"]), "publish", code::PUBLISHED),
    ];
    for (kind, rest, action, answer) in cases {
        for allow in [false, true] {
            let id = client.request(kind, &rest);
            let asked = answers(&mut server, &json!(allow));
            assert_eq!((&asked[1], &asked[2]), (&rest[1], &json!(action)), "{asked}");
            let session = &asked[0];
            assert_eq!((&session["authid"], &session["authrole"]), (&welcome["authid"], &json!("anonymous")));
            assert_eq!((&session["realm"], &session["authmethod"]), (&json!("realm1"), &json!("anonymous")));
            assert!(session["session"].is_u64(), "{session}");
            if action != "publish" {
                let matching = rest[0].get("match").cloned().unwrap_or(json!("exact"));
                assert_eq!(asked[3]["match"], matching, "{asked}");
            }
            let outcome = client.answer(kind, id, answer).map(drop).map_err(|error| uri(&error));
            assert_eq!(outcome, if allow { Ok(()) } else { Err(NOT_AUTHORIZED.to_owned()) }, "{action}");
        }
    }
    for allow in [false, true] {
        let call = client.call("com.example.none", &json!([]), &json!({}));
        assert_eq!(answers(&mut server, &json!({ "allow": allow }))[2], "call");
        let error = uri(&client.result(call).unwrap_err());
        assert_eq!(error, if allow { "wamp.error.no_such_procedure" } else { NOT_AUTHORIZED });
    }
}

#[test]
fn an_answer_that_may_be_kept_is_kept_for_the_role() {
    let gateway = gateway();
    let mut server = server(&gateway, PROCEDURE);
    let (mut one, mut other) = (client(&gateway), client(&gateway));
    let kept = json!({ "allow": true, "cache": true });
    subscribes(&mut one, &mut server, "com.example.topic", &kept).unwrap();
    // Neither this session nor another one of the role is asked about any more.
    one.subscribe("com.example.topic").unwrap();
    other.subscribe("com.example.topic").unwrap();
    let denied = json!({ "allow": false, "cache": true });
    assert_eq!(subscribes(&mut one, &mut server, "com.example.secret", &denied).unwrap_err(), NOT_AUTHORIZED);
    assert_eq!(other.subscribe("com.example.secret").unwrap_err(), NOT_AUTHORIZED);
    // What is not kept is asked anew.
    for allow in [true, false] {
        let outcome = subscribes(&mut one, &mut server, "com.example.other", &json!({ "allow": allow }));
        assert_eq!(outcome.is_ok(), allow);
    }
    assert!(server.is_waiting_for_nothing());
}

#[test]
fn whatever_goes_wrong_denies_and_only_the_session_that_asks_waits() {
    let gateway = gateway();
    let mut judged = client(&gateway);
    assert_eq!(judged.subscribe("com.example.topic").unwrap_err(), FAILED, "nothing is registered");
    gateway.output().until("no session has registered it", 1);
    // The role cannot register what decides about it.
    assert_eq!(judged.register(PROCEDURE).unwrap_err(), FAILED);

    let mut server = server(&gateway, PROCEDURE);
    for nonsense in [
        json!(null),
        json!(1),
        json!("true"),
        json!({}),
        json!({ "allow": 1 }),
        json!({ "allow": true, "x": 1 }),
    ] {
        let outcome = subscribes(&mut judged, &mut server, "com.example.topic", &nonsense);
        assert_eq!(outcome.unwrap_err(), FAILED, "{nonsense}");
    }
    let id = judged.request(code::SUBSCRIBE, &json!([{}, "com.example.topic"]));
    let invocation = server.expect(code::INVOCATION);
    server.send(&json!([code::ERROR, code::INVOCATION, invocation[1], {}, "com.example.error", ["x"]]));
    let error = judged.answer(code::SUBSCRIBE, id, code::SUBSCRIBED).unwrap_err();
    assert_eq!(uri(&error), FAILED);

    // While one session waits, another one is answered, and so is the server itself.
    let slow = judged.request(code::SUBSCRIBE, &json!([{}, "com.example.slow"]));
    let held = server.expect(code::INVOCATION);
    server.echoes();
    let mut other = client(&gateway);
    subscribes(&mut other, &mut server, "com.example.topic", &json!(true)).unwrap();
    server.send(&json!([code::YIELD, held[1], {}, [true]]));
    judged.answer(code::SUBSCRIBE, slow, code::SUBSCRIBED).unwrap();

    // A server that leaves is no answer.
    let id = judged.request(code::SUBSCRIBE, &json!([{}, "com.example.other"]));
    server.expect(code::INVOCATION);
    drop(server);
    let error = judged.answer(code::SUBSCRIBE, id, code::SUBSCRIBED).unwrap_err();
    assert_eq!(uri(&error), FAILED);
}

/// Two roles, about each of which a procedure decides that a session of the other one may serve.
fn crossed() -> Gateway {
    let all = everything();
    let free = json!([{ "uri": "", "match": "prefix", "allow": all }]);
    let role = |name: &str, authorizer: &str| json!({ "name": name, "authorizer": authorizer });
    let principal = |role: &str| json!({ "ticket": "server-ticket", "role": role });
    let auth = json!({ "ticket": { "type": "static", "principals": {
        "free": principal("free"), "one": principal("one"), "two": principal("two"),
    } } });
    let roles = json!([
        { "name": "free", "permissions": free }, role("one", "com.example.first"), role("two", "com.example.second"),
    ]);
    Gateway::start(
        &web_paths(&json!({ "ws": untracked().with("auth", auth) }))
            .with("version", json!(2))
            .with("realms", json!([{ "name": "realm1", "roles": roles }])),
    )
}

fn logged_in(gateway: &Gateway, authid: &str) -> Client {
    let mut client = Client::open(gateway, &mut Jar::default());
    client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": authid }));
    client.expect(code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, "server-ticket", {}]));
    client.outcome().unwrap();
    client
}

/// Registers a procedure beside others; `by` says that the session may, where it is asked.
#[track_caller]
fn serves(client: &mut Client, procedure: &str, by: Option<&mut Client>) -> Value {
    let id = client.request(code::REGISTER, &json!([{ "invoke": "roundrobin" }, procedure]));
    if let Some(by) = by {
        answers(by, &json!(true));
    }
    client.answer(code::REGISTER, id, code::REGISTERED).unwrap()[2].clone()
}

#[test]
fn a_session_that_would_have_to_decide_about_itself_is_denied_at_once() {
    let gateway = crossed();
    let mut free = logged_in(&gateway, "free");
    let first = serves(&mut free, "com.example.first", None);
    let mut one = logged_in(&gateway, "one");
    serves(&mut one, "com.example.first", Some(&mut free));
    free.unregister(&first).unwrap();
    for _ in 0..2 {
        let call = one.call("com.example.none", &json!([]), &json!({}));
        assert_eq!(uri(&one.result(call).unwrap_err()), FAILED);
    }
    gateway.output().until("would decide about itself", 1);
    // Others it decides about as before.
    let mut other = logged_in(&gateway, "one");
    subscribes(&mut other, &mut one, "com.example.topic", &json!(true)).unwrap();
}

#[test]
fn sessions_that_would_have_to_decide_about_each_other_do_not_wait() {
    let gateway = crossed();
    let (mut free, mut one, mut two) =
        (logged_in(&gateway, "free"), logged_in(&gateway, "one"), logged_in(&gateway, "two"));
    let [first, second] =
        ["com.example.first", "com.example.second"].map(|procedure| serves(&mut free, procedure, None));
    serves(&mut one, "com.example.second", Some(&mut free));
    free.unregister(&second).unwrap();
    serves(&mut two, "com.example.first", Some(&mut one));
    free.unregister(&first).unwrap();
    for _ in 0..2 {
        let call = one.call("com.example.none", &json!([]), &json!({}));
        let invocation = two.expect(code::INVOCATION);
        let inner = two.call("com.example.none", &json!([]), &json!({}));
        assert_eq!(uri(&two.result(inner).unwrap_err()), FAILED);
        two.send(&json!([code::YIELD, invocation[1], {}, [true]]));
        assert_eq!(uri(&one.result(call).unwrap_err()), "wamp.error.no_such_procedure");
    }
    gateway.output().until("would decide about itself", 1);
    // Where neither waits for the other, both decide.
    subscribes(&mut two, &mut one, "com.example.topic", &json!(true)).unwrap();
    subscribes(&mut one, &mut two, "com.example.topic", &json!(true)).unwrap();
}

#[test]
fn a_procedure_that_is_gone_denies_what_is_not_kept_and_ends_no_session() {
    let gateway = gateway();
    let mut first = server(&gateway, PROCEDURE);
    let mut judged = client(&gateway);
    let kept = json!({ "allow": true, "cache": true });
    subscribes(&mut judged, &mut first, "com.example.kept", &kept).unwrap();
    subscribes(&mut judged, &mut first, "com.example.topic", &json!(true)).unwrap();
    first.leaves();
    judged.subscribe("com.example.kept").unwrap();
    assert_eq!(judged.subscribe("com.example.topic").unwrap_err(), FAILED);
    assert_eq!(client(&gateway).subscribe("com.example.topic").unwrap_err(), FAILED);
    gateway.output().until("no session has registered it", 1);
    // Another server takes its place.
    let mut second = server(&gateway, PROCEDURE);
    subscribes(&mut judged, &mut second, "com.example.topic", &json!(true)).unwrap();
}

#[test]
fn a_reload_that_asks_another_procedure_ends_the_sessions_of_the_role() {
    let gateway = gateway();
    let mut first = server(&gateway, PROCEDURE);
    let mut judged = client(&gateway);
    subscribes(&mut judged, &mut first, "com.example.topic", &json!({ "allow": true, "cache": true }))
        .unwrap();
    let (said, status) = gateway.reload(&config_with(&json!(PROCEDURE)));
    assert_eq!(status, 0, "{said}");
    subscribes(&mut judged, &mut first, "com.example.other", &json!(true)).unwrap();
    let (said, status) = gateway.reload(&config_with(&json!("com.example.other")));
    assert_eq!(status, 0, "{said}");
    judged.expect(code::GOODBYE);
    let mut second = server(&gateway, "com.example.other");
    let mut judged = client(&gateway);
    assert_eq!(
        subscribes(&mut judged, &mut second, "com.example.topic", &json!(false)).unwrap_err(),
        NOT_AUTHORIZED
    );
    assert!(first.is_waiting_for_nothing());
}
