//! To which address of a server a client goes.

use std::{
    collections::HashSet,
    sync::{Mutex, mpsc},
};

use super::*;

/// Servers that say by a header which they are.
fn servers(count: usize) -> Vec<Upstream> {
    (0..count)
        .map(|number| Upstream::switching(&format!("X-Server: {number}\r\n"), |peer, seen| echo(peer, seen)))
        .collect()
}

/// A gateway whose `/app` goes on to servers.
fn over(addresses: &[String], choice: &str, more: &Value) -> Gateway {
    let service =
        json!({ "type": "websocket-proxy", "upstream": { "addresses": addresses, "choice": choice } });
    start(&with_metrics(&json!({ "app": service.with_all(more) })))
}

fn urls(servers: &[Upstream]) -> Vec<String> {
    servers.iter().map(|server| server.url("/socket")).collect()
}

/// Which server has taken a client.
fn server(response: &crate::support::http::Response) -> String {
    response.header("x-server").expect("a server that says which it is").to_owned()
}

#[test]
fn the_next_client_goes_to_the_address_with_the_fewest_connections() {
    let servers = servers(2);
    let gateway = over(&urls(&servers), "least-connections", &json!({}));
    let open = || {
        let (socket, response) = handshake().opens(&gateway);
        (server(&response), socket)
    };
    let (first, _held) = open();
    let (second, mut socket) = open();
    assert_ne!(first, second);
    for _ in 0..3 {
        closes(&mut socket, 1000);
        counted(&gateway, &["wampgate_upstream_connections{transport=\"0\",path=\"/app\"} 1".to_owned()]);
        let (next, opened) = open();
        assert_eq!(next, second, "whose turn it is does not matter");
        socket = opened;
    }
    let (_third, _also_held) = open();
}

#[test]
fn a_tracked_client_comes_back_to_its_server() {
    let servers = servers(3);
    // What listens nowhere has clients as well: they go elsewhere, each to the same server.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut addresses = urls(&servers);
    addresses.push(format!("ws://{away}/socket"));
    let gateway = over(&addresses, "sticky", &cookie());
    let mut reached = HashSet::new();
    for _ in 0..24 {
        let mut jar = Jar::default();
        let mut come = || {
            let (mut socket, response) = handshake().opens_with(&gateway, &mut jar);
            closes(&mut socket, 1000);
            server(&response)
        };
        let home = come();
        for _ in 0..2 {
            assert_eq!(come(), home);
        }
        reached.insert(home);
    }
    assert!(reached.len() > 1, "all clients go to one server: {reached:?}");
}

#[test]
fn clients_that_are_not_tracked_belong_to_where_they_come_from() {
    let servers = servers(2);
    let gateway = over(&urls(&servers), "sticky", &json!({}));
    let from = |last| {
        let (mut socket, response) =
            handshake().from(std::net::Ipv4Addr::new(127, 0, 0, last)).opens(&gateway);
        closes(&mut socket, 1000);
        server(&response)
    };
    let mut reached = HashSet::new();
    for last in 1..24 {
        let home = from(last);
        assert_eq!(from(last), home);
        reached.insert(home);
    }
    assert_eq!(reached.len(), 2, "all clients go to one server");
}

#[test]
fn requests_go_to_the_least_busy_server_or_to_that_of_their_client() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Arc::new(Mutex::new(held));
    let servers: Vec<_> = (0..2)
        .map(|number| {
            let held = std::sync::Arc::clone(&held);
            Upstream::answering_each(move |asked, peer| {
                let head = format!("HTTP/1.1 200 OK\r\nX-Server: {number}\r\nContent-Length: 2\r\n\r\no");
                let begun = peer.write_all(head.as_bytes()).is_ok();
                if asked.path() == "/held" {
                    let _ = held.lock().unwrap().recv();
                }
                begun && peer.write_all(b"k").is_ok()
            })
        })
        .collect();
    let addresses: Vec<_> = servers.iter().map(|server| format!("http://{}", server.address)).collect();
    let service =
        |choice: &str| json!({ "type": "proxy", "upstream": { "addresses": addresses, "choice": choice } });
    let mut config = with_metrics(&json!({
        "busy": service("least-connections"),
        "own": service("sticky").with("cookie", json!({ "store": { "type": "memory" } })),
    }));
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1/32"] });
    let gateway = start(&config);
    let ask = |connection: &mut Connection, path: &str, client: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\r\n");
        connection.send(head);
        server(&connection.head())
    };
    let (mut busy, mut other) = (Connection::open(&gateway), Connection::open(&gateway));
    let first = ask(&mut busy, "/busy/held", "192.0.2.1");
    for _ in 0..4 {
        assert_ne!(ask(&mut other, "/busy", "192.0.2.1"), first);
        assert_eq!(other.read_exactly(2).as_deref(), Some(&b"ok"[..]));
    }
    release.send(()).unwrap();
    assert_eq!(busy.read_exactly(2).as_deref(), Some(&b"ok"[..]));
    let mut reached = HashSet::new();
    for client in 1..24 {
        let mut ask = || {
            let server = ask(&mut other, "/own", &format!("192.0.2.{client}"));
            assert_eq!(other.read_exactly(2).as_deref(), Some(&b"ok"[..]));
            server
        };
        let home = ask();
        assert_eq!(ask(), home);
        // A WebSocket of the same page goes there as well, though the handshake would give it a cookie.
        let mut upgrade = Connection::open(&gateway);
        upgrade.send(format!(
            "GET /own HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.{client}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        assert_eq!(server(&upgrade.head()), home);
        reached.insert(home);
    }
    assert_eq!(reached.len(), 2, "all clients go to one server");
}

#[test]
fn an_address_that_does_not_answer_its_probes_gets_no_clients_until_it_does() {
    let is_well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let servers: Vec<_> = (0..2)
        .map(|number| {
            let is_well = std::sync::Arc::clone(&is_well);
            Upstream::answering_each(move |asked, peer| {
                let fails = number == 1 && !is_well.load(std::sync::atomic::Ordering::SeqCst);
                let status = if asked.path() == "/health" && fails { "503 Out" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\nX-Server: {number}\r\nContent-Length: 0\r\n\r\n");
                peer.write_all(answer.as_bytes()).is_ok()
            })
        })
        .collect();
    let addresses: Vec<_> = servers.iter().map(|server| format!("http://{}", server.address)).collect();
    let probe = json!({ "path": "/health", "interval": 100, "timeout": 20_000, "failures": 1 });
    let upstream = json!({ "addresses": addresses, "probe": probe, "host": "app.example" });
    let gateway = start(&with_metrics(&json!({ "app": { "type": "proxy", "upstream": upstream } })));
    let state = |out: u8| {
        let labels = format!("transport=\"0\",path=\"/app\",address=\"{}\"", addresses[1]);
        counted(&gateway, &[format!("wampgate_upstream_address_out{{{labels}}} {out}")]);
    };
    let mut connection = Connection::open(&gateway);
    let mut reached = || -> HashSet<String> {
        let mut ask = || {
            connection.send("GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n");
            server(&connection.response())
        };
        (0..4).map(|_| ask()).collect()
    };
    state(1);
    assert_eq!(reached(), HashSet::from(["0".to_owned()]));
    is_well.store(true, std::sync::atomic::Ordering::SeqCst);
    state(0);
    assert_eq!(reached().len(), 2);
    for said in ["does not answer its probes", "answers its probes again"] {
        gateway.output().until(said, 1);
        assert_eq!(gateway.output().text().matches(said).count(), 1, "{said}");
    }
    let heads = servers[0].heads();
    let probe = heads.iter().find(|head| head.starts_with("GET /health ")).unwrap();
    assert!(probe.contains("\r\nHost: app.example\r\n") && !probe.contains("Wampgate-"), "{probe}");
}

#[test]
fn a_socket_is_found_again_once_it_is_there() {
    let server = Upstream::switching("X-Server: tcp\r\n", |peer, seen| echo(peer, seen));
    let addresses = ["unix:app.sock".to_owned(), server.url("")];
    let probe = json!({ "probe": { "interval": 100, "timeout": 20_000 } });
    let upstream = json!({ "addresses": addresses, "choice": "least-connections" }).with_all(&probe);
    let config = with_metrics(&json!({ "app": { "type": "websocket-proxy", "upstream": upstream } }));
    let gateway = start(&config);
    let socket = gateway.path().join("app.sock");
    let state = |out: u8| {
        let labels = format!("transport=\"0\",path=\"/app\",address=\"unix:{}\"", socket.display());
        counted(&gateway, &[format!("wampgate_upstream_address_out{{{labels}}} {out}")]);
    };
    state(1);
    Upstream::echo_at(&socket);
    state(0);
    let servers: Vec<_> = (0..2).map(|_| handshake().opens(&gateway)).collect();
    let by_tcp = servers.iter().filter(|(_, response)| response.header("x-server").is_some()).count();
    assert_eq!(by_tcp, 1, "each of them has a client");
}
