//! Servers that are away, slow, broken or full, and answers that break off.

use std::{net::TcpListener, thread, time::Instant};

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
        ("nothing", ""),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-"),
    ] {
        let upstream = Upstream::answering(text);
        let gateway = gateway(&upstream, &json!({}));
        let response = ask(&mut Connection::open(&gateway), "GET /app", "", "");
        assert_eq!(response.status, 502, "{what}");
        gateway.output().until("reason=\"upstream-nonsense\"", 1);
        assert_eq!(upstream.heads().len(), 1, "{what}: what was sent is never sent again");
    }
}

#[test]
fn a_server_that_says_nothing_but_that_it_will_is_504() {
    let upstream =
        Upstream::start(|peer, _| while peer.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {});
    let gateway = gateway(&upstream, &json!({ "upstream": { "response_timeout": 200 } }));
    assert_eq!(ask(&mut Connection::open(&gateway), "GET /app", "", "").status, 504);
    gateway.output().until("reason=\"upstream-silent\"", 1);
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
