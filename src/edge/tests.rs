//! The HTTP edge over real sockets: what goes wrong with heads, and what becomes of the next client.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::{
    config::{Endpoint, PathTree, PolicyConfig, Service, WebSocketOptions},
    cookie::{CookieOptions, TrackingId},
    policy::{Decision, JoinRequest, Policy, PolicyError},
    store::{Authentication, Commit, CookieRecord, CookieStore, StoreError},
    time::Timestamp,
    tracking::Tracker,
    wamp::Serializer,
};

const KEYED: &str = "Host: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OFFER: &str = "Sec-WebSocket-Protocol: wamp.2.cbor, wamp.2.json\r\n";

fn handshake(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{KEYED}{OFFER}\r\n")
}

#[derive(Debug)]
struct NoPolicy;

impl Policy for NoPolicy {
    fn decide(&self, _: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        Ok(Decision::None)
    }
}

/// A store in which every write fails; and a write is what a handshake of a new client comes to.
#[derive(Debug)]
struct FullStore;

impl CookieStore for FullStore {
    fn look_up(&self, _: &TrackingId, _: Timestamp) -> Result<Option<CookieRecord>, StoreError> {
        Ok(None)
    }
    fn create(&self, _: &TrackingId, _: CookieRecord) -> Commit {
        Commit::done(Err(StoreError::Full { limit: 4711 }))
    }
    fn authenticate(&self, _: &TrackingId, _: Option<Authentication>, _: Timestamp) -> Commit {
        Commit::done(Ok(()))
    }
    fn revoke(&self, _: &TrackingId, _: Timestamp) -> Commit {
        Commit::done(Ok(()))
    }
    fn purge(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
    fn scan(&self, _: Timestamp, _: &mut dyn FnMut(&TrackingId, &CookieRecord)) -> Result<(), StoreError> {
        Ok(())
    }
}

fn web_socket(options: WebSocketOptions) -> Service {
    Service::WebSocket(Box::new(WebSocketConfig {
        cookie: None,
        auth: None,
        policy: Some(PolicyConfig {
            component: "policy.wasm".into(),
            sha256: None,
            config: "{}".to_owned(),
            headers: vec!["user-agent".to_owned(), "host".to_owned()],
            deadline: Duration::from_millis(20),
            max_memory: 0,
            max_concurrent: 1,
        }),
        serializers: vec![Serializer::Json, Serializer::Cbor],
        options,
    }))
}

/// A transport with one of everything. Services whose `show_server_version` is on have a store that is full.
fn edge(http: HttpOptions) -> Arc<Edge> {
    let leaf = |service| PathTree { service: Some(service), ..PathTree::default() };
    let strict = WebSocketOptions {
        allowed_origins: vec!["https://*.example".to_owned()],
        enable_webstatus: false,
        ..WebSocketOptions::default()
    };
    let full = WebSocketOptions { show_server_version: true, ..strict.clone() };
    let children = [
        ("ws", leaf(web_socket(WebSocketOptions::default()))),
        ("strict", leaf(web_socket(strict))),
        ("full", leaf(web_socket(full))),
        ("info", leaf(Service::Json(serde_json::json!({"a": 1})))),
        ("old", leaf(Service::Redirect("/info".to_owned()))),
        ("demo", leaf(Service::Page)),
    ];
    let config = TransportConfig {
        id: "test".to_owned(),
        endpoint: Endpoint::Unix { path: "unused".into(), backlog: 1 },
        max_connections: 1,
        http,
        root: PathTree {
            service: None,
            children: children
                .into_iter()
                .map(|(name, tree)| (name.to_owned(), tree))
                .collect::<BTreeMap<_, _>>(),
        },
    };
    Arc::new(Edge::new(&config, &mut |config| {
        let full = config.options.show_server_version;
        let tracker = Tracker { options: CookieOptions::default(), store: Arc::new(FullStore) };
        Arc::new(WebSocketService {
            config: config.clone(),
            tracker: full.then_some(tracker),
            policy: Arc::new(NoPolicy),
            realms: Arc::new(HashMap::new()),
        })
    }))
}

/// A connected pair: the client's end, and the edge at work on the other.
async fn connect(edge: &Arc<Edge>) -> (TcpStream, JoinHandle<Option<Upgrade>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let edge = Arc::clone(edge);
    let serving = tokio::spawn(async move { edge.serve(Stream::Left(stream), Peer::Tcp(address)).await });
    (client, serving)
}

/// Sends bytes on a new connection and reads until the edge closes it.
async fn exchange(edge: &Arc<Edge>, request: &[u8]) -> String {
    let (mut client, serving) = connect(edge).await;
    client.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).await.unwrap();
    drop(client);
    assert!(serving.await.unwrap().is_none());
    String::from_utf8(reply).unwrap()
}

/// Reads a head, to its blank line and no further.
async fn read_head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn status(reply: &str) -> u16 {
    reply.split(' ').nth(1).unwrap_or_else(|| panic!("no status line in {reply:?}")).parse().unwrap()
}

async fn assert_serves(edge: &Arc<Edge>) {
    let (mut client, serving) = connect(edge).await;
    client.write_all(handshake("/ws").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), 101);
    assert!(serving.await.unwrap().is_some());
}

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
        "server: wampgate\r\n",
        "upgrade: websocket\r\n",
        "connection: Upgrade\r\n",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "sec-websocket-protocol: wamp.2.cbor\r\n",
    ] {
        assert!(head.contains(line), "{line} {head}");
    }
    assert!(!head.contains("content-length") && !head.contains("set-cookie"), "{head}");

    let upgrade = serving.await.unwrap().unwrap();
    assert_eq!((&*upgrade.path, upgrade.early.len()), ("/ws/room", 0));
    assert_eq!(upgrade.accepted.subprotocol.serializer, Serializer::Cbor);
    assert!(upgrade.tracked.is_none());
    let mut kept: Vec<_> = upgrade.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
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
    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
    let mut text = vec![0; length];
    client.read_exact(&mut text).await.unwrap();
    client.write_all(handshake("/strict").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), 101);
    assert!(serving.await.unwrap().is_some());
}

#[tokio::test]
async fn bad_heads_are_answered_and_the_next_client_is_served() {
    let edge = edge(HttpOptions::default());
    let long = format!("GET /ws HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let endless = format!("GET /{} ", "x".repeat(400_000));
    let many = format!("GET /ws HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
    let most = format!("GET /ws HTTP/1.1\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(63));
    let large = format!("GET /ws HTTP/1.1\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(15_000));
    for (request, expected) in [
        (long.as_str(), 431),
        (&endless, 431),
        (&many, 431),
        (&most, 200),
        (&large, 200),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET /ws HTTP/3.0\r\n\r\n", 400),
        ("GET /ws HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET /ws HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("GET /ws HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ] {
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{:.60}", request);
        assert!(reply.contains("connection: close"), "{reply}");
    }
    // HTTP/2 without the upgrade that it would need: closed without a word that it could not read.
    assert_eq!(exchange(&edge, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
    assert_serves(&edge).await;
}

#[tokio::test]
async fn a_small_limit_for_heads_holds_below_the_buffers_own_size() {
    let edge = edge(HttpOptions { max_head_size: 512, max_headers: 8, ..HttpOptions::default() });
    let head = |length| format!("GET /ws HTTP/1.1\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(length));
    assert_eq!(status(&exchange(&edge, head(600).as_bytes()).await), 431);
    assert_eq!(status(&exchange(&edge, head(300).as_bytes()).await), 200);
    assert_serves(&edge).await;
}

#[tokio::test]
async fn half_a_head_and_silence_get_408_after_the_timeout() {
    let edge = edge(HttpOptions { head_timeout: Duration::from_millis(20), ..HttpOptions::default() });
    for request in ["", "GET /ws HTT", "GET /ws HTTP/1.1\r\nHost: a\r\n"] {
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), 408, "{request:?}");
        assert!(reply.contains("connection: close"), "{reply}");
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
async fn requests_get_what_their_path_and_their_method_ask_for() {
    let edge = edge(HttpOptions { hsts_max_age: Some(600), ..HttpOptions::default() });
    for (line, expected, contained) in [
        ("GET /info", 200, "content-type: application/json\r\n"),
        ("GET /info", 200, "strict-transport-security: max-age=600\r\n"),
        ("GET /info", 200, "x-content-type-options: nosniff\r\n"),
        ("GET /info?x=%", 200, "\r\n\r\n{\"a\":1}"),
        ("GET http://a.example/info", 200, "{\"a\":1}"),
        ("GET /old", 302, "location: /info\r\n"),
        ("GET /demo", 307, "location: /demo/\r\n"),
        ("GET /demo/", 200, "content-security-policy: default-src 'none'; script-src 'self'"),
        ("GET /demo/page.js", 200, "content-type: text/javascript; charset=utf-8\r\n"),
        ("GET /demo/page.css", 200, "content-type: text/css; charset=utf-8\r\n"),
        ("GET /demo/favicon.ico", 404, "nothing is served"),
        ("GET /", 404, "nothing is served"),
        ("GET /nothing", 404, "server: wampgate\r\n"),
        ("GET /ws", 200, "<h1>A WebSocket endpoint</h1>"),
        ("GET /strict", 426, "upgrade: websocket\r\n"),
        ("GET /info/%2e%2e/ws", 400, "percent-encoding"),
        ("GET /info/%2f", 400, "percent-encoding"),
        ("GET *", 400, "percent-encoding"),
        ("POST /info", 405, "allow: GET, HEAD\r\n"),
        ("OPTIONS *", 405, "allow: GET, HEAD\r\n"),
        ("DELETE /ws", 405, "allow: GET, HEAD\r\n"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        let reply = exchange(&edge, request.as_bytes()).await;
        assert_eq!(status(&reply), expected, "{line}");
        assert!(reply.contains(contained), "{line}: {reply}");
    }
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
            reply.split_inclusive("\r\n").filter(|line| !line.starts_with("date:")).collect::<String>()
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
        assert!(reply.contains("connection: close"), "{reply}");
    }
    let request = format!("GET /ws HTTP/1.1\r\n{KEYED}{OFFER}Content-Length: 5\r\n\r\nhello");
    assert_eq!(status(&exchange(&edge, request.as_bytes()).await), 400);
    assert_serves(&edge).await;
}

#[tokio::test]
async fn a_refused_handshake_never_reaches_the_store() {
    let edge = edge(HttpOptions::default());
    // The store behind this path answers 503 to whoever gets as far as that.
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
        assert_eq!(reply.contains("retry-after: 5\r\n"), expected == 503, "{reply}");
    }
}

#[tokio::test]
async fn the_connections_future_is_small() {
    let edge = edge(HttpOptions::default());
    let (near, _far) = UnixStream::pair().unwrap();
    let future = edge.serve(Stream::Right(near), Peer::Unix);
    // Not more than what it hands back, and a little state.
    let size = size_of_val(&future);
    assert!(size <= size_of::<Upgrade>() + 256, "{size}");
}
