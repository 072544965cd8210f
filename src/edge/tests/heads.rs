//! What goes wrong with heads, and that the next client is served.

use super::*;

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_served() {
    let edge = edge(HttpOptions::default());
    let (mut client, serving) = connect(&edge).await;
    client.set_nodelay(true).unwrap();
    for byte in handshake("/ws").as_bytes() {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&read_head(&mut client).await), 101);
    assert!(serving.await.unwrap().is_some());
}

#[tokio::test]
async fn bad_heads_are_answered_and_the_next_client_is_served() {
    let edge = edge(HttpOptions::default());
    let long = format!("GET /ws HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let endless = format!("GET /{} ", "x".repeat(400_000));
    let many = format!("GET /ws HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
    let most = format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(62));
    let large =
        format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(15_000));
    let cookie = format!("GET /ws HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "x".repeat(17_000));
    for (request, expected, told) in [
        (long.as_str(), 431, "the field X alone has at least 16"),
        (&cookie, 431, "Delete this site's cookies"),
        (&endless, 431, "the request line alone has"),
        (&many, 431, "more than 64 header fields"),
        (&most, 200, ""),
        (&large, 200, ""),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\r\n\r\n", 400, "this port speaks no TLS"),
        ("GET\r\n\r\n", 400, "the request line must be"),
        ("GET /ws HTTP/3.0\r\n\r\n", 400, "the request line must be"),
        ("GET /ws HTTP/1.1\r\nno colon\r\n\r\n", 400, "line 2 of the request is no header field"),
        ("GET /ws HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "the field Content-Length"),
        (
            "GET /ws HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            "the field Content-Length",
        ),
        ("GET /ws HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n", 400, "line 3 of the request begins with"),
    ] {
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{request:.60}");
        assert!(reply.contains("Connection: close"), "{reply}");
        assert!(reply.contains(told), "{reply}, not {told}");
        assert_eq!(
            reply.matches("\r\nServer: ").count(),
            usize::from(reply.starts_with("HTTP/1.1 ")),
            "{reply}"
        );
    }
    // HTTP/2 without the upgrade that it would need: closed without a word that it could not read.
    assert_eq!(exchange(&edge, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
    assert_serves(&edge).await;
}

#[tokio::test]
async fn a_small_limit_for_heads_holds_below_the_buffers_own_size() {
    let edge = edge(HttpOptions { max_head_size: 512, max_headers: 8, ..HttpOptions::default() });
    let head = |length| {
        format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(length))
    };
    assert_eq!(status(&exchange(&edge, head(600).as_bytes()).await), 431);
    assert_eq!(status(&exchange(&edge, head(300).as_bytes()).await), 200);
    assert_serves(&edge).await;
}

#[tokio::test]
async fn half_a_head_and_silence_get_408_after_the_timeout() {
    // Enough for the whole head in the end, on a busy machine.
    let edge = edge(HttpOptions { head_timeout: Duration::from_secs(1), ..HttpOptions::default() });
    let requests = ["", "GET /ws HTT", "GET /ws HTTP/1.1\r\nHost: a\r\n"];
    let [one, two, three] = requests.map(|request| exchange(&edge, request.as_bytes()));
    let (one, two, three) = tokio::join!(one, two, three);
    for (request, reply) in requests.iter().zip([one, two, three]) {
        assert_eq!(status(&reply), 408, "{request:?}");
        assert!(reply.contains("Connection: close"), "{reply}");
    }
    assert_serves(&edge).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_its_head_leaves_nothing_behind() {
    let edge = edge(HttpOptions::default());
    for request in ["", "GET /ws HTTP/1.1\r\nHost: a\r\n"] {
        let (mut client, serving) = connect(&edge).await;
        client.write_all(request.as_bytes()).await.unwrap();
        drop(client);
        assert!(serving.await.unwrap().is_none(), "{request:?}");
    }
    assert_serves(&edge).await;
}

#[tokio::test]
async fn a_request_of_http_1_1_needs_exactly_one_host_wherever_it_goes() {
    let edge = edge(HttpOptions::default());
    for path in ["/info", "/demo/", "/ws", "/nowhere"] {
        for hosts in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nHost: b\r\n",
            "Host: a b\r\n",
            "Host: u@a\r\n",
            "Host:\r\n",
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
            let reply = exchange(&edge, request.as_bytes()).await;
            assert_eq!(status(&reply), 400, "{request}");
            assert!(reply.contains("exactly one Host header"), "{reply}");
        }
    }
    assert_eq!(status(&exchange(&edge, b"GET /info HTTP/1.0\r\n\r\n").await), 200);
}
