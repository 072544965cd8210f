//! Requests that become a WebSocket, and those that are refused.

use tokio::net::UnixStream;

use super::*;

#[tokio::test]
async fn a_handshake_yields_the_stream_and_what_the_policy_may_see() {
    let edge = edge(HttpOptions::default());
    let (mut client, serving) = connect(&edge).await;
    let request = format!(
        "GET /ws/room?x=1 HTTP/1.1\r\n{KEYED}{OFFER}Origin: https://a.example\r\nUser-Agent: test\r\nCookie: a=b\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for line in [
        "Server: wampgate\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Sec-Websocket-Protocol: wamp.2.cbor\r\n",
    ] {
        assert!(head.contains(line), "{line} {head}");
    }
    assert!(!head.contains("content-length") && !head.contains("set-cookie"), "{head}");

    let upgrade = serving.await.unwrap().unwrap();
    assert_eq!((upgrade.visitor.path(), upgrade.early.len()), ("/ws/room", 0));
    assert_eq!(upgrade.subprotocol.serializer, Serializer::Cbor);
    assert!(upgrade.visitor.tracked.is_none());
    let mut kept: Vec<_> =
        upgrade.visitor.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
    kept.sort_unstable();
    assert_eq!(
        format!("{kept:?}"),
        r#"[("host", "a.example"), ("origin", "https://a.example"), ("user-agent", "test")]"#
    );

    // The stream is the client's own, both ways.
    let mut stream = upgrade.stream;
    stream.write_all(b"out").await.unwrap();
    client.write_all(b"in").await.unwrap();
    let (mut out, mut into) = ([0; 3], [0; 2]);
    client.read_exact(&mut out).await.unwrap();
    stream.read_exact(&mut into).await.unwrap();
    assert_eq!((&out, &into), (b"out", b"in"));
}

#[tokio::test]
async fn what_follows_the_head_in_the_same_packet_is_not_lost() {
    let edge = edge(HttpOptions::default());
    let (mut client, serving) = connect(&edge).await;
    client.write_all(&[handshake("/ws").as_bytes(), b"\x81\x85early"].concat()).await.unwrap();
    assert_eq!(serving.await.unwrap().unwrap().early.as_ref(), b"\x81\x85early");
    assert_eq!(status(&read_head(&mut client).await), 101);
}

#[tokio::test]
async fn a_connection_that_served_a_file_can_still_become_a_websocket() {
    let edge = edge(HttpOptions::default());
    let (mut client, serving) = connect(&edge).await;
    client.write_all(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), 200);
    let mut json = [0; 7];
    client.read_exact(&mut json).await.unwrap();
    assert_eq!(&json, b"{\"a\":1}");
    client
        .write_all(handshake("/strict").replace("wamp.2.cbor, wamp.2.json", "soap").as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut client).await;
    assert_eq!(status(&head), 400);
    let length = head.split("Content-Length: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
    let mut text = vec![0; length];
    client.read_exact(&mut text).await.unwrap();
    client.write_all(handshake("/strict").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), 101);
    assert!(serving.await.unwrap().is_some());
}

#[tokio::test]
async fn a_refused_handshake_never_reaches_the_store() {
    let edge = edge(HttpOptions::default());
    // The store behind this path has no room: a handshake that gets as far as that is answered with 503.
    for (from, to, expected) in [
        ("", "", 503),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", 426),
        ("wamp.2.cbor, wamp.2.json", "soap", 400),
        ("Host: a.example", "Host: a.example\r\nOrigin: https://evil.test", 403),
        ("Host: a.example", "Host: a.example\r\nOrigin: https://good.example", 503),
        ("Sec-WebSocket-Key: d", "Sec-WebSocket-Key: ", 400),
    ] {
        let request = handshake("/full").replace("keep-alive, ", "close, ").replace(from, to);
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{to}");
        assert!(!reply.contains("set-cookie") && !reply.contains("4711"), "{reply}");
        assert_eq!(reply.contains("Retry-After: 5\r\n"), expected == 503, "{reply}");
    }
}

#[tokio::test]
async fn the_connections_future_is_small() {
    let edge = edge(HttpOptions::default());
    let (near, _far) = UnixStream::pair().unwrap();
    let future = edge.serve(Incoming {
        stream: Stream::Unix(near),
        peer: PeerAddr::Unix,
        is_nameless: false,
        tls: None,
    });
    // Not much more than what it hands back: no buffer of a head. The compiler decides the rest.
    let size = size_of_val(&future);
    assert!(size <= size_of::<Upgrade>() + 1024, "{size}");
}

#[tokio::test]
async fn a_new_client_gets_its_cookie_on_the_101_and_a_known_one_keeps_it() {
    let edge = edge(HttpOptions::default());
    let (mut client, serving) = connect(&edge).await;
    client.write_all(handshake("/tracked").as_bytes()).await.unwrap();
    let head = read_head(&mut client).await;
    assert_eq!(status(&head), 101);
    assert!(head.contains(concat!("Server: wampgate/", env!("CARGO_PKG_VERSION"))), "{head}");
    let cookie = head.split("Set-Cookie: ").nth(1).unwrap().split(';').next().unwrap();
    let tracked = serving.await.unwrap().unwrap().visitor.tracked.unwrap();
    assert_eq!((cookie, tracked.is_new), (&*format!("cbtid={}", tracked.id.expose()), true));

    let with = |cookie: &str| handshake("/tracked").replace("Host", &format!("Cookie: {cookie}\r\nHost"));
    let (mut client, serving) = connect(&edge).await;
    client.write_all(with(cookie).as_bytes()).await.unwrap();
    let head = read_head(&mut client).await;
    assert!(status(&head) == 101 && !head.contains("set-cookie"), "{head}");
    let again = serving.await.unwrap().unwrap().visitor.tracked.unwrap();
    assert_eq!((again.id, again.is_new, again.connections), (tracked.id, false, 2));

    // The store is full now: a client that it does not know is refused, rather than let in without tracking.
    let stranger = with("cbtid=abcdefghijklmnopqrstuvwx").replace("keep-alive, ", "close, ");
    assert_eq!(status(&exchange(&edge, stranger.as_bytes()).await), 503);
}

#[tokio::test]
async fn a_handshake_whose_upgrade_was_stripped_asks_about_the_proxy() {
    let edge = edge(HttpOptions::default());
    for path in ["/ws", "/strict"] {
        for stripped in ["Connection: close\r\n", "Connection: close\r\nUpgrade: h2c\r\n"] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: a.example\r\n{stripped}Sec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            let reply = exchange(&edge, request.as_bytes()).await;
            assert_eq!(status(&reply), 426, "{reply}");
            assert!(reply.contains("\r\nUpgrade: websocket\r\n"), "{reply}");
            assert!(reply.contains("does the proxy in front pass Upgrade and Connection on"), "{reply}");
        }
    }
    let browser = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&exchange(&edge, browser.as_bytes()).await), 200, "a browser gets a page");
}

#[tokio::test]
async fn a_refused_origin_is_told_with_the_host_and_the_host_of_a_trusted_proxy_counts() {
    let proxies = |trusted_proxies| HttpOptions { trusted_proxies, ..HttpOptions::default() };
    let trusted = vec![TrustedProxy::Network("127.0.0.0/8".parse().unwrap())];
    let foreign = "Origin: https://evil.test\r\nX-Forwarded-Host: app.example\r\n\r\n";
    let request = handshake("/strict").replace("keep-alive", "close");
    let request = request.replace("\r\n\r\n", &format!("\r\n{foreign}"));
    for (options, host) in [(proxies(Vec::new()), "a.example"), (proxies(trusted), "app.example")] {
        let reply = exchange(&edge(options), request.as_bytes()).await;
        assert_eq!(status(&reply), 403, "{reply}");
        let told = format!("Origin is 'https://evil.test', its Host is '{host}'");
        assert!(
            reply.contains(&told) && reply.contains("proxy_set_header Host $http_host)"),
            "{reply}, not {told}"
        );
    }
}

#[tokio::test]
async fn a_refused_host_is_told_if_it_is_the_name_of_a_site() {
    let edge = edge(HttpOptions::default());
    let foreign = "\r\nOrigin: https://app.example\r\n\r\n";
    let request = handshake("/named").replace("\r\n\r\n", foreign);
    for (host, told) in [("a.example", "'a.example'"), ("dsI6D8i7pycVhma20uj5gvZG", "not the name of a site")]
    {
        let reply =
            exchange(&edge, request.replace("Host: a.example", &format!("Host: {host}")).as_bytes()).await;
        assert_eq!(status(&reply), 403, "{reply}");
        let told = format!("Origin is 'https://app.example', its Host is {told}.");
        assert!(reply.contains("`allowed_hosts`") && reply.contains(&told), "{reply}, not {told}");
    }
}
