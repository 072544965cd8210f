//! Certificates of clients, and logins that are bound to their session.

use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{HOST, config, is_refused, joins};
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    auth::{Login, every_method, hex, joe},
    client::Refused,
    code,
    tls::{Authority, TlsClient},
};

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
        if text.lines().count() == 2 && text.ends_with('\n') {
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
