//! Requests that go on to a server behind the gateway and stay HTTP: what passes, what is refused, and what each side sees of the other's
//! end.

mod broken;
mod framing;
mod streams;

use serde_json::{Value, json};

use super::metrics::metrics;
use crate::support::{
    Client, Gateway, Handshake, Jar, WebSocket,
    config::{TICKET, With as _, endpoint, logins, web_paths, with_metrics},
    http::{Connection, Response},
    tls::Authority,
    upstream::{Peer, Upstream, echo},
};

/// A path whose requests go on to a server.
fn passed(upstream: &Upstream, more: &Value) -> Value {
    let service =
        json!({ "type": "proxy", "upstream": { "addresses": [format!("http://{}", upstream.address)] } });
    let more = more.as_object().unwrap().clone();
    more.into_iter().fold(service, |service, (key, value)| service.with(&key, value))
}

/// A gateway whose `/app` goes on to a server.
fn gateway(upstream: &Upstream, more: &Value) -> Gateway {
    Gateway::prepare_exactly(&with_metrics(&json!({ "app": passed(upstream, more) }))).run()
}

/// A gateway on which joe can log in at `/ws`, and whose `/app` goes on to a server.
fn gateway_with_logins(upstream: &Upstream, more: &Value) -> Gateway {
    let app = passed(upstream, more).with("websocket", json!("/ws"));
    Gateway::prepare_exactly(&with_metrics(&json!({ "ws": logins(), "app": app }))).run()
}

/// A server that answers each request with its body, after what it says.
fn mirror() -> Upstream {
    Upstream::answering_each(|asked, peer| {
        let body = asked.body(peer);
        answer(peer, "200 OK", "", &body)
    })
}

/// Answers a request, and keeps the connection.
fn answer(peer: &mut dyn Peer, status: &str, headers: &str, body: &str) -> bool {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    peer.write_all(text.as_bytes()).is_ok()
}

/// Makes a request with these lines and this body.
#[track_caller]
fn ask(connection: &mut Connection, line: &str, headers: &str, body: &str) -> Response {
    connection.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}"));
    connection.response()
}

#[test]
fn requests_and_answers_pass_with_their_bodies_over_connections_that_stay() {
    let upstream = mirror();
    let gateway = gateway(
        &upstream,
        &json!({ "upstream": { "addresses": [format!("http://{}/base", upstream.address)] } }),
    );
    let mut connection = Connection::open(&gateway);
    for (method, path, body, expected) in [
        ("GET", "/app", "", "/base"),
        ("POST", "/app/x%20y?a=b&c", "hello", "/base/x%20y?a=b&c"),
        ("PUT", "/app/", "", "/base/"),
        ("DELETE", "/app/1", "", "/base/1"),
        ("PATCH", "/app//x", "changed", "/base//x"),
        ("OPTIONS", "/app?x", "", "/base?x"),
        ("PROPFIND", "/app", "own", "/base"),
    ] {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let response = ask(&mut connection, &format!("{method} {path}"), &length, body);
        assert_eq!((response.status, &*response.body), (200, body), "{method}");
        assert_eq!(response.header("server"), Some("wampgate"));
        assert_eq!(response.header("connection"), None, "{method}");
        let head = upstream.head();
        assert_eq!(head.line(), format!("{method} {expected} HTTP/1.1"));
        assert_eq!((head.all("host"), head.all("connection")), (vec!["localhost"], vec![]), "{method}");
    }
    assert_eq!(upstream.connections(), 1, "requests go one after the other over one connection");
    let seen = metrics(&gateway);
    let labels = "transport=\"0\",path=\"/app\"";
    for line in [
        format!("wampgate_upstream_dials_total{{{labels},outcome=\"ok\"}} 7"),
        format!("wampgate_upstream_bytes_total{{{labels},direction=\"received\"}} 15"),
        format!("wampgate_upstream_bytes_total{{{labels},direction=\"sent\"}} 15"),
    ] {
        assert!(seen.contains(&format!("{line}\n")), "{line}: {seen}");
    }
    for method in ["TRACE", "CONNECT"] {
        let mut connection = Connection::open(&gateway);
        let response = ask(&mut connection, &format!("{method} /app"), "", "");
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(
            response.header("allow"),
            Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            "{method}"
        );
        assert!(response.body.contains(method), "{response:?}");
    }
    assert_eq!(upstream.heads().len(), 7);
}

#[test]
fn answers_without_a_body_and_redirects_pass_as_they_are() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let text: &[u8] = match asked.path() {
            "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n",
            "/none" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/same" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
            "/hint" => b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            _ => b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/else?x\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        };
        peer.write_all(text).is_ok()
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    connection.send("HEAD /app/head HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let response = connection.head();
    assert_eq!(
        (response.status, response.header("content-length"), response.header("etag")),
        (200, Some("1234"), Some("\"x\""))
    );
    for (path, status) in [("none", 204), ("same", 304)] {
        connection.send(format!("GET /app/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let response = connection.head();
        assert_eq!((response.status, response.header("content-length")), (status, None), "{path}");
        assert_eq!(response.header("transfer-encoding"), None, "{path}");
    }
    let response = ask(&mut connection, "GET /app/hint", "", "");
    assert_eq!((response.status, &*response.body), (200, "ok"));
    let response = ask(&mut connection, "GET /app/away", "", "");
    assert_eq!((response.status, response.header("location")), (302, Some("http://10.0.0.1/else?x")));
    assert_eq!(response.header("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn no_client_tells_the_server_who_it_is() {
    let upstream = Upstream::answering_each(|_, peer| {
        answer(
            peer,
            "200 OK",
            "Set-Cookie: cbtid=AAAAAAAAAAAAAAAAAAAAAAAA\r\nSet-Cookie: session=1\r\nWampgate-Authid: x\r\n",
            "",
        )
    });
    let names = json!({ "headers": { "authid": "Remote-User" } });
    let gateway = gateway_with_logins(&upstream, &names);
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap();
    let id = jar.id.clone().unwrap();
    let names = [
        "Remote-User",
        "remote_user",
        "Wampgate-Client",
        "wampgate_client",
        "X-Forwarded-For",
        "X_Forwarded_Proto",
        "X-Real-IP",
        "Forwarded",
    ];
    let spoofed = names.map(|name| format!("{name}: root\r\n")).concat();
    let spoofed = format!("Cookie: a=b; cbtid={id}; c=d\r\n{spoofed}");
    let mut connection = Connection::open(&gateway);
    let response = ask(&mut connection, "GET /app", &spoofed, "");
    assert_eq!((response.status, response.set_cookies()), (200, vec!["session=1"]));
    assert_eq!(response.header("wampgate-authid"), None);
    let head = upstream.head();
    assert!(!head.text().contains("root") && !head.text().contains(&id), "{head:?}");
    assert_eq!((head.all("remote-user"), head.all("cookie")), (vec!["joe"], vec!["a=b; c=d"]));
    assert_eq!((head.all("wampgate-authmethod"), head.all("wampgate-client").len()), (vec!["ticket"], 1));
    assert_eq!(
        (head.all("x-forwarded-for"), head.all("x-forwarded-proto")),
        (vec!["127.0.0.1"], vec!["http"])
    );
    assert_eq!(head.all("x-forwarded-host"), ["localhost"]);
    // Without a cookie there is no identity, and no request is given one.
    let response = ask(&mut connection, "GET /app", "", "");
    assert_eq!(response.set_cookies(), ["session=1"]);
    let head = upstream.head();
    assert_eq!((head.all("remote-user"), head.all("wampgate-client")), (vec![""], vec![""]));
}

#[test]
fn each_request_is_decided_for_itself() {
    let upstream = mirror();
    let gateway =
        gateway_with_logins(&upstream, &json!({ "require": "authenticated", "roles": ["frontend"] }));
    let mut connection = Connection::open(&gateway);
    let response = ask(&mut connection, "GET /app", "", "");
    assert_eq!((response.status, response.header("cache-control")), (401, Some("no-store")));
    assert!(response.set_cookies().is_empty());
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap();
    let cookie = format!("Cookie: cbtid={}\r\n", jar.id.as_ref().unwrap());
    assert_eq!(ask(&mut connection, "GET /app", &cookie, "").status, 200);
    gateway.command("cookies", &["revoke", "--authid", "joe"]);
    assert_eq!(ask(&mut connection, "GET /app", &cookie, "").status, 401);
    assert_eq!(upstream.heads().len(), 1, "the server hears of no request that is refused");
    let foreign = "POST /app HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n";
    let mut connection = Connection::open(&gateway);
    connection.send(foreign);
    assert_eq!(
        connection.response().status,
        403,
        "a page of another name cannot reach a gateway on loopback"
    );
    // What is not passed on takes no other methods than before.
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /ws", "", "").status, 405);
}

#[test]
fn what_is_about_one_connection_only_stays_there() {
    let upstream = Upstream::answering_each(|_, peer| {
        let hop = "Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nX-End: 1\r\n";
        answer(peer, "200 OK", hop, "")
    });
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    let hop = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nTE: gzip\r\n\
               Proxy-Authorization: Basic x\r\nX-End: 1\r\nAuthorization: Basic y\r\n";
    let response = ask(&mut connection, "GET /app", hop, "");
    let head = upstream.head();
    for name in [
        "x-hop",
        "keep-alive",
        "upgrade",
        "http2-settings",
        "te",
        "proxy-authorization",
        "proxy-authenticate",
        "connection",
    ] {
        assert!(head.all(name).is_empty(), "{name}: {head:?}");
        assert_eq!(response.header(name), None, "{name}: {response:?}");
    }
    assert_eq!((head.all("x-end"), head.all("authorization")), (vec!["1"], vec!["Basic y"]));
    assert_eq!(response.header("x-end"), Some("1"));
    // The server has closed its connection, and the client's stays.
    assert_eq!(ask(&mut connection, "GET /app", "", "").status, 200);
}

#[test]
fn the_access_log_tells_of_an_answer_once_it_has_passed() {
    let upstream = mirror();
    let web = web_paths(&json!({ "app": passed(&upstream, &json!({})) }));
    let transport = web["transports"][0].clone().with("options", json!({ "access_log": true }));
    let gateway = Gateway::prepare_exactly(&web.with("transports", json!([transport]))).run();
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /app?secret=1", "Content-Length: 5\r\n", "hello").status, 200);
    gateway.output().until("method=POST path=\"/app\" status=200 bytes=5", 1);
    assert!(!gateway.output().text().contains("secret"));
}

#[test]
fn servers_with_tls_and_at_unix_sockets_are_found() {
    let authority = Authority::new();
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let pages = json!({ "page": { "type": "json", "value": "found" } });
    let at = |endpoint: Value| json!({ "type": "web", "endpoint": endpoint, "paths": pages });
    let socket = json!({ "type": "unix", "path": "server.sock" });
    let server = Gateway::prepare_exactly(&json!({ "transports": [at(with_tls), at(socket)] }));
    authority.issue(&["localhost"]).write(server.path(), "server");
    let server = server.run();
    let (port, socket) = (server.address().port(), server.path().join("server.sock"));
    let path = |address: String, authorities: Option<&str>| {
        let upstream = json!({ "addresses": [address], "connect_timeout": 20_000 });
        let upstream =
            authorities.map_or(upstream.clone(), |file| upstream.with("ca_certificates", json!([file])));
        json!({ "type": "proxy", "upstream": upstream })
    };
    let gateway = Gateway::prepare_exactly(&with_metrics(&json!({
        "tls": path(format!("https://localhost:{port}"), Some("ours.pem")),
        "other": path(format!("https://localhost:{port}"), Some("other.pem")),
        "unix": path(format!("unix:{}", socket.display()), None),
    })))
    .file("ours.pem", authority.pem())
    .file("other.pem", Authority::new().pem())
    .run();
    let mut connection = Connection::open(&gateway);
    for path in ["tls", "unix", "tls", "unix"] {
        let response = ask(&mut connection, &format!("GET /{path}/page"), "", "");
        assert_eq!((response.status, &*response.body), (200, "\"found\""), "{path}");
    }
    assert_eq!(ask(&mut connection, "GET /other/page", "", "").status, 502);
    gateway.output().until("reason=\"upstream-tls\"", 1);
}

#[test]
fn a_reload_counts_from_the_next_request_on() {
    let upstream = mirror();
    let gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /app", "Content-Length: 1\r\n", "x").status, 200);
    let (said, status) = gateway.reload(&with_metrics(&json!({ "other": passed(&upstream, &json!({})) })));
    assert_eq!(status, 0, "{said}");
    let response = ask(&mut connection, "GET /app", "", "");
    assert_eq!((response.status, response.header("connection")), (404, Some("close")));
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /other", "Content-Length: 1\r\n", "x").status, 200);
}

#[test]
fn websockets_pass_at_the_same_path() {
    let upstream = Upstream::switching("", |peer, seen| echo(peer, seen));
    let gateway = gateway(&upstream, &json!({ "cookie": { "store": { "type": "memory" } } }));
    let (mut socket, response): (WebSocket, Response) =
        Handshake::default().path("/app/socket").without("Sec-WebSocket-Protocol").opens(&gateway);
    assert!(response.tracking_id().is_some(), "a WebSocket gets a cookie");
    let frame = crate::support::Frame::text("hello");
    socket.send(&frame);
    assert_eq!(socket.receive(), Some(frame));
    assert_eq!(upstream.head().line(), "GET /socket HTTP/1.1");
}
