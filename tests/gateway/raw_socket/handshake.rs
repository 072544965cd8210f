//! The four octets: what is accepted, what is refused, and how long they may take.

use serde_json::json;

use super::{config, gateway};
use crate::support::{
    Gateway, Serializer, code,
    config::With as _,
    http::Connection,
    raw_socket::{RawClient, handshake},
};

/// What the gateway answers to octets, until it ends the stream.
fn answer(gateway: &Gateway, octets: &[u8]) -> Vec<u8> {
    let mut connection = Connection::open(gateway);
    connection.send(octets);
    let mut answer = Vec::new();
    while let Some(octet) = connection.read_exactly(1) {
        answer.extend(octet);
    }
    answer
}

#[test]
fn refusals_have_the_octets_of_the_specification() {
    let gateway = Gateway::start(&config(&json!({ "serializers": ["json", "cbor"] })));
    for (octets, reply) in [
        // A serializer that is not on offer, and numbers that stand for none here.
        ([0x7f, 0xf2, 0, 0], [0x7f, 0x10, 0, 0]),
        ([0x7f, 0xf0, 0, 0], [0x7f, 0x10, 0, 0]),
        ([0x7f, 0xff, 0, 0], [0x7f, 0x10, 0, 0]),
        // Too short a length for WELCOME.
        ([0x7f, 0x01, 0, 0], [0x7f, 0x20, 0, 0]),
        // Reserved octets.
        ([0x7f, 0xf1, 1, 0], [0x7f, 0x30, 0, 0]),
    ] {
        assert_eq!(answer(&gateway, &octets), reply, "{octets:x?}");
    }
    assert_eq!(answer(&gateway, b"GET / HTTP/1.1\r\n\r\n"), b"", "another protocol is not answered");
    let output = gateway.output();
    output.until("the transport does not offer the serializer with the number", 1);
    // One line in a while stands for the others of its reason.
    assert!(output.text().contains("stage=\"handshake\" reason=\"rawsocket\""), "{}", output.text());
}

#[test]
fn the_reply_announces_what_clients_may_send() {
    let gateway = Gateway::start(&config(&json!({ "max_message_size": 65_536 })));
    let mut connection = Connection::open(&gateway);
    connection.send(handshake(Serializer::Json, 15));
    assert_eq!(connection.read_exactly(4), Some(vec![0x7f, 0x71, 0, 0]));
}

#[test]
fn octets_that_come_late_are_not_waited_for() {
    let options = json!({ "open_handshake_timeout": 2000, "hello_timeout": 200 });
    let gateway = Gateway::start(&config(&json!({ "options": options })));
    for begun in [&b""[..], &[0x7f], &[0x7f, 0xf1, 0]] {
        assert_eq!(answer(&gateway, begun), b"", "{begun:?}");
    }
    let mut client = RawClient::open(gateway.address(), Serializer::Json);
    let abort = client.receive();
    assert_eq!((&abort[0], &abort[2]), (&json!(code::ABORT), &json!("wamp.error.protocol_violation")));
    client.is_ended();
    gateway.output().until("reason=\"no-hello\"", 1);
}

#[test]
fn octets_may_come_one_by_one_and_a_hello_with_them() {
    let gateway = gateway();
    let mut connection = Connection::open(&gateway);
    for octet in handshake(Serializer::Json, 15) {
        connection.send([octet]);
    }
    assert_eq!(connection.read_exactly(4), Some(vec![0x7f, 0xb1, 0, 0]));

    let mut connection = Connection::open(&gateway);
    let hello = json!([code::HELLO, "realm1", { "roles": { "caller": {} } }]).to_string();
    let length = u8::try_from(hello.len()).unwrap();
    connection.send([&handshake(Serializer::Json, 15)[..], &[0, 0, 0, length], hello.as_bytes()].concat());
    assert_eq!(connection.read_exactly(4), Some(vec![0x7f, 0xb1, 0, 0]));
    assert_eq!(connection.read_exactly(1), Some(vec![0]));
}

#[test]
fn a_transport_or_an_address_that_has_enough_says_so_in_octets() {
    let full = Gateway::start(&config(&json!({ "max_connections": 1 })));
    let _first = RawClient::joined(full.address(), Serializer::Json);
    assert_eq!(answer(&full, &handshake(Serializer::Json, 15)), [0x7f, 0x40, 0, 0]);

    // Clients behind a proxy count by the address that the proxy tells.
    let mut config = config(&json!({
        "per_address": { "max_connections": 1 },
        "options": { "trusted_proxies": ["127.0.0.0/8"] },
    }));
    config["transports"][0]["endpoint"] =
        config["transports"][0]["endpoint"].clone().with("proxy_protocol", json!(true));
    let gateway = Gateway::start(&config);
    let header = b"PROXY TCP4 198.51.100.7 192.0.2.1 4660 443\r\n";
    let mut connection = Connection::open(&gateway);
    connection.send(header);
    let mut first = RawClient::over(connection, Serializer::Json, 15);
    first.joins();
    let octets = [&header[..], &handshake(Serializer::Json, 15)].concat();
    assert_eq!(answer(&gateway, &octets), [0x7f, 0x40, 0, 0]);
    first.echoes();
    gateway.output().until("peer=198.51.100.7:4660", 1);
}
