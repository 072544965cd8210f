//! How the bodies of requests and answers are framed. What two readers could read in two ways is refused: the second one would take a part of
//! a body for a request of its own.

use super::*;

#[test]
fn chunks_and_trailers_pass_both_ways() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let body = asked.body(peer);
        let body = body.replace("\r\n", "|");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie, Wampgate-Authid\r\n\r\n";
        let length = body.len();
        let trailers = "X-Sum: 1\r\nSet-Cookie: cbtid=x\r\nWampgate-Authid: x\r\nX-Other: 1\r\n";
        let text = format!("{head}{length:x};ext=1\r\n{body}\r\n0\r\n{trailers}\r\n");
        peer.write_all(text.as_bytes()).is_ok()
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    let headers = "Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum, Wampgate-Authid, wampgate_client, Cookie\r\n";
    let trailers =
        "X-Sum: 2\r\nWampgate-Authid: root\r\nwampgate_client: root\r\nCookie: cbtid=x\r\nX-Other: 1\r\n";
    let body = format!("5;ext=\"a\"\r\nhello\r\n6\r\n world\r\n0\r\n{trailers}\r\n");
    for method in ["POST", "GET"] {
        connection.send(format!("{method} /app HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}"));
        let response = connection.head();
        assert_eq!((response.status, response.header("transfer-encoding")), (200, Some("chunked")));
        assert_eq!(response.header("trailer"), Some("x-sum, set-cookie"), "{response:?}");
        let end = b"\r\n0\r\nX-Sum: 1\r\n\r\n";
        let mut read = Vec::new();
        while !read.ends_with(end) {
            read.extend(connection.read_exactly(1).expect("chunks, and trailers behind them"));
        }
        let text = String::from_utf8(read).unwrap();
        assert!(
            text.contains("hello") && text.contains(" world") && text.contains("|0|X-Sum: 2||"),
            "{text}"
        );
        assert!(!text.contains("root") && !text.contains("cbtid") && !text.contains("X-Other"), "{text}");
        let head = upstream.head();
        assert_eq!((head.all("te"), head.all("connection")), (vec!["trailers"], vec!["TE"]));
        assert_eq!((head.all("trailer"), head.all("content-length")), (vec!["x-sum"], vec![]));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_request_that_could_be_read_in_two_ways_is_refused() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({}));
    let smuggled = "GET /app/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, lines) in [
        ("both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            "both lengths, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"),
        ("two lengths in a line", "Content-Length: 0, 5\r\n\r\n"),
        ("one length twice", "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        ("a length with a sign", "Content-Length: +0\r\n\r\n"),
        ("a length below zero", "Content-Length: -1\r\n\r\n"),
        ("a length that is too large", "Content-Length: 99999999999999999999\r\n\r\n"),
        ("a length that hyper keeps for itself", "Content-Length: 18446744073709551615\r\n\r\n"),
        ("another encoding", "Transfer-Encoding: gzip\r\n\r\n"),
        ("another encoding before the chunks", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("another encoding behind the chunks", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("no chunks by name", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("a folded line", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        ("a folded header", "X: y\r\n\tz\r\n\r\n"),
        ("a line that ends without a return", "X: y\nContent-Length: 5\r\n\r\n"),
        ("a return in a value", "X: y\rz\r\n\r\n"),
        ("a zero in a value", "X: y\0z\r\n\r\n"),
        ("chunks for HTTP/1.0", "HTTP/1.0"),
    ] {
        let mut connection = Connection::open(&gateway);
        let request = if lines == "HTTP/1.0" {
            format!(
                "POST /app HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            )
        } else {
            format!("POST /app HTTP/1.1\r\nHost: localhost\r\n{lines}{smuggled}")
        };
        connection.send(request);
        assert_eq!(connection.response().status, 400, "{what}");
        connection.assert_ends();
        assert!(upstream.heads().is_empty(), "{what}");
    }
}

#[test]
fn chunks_that_are_none_end_the_request_and_the_connection() {
    let upstream = Upstream::answering_each(|asked, peer| {
        asked.body(peer);
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    let smuggled = "GET /app/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for chunks in [
        "5\r\nhello!\r\n0\r\n\r\n".to_owned(),
        "5\nhello\r\n0\r\n\r\n".to_owned(),
        "-5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "0x5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "\r\nhello\r\n0\r\n\r\n".to_owned(),
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a\nb\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 << 10)),
        format!("0\r\n{}\r\n", "X: y\r\n".repeat(4 << 10)),
    ] {
        let mut connection = Connection::open(&gateway);
        let _ = connection.try_send(format!(
            "POST /app HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{smuggled}"
        ));
        let said = String::from_utf8_lossy(&connection.rest()).into_owned();
        let shown = chunks.get(..20).unwrap_or(&chunks);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{shown:?}: {said}");
        assert!(said.matches("HTTP/1.1").count() <= 1, "{shown:?}: {said}");
        assert!(!upstream.heads().iter().any(|head| head.contains("smuggled")), "{shown:?}");
    }
}

#[test]
fn the_host_of_a_url_and_of_the_header_must_be_the_same() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "GET http://LOCALHOST/app/x", "", "").status, 200);
    assert_eq!(upstream.head().line(), "GET /x HTTP/1.1");
    assert_eq!(ask(&mut connection, "GET http://other.example/app/x", "", "").status, 400);
}

#[test]
fn a_client_that_waits_for_a_word_before_its_body_gets_it_once_it_is_let_in() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({ "options": { "max_body_size": 10 } }));
    let mut connection = Connection::open(&gateway);
    connection
        .send("POST /app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.head().status, 100);
    connection.send("hello");
    assert_eq!(connection.response().body, "hello");
    assert!(upstream.head().all("expect").is_empty());
    connection
        .send("POST /app HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    let response = connection.response();
    assert_eq!((response.status, response.header("connection")), (413, Some("close")));
    connection.assert_ends();
    let mut connection = Connection::open(&gateway);
    let response = ask(&mut connection, "GET /app", "Expect: 200-ok\r\n", "");
    assert!(response.body.contains("100-continue"), "{response:?}");
    assert_eq!((response.status, upstream.heads().len()), (417, 1));
}

#[test]
fn a_body_is_no_longer_than_it_may_be() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({ "options": { "max_body_size": "1KiB" } }));
    let mut connection = Connection::open(&gateway);
    let (fits, larger) = ("x".repeat(1024), "x".repeat(1025));
    let length = format!("Content-Length: {}\r\n", fits.len());
    assert_eq!(ask(&mut connection, "POST /app", &length, &fits).body, fits);
    let length = format!("Content-Length: {}\r\n", larger.len());
    assert_eq!(ask(&mut connection, "POST /app", &length, &larger).status, 413);
    let heads = upstream.heads().len();
    assert_eq!(heads, 1, "the server hears of no request that is known to be too long");
    let mut connection = Connection::open(&gateway);
    let chunks = format!("400\r\n{fits}\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(ask(&mut connection, "POST /app", "Transfer-Encoding: chunked\r\n", &chunks).status, 413);
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let upstream = Upstream::answering_each(|asked, peer| answer(peer, "200 OK", "", asked.path()));
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    let request =
        |path: &str| format!("POST /app/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    connection.send([request("1"), request("2"), request("3")].concat());
    for path in ["/1", "/2", "/3"] {
        assert_eq!(connection.response().body, path);
    }
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let upstream = Upstream::answering_each(|_, peer| {
        let _ =
            peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    connection.send("GET /app HTTP/1.0\r\n\r\n");
    let said = String::from_utf8(connection.rest()).unwrap();
    assert!(said.starts_with("HTTP/1.0 200") && said.ends_with("\r\n\r\nhello"), "{said}");
    assert_eq!(upstream.head().all("host"), [upstream.address.to_string()]);
}
