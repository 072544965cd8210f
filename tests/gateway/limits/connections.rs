//! Connections: how many there are, and those whose clients are slow or silent.

use serde_json::json;

use super::{
    at_the_hasty_path, gateway_with,
    room::{assert_is_full, await_room},
};
use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, Serializer, code,
    config::{With as _, tracked, web, web_paths},
    websocket::opcode,
};

#[test]
fn a_client_that_does_not_read_is_dropped_and_holds_up_no_other() {
    let gateway = gateway_with(json!({ "max_unsent": 100_000 }));
    let (mut stuck, _) = Client::joined(&gateway, &mut Jar::default());
    stuck.subscribe("com.example.topic").unwrap();
    let (mut reader, _) = Client::joined(&gateway, &mut Jar::default());
    reader.subscribe("com.example.topic").unwrap();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    // More than the sockets of both sides can hold beside the limit.
    let args = json!(["x".repeat(50_000)]);
    for _ in 0..400 {
        publisher.publish("com.example.topic", &args, &json!({})).unwrap();
        assert_eq!(reader.expect(code::EVENT)[4], args);
    }
    // What was sent before comes out of the socket, then its end.
    stuck.socket().connection().assert_ends();
    gateway.output().until("reason=\"slow\"", 1);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_client_that_does_not_answer_pings_is_dropped() {
    let pings = |timeout| json!({ "auto_ping_interval": 1000, "auto_ping_timeout": timeout });
    let hasty = tracked().with("options", pings(1000));
    // A client that answers has time to do so, also on a busy machine. The next ping comes when this time is over.
    let patient = tracked().with("options", pings(5000));
    let gateway = Gateway::start(&web_paths(&json!({ "ws": patient, "hasty": hasty })));

    let jar = &mut Jar::default();
    let mut absent = Client::open_by(&gateway, jar, at_the_hasty_path(), Serializer::Json, false);
    absent.joins();
    absent.socket().ignore_pings();
    absent.socket().connection().assert_ends();
    gateway.output().until("reason=\"no-pong\"", 1);

    // After a ping without an answer there is no other one.
    let (mut present, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..2 {
        let ping = present.socket().receive_any().unwrap();
        assert_eq!(ping.opcode, opcode::PING);
        present.socket().send(&Frame::new(opcode::PONG, &ping.payload));
    }
    present.echoes();
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let mut config = web(&tracked());
    config["transports"][0]["max_connections"] = json!(2);
    let gateway = Gateway::start(&config);
    let (first, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut second, _) = Client::joined(&gateway, &mut Jar::default());
    assert_is_full(&gateway, b"");
    assert_is_full(&gateway, &Handshake::default().bytes());
    second.echoes();
    drop(first);
    await_room(&gateway, 1);
    second.echoes();
}
