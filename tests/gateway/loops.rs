//! Paths that go on to each other: what goes round and round comes to an end, and what only passes several of them arrives.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar,
    config::{TICKET, endpoint, ticket_auth},
    http::Connection,
};

/// A gateway with a transport at a port, one at `one.sock` and one at `other.sock`, each with these paths.
fn gateway(paths: [&Value; 3]) -> Gateway {
    prepare(paths).run()
}

/// The same, before it runs.
fn prepare(paths: [&Value; 3]) -> Gateway {
    let socket = |name: &str| json!({ "type": "unix", "path": name });
    let endpoints = [endpoint(), socket("one.sock"), socket("other.sock")];
    let transports = endpoints.into_iter().zip(paths);
    let transports =
        transports.map(|(endpoint, paths)| json!({ "type": "web", "endpoint": endpoint, "paths": paths }));
    Gateway::prepare(&json!({ "transports": transports.collect::<Vec<_>>() }))
}

#[test]
fn a_request_that_goes_round_and_round_gets_508_and_one_that_passes_twice_arrives() {
    let to = |socket: &str, path: &str| json!({ "type": "proxy", "upstream": { "addresses": [format!("unix:{socket}:/{path}")] } });
    let both = |socket: &str| json!({ "ring": to(socket, "ring"), "out": to(socket, "out") });
    let end = json!({ "ring": to("one.sock", "ring"), "out": { "type": "json", "value": "out" } });
    let gateway = gateway([&both("one.sock"), &both("other.sock"), &end]);
    let ask = |path: &str| {
        let mut connection = Connection::open(&gateway);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        connection.response()
    };
    let response = ask("/ring");
    assert_eq!(response.status, 508);
    assert!(response.body.contains("round and round"), "{response:?}");
    gateway.output().until("reason=\"loop\"", 1);
    Handshake::default().path("/ring").is_refused(&gateway, 508);
    gateway.output().until("reason=\"loop\"", 2);
    assert_eq!((ask("/out").status, ask("/out").body), (200, "\"out\"".to_owned()));
}

#[test]
fn a_choice_that_leads_round_and_round_names_the_upstream() {
    let policy = json!({ "component": "scripted.wasm", "deadline": "10s", "config": { "choose": "back" } });
    let to = |socket: &str| {
        let address = |path: &str| json!({ "addresses": [format!("unix:{socket}:/{path}")] });
        let upstreams = json!({ "back": address("ring"), "out": address("out") });
        json!({ "ring": { "type": "proxy", "policy": policy, "upstreams": upstreams } })
    };
    let gateway = prepare([&to("one.sock"), &to("other.sock"), &to("one.sock")]);
    let gateway = gateway.file("scripted.wasm", include_bytes!("../component/scripted-policy.wasm")).run();
    Handshake::default().path("/ring").is_refused(&gateway, 508);
    gateway.output().until("upstream `back`: this request goes round and round", 1);
    let mut connection = Connection::open(&gateway);
    connection.send("GET /ring HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let response = connection.response();
    assert!(response.status == 508 && !response.body.contains("back"), "{response:?}");
    gateway.output().until("upstream `back`: this request goes round and round", 2);
}

#[test]
fn routers_that_join_each_other_let_no_client_in() {
    let to = |socket: &str| {
        let upstream = json!({
            "type": "wamp",
            "addresses": [format!("unix:{socket}:/ws")],
            "realms": [{ "name": "realm1", "roles": ["frontend"] }],
            "auth": { "type": "ticket", "ticket": TICKET },
        });
        json!({ "ws": { "type": "websocket", "auth": ticket_auth(), "upstream": upstream } })
    };
    let gateway = gateway([&to("one.sock"), &to("other.sock"), &to("one.sock")]);
    let mut client = Client::open(&gateway, &mut Jar::default());
    let refused = client.join_by_ticket("joe", TICKET).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.unavailable");
    gateway.output().until("reason=\"loop\"", 1);
}
