//! Servers that are away, slow, broken or full, and answers that break off.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::support::PATIENCE;

/// Waits until the gateway has so many connections to the server.
#[track_caller]
fn open(gateway: &Gateway, count: usize) {
    let line = format!("wampgate_upstream_connections{{transport=\"0\",path=\"/app\"}} {count}\n");
    let end = Instant::now() + PATIENCE;
    while !metrics(gateway).contains(&line) {
        assert!(Instant::now() < end, "{line}");
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_502() {
    for (what, text) in [
        (
            "both lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello"),
        ("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello"),
        ("another encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
        ("two encodings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            "a switch that no client has asked for",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        ),
        ("a folded line", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n"),
        ("a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        ("no HTTP", "SSH-2.0-OpenSSH_9\r\n"),
        (
            "a head that is too large",
            &format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(64 << 10)),
        ),
        ("nothing", ""),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-"),
        ("a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ] {
        let upstream = Upstream::answering(text);
        let gateway = gateway(&upstream, &json!({}));
        let response = ask(&mut Connection::open(&gateway), "GET /app", "", "");
        assert_eq!(response.status, 502, "{what}");
        let is_lost = ["nothing", "half a head", "a chunk that is none"].contains(&what);
        let reason = if is_lost { "upstream-lost" } else { "upstream-nonsense" };
        gateway.output().until(&format!("reason=\"{reason}\""), 1);
        let seen = gateway.output().text();
        assert!(seen.contains(&format!("http://{}", upstream.address)), "{what}: {seen}");
        assert_eq!(upstream.heads().len(), 1, "{what}: what was sent is never sent again");
    }
}

#[test]
fn requests_of_one_client_put_no_address_out_and_those_of_several_do() {
    let upstream = Upstream::answering("");
    let mut config = with_metrics(&json!({ "app": passed(&upstream, &json!({})) }));
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1"] });
    let gateway = Gateway::prepare_exactly(&config).run();
    let ask_as = |client: u8| {
        let from = format!("X-Forwarded-For: 192.0.2.{client}\r\n");
        assert_eq!(ask(&mut Connection::open(&gateway), "GET /app", &from, "").status, 502);
    };
    let is_out =
        |out: u8| format!("wampgate_upstream_addresses_out{{transport=\"0\",path=\"/app\"}} {out}\n");
    for _ in 0..6 {
        ask_as(1);
    }
    assert!(metrics(&gateway).contains(&is_out(0)));
    // The first of them is long ago on a machine that is slow.
    (2..9).for_each(ask_as);
    gateway.output().until("an address of an upstream fails again and again", 1);
    assert!(metrics(&gateway).contains(&is_out(1)));
}

#[test]
fn a_server_that_says_nothing_but_that_it_will_is_504() {
    let upstream =
        Upstream::start(|peer, _| while peer.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {});
    let gateway = gateway(&upstream, &json!({ "upstream": { "response_timeout": 200 } }));
    assert_eq!(ask(&mut Connection::open(&gateway), "GET /app", "", "").status, 504);
    gateway.output().until("reason=\"upstream-silent\"", 1);
}

/// Its kernel drops the packets that open a connection, and takes the one that comes three seconds after the first: the client's kernel sends them
/// a second apart, or doubles the time each time.
#[test]
fn a_server_whose_queue_of_connections_is_full_for_a_moment_answers_late() {
    let busy = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    busy.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    busy.listen(0).unwrap();
    let busy = TcpListener::from(busy);
    let address = busy.local_addr().unwrap();
    let before = TcpStream::connect(address).unwrap();
    let upstream = mirror();
    let addresses = json!({ "addresses": [format!("http://{address}")], "connect_timeout": 2900 });
    let gateway = gateway(&upstream, &json!({ "upstream": addresses }));
    let server = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2500));
        drop((before, busy.accept()));
        let (mut peer, _) = busy.accept().unwrap();
        peer.read_exact(&mut [0; 16]).unwrap();
        peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    assert_eq!(ask(&mut Connection::open(&gateway), "GET /app", "", "").status, 204);
    server.join().unwrap();
}

#[test]
fn a_server_that_is_away_is_502_and_one_that_is_full_503() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::answering_each(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        loop {
            thread::park();
        }
    });
    let paths = json!({
        "away": passed(&upstream, &json!({ "upstream": { "addresses": [format!("http://{closed}")] } })),
        "other": passed(&upstream, &json!({ "upstream": { "addresses": [format!("http://{closed}"), format!("http://{}", upstream.address)] } })),
        "one": passed(&upstream, &json!({ "upstream": { "max_connections": 1 } })),
    });
    let gateway = Gateway::prepare_exactly(&with_metrics(&paths)).run();
    assert_eq!(ask(&mut Connection::open(&gateway), "POST /away", "Content-Length: 1\r\n", "x").status, 502);
    gateway.output().until("reason=\"upstream-unreachable\"", 1);
    let started = |path: &str| {
        let mut connection = Connection::open(&gateway);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(connection.head().status, 200, "{path}");
        connection
    };
    let _others = [started("/other"), started("/other")];
    let _first = started("/one");
    let response = ask(&mut Connection::open(&gateway), "GET /one", "", "");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    gateway.output().until("reason=\"upstream-full\"", 1);
}

#[test]
fn an_answer_that_breaks_off_has_no_end_for_the_client_either() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let text: &[u8] = if asked.path() == "/length" {
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
        } else {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        };
        let _ = peer.write_all(text);
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    for (path, end) in [("length", "\r\n\r\nhello"), ("chunks", "5\r\nhello\r\n")] {
        let mut connection = Connection::open(&gateway);
        connection.send(format!("GET /app/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let said = String::from_utf8(connection.rest()).unwrap();
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with(end), "{said}");
    }
    gateway.output().until("reason=\"upstream-lost\"", 1);
}

/// Where only the end of the connection tells that an answer is whole, it must not end in order.
#[test]
fn a_client_of_http_1_0_sees_that_an_answer_breaks_off() {
    let upstream = Upstream::answering_each(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    connection.send("GET /app HTTP/1.0\r\n\r\n");
    let mut stream = connection.stream();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let error = std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_server_that_stops_in_the_middle_is_given_up() {
    let upstream = Upstream::answering_each(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        loop {
            thread::park();
        }
    });
    let gateway = gateway(&upstream, &json!({ "options": { "idle_timeout": 1000 } }));
    let mut connection = Connection::open(&gateway);
    connection.send("GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(connection.rest().ends_with(b"hello"));
}

#[test]
fn a_client_that_stops_in_the_middle_is_given_up() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({ "options": { "idle_timeout": 1000 } }));
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /app", "Content-Length: 10\r\n", "hello").status, 408);
    connection.assert_ends();
}

/// A connection that ends without a byte is a stale one for browsers, and they send even a POST again.
#[test]
fn a_client_gets_a_head_before_its_connection_ends() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let (head, rest, pause) = match asked.path() {
            "/fine" => return answer(peer, "200 OK", "", "fine"),
            "/length" => ("Content-Length: 100", "", 0),
            "/later" => ("Content-Length: 100", "", 20),
            "/much-later" => ("Content-Length: 100", "", 60),
            "/part" => ("Content-Length: 100", "hello", 0),
            "/chunks" => ("Transfer-Encoding: chunked", "zz\r\n", 0),
            "/chunks-later" => ("Transfer-Encoding: chunked", "zz\r\n", 20),
            _ => ("Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n", 0),
        };
        let mut text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
        if pause > 0 {
            let _ = peer.write_all(text.as_bytes());
            thread::sleep(Duration::from_millis(pause));
            text.clear();
        }
        let _ = peer.write_all((text + rest).as_bytes());
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    for path in ["length", "later", "much-later", "part", "chunks", "chunks-later", "chunk"] {
        let mut refused = 0;
        for _ in 0..20 {
            let mut connection = Connection::open(&gateway);
            assert_eq!(ask(&mut connection, "GET /app/fine", "", "").body, "fine");
            connection
                .send(format!("POST /app/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
            match connection.head().status {
                502 => refused += 1,
                200 => {
                    let has_part = connection.rest().windows(5).any(|part| part == b"hello");
                    assert_eq!(has_part, matches!(path, "part" | "chunk"), "{path}");
                }
                status => panic!("{path}: {status}"),
            }
        }
        match path {
            "chunks" => assert_eq!(refused, 20, "{path}"),
            "length" => assert!(refused > 0, "{path}"),
            "part" | "chunk" => assert_eq!(refused, 0, "{path}"),
            _ => {}
        }
    }
}

/// Of the only connection that the server may have, a request that is over takes nothing away from a WebSocket.
#[test]
fn a_connection_that_waits_makes_room() {
    let upstream = Upstream::answering_each(|asked, peer| {
        if asked.head.all("upgrade").is_empty() {
            return answer(peer, "200 OK", "", "fine");
        }
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            crate::support::http::ACCEPT
        );
        peer.write_all(head.as_bytes()).is_ok()
    });
    let gateway = gateway(
        &upstream,
        &json!({ "upstream": { "addresses": [format!("http://{}", upstream.address)], "max_connections": 1 } }),
    );
    for _ in 0..5 {
        assert_eq!(ask(&mut Connection::open(&gateway), "GET /app", "", "").body, "fine");
        open(&gateway, 1);
        let response = Handshake::default().path("/app").without("Sec-WebSocket-Protocol").send(&gateway);
        assert_eq!(response.1.status, 101);
        drop(response);
        open(&gateway, 0);
    }
}

/// The server closes each connection without a word. A request meets the close of a connection that has waited, and goes over a new one.
#[test]
fn a_connection_that_the_server_has_closed_is_no_answer() {
    let upstream = Upstream::answering_each(|_, peer| {
        answer(peer, "200 OK", "", "");
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    for _ in 0..20 {
        assert_eq!(ask(&mut connection, "GET /app", "", "").status, 200);
        open(&gateway, 0);
    }
}
