//! What one address may have: each limit reached on purpose, with its answer, and the other addresses served.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, Serializer, code,
    config::{With as _, tracked, web, web_paths},
    http::{Connection, Response},
    upstream::Upstream,
};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A gateway that limits addresses so, and serves metrics at `/metrics`.
#[track_caller]
fn gateway_with(per_address: &Value, options: &Value) -> Gateway {
    let mut config = web(&tracked());
    let transport = &mut config["transports"][0];
    transport["per_address"] = per_address.clone();
    transport["options"] = options.clone();
    transport["paths"]["metrics"] = json!({ "type": "metrics" });
    Gateway::start(&config)
}

fn from(address: Ipv4Addr) -> Handshake {
    Handshake::default().from(address)
}

#[track_caller]
fn is_limited(handshake: &Handshake, gateway: &Gateway, what: &str) -> Response {
    let response = handshake.is_refused(gateway, 429);
    let wait: u64 = response.header("retry-after").expect("how long to wait").parse().unwrap();
    assert!((1..=10).contains(&wait), "{response:?}");
    assert!(response.body.starts_with(what), "{response:?}");
    response
}

#[track_caller]
fn counted(gateway: &Gateway, limit: &str) -> u64 {
    let mut connection = Connection::open(gateway);
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let response = connection.response();
    let lines = response.body.lines().filter(|line| {
        line.starts_with("wampgate_refusals_total") && line.contains(&format!("reason=\"address-{limit}\""))
    });
    let counts: Vec<u64> = lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!counts.is_empty(), "{limit} is not counted: {}", response.body);
    counts.iter().sum()
}

#[test]
fn an_address_has_so_many_connections_and_the_others_have_theirs() {
    let gateway = gateway_with(&json!({ "max_connections": 2 }), &json!({}));
    let mut open: Vec<_> = (0..2).map(|_| from(ONE).opens(&gateway)).collect();
    is_limited(&from(ONE), &gateway, "too many connections from your address");
    let _other = from(OTHER).opens(&gateway);
    // Nothing limits this address: a proxy that the configuration does not name may speak for many clients.
    let _local: Vec<_> = (0..4).map(|_| from(Ipv4Addr::LOCALHOST).opens(&gateway)).collect();
    assert_eq!(counted(&gateway, "connections"), 1);
    open.clear();
    // The gateway notices in its own time that there is room again.
    while from(ONE).send(&gateway).1.status != 101 {}
}

#[test]
fn an_address_makes_so_many_handshakes_and_the_others_theirs() {
    let gateway = gateway_with(&json!({ "handshakes_per_second": 1 }), &json!({}));
    let refused = (0..1000).find(|_| from(ONE).send(&gateway).1.status != 101);
    assert!(refused.is_some_and(|before| before >= 20), "{refused:?}");
    is_limited(&from(ONE), &gateway, "too many handshakes from your address");
    from(OTHER).opens(&gateway);
    for _ in 0..30 {
        from(Ipv4Addr::LOCALHOST).opens(&gateway);
    }
    assert!(counted(&gateway, "handshakes") >= 2);
}

#[test]
fn an_address_brings_so_many_new_clients_and_known_ones_always_come_in() {
    let limits = json!({ "handshakes_per_second": 0, "new_records_per_second": 1 });
    let gateway = gateway_with(&limits, &json!({}));
    let mut known = Jar::default();
    from(ONE).opens_with(&gateway, &mut known);
    let refused = (0..10_000).find(|_| from(ONE).send(&gateway).1.status != 101);
    assert!(refused.is_some_and(|before| before >= 199), "{refused:?}");
    is_limited(&from(ONE), &gateway, "too many new clients from your address");
    let made_up = from(ONE).cookie("AAAAAAAAAAAAAAAAAAAAAAAA");
    is_limited(&made_up, &gateway, "too many new clients from your address");
    let id = known.id.clone();
    for _ in 0..3 {
        from(ONE).opens_with(&gateway, &mut known);
    }
    assert_eq!(known.id, id);
    from(OTHER).opens(&gateway);
    assert!(counted(&gateway, "new-records") >= 3);
}

#[test]
fn behind_a_trusted_proxy_the_clients_are_limited_and_not_the_proxy() {
    let trusted = json!({ "trusted_proxies": ["127.0.0.2"] });
    let gateway = gateway_with(&json!({ "max_connections": 2 }), &trusted);
    let client = |address: &str| from(ONE).header("X-Forwarded-For", address);
    let open: Vec<_> = (0..2).map(|_| client("203.0.113.9").opens(&gateway)).collect();
    is_limited(&client("203.0.113.9"), &gateway, "too many connections from your address");
    // One IPv6 network is one client.
    let _networks = ["2001:db8::1", "2001:db8::2"].map(|address| client(address).opens(&gateway));
    is_limited(&client("2001:db8::3"), &gateway, "too many connections from your address");
    let _others =
        ["203.0.113.10", "203.0.113.11", "2001:db8:0:1::1"].map(|address| client(address).opens(&gateway));
    // A client that writes the header itself is not believed.
    let _direct: Vec<_> =
        (0..2).map(|_| from(OTHER).header("X-Forwarded-For", "203.0.113.12").opens(&gateway)).collect();
    let spoofed = from(OTHER).header("X-Forwarded-For", "203.0.113.13");
    is_limited(&spoofed, &gateway, "too many connections from your address");
    drop(open);
    while client("203.0.113.9").send(&gateway).1.status != 101 {}
}

#[test]
fn behind_a_trusted_proxy_so_many_requests_of_a_client_pass_at_once() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let body = asked.body(peer);
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        peer.write_all(text.as_bytes()).is_ok()
    });
    let address = format!("http://{}", upstream.address);
    let mut config =
        web_paths(&json!({ "app": { "type": "proxy", "upstream": { "addresses": [address] } } }));
    let transport = &mut config["transports"][0];
    transport["per_address"] = json!({ "max_connections": 2 });
    transport["options"] = json!({ "trusted_proxies": ["127.0.0.1"] });
    let gateway = Gateway::start(&config);
    let begun = |client: &str| {
        let mut connection = Connection::open(&gateway);
        connection.send(format!(
            "POST /app HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        ));
        connection
    };
    let slow = [0, 1].map(|_| {
        let mut connection = begun("203.0.113.9");
        assert_eq!(connection.head().status, 100);
        connection
    });
    assert_eq!(begun("203.0.113.9").response().status, 429);
    gateway.output().until("reason=\"address-connections\"", 1);
    let mut other = begun("203.0.113.10");
    assert_eq!(other.head().status, 100);
    for mut connection in slow.into_iter().chain([other]) {
        connection.send("hello");
        assert_eq!(connection.response().body, "hello");
    }
    assert_eq!(begun("203.0.113.9").head().status, 100);
}

#[test]
fn one_connection_joins_only_so_often() {
    let service = tracked().with("options", json!({ "max_joins_per_second": 1 }));
    let gateway = Gateway::start(&web(&service));
    let mut client = Client::open_with(&gateway, &mut Jar::default(), Serializer::Json, false);
    let joined = (0..1000).take_while(|_| {
        let joins = client.join("realm1", json!({})).is_ok();
        if joins {
            client.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
            client.expect(code::GOODBYE);
        }
        joins
    });
    let joined = joined.count();
    assert!((2..1000).contains(&joined), "{joined}");
    gateway.assert_next_client_is_served();
}
