//! Requests that stay HTTP.

use super::*;

#[tokio::test]
async fn requests_get_what_their_path_and_their_method_ask_for() {
    let edge = edge(HttpOptions { hsts_max_age: Some(600), ..HttpOptions::default() });
    for (line, expected, contained) in [
        ("GET /info", 200, "Content-Type: application/json\r\n"),
        ("GET /info", 200, "Strict-Transport-Security: max-age=600\r\n"),
        ("GET /info", 200, "X-Content-Type-Options: nosniff\r\n"),
        ("GET /info?x=%", 200, "\r\n\r\n{\"a\":1}"),
        ("GET http://a.example/info", 200, "{\"a\":1}"),
        ("GET /old", 302, "Location: /info\r\n"),
        ("GET /demo", 307, "Location: /demo/\r\n"),
        ("GET /demo/", 200, "Content-Security-Policy: default-src 'none'; script-src 'self'"),
        ("GET /demo/page.js", 200, "Content-Type: text/javascript; charset=utf-8\r\n"),
        ("GET /demo/page.css", 200, "Content-Type: text/css; charset=utf-8\r\n"),
        ("GET /demo/favicon.ico", 404, "nothing is served"),
        ("GET /", 404, "nothing is served"),
        ("GET /nothing", 404, "Server: wampgate\r\n"),
        ("GET /ws", 200, "<h1>A WebSocket endpoint</h1>"),
        ("GET /strict", 426, "Upgrade: websocket\r\n"),
        ("GET /info/%2e%2e/ws", 400, "percent-encoding"),
        ("GET /info/%2f", 400, "percent-encoding"),
        ("GET *", 400, "percent-encoding"),
        ("POST /info", 405, "Allow: GET, HEAD\r\n"),
        ("OPTIONS *", 405, "Allow: GET, HEAD\r\n"),
        ("DELETE /ws", 405, "Allow: GET, HEAD\r\n"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{line}");
        assert!(reply.contains(contained), "{line}: {reply}");
    }
}

#[tokio::test]
async fn only_pages_of_a_name_of_the_transport_read_what_it_serves() {
    let loopback = edge_with_hosts(HttpOptions::default(), AllowedHosts::Loopback);
    let listed = AllowedHosts::Listed(vec!["web.example".to_owned()]);
    let listed = edge_with_hosts(HttpOptions::default(), listed);
    for (edge, host, is_own) in [
        (&loopback, "localhost:8080", true),
        (&loopback, "127.0.0.1", true),
        // The name of a WebSocket service of the transport.
        (&loopback, "app.example", true),
        (&loopback, "evil.example", false),
        (&loopback, "web.example", false),
        (&listed, "web.example", true),
        (&listed, "app.example", true),
        (&listed, "localhost", false),
    ] {
        let request = |path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        for path in ["/info", "/old", "/demo/"] {
            let reply = exchange(edge, request(path).as_bytes()).await;
            assert_eq!(status(&reply) < 400, is_own, "{host} {path}: {reply}");
            assert_eq!(reply.contains(&format!("its Host is '{host}'")), !is_own, "{reply}");
            assert!(is_own || status(&reply) == 403 && reply.contains("`allowed_hosts`"), "{reply}");
        }
        assert_ne!(status(&exchange(edge, request("/health").as_bytes()).await), 403, "a probe of {host}");
    }
    let reply = exchange(&loopback, b"GET /info HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&reply), 200, "no browser");
}

#[tokio::test]
async fn a_head_request_gets_the_same_head_and_no_content() {
    let edge = edge(HttpOptions::default());
    for path in ["/info", "/demo/", "/ws", "/nothing"] {
        let request = |method| format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (get, head) = (
            exchange(&edge, request("GET").as_bytes()).await,
            exchange(&edge, request("HEAD").as_bytes()).await,
        );
        let without_date = |reply: &str| {
            reply
                .split_inclusive("\r\n")
                .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
                .collect::<String>()
        };
        let expected = get.split_inclusive("\r\n\r\n").next().unwrap();
        assert_eq!(without_date(&head), without_date(expected), "{path}");
    }
}

#[tokio::test]
async fn http_1_0_gets_pages_but_no_websocket() {
    let edge = edge(HttpOptions::default());
    let reply = exchange(&edge, b"GET /info HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&reply), 200);
    assert!(reply.ends_with("{\"a\":1}"), "{reply}");
    let request = handshake("/ws").replace("HTTP/1.1", "HTTP/1.0").replace("keep-alive, ", "");
    assert_eq!(status(&exchange(&edge, request.as_bytes()).await), 505);
}

#[tokio::test]
async fn bodies_are_not_read_and_end_the_connection() {
    let edge = edge(HttpOptions::default());
    for body in [
        "Content-Length: 5\r\n\r\nhello".to_owned(),
        format!("Content-Length: 100000\r\n\r\n{}", "x".repeat(100_000)),
        "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_owned(),
    ] {
        let reply = exchange(&edge, format!("GET /info HTTP/1.1\r\nHost: a\r\n{body}").as_bytes()).await;
        assert_eq!((status(&reply), reply.ends_with("{\"a\":1}")), (200, true), "{reply}");
        assert!(reply.contains("Connection: close"), "{reply}");
    }
    let request = format!("GET /ws HTTP/1.1\r\n{KEYED}{OFFER}Content-Length: 5\r\n\r\nhello");
    assert_eq!(status(&exchange(&edge, request.as_bytes()).await), 400);
    assert_serves(&edge).await;
}
