//! TLS that ends in the gateway, through real sockets.

mod certificates;
mod clients;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};

use super::metrics::{counted, metrics};
use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, PATIENCE, Serializer, code,
    config::{endpoint, metrics_transport, tracked},
    http::Connection,
    tls::{Authority, TlsClient},
};

const HOST: &str = "gateway.example";

/// An endpoint with the certificate `server.pem`, and whatever else `tls` says.
fn config(tls: &Value) -> Value {
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    with_tls["tls"].as_object_mut().unwrap().extend(tls.as_object().unwrap().clone());
    json!({ "transports": [
        { "type": "web", "endpoint": with_tls, "paths": { "ws": tracked() } },
        metrics_transport(),
    ]})
}

/// A gateway whose certificate an authority has issued for [`HOST`], and a client that trusts it.
#[track_caller]
fn gateway() -> (Gateway, Authority, TlsClient) {
    let authority = Authority::new();
    let gateway = Gateway::prepare(&config(&json!({})));
    authority.issue(&[HOST, "*.wild.example"]).write(gateway.path(), "server");
    let client = authority.client(HOST);
    (gateway.run(), authority, client)
}

/// A handshake that must fail at the client or at the gateway; what the client says.
#[track_caller]
fn is_refused(gateway: &Gateway, client: &TlsClient) -> String {
    let mut connection = Connection::open(gateway);
    if let Err(error) = connection.start_tls(client) {
        return error.to_string();
    }
    // With TLS 1.3 a client is done before the gateway has seen its certificate.
    let _ = connection.try_send("GET /ws HTTP/1.1\r\n\r\n");
    assert_eq!(connection.rest(), b"", "the client got in");
    "the connection ended".to_owned()
}

#[track_caller]
fn joins(gateway: &Gateway, client: &TlsClient) {
    let handshake = Handshake::default().over(client);
    let mut client = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    client.joins();
    client.leaves();
}

#[test]
fn clients_join_over_tls_with_every_serializer_and_come_back() {
    let (gateway, authority, client) = gateway();
    gateway.output().until("listening on https://127.0.0.1:", 1);
    gateway.output().until("websocket wss://127.0.0.1:", 1);
    for serializer in [Serializer::Json, Serializer::MsgPack, Serializer::Cbor] {
        for batched in [false, true] {
            let mut jar = Jar::default();
            for is_back in [false, true] {
                let handshake = Handshake::default().over(&client);
                let mut client = Client::open_by(&gateway, &mut jar, handshake, serializer, batched);
                let set = client.handshake.set_cookies();
                assert_eq!(set.is_empty(), is_back, "{set:?}");
                assert!(set.iter().all(|cookie| cookie.contains("; Secure")), "{set:?}");
                client.joins();
                client.echoes();
                client.leaves();
            }
        }
    }
    let (connection, response) = Handshake::default().over(&authority.old_client(HOST)).send(&gateway);
    assert_eq!(response.status, 101);
    assert_eq!(connection.session().protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let (connection, _) = Handshake::default().over(&client).send(&gateway);
    assert_eq!(connection.session().protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn a_large_message_goes_through_and_a_silent_client_stays() {
    let (gateway, _, client) = gateway();
    let handshake = Handshake::default().over(&client);
    let mut client = Client::open_by(&gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    client.joins();
    let large = "x".repeat(900_000);
    client.socket().send(&Frame::text(
        json!([16, 7, { "acknowledge": true, "exclude_me": false }, "com.example.large", [large]])
            .to_string(),
    ));
    client.expect(code::PUBLISHED);
    client.echoes();
}

#[test]
fn a_client_gets_the_certificate_for_its_name() {
    let authority = Authority::new();
    let sni = json!([{ "certificate": "other.pem", "key": "other.key" }]);
    let gateway = Gateway::prepare(&config(&json!({ "sni": sni })));
    authority.issue(&[HOST]).write(gateway.path(), "server");
    authority.issue(&["other.example", "*.wild.example"]).write(gateway.path(), "other");
    let gateway = gateway.run();
    for name in [HOST, "other.example", "a.wild.example"] {
        joins(&gateway, &authority.client(name));
    }
    for name in ["stranger.example", "a.b.wild.example", "wild.example"] {
        let told = is_refused(&gateway, &authority.client(name));
        assert!(told.contains("not valid for name"), "{name}: {told}");
    }
    gateway.output().until("reason=\"tls-alert\"", 1);
    counted(&gateway, &["refusals_total{stage=\"tls\",reason=\"tls-alert\"} 3"]);
}

#[test]
fn a_client_that_does_not_know_the_authority_is_told_of_in_the_log() {
    let (gateway, ..) = gateway();
    let told = is_refused(&gateway, &Authority::new().client(HOST));
    assert!(told.contains("UnknownIssuer"), "{told}");
    gateway.output().until("does the file of the certificate hold its whole chain?", 1);
}

#[test]
fn a_client_without_tls_is_told_to_use_it() {
    let (gateway, _, client) = gateway();
    let (mut connection, response) = Handshake::default().send(&gateway);
    assert_eq!(
        (response.status, response.body.as_str()),
        (400, "this port speaks TLS: use https:// or wss://\n")
    );
    connection.assert_ends();
    gateway.output().until("the client does not speak TLS at a port that does", 1);
    counted(&gateway, &["refusals_total{stage=\"tls\",reason=\"no-tls\"} 1"]);
    joins(&gateway, &client);
}

#[test]
fn a_client_that_speaks_something_else_inside_or_garbage_is_refused() {
    let (gateway, authority, client) = gateway();
    let told =
        is_refused(&gateway, &client.clone().with(|config| config.alpn_protocols = vec![b"h2".to_vec()]));
    assert!(told.contains("NoApplicationProtocol"), "{told}");
    gateway.output().until("it does not speak http/1.1 (ALPN)", 1);
    let both = authority
        .client(HOST)
        .with(|config| config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()]);
    joins(&gateway, &both);
    let mut connection = Connection::open(&gateway);
    connection.send(b"\x16\x03\x01\x00\x05hello");
    connection.assert_ends();
    gateway.output().until("reason=\"tls-broken\"", 1);
    // A client that leaves without a word is no event.
    drop(Connection::open(&gateway));
    joins(&gateway, &client);
}

#[test]
fn a_slow_handshake_is_cut_off() {
    let (gateway, _, client) = gateway();
    let begun = Instant::now();
    let mut silent = Connection::open(&gateway);
    let mut slow = TcpStream::connect(gateway.address()).unwrap();
    slow.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    // Others do not wait for them.
    joins(&gateway, &client);
    silent.assert_ends();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(slow.read(&mut [0; 16]), Ok(0) | Err(_)));
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_secs(4), "{taken:?}");
    gateway.output().until("the handshake has not ended within 5 s", 1);
    counted(&gateway, &["refusals_total{stage=\"tls\",reason=\"tls-timeout\"} 2"]);
}

#[test]
fn a_session_is_resumed_also_after_new_certificates() {
    let (gateway, authority, new_client) = gateway();
    for client in [new_client, authority.old_client(HOST)] {
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut connection, response) = Handshake::default().over(&client).send(&gateway);
            assert_eq!(response.status, 101);
            assert_eq!(connection.session().handshake_kind(), Some(kind));
            connection.finish_sending();
        }
    }
    let text = metrics(&gateway);
    for kind in ["full", "resumed"] {
        let line = format!("wampgate_tls_handshakes_total{{transport=\"0\",kind=\"{kind}\"}} 2");
        assert!(text.contains(&line), "{line}: {text}");
    }
    let client = authority.client(HOST);
    joins(&gateway, &client);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    gateway.output().until("certificates reloaded", 1);
    let (connection, _) = Handshake::default().over(&client).send(&gateway);
    assert_eq!(connection.session().handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn http_is_sent_to_https_and_authorities_find_their_files() {
    let folder = json!({ "type": "static", "directory": "acme" });
    let gateway = Gateway::prepare(&json!({ "transports": [
        { "type": "redirect", "endpoint": endpoint(), "options": { "allowed_hosts": ["*"] } },
        { "type": "web", "endpoint": endpoint(), "options": { "allowed_hosts": ["*"] },
          "paths": { "/": { "type": "redirect", "https_port": 8443 }, ".well-known": folder } },
    ]}));
    std::fs::create_dir_all(gateway.path().join("acme/acme-challenge")).unwrap();
    std::fs::write(gateway.path().join("acme/acme-challenge/token"), "proof").unwrap();
    let gateway = gateway.run();
    let ask = |transport, path: &str| {
        let mut connection = Connection::open_at(gateway.address_of(transport));
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: chat.example:80\r\n\r\n"));
        connection.response()
    };
    for (transport, location) in [(0, "https://chat.example/a?b=c"), (1, "https://chat.example:8443/a?b=c")] {
        let response = ask(transport, "/a?b=c");
        assert_eq!((response.status, response.header("location")), (308, Some(location)));
    }
    let response = ask(1, "/.well-known/acme-challenge/token");
    assert_eq!((response.status, &*response.body), (200, "proof"));
    let mut circle =
        json!({ "transports": [{ "type": "redirect", "endpoint": endpoint(), "https_port": 8443 }] });
    circle["transports"][0]["endpoint"]["port"] = 8443.into();
    let said = Gateway::prepare(&circle).command_said("check", &[]);
    assert!(
        said.contains("transports[0].endpoint: a \"redirect\" here sends clients to port 8443"),
        "{said}"
    );
}

#[test]
fn one_address_makes_only_so_many_handshakes() {
    let authority = Authority::new();
    let mut config = config(&json!({}));
    config["transports"][0]["per_address"] = json!({ "handshakes_per_second": 1 });
    let gateway = Gateway::prepare(&config);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let (gateway, client) = (gateway.run(), authority.client(HOST));
    let from = |last| Handshake::default().from(Ipv4Addr::new(127, 0, 0, last));
    let shake = |last| Connection::open_for(&from(last), &gateway).start_tls(&client);
    let begun = Instant::now();
    let made = (0..100).take_while(|_| shake(2).is_ok() && begun.elapsed() < PATIENCE).count();
    // Twenty at once, and one each second.
    let most = 21 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((20..=most).contains(&made), "{made}");
    gateway.output().until("reason=\"address-handshakes\"", 1);
    // Another address has its own.
    shake(3).unwrap();
}

#[test]
fn a_full_transport_turns_clients_away_in_their_language() {
    let authority = Authority::new();
    let mut config = config(&json!({}));
    config["transports"][0]["max_connections"] = 1.into();
    let gateway = Gateway::prepare(&config);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let (gateway, client) = (gateway.run(), authority.client(HOST));
    let _taken = Handshake::default().over(&client).send(&gateway);
    let told = is_refused(&gateway, &client);
    assert!(told.contains("InternalError"), "{told}");
    counted(&gateway, &["refusals_total{stage=\"connection\",reason=\"full\"} 1"]);
}

#[test]
fn a_prefix_of_cookies_needs_nothing_else_where_there_is_tls() {
    let authority = Authority::new();
    let mut config = config(&json!({}));
    config["transports"][0]["paths"]["ws"]["cookie"]["prefix"] = "host".into();
    let gateway = Gateway::prepare(&config);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let gateway = gateway.run();
    let (_, response) = Handshake::default().over(&authority.client(HOST)).send(&gateway);
    let set = response.set_cookies();
    assert!(set.len() == 1 && set[0].starts_with("__Host-cbtid=") && set[0].contains("; Secure"), "{set:?}");
    config["transports"][0]["endpoint"].as_object_mut().unwrap().remove("tls");
    let said = Gateway::prepare(&config).command_said("check", &[]);
    assert!(said.contains("set \"secure\": true, and serve over TLS"), "{said}");
}
