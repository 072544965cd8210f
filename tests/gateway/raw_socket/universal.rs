//! The `universal` transport: the first octet tells RawSocket and HTTP apart.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, Serializer, code,
    config::{endpoint, tracked, untracked},
    http::Connection,
    raw_socket::RawClient,
};

fn config() -> Value {
    json!({ "transports": [{
        "type": "universal",
        "endpoint": endpoint(),
        "rawsocket": { "serializers": ["cbor", "json"] },
        "websocket": { "ws": untracked() },
        "web": { "paths": { "/": { "type": "json", "value": 1 }, "tracked": tracked() } },
    }]})
}

/// The same with little time for the head of an HTTP request.
fn hasty() -> Value {
    let mut config = config();
    config["transports"][0]["web"]["options"] = json!({ "head_timeout": 1000 });
    config
}

#[test]
fn rawsocket_websocket_and_web_share_a_port() {
    let gateway = Gateway::start(&config());
    for serializer in [Serializer::Json, Serializer::Cbor] {
        let (mut client, _) = RawClient::joined(gateway.address(), serializer);
        client.echoes();
    }
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.echoes();
    // They share the realm.
    let (mut subscriber, _) = RawClient::joined(gateway.address(), Serializer::Cbor);
    subscriber.asks(code::SUBSCRIBE, &[json!({}), json!("com.example.topic")]);
    client.publish("com.example.topic", &json!([1]), &json!({})).unwrap();
    assert_eq!(subscriber.receive()[4], json!([1]));
    let mut connection = Connection::open(&gateway);
    for request in
        ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /none/ HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    {
        // Octet by octet, and again on the same connection.
        for octet in request.bytes() {
            connection.send([octet]);
        }
        assert_eq!(connection.response().status, 200);
    }
    gateway.output().until("rs://127.0.0.1:", 1);
}

#[test]
fn a_connection_that_says_nothing_is_not_waited_for() {
    let gateway = Gateway::start(&hasty());
    let mut connection = Connection::open(&gateway);
    assert_eq!(connection.read_exactly(1), None);
    // What begins as HTTP has its own time, and its own answer.
    let mut connection = Connection::open(&gateway);
    connection.send("GET / HTTP/1.1\r\n");
    assert_eq!(connection.response().status, 408);
}

#[test]
fn a_long_time_for_rawsocket_is_none_for_http() {
    let mut config = hasty();
    config["transports"][0]["rawsocket"]["options"] = json!({ "open_handshake_timeout": 3_600_000 });
    let gateway = Gateway::start(&config);
    let mut connection = Connection::open(&gateway);
    connection.send("GET / HTTP/1.1\r\n");
    assert_eq!(connection.response().status, 408);
}

#[test]
fn a_long_time_for_http_is_none_for_rawsocket() {
    let mut config = config();
    config["transports"][0]["web"]["options"] = json!({ "head_timeout": 3_600_000 });
    config["transports"][0]["rawsocket"]["options"] = json!({ "open_handshake_timeout": 1000 });
    let gateway = Gateway::start(&config);
    let mut connection = Connection::open(&gateway);
    connection.send([0x7f]);
    assert_eq!(connection.read_exactly(1), None);
}

#[test]
fn what_is_neither_is_answered_as_http() {
    let gateway = Gateway::start(&config());
    let mut connection = Connection::open(&gateway);
    connection.send([0x16, 3, 1, 0, 0, b'\r', b'\n', b'\r', b'\n']);
    assert_eq!(connection.response().status, 400);
}
