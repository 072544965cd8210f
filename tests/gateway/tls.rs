//! TLS that ends in the gateway, through real sockets.

use std::{
    fs::Permissions,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::{
    HandshakeKind, ProtocolVersion,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::metrics::metrics;
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    auth::{Login, every_method, hex, joe},
    client::Refused,
    code,
    config::{endpoint, tracked},
    http::Connection,
    tls::{Authority, TlsClient, Validity},
};

const HOST: &str = "gateway.example";

/// An endpoint with the certificate `server.pem`, and whatever else `tls` says.
fn config(tls: &Value) -> Value {
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    with_tls["tls"].as_object_mut().unwrap().extend(tls.as_object().unwrap().clone());
    json!({ "transports": [
        { "type": "web", "endpoint": with_tls, "paths": { "ws": tracked() } },
        { "type": "web", "endpoint": endpoint(), "paths": { "metrics": { "type": "metrics" } } },
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

/// Joins by `cryptosign`, bound to the channel that `channel` makes of what the session exports.
#[track_caller]
fn log_in(
    gateway: &Gateway,
    client: &TlsClient,
    channel: impl Fn([u8; 32]) -> [u8; 32],
) -> Result<Value, Refused> {
    let handshake = Handshake::default().over(client);
    let mut client = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    let session = client.socket().connection().session();
    let exported = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    let login = Login { channel: Some(channel(exported)), ..joe("cryptosign") };
    client.hello("realm1", login.hello(&["cryptosign"]));
    let answer = client.receive();
    if answer[0] == code::CHALLENGE {
        assert_eq!(answer[2]["channel_binding"], "tls-exporter");
        client.send(&login.authenticate(&answer));
        return client.outcome();
    }
    let reason = answer[2].as_str().unwrap_or_default().to_owned();
    Err(Refused { reason, message: answer.to_string(), close: 0 })
}

/// A new value of a metric, as soon as it is there.
#[track_caller]
fn until_metrics(gateway: &Gateway, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !metrics(gateway).contains(line) {
        assert!(Instant::now() < deadline, "no {line} in {}", metrics(gateway));
        std::thread::park_timeout(Duration::from_millis(20));
    }
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
    client.socket().send(&crate::support::Frame::text(
        json!([16, 7, { "acknowledge": true, "exclude_me": false }, "com.example.large", [large]])
            .to_string(),
    ));
    client.expect(crate::support::code::PUBLISHED);
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
    until_metrics(&gateway, "refusals_total{stage=\"tls\",reason=\"tls-alert\"} 3");
}

#[test]
fn a_client_that_does_not_know_the_authority_is_told_of_in_the_log() {
    let (gateway, ..) = gateway();
    let told = is_refused(&gateway, &Authority::new().client(HOST));
    assert!(told.contains("UnknownIssuer"), "{told}");
    gateway.output().until("does the file of the certificate hold its whole chain?", 1);
}

#[test]
fn certificates_are_read_anew_when_their_files_change() {
    let (gateway, authority, client) = gateway();
    joins(&gateway, &client);
    let handshake = Handshake::default().over(&client);
    let mut stays = Client::open_by(&gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    stays.joins();

    // Another authority's certificate: clients of the first one tell the difference.
    let next = Authority::new();
    next.issue(&["next.example"]).write(gateway.path(), "server");
    gateway.output().until("certificates reloaded", 1);
    joins(&gateway, &next.client("next.example"));
    is_refused(&gateway, &authority.client(HOST));
    until_metrics(&gateway, "wampgate_certificate_reloads_total{transport=\"0\",outcome=\"replaced\"} 1");
    stays.echoes();

    // What is no certificate, a key of another one, one that has ended, and one that has not begun.
    let kept = "the old certificates go on, as the new ones cannot";
    std::fs::write(gateway.path().join("server.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    gateway.output().until(kept, 1);
    gateway.output().until("is PEM that breaks off", 1);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    std::fs::write(gateway.path().join("server.key"), authority.issue(&[HOST]).key).unwrap();
    gateway.output().until("is not the key of the certificate", 1);
    authority.issue_for(&[HOST], Validity::Over).write(gateway.path(), "server");
    gateway.output().until("the certificate has expired", 1);
    authority.issue_for(&[HOST], Validity::Later).write(gateway.path(), "server");
    gateway.output().until("the certificate begins to hold in", 1);
    joins(&gateway, &next.client("next.example"));
    until_metrics(&gateway, "wampgate_certificate_reloads_total{transport=\"0\",outcome=\"replaced\"} 1");

    authority.issue(&[HOST]).write(gateway.path(), "server");
    gateway.output().until("certificates reloaded", 2);
    joins(&gateway, &authority.client(HOST));
    stays.echoes();
}

#[test]
fn a_certificate_that_could_not_be_served_is_served_once_nothing_is_wrong_with_it() {
    let (gateway, authority, _) = gateway();
    let key = gateway.path().join("server.key");
    let mode = |mode| std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
    let next = Authority::new();
    // A program that renews certificates leaves the key to all users. The operator changes its mode, and no byte.
    next.issue(&[HOST]).write(gateway.path(), "server");
    mode(0o644);
    gateway.output().until("every user of this machine has access to it", 1);
    mode(0o600);
    gateway.output().until("certificates reloaded", 1);
    joins(&gateway, &next.client(HOST));
    // One that is there before it holds: no file changes when it begins to.
    authority.issue_for(&[HOST], Validity::Soon).write(gateway.path(), "server");
    gateway.output().until("certificates reloaded", 2);
    joins(&gateway, &authority.client(HOST));
}

#[test]
fn an_expired_certificate_is_a_warning_at_the_start_and_a_metric() {
    let authority = Authority::new();
    let gateway = Gateway::prepare(&config(&json!({})));
    authority.issue_for(&[HOST], Validity::Over).write(gateway.path(), "server");
    let said = gateway.command_said("check", &[]);
    let expected =
        "warning: transports[0].endpoint.tls.certificate: clients refuse it: the certificate has expired";
    assert!(said.contains(expected) && said.contains("renew it"), "{said}");
    let gateway = gateway.run();
    gateway.output().until("clients refuse it: the certificate has expired", 1);
    let told = is_refused(&gateway, &authority.client(HOST));
    assert!(told.contains("expired"), "{told}");
    gateway.output().until("does it hold still", 1);
    let text = metrics(&gateway);
    let days = text
        .lines()
        .find(|line| line.starts_with("wampgate_certificate_days{transport=\"0\",certificate=\""));
    let days: i64 = days.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!(days < -2000, "{days}");
}

#[test]
fn a_client_needs_a_certificate_where_one_is_required() {
    let (authority, people, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let (alice, stranger) = (people.issue_alice(), strangers.issue_alice());
    for demand in ["required", "optional"] {
        let tls = json!({ "ca_certificates": ["people.pem"], "client_certificates": demand });
        let gateway = Gateway::prepare(&config(&tls)).file("people.pem", people.pem());
        let gateway = gateway.arguments(&["--log", "info,wampgate=debug"]);
        authority.issue(&[HOST]).write(gateway.path(), "server");
        let gateway = gateway.run();
        joins(&gateway, &authority.client_as(HOST, &alice));
        let shown =
            "certificate=CN=alice,O=Example\\, Inc. [dns:alice.example, email:alice@example.org] sha256:";
        gateway.output().until(shown, 1);
        is_refused(&gateway, &authority.client_as(HOST, &stranger));
        gateway.output().until("no authority of `ca_certificates` has issued it", 1);
        // A server's certificate is none for a client.
        is_refused(&gateway, &authority.client_as(HOST, &people.issue(&["alice.example"])));
        gateway.output().until("it is not meant for clients", 1);
        if demand == "required" {
            is_refused(&gateway, &authority.client(HOST));
            gateway.output().until("reason=\"no-client-certificate\"", 1);
        } else {
            joins(&gateway, &authority.client(HOST));
        }
    }
}

#[test]
fn a_policy_sees_tls_and_the_clients_certificate() {
    let (authority, people) = (Authority::new(), Authority::new());
    let tls = json!({ "ca_certificates": ["people.pem"], "client_certificates": "optional" });
    let gateway = Gateway::prepare(&config(&tls)).file("people.pem", people.pem());
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let record = gateway.path().join("asked.jsonl");
    let gateway = gateway.arguments(&["--record", &record.display().to_string()]).run();
    let alice = people.issue_alice();
    joins(&gateway, &authority.client_as(HOST, &alice));
    joins(&gateway, &authority.client(HOST));
    let deadline = Instant::now() + PATIENCE;
    let asked = loop {
        let text = std::fs::read_to_string(&record).unwrap();
        if text.lines().count() == 2 {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::yield_now();
    };
    let asked: Vec<Value> = asked.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let der = CertificateDer::from_pem_slice(alice.certificate.as_bytes()).unwrap();
    let sha256 = hex(&Sha256::digest(&der));
    let shown = json!({
        "subject": "CN=alice,O=Example\\, Inc.",
        "names": ["dns:alice.example", "email:alice@example.org"],
        "sha256": sha256,
    });
    for (case, certificate) in asked.iter().zip([shown, Value::Null]) {
        assert_eq!(case["request"]["certificate"], certificate);
        assert_eq!(case["request"]["connection"]["tls"], true);
    }
}

#[test]
fn a_login_is_bound_to_its_tls_session() {
    let authority = Authority::new();
    let mut config = config(&json!({}));
    config["transports"][0]["paths"]["ws"]["auth"] = every_method();
    let gateway = Gateway::prepare(&config);
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let gateway = gateway.run();
    let welcome = log_in(&gateway, &authority.client(HOST), |exported| exported).unwrap();
    assert_eq!(welcome["authid"], "joe");
    // A machine in the middle has another session with the gateway than with the client.
    let refused = log_in(&gateway, &authority.client(HOST), |_| [7; 32]).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.not_authorized");
    // RFC 9266, 4.2: not with TLS 1.2 as it is.
    let refused = log_in(&gateway, &authority.old_client(HOST), |exported| exported).unwrap_err();
    assert!(refused.message.contains("does not have the channel binding"), "{refused:?}");
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
    until_metrics(&gateway, "refusals_total{stage=\"tls\",reason=\"no-tls\"} 1");
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
    until_metrics(&gateway, "refusals_total{stage=\"tls\",reason=\"tls-timeout\"} 2");
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
fn a_session_of_other_authorities_is_not_resumed() {
    let (authority, people, others) = (Authority::new(), Authority::new(), Authority::new());
    let gateway = Gateway::prepare(&config(&json!({ "ca_certificates": ["people.pem"] })));
    authority.issue(&[HOST]).write(gateway.path(), "server");
    let gateway = gateway.file("people.pem", people.pem()).run();
    let alice = authority.client_as(HOST, &people.issue_alice());
    joins(&gateway, &alice);
    std::fs::write(gateway.path().join("people.pem"), others.pem()).unwrap();
    gateway.output().until("certificates reloaded", 1);
    is_refused(&gateway, &alice);
    joins(&gateway, &authority.client_as(HOST, &others.issue_alice()));
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
    until_metrics(&gateway, "refusals_total{stage=\"connection\",reason=\"full\"} 1");
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

#[test]
fn faults_of_files_are_told_with_their_remedy() {
    let authority = Authority::new();
    let (issued, other) = (authority.issue(&[HOST]), authority.issue(&[HOST]));
    let said = |certificate: &str, key: &str, mode: u32| {
        let gateway =
            Gateway::prepare(&config(&json!({}))).file("server.pem", certificate).file("server.key", key);
        let path = gateway.path().join("server.key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        gateway.command_said("check", &[])
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, mode, place, expected) in [
        (&*issued.certificate, &*issued.key, 0o644, "key", "chmod o= FILE"),
        (&*issued.certificate, &*other.key, 0o600, "key", "is not the key of the certificate"),
        (
            &*issued.key,
            &*issued.certificate,
            0o600,
            "certificate",
            "have `certificate` and `key` been swapped?",
        ),
        (&*issued.certificate, encrypted, 0o600, "key", "behind a pass phrase"),
        (&*issued.certificate, "", 0o600, "key", "holds no private key in PEM"),
        ("", &*issued.key, 0o600, "certificate", "holds no certificate in PEM"),
        ("0\u{2}", &*issued.key, 0o600, "certificate", "looks like DER"),
    ] {
        let said = said(certificate, key, mode);
        let place = format!("transports[0].endpoint.tls.{place}: ");
        assert!(said.contains(&place) && said.contains(expected), "{expected}: {said}");
        let body = issued.key.lines().nth(1).unwrap();
        assert!(!said.contains(body), "a key is told: {said}");
    }
    let sound = said(&issued.certificate, &issued.key, 0o640);
    assert!(sound.contains("OK") && sound.contains("dns:gateway.example"), "{sound}");
}
