//! Heads of requests: their size, their number of headers, and the time that they take.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{assert_ends_after, gateway_with};
use crate::support::{
    Gateway, Handshake, PATIENCE,
    config::{With as _, tracked, web},
    http::Connection,
};

/// A gateway with these options of the web transport.
#[track_caller]
fn gateway_with_http(options: Value) -> Gateway {
    let mut config = web(&tracked());
    config["transports"][0]["options"] = options;
    Gateway::start(&config)
}

/// A gateway of which only the second transport has these options: the clients of the first one are never too slow.
#[track_caller]
fn gateway_with_a_hasty_transport(options: &Value) -> Gateway {
    let patient = web(&tracked())["transports"][0].clone();
    let hasty = patient.clone().with("options", options.clone());
    Gateway::start(&json!({ "transports": [patient, hasty] }))
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    // The default, which no configuration is needed for: 16 KiB.
    let gateway = gateway_with(json!({}));
    let response = Handshake::default().header("X-Large", &"x".repeat(17 * 1024)).is_refused(&gateway, 431);
    assert_ne!(response.status, 101);
    Handshake::default().header("X-Large", &"x".repeat(15 * 1024)).opens(&gateway);
    gateway.assert_next_client_is_served();

    let small = gateway_with_http(json!({ "max_head_size": 8192 }));
    Handshake::default().header("X-Large", &"x".repeat(9000)).is_refused(&small, 431);
    small.assert_next_client_is_served();
}

#[test]
fn a_head_without_an_end_is_refused() {
    let gateway = gateway_with(json!({}));
    let mut connection = Connection::open(&gateway);
    // The gateway may hang up before all of it has been sent.
    let _ = connection.try_send(format!("GET /{}", "x".repeat(64 * 1024)));
    assert_eq!(connection.response().status, 431);
    connection.assert_ends();
    gateway.assert_next_client_is_served();
}

#[test]
fn a_head_with_too_many_headers_is_refused() {
    let gateway = gateway_with(json!({}));
    let with_headers = |count| {
        (0..count)
            .fold(Handshake::default(), |handshake, number| handshake.header(&format!("X-{number}"), "x"))
    };
    with_headers(65).is_refused(&gateway, 431);
    with_headers(50).opens(&gateway);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    let gateway = gateway_with_a_hasty_transport(&json!({ "head_timeout": 1000 }));
    for beginning in ["", "GET /ws HTTP/1.1\r\nHost: gateway.example\r\n"] {
        let begin = || {
            let mut connection = Connection::open_at(gateway.address_of(1));
            connection.send(beginning);
            connection
        };
        assert_ends_after(&gateway, Duration::from_secs(1), begin, |connection| {
            assert_eq!(connection.response().status, 408, "{beginning:?}");
            connection.assert_ends();
        });
    }
}

#[test]
fn a_head_that_trickles_is_refused() {
    let gateway = gateway_with_a_hasty_transport(&json!({ "head_timeout": 1000 }));
    let mut connection = Connection::open_at(gateway.address_of(1));
    let begun = Instant::now();
    connection.send("GET /ws HTTP/1.1\r\n");
    // Each byte is in time, the head is not.
    while !connection.is_readable(Duration::from_millis(100)) {
        let _ = connection.try_send("X");
        assert!(begun.elapsed() < PATIENCE, "still listening");
    }
    assert_eq!(connection.response().status, 408);
    gateway.assert_next_client_is_served();
}
