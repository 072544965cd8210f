//! The session's own protocol: what clients may say when, and what they get if they do not keep to it.

use serde_json::{Value, json};

use crate::support::{
    Client, Frame, Gateway, Jar, client::roles, code, gateway::tracking_gateway, websocket::opcode,
};

const VIOLATION: &str = "wamp.error.protocol_violation";

// === Opening ===

#[test]
fn welcome_says_who_the_router_is() {
    let gateway = tracking_gateway();
    let (_, welcome) = Client::joined(&gateway, &mut Jar::default());
    assert!(welcome["roles"]["broker"].is_object(), "{welcome}");
    assert!(welcome["roles"]["dealer"].is_object(), "{welcome}");
}

/// Each of the messages ends a session of its own.
#[track_caller]
fn assert_violations(messages: &[Value], open: impl Fn(&Gateway) -> Client) {
    let gateway = tracking_gateway();
    for message in messages {
        let mut client = open(&gateway);
        client.send(message);
        client.is_aborted(VIOLATION);
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn messages_before_hello_are_violations() {
    let messages = [
        json!([code::SUBSCRIBE, 1, {}, "com.example.topic"]),
        json!([code::PUBLISH, 1, {}, "com.example.topic"]),
        json!([code::CALL, 1, {}, "com.example.procedure"]),
        json!([code::AUTHENTICATE, "ticket", {}]),
        json!([code::YIELD, 1, {}]),
    ];
    assert_violations(&messages, |gateway| Client::open(gateway, &mut Jar::default()));
}

#[test]
fn messages_in_a_session_that_have_no_place_there_are_violations() {
    let messages = [
        json!([code::HELLO, "realm1", { "roles": roles() }]),
        json!([code::AUTHENTICATE, "ticket", {}]),
        json!([code::WELCOME, 1, {}]),
        json!([code::CHALLENGE, "ticket", {}]),
        json!([code::SUBSCRIBED, 1, 1]),
        json!([code::EVENT, 1, 1, {}]),
        json!([code::INVOCATION, 1, 1, {}]),
        json!([999, 1, {}]),
        json!([0]),
        json!(["HELLO"]),
        json!([-1, 1, {}]),
    ];
    assert_violations(&messages, |gateway| Client::joined(gateway, &mut Jar::default()).0);
}

#[test]
fn messages_of_the_wrong_shape_are_violations() {
    let messages = [
        json!([code::SUBSCRIBE]),
        json!([code::SUBSCRIBE, 1, {}]),
        json!([code::SUBSCRIBE, "1", {}, "com.example.topic"]),
        json!([code::SUBSCRIBE, 0, {}, "com.example.topic"]),
        json!([code::SUBSCRIBE, 1 + (1_u64 << 53), {}, "com.example.topic"]),
        json!([code::SUBSCRIBE, 1, [], "com.example.topic"]),
        json!([code::SUBSCRIBE, 1, {}, 7]),
        json!([code::SUBSCRIBE, 1, {}, "com.example.topic", "more"]),
        json!([code::PUBLISH, 1, {}, "com.example.topic", {}]),
        json!([code::PUBLISH, 1, {}, "com.example.topic", [], []]),
        json!([code::CALL, 1, null, "com.example.procedure"]),
        json!([code::ERROR, code::CALL, 1, {}, "com.example.error"]),
    ];
    assert_violations(&messages, |gateway| Client::joined(gateway, &mut Jar::default()).0);
}

#[test]
fn hello_without_roles_is_a_violation() {
    let gateway = tracking_gateway();
    for details in [json!({}), json!({ "roles": {} }), json!({ "roles": ["caller"] })] {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.send(&json!([code::HELLO, "realm1", details]));
        client.is_aborted(VIOLATION);
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn unknown_realms_are_refused() {
    let gateway = tracking_gateway();
    for realm in ["nope", "realm2", "com.example.other"] {
        let refused = Client::open(&gateway, &mut Jar::default()).join(realm, json!({})).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.no_such_realm");
        assert!(!refused.message.is_empty());
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn realms_that_are_no_uris_are_refused() {
    let gateway = tracking_gateway();
    for realm in [json!(""), json!("a..b"), json!("a b"), json!(7)] {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.send(&json!([code::HELLO, realm, { "roles": roles() }]));
        let refused = client.outcome().unwrap_err();
        assert!(refused.reason.starts_with("wamp.error."), "{realm}: {refused:?}");
    }
    gateway.assert_next_client_is_served();
}

// === Closing ===

#[test]
fn goodbye_is_answered() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.leaves();
}

#[test]
fn after_goodbye_the_connection_may_join_again() {
    let gateway = tracking_gateway();
    let mut jar = Jar::default();
    let (mut client, first) = Client::joined(&gateway, &mut jar);
    client.send(&json!([code::GOODBYE, {}, "wamp.close.close_realm"]));
    assert_eq!(client.receive()[2], "wamp.close.goodbye_and_out");
    assert_eq!(client.joins()["authid"], first["authid"]);
    client.echoes();
    client.leaves();
}

#[test]
fn abort_ends_the_connection() {
    let gateway = tracking_gateway();
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.send(&json!([code::ABORT, { "message": "changed my mind" }, "wamp.error.canceled"]));
    client.socket().await_close();
    gateway.assert_next_client_is_served();
}

#[test]
fn what_a_session_held_is_gone_when_it_leaves() {
    let gateway = tracking_gateway();
    let (mut caller, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
    callee.register("com.example.procedure").unwrap();
    let call = caller.call("com.example.procedure", &json!([]), &json!({}));
    callee.expect(code::INVOCATION);
    callee.leaves();
    // The call that was running has an end, and the name is free again.
    assert!(uri_of(caller.result(call)).starts_with("wamp.error."));
    let call = caller.call("com.example.procedure", &json!([]), &json!({}));
    assert_eq!(uri_of(caller.result(call)), "wamp.error.no_such_procedure");
    caller.register("com.example.procedure").unwrap();
}

// === WebSocket below ===

#[test]
fn pings_are_answered_with_their_payload() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.socket().send(&Frame::new(opcode::PING, "are you there?"));
    assert_eq!(client.socket().receive(), Some(Frame::new(opcode::PONG, "are you there?")));
    client.echoes();
}

#[test]
fn a_message_may_come_in_fragments_with_pings_between() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let socket = client.socket();
    socket.send(&Frame::text("[32, 1, {}, ").unfinished());
    socket.send(&Frame::new(opcode::PING, "now"));
    socket.send(&Frame::new(opcode::CONTINUATION, r#""com.example."#).unfinished());
    socket.send(&Frame::new(opcode::CONTINUATION, r#"topic"]"#));
    assert_eq!(socket.receive(), Some(Frame::new(opcode::PONG, "now")));
    let answer = client.receive();
    assert_eq!((&answer[0], &answer[1]), (&json!(code::SUBSCRIBED), &json!(1)));
}

// === Requests that get an ERROR ===

/// The URI of the ERROR that a request gets.
#[track_caller]
fn error_of(gateway: &Gateway, kind: u64, rest: &Value) -> String {
    let (mut client, _) = Client::joined(gateway, &mut Jar::default());
    let id = client.request(kind, rest);
    let error = client.receive();
    assert_eq!(error.as_array().unwrap()[..3], [json!(code::ERROR), json!(kind), json!(id)], "{error}");
    client.echoes();
    error[4].as_str().unwrap().to_owned()
}

fn uri_of(result: Result<Value, Value>) -> String {
    result.unwrap_err()[4].as_str().unwrap().to_owned()
}

#[test]
fn uris_that_are_none_get_an_error_and_the_session_goes_on() {
    let gateway = tracking_gateway();
    for uri in ["", "a..b", ".a", "a.", "a b", "a#b"] {
        for (kind, rest) in [
            (code::SUBSCRIBE, json!([{}, uri])),
            (code::PUBLISH, json!([{ "acknowledge": true }, uri])),
            (code::REGISTER, json!([{}, uri])),
            (code::CALL, json!([{}, uri])),
        ] {
            assert_eq!(error_of(&gateway, kind, &rest), "wamp.error.invalid_uri", "{kind} {uri:?}");
        }
    }
    gateway.assert_next_client_is_served();
}

#[test]
fn reserved_uris_are_not_for_applications() {
    let gateway = tracking_gateway();
    for (kind, rest) in [
        (code::PUBLISH, json!([{ "acknowledge": true }, "wamp.session.on_join"])),
        (code::REGISTER, json!([{}, "wamp.session.get"])),
    ] {
        assert_eq!(error_of(&gateway, kind, &rest), "wamp.error.invalid_uri");
    }
}

#[test]
fn unknown_subscriptions_registrations_and_procedures_get_their_errors() {
    let gateway = tracking_gateway();
    for (kind, rest, uri) in [
        (code::UNSUBSCRIBE, json!([123]), "wamp.error.no_such_subscription"),
        (code::UNREGISTER, json!([123]), "wamp.error.no_such_registration"),
        (code::CALL, json!([{}, "com.example.nobody"]), "wamp.error.no_such_procedure"),
    ] {
        assert_eq!(error_of(&gateway, kind, &rest), uri);
    }
}

#[test]
fn nobody_ends_what_belongs_to_another_session() {
    let gateway = tracking_gateway();
    let (mut owner, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    let registration = owner.register("com.example.procedure").unwrap();
    assert_eq!(other.unregister(&registration).unwrap_err(), "wamp.error.no_such_registration");
    assert_eq!(other.register("com.example.procedure").unwrap_err(), "wamp.error.procedure_already_exists");

    let call = other.call("com.example.procedure", &json!([]), &json!({}));
    let invocation = owner.expect(code::INVOCATION);
    let (mut forger, _) = Client::joined(&gateway, &mut Jar::default());
    forger.send(&json!([code::YIELD, invocation[1], {}, ["forged"]]));
    forger.is_aborted(VIOLATION);
    owner.send(&json!([code::YIELD, invocation[1], {}, ["real"]]));
    assert_eq!(other.result(call).unwrap()[3], json!(["real"]));
}

#[test]
fn an_answer_to_a_caller_that_has_left_is_no_violation() {
    let gateway = tracking_gateway();
    let (mut caller, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
    callee.register("com.example.procedure").unwrap();
    caller.call("com.example.procedure", &json!([]), &json!({}));
    let invocation = callee.expect(code::INVOCATION);
    caller.leaves();
    callee.send(&json!([code::YIELD, invocation[1], {}, ["too late"]]));
    callee.echoes();
}

#[test]
fn a_publication_without_acknowledgement_gets_no_answer_not_even_an_error() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.request(code::PUBLISH, &json!([{}, "a..b"]));
    client.request(code::PUBLISH, &json!([{}, "com.example.topic"]));
    let id = client.request(code::SUBSCRIBE, &json!([{}, "com.example.topic"]));
    let answer = client.receive();
    assert_eq!((&answer[0], &answer[1]), (&json!(code::SUBSCRIBED), &json!(id)));
}
