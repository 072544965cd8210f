//! Connections that go on to a server behind the gateway: what passes, who the server hears it is, and how each side hears the other end.

mod addresses;
mod certificates;
mod ends;
mod identity;

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::metrics::counted;
use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, PATIENCE, WebSocket, code,
    config::{TICKET, With as _, endpoint, logins, ticket_auth, tracked, web_paths, with_metrics},
    http::Connection,
    resident::kib,
    tls::Authority,
    upstream::{Upstream, echo},
    websocket::opcode,
};

/// A path that goes on to a server, with these keys. Tests answer no pings, and a busy machine may take longer than the default lets them.
fn proxied(upstream: &Upstream, more: &Value) -> Value {
    let mut service = json!({
        "type": "websocket-proxy",
        "upstream": { "addresses": [upstream.url("/socket")] },
        "options": { "auto_ping_interval": 600_000 },
    });
    let more = more.as_object().unwrap().clone();
    for (key, value) in more {
        service = service.with(&key, value);
    }
    service
}

/// A gateway whose `/app` goes on to a server.
fn gateway(upstream: &Upstream, more: &Value) -> Gateway {
    start(&with_metrics(&json!({ "app": proxied(upstream, more) })))
}

/// A gateway on which joe can log in at `/ws`, and whose `/app` goes on to a server.
fn gateway_with_logins(upstream: &Upstream, more: &Value) -> Gateway {
    let more = json!({ "websocket": "/ws" }).with_all(more);
    start(&with_metrics(&json!({ "ws": logins(), "app": proxied(upstream, &more) })))
}

trait WithAll {
    fn with_all(self, more: &Value) -> Self;
}

impl WithAll for Value {
    fn with_all(mut self, more: &Value) -> Self {
        self.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self
    }
}

/// The handshake of a client that speaks nothing in particular.
fn handshake() -> Handshake {
    Handshake::default().path("/app").without("Sec-WebSocket-Protocol")
}

/// A gateway that asks the policies of the configuration and no other.
fn start(config: &Value) -> Gateway {
    Gateway::prepare_exactly(config).run()
}

/// Waits until the metrics have all of these lines.
fn cookie() -> Value {
    json!({ "cookie": { "store": { "type": "memory" } } })
}

fn joe(gateway: &Gateway) -> (Jar, Client) {
    let mut jar = Jar::default();
    let (client, _) = Client::joe(gateway, &mut jar);
    (jar, client)
}

#[track_caller]
fn echoes(socket: &mut WebSocket, text: &str) {
    socket.send(&Frame::text(text));
    assert_eq!(socket.receive(), Some(Frame::text(text)));
}

/// Closes as a client, and hears the answer.
#[track_caller]
fn closes(socket: &mut WebSocket, code: u16) {
    let close = Frame::new(opcode::CLOSE, code.to_be_bytes());
    socket.send(&close);
    assert_eq!(socket.receive(), Some(close));
    socket.connection().assert_ends();
}

#[test]
fn whatever_is_spoken_passes_both_ways() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &json!({}));
    let (mut socket, response) = handshake().opens(&gateway);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    assert!(response.set_cookies().is_empty());
    echoes(&mut socket, "hello");
    let large = vec![0x5a; 3 << 20];
    let frames = [
        Frame::new(opcode::BINARY, b"\x00\xff"),
        Frame::text(""),
        Frame::text("in ").unfinished(),
        Frame::new(opcode::CONTINUATION, "three ").unfinished(),
        Frame::new(opcode::CONTINUATION, "parts"),
        Frame::new(opcode::BINARY, large),
    ];
    for frame in &frames {
        socket.send(frame);
        assert!(socket.receive().as_ref() == Some(frame));
    }
    socket.send(&Frame::new(opcode::PING, "are you there?"));
    assert_eq!(socket.receive(), Some(Frame::new(opcode::PONG, "are you there?")));
    closes(&mut socket, 3456);
    assert_eq!(upstream.closes(1), [Some(3456)]);
}

#[test]
fn the_server_chooses_the_subprotocol_and_the_extensions() {
    let chosen = "Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-App: yes\r\nServer: app\r\n";
    let upstream = Upstream::switching(chosen, |peer, seen| {
        // A compressed message: the gateway need not know what is in it.
        let _ = peer.write_all(&[0xc1, 3, 1, 2, 3]);
        echo(peer, seen);
    });
    let gateway = gateway(&upstream, &json!({}));
    let asked = handshake()
        .header("Sec-WebSocket-Protocol", "a, b")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let (mut socket, response) = asked.opens(&gateway);
    assert_eq!(response.header("sec-websocket-protocol"), Some("b"));
    assert_eq!(response.header("sec-websocket-extensions"), Some("permessage-deflate"));
    assert_eq!((response.header("x-app"), response.header("server")), (Some("yes"), Some("wampgate")));
    assert_eq!(socket.connection().read_exactly(5), Some(vec![0xc1, 3, 1, 2, 3]));
    let head = upstream.head();
    assert_eq!(head.all("sec-websocket-protocol"), ["a, b"]);
    assert_eq!(head.all("sec-websocket-extensions"), ["permessage-deflate; client_max_window_bits"]);
}

#[test]
fn what_comes_right_behind_the_handshakes_passes() {
    let upstream = Upstream::switching("", |peer, seen| {
        let _ = peer.write_all(&Frame::text("welcome").unmasked());
        echo(peer, seen);
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    let early = [handshake().bytes(), Frame::text("early").masked(), Frame::text("bird").masked()].concat();
    connection.send(early);
    assert_eq!(connection.response().status, 101);
    let mut socket = WebSocket::new(connection);
    for text in ["welcome", "early", "bird"] {
        assert_eq!(socket.receive(), Some(Frame::text(text)));
    }
}

#[test]
fn the_path_below_takes_the_place_of_the_mount() {
    let upstream = Upstream::echo();
    let addresses = json!({ "upstream": { "addresses": [upstream.url("/")] } });
    let nested = json!({ "type": "path", "paths": { "c": proxied(&upstream, &json!({})), "/": proxied(&upstream, &addresses) } });
    let gateway = start(&web_paths(&json!({ "app": proxied(&upstream, &json!({})), "b": nested })));
    for (path, expected) in [
        ("/app", "/socket"),
        ("/app/", "/socket/"),
        ("/app/a%20b/?x=1&y", "/socket/a%20b/?x=1&y"),
        ("/app?token=%00", "/socket?token=%00"),
        ("/b/c/d", "/socket/d"),
        ("/b", "/"),
        ("/b/x?y", "/x?y"),
        ("/b?y", "/?y"),
    ] {
        let (_socket, _) = handshake().path(path).opens(&gateway);
        assert_eq!(upstream.head().line(), format!("GET {expected} HTTP/1.1"), "{path}");
    }
    handshake().path("/app/../b").is_refused(&gateway, 400);
    handshake().path("/app/%2e%2e/b").is_refused(&gateway, 400);
}

#[test]
fn a_server_that_takes_no_client_is_told_by_http() {
    let refusing = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ws://{}/", listener.local_addr().unwrap())
    };
    let silent = Upstream::start(|peer, _| {
        let _ = peer.read(&mut [0; 16]);
    });
    let no_http = Upstream::answering("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    let wrong_accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n";
    let wrong_accept = Upstream::answering(wrong_accept);
    let not_offered = Upstream::switching("Sec-WebSocket-Protocol: other\r\n", |peer, seen| echo(peer, seen));
    let hanging_up = Upstream::answering("");
    let splitting = Upstream::answering("HTTP/1.1 200 OK\r\nX: a\r\n\tb\r\nContent-Length: 0\r\n\r\n");
    let closed = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
                  Set-Cookie: cbtid=planted\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n";
    let closed = Upstream::answering(closed);
    let moved =
        Upstream::answering("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    let endless = Upstream::start(|peer, _| {
        let _ = peer.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000000\r\n\r\n");
        while peer.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let mut paths = json!({});
    let mut add = |name: &str, url: &str| {
        let timeout = if name == "silent" { 500 } else { 60_000 };
        let upstream = json!({ "addresses": [url], "response_timeout": timeout });
        paths[name] = cookie().with_all(&json!({ "type": "websocket-proxy", "upstream": upstream }));
    };
    add("refusing", &refusing);
    let servers = [
        ("silent", &silent),
        ("no-http", &no_http),
        ("wrong-accept", &wrong_accept),
        ("not-offered", &not_offered),
        ("hanging-up", &hanging_up),
        ("splitting", &splitting),
        ("closed", &closed),
        ("moved", &moved),
        ("endless", &endless),
    ];
    for (name, upstream) in servers {
        add(name, &upstream.url(""));
    }
    let gateway = start(&with_metrics(&paths));
    for (name, status) in [
        ("refusing", 502),
        ("silent", 504),
        ("no-http", 502),
        ("wrong-accept", 502),
        ("not-offered", 502),
        ("hanging-up", 502),
        ("splitting", 502),
        ("closed", 403),
        ("moved", 302),
        ("endless", 502),
    ] {
        let response = handshake().path(&format!("/{name}")).is_refused(&gateway, status);
        if name == "closed" {
            assert_eq!((&*response.body, response.header("x-hop")), ("nope", None));
            assert_eq!(response.header("transfer-encoding"), None);
        }
        if name == "moved" {
            assert_eq!(response.header("location"), Some("/elsewhere"));
        }
    }
    let dials = [("refusing", "unreachable"), ("silent", "silent"), ("endless", "nonsense")];
    let line = |(path, outcome)| {
        format!("wampgate_upstream_dials_total{{transport=\"0\",path=\"/{path}\",outcome=\"{outcome}\"}} 1")
    };
    counted(&gateway, &dials.map(line));
    counted(&gateway, &["wampgate_cookies{store=\"memory of /closed at transport 0\"} 0".to_owned()]);
    gateway.output().until("reason=\"upstream-silent\"", 1);
}

#[test]
fn a_full_server_takes_no_more_and_one_that_has_room_again_does() {
    let upstream = Upstream::echo();
    let limit = json!({ "upstream": { "max_connections": 1 } });
    let gateway = gateway(&upstream, &limit);
    let (mut socket, _) = handshake().opens(&gateway);
    let response = handshake().is_refused(&gateway, 503);
    assert!(response.header("retry-after").is_some());
    closes(&mut socket, 1000);
    let end = Instant::now() + PATIENCE;
    while handshake().send(&gateway).1.status != 101 {
        assert!(Instant::now() < end);
    }
}

#[test]
fn a_server_at_several_addresses_is_found_where_it_is() {
    let (one, other) = (Upstream::echo(), Upstream::echo());
    let refusing = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ws://{}/", listener.local_addr().unwrap())
    };
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    Upstream::echo_at(&socket);
    let addresses = json!({ "addresses": [one.url(""), refusing, other.url("")] });
    let paths = json!({
        "app": { "type": "websocket-proxy", "upstream": addresses },
        "unix": { "type": "websocket-proxy", "upstream": { "addresses": [format!("unix:{}:/x", socket.display())] } },
        "crossbar": { "type": "websocket-reverseproxy", "url": "ws://localhost/crossbar",
            "backend": { "type": "websocket", "url": "ws://localhost/y",
                "endpoint": { "type": "tcp", "host": "127.0.0.1", "port": one.address.port() } } },
    });
    let gateway = start(&with_metrics(&paths));
    for _ in 0..9 {
        echoes(&mut handshake().opens(&gateway).0, "found");
    }
    let heads = [one.heads().len(), other.heads().len()];
    assert!(heads[0] >= 3 && heads[1] >= 3, "{heads:?}");
    counted(&gateway, &["wampgate_upstream_addresses_out{transport=\"0\",path=\"/app\"} 1".to_owned()]);
    gateway.output().until("an address of an upstream fails again and again", 1);
    echoes(&mut handshake().path("/unix").opens(&gateway).0, "found");
    echoes(&mut handshake().path("/crossbar").opens(&gateway).0, "found");
    assert_eq!(one.head().line(), "GET /y HTTP/1.1");
}

#[test]
fn a_server_that_speaks_tls_is_checked() {
    let authority = Authority::new();
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let echoing = json!({ "echo": { "type": "websocket-testee" } });
    let server = json!({ "transports": [{ "type": "web", "endpoint": with_tls, "paths": echoing }] });
    let server = Gateway::prepare_exactly(&server);
    authority.issue(&["localhost"]).write(server.path(), "server");
    let server = server.run();
    let port = server.address().port();
    let path = |host: &str, authorities: &str| {
        let addresses = [format!("wss://{host}:{port}/echo")];
        let upstream =
            json!({ "addresses": addresses, "ca_certificates": [authorities], "connect_timeout": 20_000 });
        json!({ "type": "websocket-proxy", "upstream": upstream })
    };
    let paths = json!({
        "app": path("localhost", "ours.pem"),
        "other-name": path("127.0.0.1", "ours.pem"),
        "other-authority": path("localhost", "other.pem"),
        "plain": { "type": "websocket-proxy", "upstream": {
            "addresses": [format!("ws://localhost:{port}/echo")], "connect_timeout": 20_000,
        } },
    });
    let gateway = Gateway::prepare_exactly(&with_metrics(&paths))
        .file("ours.pem", authority.pem())
        .file("other.pem", Authority::new().pem())
        .run();
    let (mut socket, _) = handshake().opens(&gateway);
    echoes(&mut socket, "protected");
    let large = Frame::new(opcode::BINARY, vec![7; 300_000]);
    socket.send(&large);
    assert!(socket.receive().as_ref() == Some(&large));
    closes(&mut socket, 1000);
    for path in ["/other-name", "/other-authority"] {
        handshake().path(path).is_refused(&gateway, 502);
    }
    gateway.output().until("reason=\"upstream-tls\"", 1);
    // Words for a client that speaks no TLS are the server's answer.
    handshake().path("/plain").is_refused(&gateway, 400);
}

#[test]
fn a_socket_that_does_nothing_holds_little_memory() {
    const SOCKETS: u64 = 500;
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream, &cookie());
    let process = gateway.pid().to_string();
    let open = || {
        let mut socket = handshake().opens(&gateway).0;
        echoes(&mut socket, "here");
        socket
    };
    let first: Vec<_> = (0..50).map(|_| open()).collect();
    let before = kib(&process);
    let idle: Vec<_> = (0..SOCKETS).map(|_| open()).collect();
    let each = kib(&process).saturating_sub(before) / SOCKETS;
    println!("{each} KiB for each connection to a server, with its record");
    assert!(each <= 16, "{each} KiB each");
    drop((first, idle));
}
