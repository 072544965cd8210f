//! A listener whose clients come through a proxy and are sent back what they send.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use super::*;
use crate::{
    edge::{Edge, EdgeMetrics, EdgeOptions, HttpOptions, PathTree, Services, TargetOptions, TrustedProxy},
    health::Health,
    service::TesteeOptions,
};

const BEGIN: &[u8] = b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Longer than a test may take.
const AN_HOUR: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_mins(1);

/// A listener at work.
struct Rig {
    folder: tempfile::TempDir,
    edge: Arc<Edge>,
    entrance: Arc<Entrance>,
    post: Arc<Post>,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix {
        path: folder.path().join("socket"),
        access: SocketAccess::default(),
        backlog: Endpoint::DEFAULT_BACKLOG,
    };
    let (edge, entrance, post, site) = site(endpoint, TrustedProxy::Unix);
    site.open(&Posts::default());
    Rig { folder, edge, entrance, post }
}

/// What is bound at an endpoint. This proxy may come.
fn site(endpoint: Endpoint, proxy: TrustedProxy) -> (Arc<Edge>, Arc<Entrance>, Arc<Post>, Site) {
    let listener = ListenerOptions { endpoint, max_connections: None, tls: None, proxy_protocol: true };
    let root = PathTree::of(TargetOptions::Testee(TesteeOptions::default().into()));
    let http = HttpOptions { trusted_proxies: vec![proxy], ..HttpOptions::default() };
    let options = EdgeOptions { http, root, ..EdgeOptions::default() };
    let services: &mut Services<'_, Infallible> = &mut |place| unreachable!("{place:?}");
    let edge = Edge::new(&options, &EdgeMetrics::default(), &Health::default(), services).unwrap();
    let (edge, entrance) = (Arc::new(edge), Arc::new(Entrance::new(None, Some(SOON)).unwrap()));
    let serving = Serving::new(&listener, Arc::clone(&edge), Some(Arc::clone(&entrance)));
    let post = Arc::new(Post::new(serving));
    let site = Site::bind(&listener.endpoint, Arc::clone(&post)).unwrap();
    (edge, entrance, post, site)
}

impl Rig {
    /// A client whose WebSocket is open.
    async fn client(&self) -> UnixStream {
        opened(UnixStream::connect(self.folder.path().join("socket")).await.unwrap()).await
    }
}

/// Opens the WebSocket of a client, and sends something over it.
async fn opened<S: AsyncRead + AsyncWrite + Unpin>(mut client: S) -> S {
    client.write_all(BEGIN).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    // A text, masked by zeros, and its echo.
    client.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    let mut echo = [0; 3];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, [0x81, 1, b'x']);
    client
}

/// The client is told that the gateway goes away.
async fn is_told(mut client: impl AsyncRead + Unpin) {
    let mut close = [0; 4];
    client.read_exact(&mut close).await.unwrap();
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1001));
}

#[tokio::test]
async fn a_connection_that_has_left_http_keeps_no_configuration() {
    let rig = rig();
    let _client = rig.client().await;
    // One is the test's, and one the listener's.
    assert_eq!((Arc::strong_count(&rig.edge), Arc::strong_count(&rig.entrance)), (2, 2));
}

#[tokio::test]
async fn an_end_that_takes_its_time_is_over_with_the_last_connection() {
    let rig = rig();
    let client = rig.client().await;
    rig.post.stop_accepting.cancel();
    let leave = async {
        sleep(Duration::from_millis(50)).await;
        drop(client);
    };
    let ended = timeout(SOON, async { tokio::join!(rig.post.end_over(AN_HOUR), leave) }).await;
    assert!(ended.is_ok(), "the end waits for no connection");
}

#[tokio::test]
async fn a_listener_that_a_reload_closes_ends_its_connections_at_once() {
    let rig = rig();
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(rig.client().await);
    }
    let begun = Instant::now();
    rig.post.close();
    for client in clients {
        is_told(client).await;
    }
    assert!(begun.elapsed() < SOON);
    assert!(UnixStream::connect(rig.folder.path().join("socket")).await.is_err());
}

#[tokio::test]
async fn a_client_on_its_way_to_a_shared_listener_that_a_reload_closes_gets_in() {
    let interface = Ipv4Addr::LOCALHOST;
    let endpoint = Endpoint::Tcp { interface: interface.into(), port: 0, backlog: 16, shared: true };
    let (_, _, post, site) = site(endpoint, TrustedProxy::Network(IpAddr::from(interface).into()));
    let url = site.url();
    let client = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    // The client waits to be accepted.
    post.close();
    site.open(&Posts::default());
    is_told(opened(client).await).await;
    assert!(TcpStream::connect(url.trim_start_matches("http://")).await.is_err());
}
