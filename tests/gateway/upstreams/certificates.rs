//! Certificates that the gateway shows to servers behind it.

use std::{os::unix::fs::PermissionsExt as _, sync::mpsc::channel};

use super::*;
use crate::support::{
    router::{Router, welcome},
    tls::Issued,
};

/// A server that lets no client in but those with a certificate of an authority.
fn server(servers: &Authority, clients: &Authority, router: &str) -> Gateway {
    let mut with_tls = endpoint();
    with_tls["tls"] =
        json!({ "certificate": "server.pem", "key": "server.key", "ca_certificates": ["clients.pem"] });
    let paths = json!({
        "echo": { "type": "websocket-testee" },
        "page": { "type": "json", "value": "page" },
        "router": { "type": "websocket-proxy", "upstream": { "addresses": [router] } },
    });
    let config = json!({ "transports": [{ "type": "web", "endpoint": with_tls, "paths": paths }] });
    let server = Gateway::prepare_exactly(&config).file("clients.pem", clients.pem());
    servers.issue(&["localhost"]).write(server.path(), "server");
    server.run()
}

/// A gateway before the server, which shows `own.pem`.
fn before(server: &Gateway, servers: &Authority, shown: &Issued) -> Gateway {
    let port = server.address().port();
    let to = |scheme: &str, path: &str| {
        json!({
            "addresses": [format!("{scheme}://localhost:{port}/{path}")],
            "ca_certificates": ["servers.pem"], "connect_timeout": 20_000,
        })
    };
    let own = json!({ "certificate": "own.pem", "key": "own.key" });
    let roles = json!([{ "name": "realm1", "upstream_name": "inner", "roles": ["frontend"] }]);
    let router = to("wss", "router")
        .with_all(&own)
        .with("type", json!("wamp"))
        .with("realms", roles)
        .with("auth", json!({ "type": "crossbar" }));
    let paths = json!({
        "app": { "type": "websocket-proxy", "upstream": to("wss", "echo").with_all(&own) },
        "page": { "type": "proxy", "upstream": to("https", "page").with_all(&own) },
        "unknown": { "type": "websocket-proxy", "upstream": to("wss", "echo") },
        "no-page": { "type": "proxy", "upstream": to("https", "page") },
        "ws": tracked().with("auth", ticket_auth()).with("upstream", router),
    });
    let gateway = Gateway::prepare(&with_metrics(&paths)).file("servers.pem", servers.pem());
    shown.write(gateway.path(), "own");
    gateway.run()
}

fn status(gateway: &Gateway, path: &str) -> u16 {
    let mut connection = Connection::open(gateway);
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    connection.response().status
}

#[test]
fn servers_of_all_kinds_are_shown_a_certificate_and_a_new_one_when_its_file_changes() {
    let (servers, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let (tell, told) = channel();
    let router = Router::start(move |link| {
        let hello = link.receive();
        link.send(&json!([code::WELCOME, 4711, welcome(&hello[2]["authextra"]["proxy_authid"])]));
        tell.send(hello).unwrap();
        link.frame();
    });
    let server = server(&servers, &clients, &router.url());
    let gateway = before(&server, &servers, &clients.issue_alice());
    let is_let_in = || {
        let (mut socket, _) = handshake().opens(&gateway);
        echoes(&mut socket, "known");
        assert_eq!(status(&gateway, "/page"), 200);
        let mut joe = Client::open(&gateway, &mut Jar::default());
        assert_eq!(joe.join_by_ticket("joe", TICKET).unwrap()["authid"], "joe");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap()[2]["authmethods"], json!(["anonymous-proxy"]));
        socket
    };
    let mut stays = is_let_in();
    // Without one the server lets nothing in.
    handshake().path("/unknown").is_refused(&gateway, 502);
    assert_eq!(status(&gateway, "/no-page"), 502);

    others.issue_alice().write(gateway.path(), "own");
    gateway.output().until("certificates reloaded", 3);
    gateway.output().until("path=\"/app\"", 1);
    handshake().is_refused(&gateway, 502);
    let refused = Client::open(&gateway, &mut Jar::default()).join_by_ticket("joe", TICKET).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.unavailable");
    echoes(&mut stays, "still here");

    // A key of another certificate: the one before goes on. The gateway may have said so already of two files that were half written.
    let mismatch = "is not the key of the certificate";
    let said = gateway.output().text().matches(mismatch).count();
    std::fs::write(gateway.path().join("own.key"), clients.issue_alice().key).unwrap();
    gateway.output().until(mismatch, said + 3);
    handshake().is_refused(&gateway, 502);
    clients.issue_alice().write(gateway.path(), "own");
    gateway.output().until("certificates reloaded", 6);
    is_let_in();

    // Paths that show no certificate have no days.
    std::fs::write(gateway.path().join("servers.pem"), servers.pem() + &others.pem()).unwrap();
    gateway.output().until("authorities reloaded", 2);
    gateway.output().until("certificates reloaded", 9);
    assert!(!gateway.output().text().contains("names=\"\""), "{}", gateway.output().text());
}

#[test]
fn faults_of_the_gateways_own_certificate_are_told_with_their_remedy() {
    let authority = Authority::new();
    let (issued, other) = (authority.issue_alice(), authority.issue_alice());
    let said = |own: &Value, key: &str, mode: u32| {
        let upstream = json!({ "addresses": ["wss://localhost:8443/"] }).with_all(own);
        let paths = json!({ "app": { "type": "websocket-proxy", "upstream": upstream } });
        let gateway = Gateway::prepare_exactly(&web_paths(&paths))
            .file("own.pem", &issued.certificate)
            .file("own.key", key);
        let path = gateway.path().join("own.key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        gateway.command_said("check", &[])
    };
    let both = json!({ "certificate": "own.pem", "key": "own.key" });
    for (own, key, mode, place, expected) in [
        (&both, &issued.key, 0o644, "key", "chmod o= FILE"),
        (&both, &other.key, 0o600, "key", "is not the key of the certificate"),
        (&json!({ "certificate": "own.pem" }), &issued.key, 0o600, "certificate", "write `key` beside it"),
        (&json!({ "key": "own.key" }), &issued.key, 0o600, "key", "write `certificate` beside it"),
        (
            &json!({ "chain_certificates": ["own.pem"] }),
            &issued.key,
            0o600,
            "chain_certificates[0]",
            "write `certificate` and `key` beside it",
        ),
        (
            &both.clone().with("addresses", json!(["ws://localhost:8080/"])),
            &issued.key,
            0o600,
            "certificate",
            "has no effect",
        ),
    ] {
        let said = said(own, key, mode);
        let place = format!("transports[0].paths.app.upstream.{place}: ");
        assert!(said.contains(&place) && said.contains(expected), "{expected}: {said}");
    }
    let sound = said(&both, &issued.key, 0o600);
    assert!(sound.contains("OK") && !sound.contains("warning"), "{sound}");
    // The router takes the gateway's word where the gateway proves that it is itself.
    let check = |own: &Value, url: &str| {
        let upstream = json!({
            "type": "wamp", "addresses": [url], "auth": { "type": "crossbar" },
            "realms": [{ "name": "realm1", "roles": ["frontend"] }],
        });
        let service = tracked().with("auth", ticket_auth()).with("upstream", upstream.with_all(own));
        let gateway = Gateway::prepare_exactly(&web_paths(&json!({ "ws": service })))
            .file("own.pem", &issued.certificate)
            .private_file("own.key", &issued.key);
        gateway.command_said("check", &[])
    };
    for url in ["wss://router.example/ws", "rss://router.example:8443"] {
        assert!(check(&both, url).contains("OK"), "{}", check(&both, url));
        assert!(check(&json!({}), url).contains("TLS with a `certificate` of the gateway"));
    }
    assert!(check(&both, "rs://router.example:8443").contains("TLS with a `certificate` of the gateway"));
}

#[test]
fn a_reload_reads_the_authorities_of_the_system_again() {
    let (servers, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let server = server(&servers, &clients, "ws://127.0.0.1:9/");
    let own = json!({ "certificate": "own.pem", "key": "own.key" });
    let url = format!("https://localhost:{}/page", server.address().port());
    let config = |timeout: u32| {
        let upstream = json!({ "addresses": [url], "connect_timeout": timeout }).with_all(&own);
        web_paths(&json!({ "page": { "type": "proxy", "upstream": upstream } }))
    };
    // The variable stands for the system's store.
    let gateway = Gateway::prepare_exactly(&config(20_000)).file("system.pem", others.pem());
    let system = gateway.path().join("system.pem");
    clients.issue_alice().write(gateway.path(), "own");
    let gateway = gateway.environment("SSL_CERT_FILE", system.to_str().unwrap()).run();
    assert_eq!(status(&gateway, "/page"), 502);
    std::fs::write(&system, servers.pem()).unwrap();
    let (said, code) = gateway.reload(&config(20_001));
    assert_eq!(code, 0, "{said}");
    assert_eq!(status(&gateway, "/page"), 200);
    // A fault of the gateway's own certificate changes nothing for clients.
    std::fs::write(gateway.path().join("own.key"), clients.issue_alice().key).unwrap();
    let (said, code) = gateway.reload(&config(20_002));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is not the key of the certificate"), "{said}");
    assert_eq!(status(&gateway, "/page"), 200);
    assert!(!gateway.output().text().contains("no TLS to the upstream"), "{}", gateway.output().text());
}
