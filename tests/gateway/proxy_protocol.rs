//! The PROXY protocol: a trusted proxy says for which client it has opened a connection.

use std::{
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
};

use serde_json::{Value, json};

use crate::support::{
    Gateway, Handshake,
    config::{endpoint, untracked},
    http::Connection,
    tls::Authority,
};

/// The header for a client at 198.51.100.7.
const V1: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 4660 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x12\x34\x01\xbb";
/// A health check of the proxy itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// An endpoint behind a proxy at 127.0.0.2.
fn config() -> Value {
    let mut behind = endpoint();
    behind["proxy_protocol"] = true.into();
    let options = json!({ "trusted_proxies": ["127.0.0.2"], "access_log": true });
    let per_address = json!({ "max_connections": 2 });
    json!({ "transports": [
        { "type": "web", "endpoint": behind, "paths": { "ws": untracked() }, "options": options, "per_address": per_address },
    ]})
}

fn from_proxy(header: &[u8]) -> Handshake {
    Handshake::default().from(Ipv4Addr::new(127, 0, 0, 2)).behind(header)
}

#[test]
fn the_client_is_the_one_that_the_proxy_names() {
    let gateway = Gateway::start(&config());
    for header in [V1, V2] {
        from_proxy(header).opens(&gateway);
    }
    gateway.output().until("peer=198.51.100.7:4660", 2);
    from_proxy(LOCAL).opens(&gateway);
    gateway.output().until("peer=127.0.0.2:", 1);
    // What the client says of itself behind the header does not count.
    from_proxy(V2).header("X-Forwarded-For", "203.0.113.9").opens(&gateway);
    gateway.output().until("peer=198.51.100.7:4660", 3);
    assert!(!gateway.output().text().contains("203.0.113.9"));
}

#[test]
fn a_proxy_that_does_not_say_for_whom_it_connects_says_so_nowhere_else() {
    let gateway = Gateway::start(&config());
    let unspecified = b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00";
    for header in [&b"PROXY UNKNOWN\r\n"[..], unspecified, LOCAL] {
        // Whose the connection is, only the proxy knows: what is behind its header may be a client's own invention.
        from_proxy(header).header("X-Forwarded-For", "203.0.113.9").opens(&gateway);
    }
    gateway.output().until("peer=127.0.0.2:", 3);
    assert!(!gateway.output().text().contains("203.0.113.9"));
}

#[test]
fn limits_count_the_client_and_not_the_proxy() {
    let gateway = Gateway::start(&config());
    let taken = [from_proxy(V1).opens(&gateway), from_proxy(V2).opens(&gateway)];
    let (_, refused) = from_proxy(V1).send(&gateway);
    assert_eq!(refused.status, 429);
    let other = b"PROXY TCP4 198.51.100.8 192.0.2.1 1 443\r\n";
    from_proxy(other).opens(&gateway);
    drop(taken);
}

#[test]
fn what_is_no_header_or_no_proxy_is_refused() {
    let mut config = config();
    config["transports"][0]["options"]["head_timeout"] = json!(2000);
    let gateway = Gateway::start(&config);
    for (handshake, expected) in [
        (Handshake::default().behind(V1), "the peer is not in `trusted_proxies`"),
        (from_proxy(b""), "the proxy sends no such header"),
        (from_proxy(b"PROXY TCP4 nonsense\r\n"), "the proxy's PROXY header is broken"),
    ] {
        let mut connection = Connection::open_for(&handshake, &gateway);
        let _ = connection.try_send([&handshake.before[..], &handshake.bytes()].concat());
        assert_eq!(connection.rest(), b"", "{expected}");
        gateway.output().until(expected, 1);
    }
    // A proxy that says nothing is cut off within the time for a head.
    Connection::open_for(&from_proxy(b""), &gateway).assert_ends();
    gateway.output().until("the proxy's PROXY header has not come in time", 1);
    from_proxy(V1).opens(&gateway);
}

#[test]
fn the_header_stands_before_tls() {
    let authority = Authority::new();
    let mut config = config();
    config["transports"][0]["endpoint"]["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let gateway = Gateway::prepare(&config);
    authority.issue(&["gateway.example"]).write(gateway.path(), "server");
    let gateway = gateway.run();
    for header in [V1, V2] {
        from_proxy(header).over(&authority.client("gateway.example")).opens(&gateway);
    }
    gateway.output().until("peer=198.51.100.7:4660", 2);
}

#[test]
fn a_proxy_at_a_unix_socket_names_its_clients_as_well() {
    let mut config = config();
    config["transports"][0]["endpoint"] =
        json!({ "type": "unix", "path": "gate.sock", "proxy_protocol": true });
    config["transports"][0]["options"]["trusted_proxies"] = json!(["unix"]);
    let gateway = Gateway::start(&config);
    gateway.output().until("listening on unix:", 1);
    for header in [V1, V2] {
        let mut stream = UnixStream::connect(gateway.path().join("gate.sock")).unwrap();
        stream.write_all(header).unwrap();
        stream.write_all(b"GET /none HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 404"), "{reply}");
    }
    gateway.output().until("peer=198.51.100.7:4660", 2);
}

#[test]
fn a_header_needs_a_proxy_that_may_send_it() {
    let mut config = config();
    config["transports"][0]["options"] = json!({});
    let said = Gateway::prepare(&config).command_said("check", &[]);
    assert!(said.contains("transports[0].endpoint.proxy_protocol: only `trusted_proxies`"), "{said}");
}
