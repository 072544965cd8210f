//! While a gateway has the store.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::{CROSSBAR, JOES, PLAIN, cookies, cookies_with, joes_line, listed, public_id};
use crate::support::{
    Client, Gateway, Handshake, Jar, code,
    command::{run, wampgate},
    config::{With as _, anonymous_auth, stores, ticket_auth, tracked, tracked_in_file, web, web_paths},
};

/// A gateway whose file store holds Crossbar's two cookies.
fn gateway() -> Gateway {
    Gateway::prepare(&web(&tracked_in_file())).file("cookies.dat", CROSSBAR).run()
}

/// The ID that a client got.
fn joined(gateway: &Gateway) -> (Client, String) {
    let mut jar = Jar::default();
    let (client, _) = Client::joined(gateway, &mut jar);
    (client, jar.id.unwrap())
}

/// The client is told, and its connection ends.
#[track_caller]
fn assert_killed(client: &mut Client) {
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.killed")), "{goodbye}");
    client.socket().is_closed_with(1008);
}

#[test]
fn every_command_works_on_the_gateways_store() {
    let gateway = gateway();
    let dir = gateway.path();
    assert_eq!(listed(dir).len(), 2);
    let name = public_id(dir, JOES);
    assert!(cookies(dir, &["show", JOES]).printed().contains("authid      joe\n"));
    assert!(cookies(dir, &["show", "nonsense"]).complained().contains("no cookie has this ID"));
    assert!(cookies(dir, &["ls"]).printed().contains("joe (frontend, ticket)"));
    assert_eq!(cookies(dir, &["purge"]).printed(), "dropped 0 expired cookies\n");
    assert_eq!(cookies(dir, &["compact", "--json"]).json()[0]["compacted"]["lines_after"], 2);
    assert!(cookies(dir, &["repair"]).complained().contains("is in use already"));
    let text = cookies(dir, &["export", "--reveal", "--format", "crossbar"]).printed();
    assert_eq!(text.lines().count(), 2);
    assert_eq!(cookies(dir, &["revoke", "--", &name]).printed(), "revoked 1 cookie, closed 0 connections\n");
    assert_eq!(listed(dir).len(), 1);
    // What was revoked was removed, not banned: a backup may bring it back.
    let told = cookies_with(dir, &["import"], &text).printed();
    assert_eq!(told, "added 1 cookie, left out 1 already there\n");
    assert_eq!(public_id(dir, JOES), name);
    assert_eq!(
        cookies(dir, &["revoke", "--all", "--yes"]).printed(),
        "revoked 2 cookies, closed 0 connections\n"
    );
    gateway.assert_next_client_is_served();
}

#[test]
fn no_id_is_printed_or_logged() {
    let gateway = gateway();
    let mut said = String::new();
    for command in [&["ls"][..], &["ls", "--json"], &["show", PLAIN], &["revoke", PLAIN], &["revoke", PLAIN]]
    {
        let ran = cookies(gateway.path(), command);
        said.extend([ran.stdout, ran.stderr]);
    }
    said.push_str(&gateway.output().text());
    assert!(said.contains("joe") && !said.contains(&PLAIN[..8]) && !said.contains(&JOES[..8]), "{said}");
}

#[test]
fn a_thousand_cookies_are_imported_listed_and_revoked() {
    let gateway = gateway();
    let line = CROSSBAR.lines().next().unwrap();
    let many: Vec<_> = (0..1500).map(|n| line.replace(PLAIN, &format!("imported-{n:08}"))).collect();
    let told = cookies_with(gateway.path(), &["import"], &many.join("\n")).printed();
    assert_eq!(told, "added 1500 cookies\n");
    assert_eq!(listed(gateway.path()).len(), 1502);
    let told = cookies(gateway.path(), &["revoke", "--all", "--yes"]).printed();
    assert_eq!(told, "revoked 1502 cookies, closed 0 connections\n");
}

#[test]
fn a_revocation_ends_the_cookies_connections_and_no_other() {
    let gateway = gateway();
    let mut jar = Jar::default();
    let (mut first, _) = Client::joined(&gateway, &mut jar);
    let (mut second, _) = Client::joined(&gateway, &mut jar);
    let (mut other, _) = joined(&gateway);
    let id = jar.id.unwrap();
    let shown = cookies(gateway.path(), &["show", &id, "--json"]).json();
    assert_eq!(shown[0]["connections"], 2);

    let told = cookies(gateway.path(), &["revoke", &id]).printed();
    assert_eq!(told, "revoked 1 cookie, closed 2 connections\n");
    assert_killed(&mut first);
    assert_killed(&mut second);
    other.echoes();

    let (_, answer) = Handshake::default().cookie(&id).opens(&gateway);
    assert!(answer.tracking_id().is_some_and(|fresh| fresh != id), "the cookie still counts");
}

#[test]
fn a_revocation_by_any_id_of_a_client_ends_all_that_it_had_before_and_after() {
    for store in stores() {
        for named in 0..4 {
            let (gateway, ids, mut clients) = joes_line(&store);
            // The last one by its public ID, which all of them share.
            let name = ids.get(named).cloned().unwrap_or_else(|| public_id(gateway.path(), &ids[0]));
            let told = cookies(gateway.path(), &["revoke", "--", &name]).printed();
            assert_eq!(told, "revoked 3 cookies, closed 3 connections\n");
            clients.iter_mut().for_each(assert_killed);
            let left = listed(gateway.path());
            assert_eq!(left.len(), 1, "joe's other device stays: {left:?}");
            for id in ids {
                let mut client = Client::open(&gateway, &mut Jar { id: Some(id) });
                client.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap_err();
            }
        }
    }
}

#[test]
fn a_revoked_client_that_has_not_joined_is_closed_without_a_goodbye() {
    let gateway = gateway();
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    cookies(gateway.path(), &["revoke", &jar.id.unwrap()]).printed();
    let frame = client.socket().receive().unwrap();
    assert_eq!(frame.close_code(), Some(1008), "{frame:?}");
}

#[test]
fn a_revoked_client_that_is_being_challenged_is_closed() {
    let auth = anonymous_auth().with("ticket", ticket_auth()["ticket"].clone());
    let gateway = Gateway::start(&web(&tracked_in_file().with("auth", auth)));
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    cookies(gateway.path(), &["revoke", &jar.id.unwrap()]).printed();
    client.socket().is_closed_with(1008);
}

#[test]
fn revoking_everything_ends_every_connection() {
    let gateway = gateway();
    let mut clients = [joined(&gateway), joined(&gateway), joined(&gateway)].map(|(client, _)| client);
    let told = cookies(gateway.path(), &["revoke", "--all", "--dry-run"]).printed();
    assert_eq!(told, "would revoke 5 cookies and close 3 connections; nothing is changed\n");
    let list = cookies(gateway.path(), &["ls", "--limit", "2"]).printed();
    assert!(list.ends_with("\n2 of 5 cookies\n"), "{list}");
    let told = cookies(gateway.path(), &["revoke", "--all", "--yes"]).printed();
    assert_eq!(told, "revoked 5 cookies, closed 3 connections\n");
    clients.iter_mut().for_each(assert_killed);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_revocation_outlives_a_kill() {
    let mut gateway = gateway();
    cookies(gateway.path(), &["revoke", PLAIN]).printed();
    gateway.kill9();
    gateway.restart();
    let list = listed(gateway.path());
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["id"], JOES);
}

#[test]
fn a_store_in_memory_is_reached_while_its_gateway_runs() {
    let gateway = Gateway::start(&web_paths(&json!({ "ws": tracked(), "other": tracked_in_file() })));
    let (mut client, id) = joined(&gateway);
    let list = cookies(gateway.path(), &["ls", "--path", "/ws", "--json", "--reveal"]).json();
    assert_eq!(list[0]["id"], *id);
    assert_eq!(cookies(gateway.path(), &["ls", "--path", "/other"]).printed(), "no cookies\n");
    cookies(gateway.path(), &["revoke", &id, "--path", "/ws"]).printed();
    assert_killed(&mut client);
}

#[test]
fn the_log_says_who_did_what_and_what_reveals_ids_is_not_like_a_list() {
    let gateway = gateway();
    let dir = gateway.path();
    cookies(dir, &["ls"]).printed();
    cookies(dir, &["export", "--reveal"]).printed();
    cookies(dir, &["revoke", "--authid", "joe"]).printed();
    cookies(dir, &["show", "nonsense"]).complained();
    let uid = rustix::process::getuid().as_raw();
    // The log comes by another way than the answers.
    gateway.output().until("a command on cookies failed", 1);
    let log = gateway.output().text();
    let line = |what: &str, command: &str| {
        let found =
            log.lines().find(|line| line.contains(what) && line.contains(&format!("command=\"{command}\"")));
        let found = found.unwrap_or_else(|| panic!("no line of {command} with {what}: {log}"));
        assert!(found.contains(&format!("uid={uid} ")) && found.contains("pid="), "{found}");
        found.to_owned()
    };
    assert!(line("a command on cookies was carried out", "list").contains("reveal=false records=2"));
    assert!(line("tracking IDs were revealed", "list").contains("reveal=true records=2"));
    assert!(line("a command on cookies was carried out", "revoke-authid").contains("authid=\"joe\""));
    assert!(line("a command on cookies failed", "show").contains("failure="));
    assert!(!log.contains(JOES), "{log}");
}

#[test]
fn what_has_become_of_the_files_of_a_running_gateway_stops_no_command_that_asks_it() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let users = json!({
        "joe": { "secret": { "file": "secret" }, "role": "frontend" },
        "eve": { "secret": { "file": "derived" }, "role": "frontend", "salt": "salt", "iterations": 200_000 },
    });
    let tokens = json!({ "type": "jwt", "algorithms": ["HS256"], "keys": { "secret": { "file": "token" } }, "role": "frontend" });
    let auth = anonymous_auth()
        .with("wampcra", json!({ "type": "static", "users": users }))
        .with("ticket", tokens)
        .with("scram", json!({ "type": "file", "filename": "principals.json" }));
    let server = json!({
        "addresses": ["https://127.0.0.1:1"], "ca_certificates": ["ca.pem"], "certificate": "shown.pem", "key": "shown.key",
    });
    let app = json!({
        "type": "proxy", "websocket": "/ws", "upstream": server, "assertion": { "keys": ["signing.pem"], "audience": "app" },
    });
    let paths = json!({
        "ws": tracked_in_file().with("auth", auth), "app": app, "keys": { "type": "jwks" },
        "console": { "type": "admin", "token": { "file": "console" } },
    });
    let config = web_paths(&paths);
    let gateway = Gateway::prepare(&config);
    let files = [
        ("secret", "a secret of joe"),
        ("derived", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("console", "a token of the operator"),
        ("token", "a secret of at least 32 bytes, which it is"),
        ("principals.json", "{}"),
        ("ca.pem", &*certificate),
        ("shown.pem", &*certificate),
        ("shown.key", &*key),
        ("signing.pem", &*key),
    ];
    let node_dir = gateway.path().to_owned();
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(node_dir.join(name), text).unwrap();
        fs::set_permissions(node_dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, text) in &files {
        write(name, text, 0o600);
    }
    let gateway = gateway.run();
    let (mut client, id) = joined(&gateway);
    let asked = |command: &str| run(wampgate().args([command, "--node-dir"]).arg(&node_dir), "");
    for mode in [0o644, 0o600] {
        for (name, _) in &files {
            write(name, "", mode);
        }
        assert_eq!(asked("check").code, 1, "no gateway could start");
        assert_eq!(asked("health").printed(), "ready\n");
        assert_eq!(listed(&node_dir).len(), 1);
        for (name, _) in &files {
            write(name, "-----BEGIN NONSENSE", mode);
        }
        assert_eq!(listed(&node_dir).len(), 1);
    }
    write("public-id.key", "no key", 0o600);
    cookies(&node_dir, &["revoke", &id]).printed();
    assert_killed(&mut client);
    write("config.json", "{", 0o600);
    assert_eq!(asked("health").printed(), "ready\n", "a gateway that runs is asked at its socket");
    assert_eq!(cookies(&node_dir, &["ls"]).code, 1);
}
