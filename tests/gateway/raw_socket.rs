//! RawSocket: the specification's alternative to WebSocket, for programs.

mod handshake;
mod lengths;
mod universal;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Gateway, Serializer, code,
    config::{TICKET, With as _, endpoint, everything, ticket_auth},
    http::Connection,
    raw_socket::{RawClient, frame},
    tls::Authority,
};

/// A RawSocket transport with these keys.
fn config(raw_socket: &Value) -> Value {
    let mut transport = json!({ "type": "rawsocket", "endpoint": endpoint() });
    for (key, value) in raw_socket.as_object().unwrap() {
        transport[key] = value.clone();
    }
    json!({ "transports": [transport] })
}

fn gateway() -> Gateway {
    Gateway::start(&config(&json!({})))
}

#[test]
fn clients_of_every_serializer_do_everything_and_may_join_again() {
    let gateway = gateway();
    for serializer in Serializer::ALL {
        let (mut client, welcome) = RawClient::joined(gateway.address(), serializer);
        assert_eq!(welcome["authmethod"], "anonymous");
        client.echoes();
        client.send(&json!([code::GOODBYE, {}, "wamp.close.close_realm"]));
        assert_eq!(client.receive()[2], "wamp.close.goodbye_and_out");
        // The connection stays, and takes the next session.
        client.joins();
        client.echoes();
    }
}

#[test]
fn methods_and_their_challenges_work() {
    let gateway = Gateway::start(&config(&json!({ "auth": ticket_auth() })));
    let mut client = RawClient::open(gateway.address(), Serializer::MsgPack);
    client.hello(json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    let welcome = client.receive();
    assert_eq!((&welcome[0], &welcome[2]["authid"]), (&json!(code::WELCOME), &json!("joe")));

    let mut client = RawClient::open(gateway.address(), Serializer::Json);
    client.hello(json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, "wrong", {}]));
    let abort = client.receive();
    assert_eq!((&abort[0], &abort[2]), (&json!(code::ABORT), &json!("wamp.error.not_authorized")));
    client.is_ended();
    gateway.output().until("path=rawsocket reason=\"credentials\"", 1);
}

#[test]
fn it_works_over_tls_and_unix_sockets() {
    const HOST: &str = "gateway.example";
    let authority = Authority::new();
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let unix = json!({ "type": "unix", "path": "raw.sock" });
    let config = json!({ "transports": [
        { "type": "rawsocket", "endpoint": with_tls },
        { "type": "rawsocket", "endpoint": unix },
    ]});
    let gateway = Gateway::prepare(&config);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let gateway = gateway.run();
    gateway.output().until("listening on unix:", 1);
    let mut connection = Connection::open(&gateway);
    connection.start_tls(&authority.client(HOST)).unwrap();
    let mut client = RawClient::over(connection, Serializer::Cbor, 15);
    client.joins();
    client.echoes();
    let mut client = RawClient::open_unix(&gateway.path().join("raw.sock"), Serializer::Json);
    client.joins();
    client.echoes();
}

#[test]
fn pings_of_both_sides_are_answered_and_silence_ends_the_connection() {
    let gateway = Gateway::start(&config(&json!({
        // Enough for an answer on a busy machine.
        "options": { "auto_ping_interval": 1000, "auto_ping_timeout": 5000 },
    })));
    let (mut client, _) = RawClient::joined(gateway.address(), Serializer::Json);
    client.send_frame(frame::PING, b"\0any octets\xff");
    let answers_ping = |client: &mut RawClient| {
        let (kind, payload) = client.read_frame().unwrap();
        if kind == frame::PING {
            assert_eq!(payload.len(), 12);
            client.send_frame(frame::PONG, &payload);
            return true;
        }
        assert_eq!((kind, payload), (frame::PONG, b"\0any octets\xff".to_vec()));
        false
    };
    // On a busy machine the gateway's first ping may come before its answer.
    let is_first = answers_ping(&mut client);
    assert_ne!(answers_ping(&mut client), is_first);
    let (kind, _) = client.read_frame().unwrap();
    assert_eq!(kind, frame::PING, "the gateway has seen the answer");
    client.is_ended();
    gateway.output().until("reason=\"no-pong\"", 1);
}

#[test]
fn without_pings_in_the_configuration_none_are_sent() {
    // autobahn for Python ends a connection at one.
    let gateway = gateway();
    let (mut client, _) = RawClient::joined(gateway.address(), Serializer::Json);
    client.echoes();
    assert!(!gateway.output().text().contains("ping"));
}

#[test]
fn a_drain_says_goodbye_and_does_not_wait_for_those_who_do_not_answer() {
    let mut gateway = gateway();
    let (mut joined, _) = RawClient::joined(gateway.address(), Serializer::Json);
    let mut unjoined = RawClient::open(gateway.address(), Serializer::Json);
    let (mut silent, _) = RawClient::joined(gateway.address(), Serializer::Json);
    let begun = Instant::now();
    gateway.signal_term();
    let goodbye = joined.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.system_shutdown")));
    joined.is_ended();
    let abort = unjoined.receive();
    assert_eq!((&abort[0], &abort[2]), (&json!(code::ABORT), &json!("wamp.close.system_shutdown")));
    unjoined.is_ended();
    assert!(gateway.await_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(silent.receive()[0], code::GOODBYE);
}

#[test]
fn other_sessions_may_kill_one() {
    let allow = everything();
    let permissions = json!([{ "uri": "wamp.", "match": "prefix", "allow": allow }]);
    let realms =
        json!([{ "name": "realm1", "roles": [{ "name": "anonymous", "permissions": permissions }] }]);
    let gateway = Gateway::start(&config(&json!({})).with("realms", realms));
    let mut client = RawClient::open(gateway.address(), Serializer::Json);
    client.hello(json!({}));
    let session = client.receive()[1].clone();
    let (mut killer, _) = RawClient::joined(gateway.address(), Serializer::Json);
    let details = killer.asks(code::CALL, &[json!({}), json!("wamp.session.get"), json!([session])]);
    assert_eq!(details[3][0]["transport"]["type"], "rawsocket", "{details}");
    let killed = killer.asks(
        code::CALL,
        &[json!({}), json!("wamp.session.kill"), json!([session]), json!({ "reason": "com.example.over" })],
    );
    assert_eq!(killed[0], code::RESULT, "{killed}");
    assert_eq!(client.receive(), json!([code::GOODBYE, {}, "com.example.over"]));
    client.is_ended();
}

#[test]
fn a_reload_keeps_sessions_and_the_next_hello_meets_the_new_configuration() {
    let gateway = gateway();
    let (mut stays, _) = RawClient::joined(gateway.address(), Serializer::Json);
    let mut waits = RawClient::open(gateway.address(), Serializer::Json);
    let (said, exit) = gateway.reload(&config(&json!({ "auth": ticket_auth() })));
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("RawSocket at "), "{said}");
    // Anonymous clients are what the configuration no longer has.
    assert_eq!(stays.receive()[2], "wamp.close.killed");
    waits.hello(json!({}));
    assert_eq!(waits.receive()[2], "wamp.error.no_auth_method");
    let mut comes = RawClient::open(gateway.address(), Serializer::Json);
    comes.hello(json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(comes.receive()[0], code::CHALLENGE);
}

#[test]
fn a_reload_may_put_another_kind_of_transport_in_its_place() {
    let gateway = gateway();
    let mut waits = RawClient::open(gateway.address(), Serializer::Json);
    let mut web = config(&json!({}));
    web["transports"][0] = json!({ "type": "websocket", "endpoint": endpoint() });
    let (said, exit) = gateway.reload(&web);
    assert_eq!(exit, 0, "{said}");
    waits.hello(json!({}));
    let abort = waits.receive();
    assert_eq!((&abort[0], &abort[2]), (&json!(code::ABORT), &json!("wamp.error.unavailable")));
    waits.is_ended();
    gateway.assert_next_client_is_served();
}
