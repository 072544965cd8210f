//! The files of certificates: what is wrong with them, and what happens when they change.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::{HOST, config, gateway, is_refused, joins};
use crate::{
    gateway::metrics::{counted, metrics},
    support::{
        Client, Gateway, Handshake, Jar, Serializer,
        tls::{Authority, Validity},
    },
};

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
    counted(&gateway, &["wampgate_certificate_reloads_total{transport=\"0\",outcome=\"replaced\"} 1"]);
    stays.echoes();

    // What is no certificate, a key of another one, one that has ended, and one that has not begun.
    let kept = "changed files of TLS cannot be used";
    std::fs::write(gateway.path().join("server.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    gateway.output().until(kept, 1);
    gateway.output().until("is PEM that breaks off", 1);
    // The key first: at no moment do the two belong together.
    std::fs::write(gateway.path().join("server.key"), authority.issue(&[HOST]).key).unwrap();
    std::fs::write(gateway.path().join("server.pem"), authority.issue(&[HOST]).certificate).unwrap();
    gateway.output().until("is not the key of the certificate", 1);
    authority.issue_for(&[HOST], Validity::Over).write(gateway.path(), "server");
    gateway.output().until("the certificate has expired", 1);
    authority.issue_for(&[HOST], Validity::Later).write(gateway.path(), "server");
    gateway.output().until("the certificate begins to hold in", 1);
    joins(&gateway, &next.client("next.example"));
    counted(&gateway, &["wampgate_certificate_reloads_total{transport=\"0\",outcome=\"replaced\"} 1"]);

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
