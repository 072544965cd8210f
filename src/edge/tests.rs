//! The HTTP edge over real sockets: a transport with one of everything, and clients that send bytes.

mod forward_auth;
mod heads;
mod requests;
mod succession;
mod upgrades;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;
use crate::{
    admission::Admission,
    cookie::{CookieOptions, PublicIdKey},
    handshake::{AllowedHosts, HandshakeOptions},
    policy::{JoinRequest, Policy, PolicyError, PolicyGate, RawDecision},
    service::{ServiceOptions, WebSocketService},
    store::{StoreError, StoreOptions},
    stream::{Incoming, Stream},
    tracking::{
        TrackingOptions,
        scripted::{self, ScriptedStore, StoreCall},
    },
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
    fn answer(&self, _: &JoinRequest<'_>) -> Result<RawDecision, PolicyError> {
        Ok(RawDecision::None)
    }
}

/// A WebSocket service that speaks JSON and CBOR; with tracking if there is a number of records that its store has room for.
fn web_socket(options: ServiceOptions, max_cookies: Option<usize>) -> TargetOptions {
    let handshake =
        HandshakeOptions { serializers: vec![Serializer::Json, Serializer::Cbor], ..options.handshake };
    let cookie = max_cookies.map(|max_cookies| TrackingOptions {
        cookie: CookieOptions::default(),
        store: StoreOptions::Memory { max_cookies, max_per_principal: 0 },
    });
    TargetOptions::WebSocket(Box::new(ServiceOptions { cookie, handshake, ..options }))
}

/// A running service, with a policy that may see two headers.
fn service(options: &ServiceOptions) -> Arc<WebSocketService> {
    let tracker = options.cookie.as_ref().map(|cookie| {
        let StoreOptions::Memory { max_cookies: mut room, .. } = cookie.store else { unreachable!() };
        Arc::new(scripted::tracker(&ScriptedStore::new(move |_, call| match (call, room.checked_sub(1)) {
            (StoreCall::Create, None) => Err(StoreError::Full { limit: 4711 }),
            (StoreCall::Create, Some(left)) => {
                room = left;
                Ok(())
            }
            _ => Ok(()),
        })))
    });
    let gate = Arc::new(PolicyGate::new("none", Arc::new(NoPolicy), 1));
    let key = Arc::new(PublicIdKey::random().unwrap());
    let admission = Admission::new(gate, vec![header::USER_AGENT, header::HOST], None, tracker, key);
    Arc::new(WebSocketService::new(options, admission, Arc::default(), Arc::default(), Arc::default(), 0))
}

/// A transport with one of everything.
fn edge(http: HttpOptions) -> Arc<Edge> {
    edge_with_hosts(http, AllowedHosts::Any)
}

fn edge_with_hosts(http: HttpOptions, hosts: AllowedHosts) -> Arc<Edge> {
    let strict = ServiceOptions {
        handshake: HandshakeOptions {
            allowed_origins: vec!["https://*.example".to_owned()],
            ..HandshakeOptions::default()
        },
        enable_webstatus: false,
        ..ServiceOptions::default()
    };
    let named = ServiceOptions {
        handshake: HandshakeOptions {
            allowed_hosts: AllowedHosts::Listed(vec!["app.example".to_owned()]),
            ..HandshakeOptions::default()
        },
        ..ServiceOptions::default()
    };
    let versioned = ServiceOptions { show_server_version: true, ..strict.clone() };
    let children = [
        ("ws", web_socket(ServiceOptions::default(), None)),
        ("full", web_socket(strict.clone(), Some(0))),
        ("strict", web_socket(strict, None)),
        ("named", web_socket(named, None)),
        ("tracked", web_socket(versioned, Some(1))),
        ("info", TargetOptions::Json(serde_json::json!({"a": 1}))),
        ("old", TargetOptions::Redirect(HeaderValue::from_static("/info"))),
        ("demo", TargetOptions::Page),
        ("health", TargetOptions::Health),
    ];
    let children = children.into_iter().map(|(name, target)| (name.to_owned(), PathTree::of(target)));
    let root = PathTree { target: None, children: children.collect::<BTreeMap<_, _>>() };
    let options = EdgeOptions { id: "test".to_owned(), http, root, hosts, ..EdgeOptions::default() };
    let mut services = |place: &ServicePlace| {
        let found = options.root.services().find(|(path, _)| *path == place.path);
        Ok::<_, Infallible>(service(found.unwrap().1))
    };
    Arc::new(Edge::new(&options, &EdgeMetrics::default(), &Health::default(), &mut services).unwrap())
}

/// A connected pair: the client's end, and the edge at work on the other.
async fn connect(edge: &Arc<Edge>) -> (TcpStream, JoinHandle<Option<Upgrade>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let incoming =
        Incoming { stream: Stream::Tcp(stream), peer: PeerAddr::Tcp(address), is_nameless: false, tls: None };
    let edge = Arc::clone(edge);
    let serving = tokio::spawn(async move {
        edge.serve(incoming).await.map(|upgraded| match upgraded {
            Upgraded::Wamp(upgrade) => upgrade,
            other => panic!("{other:?}"),
        })
    });
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
