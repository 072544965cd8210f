//! How long a login by an authenticator lasts: on a cookie, and in a session that is open.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{SCRIPTED, accept, comes, gateway, gateway_with, invited, login, scripted, secret};
use crate::support::{
    Client, Jar,
    auth::{Login, SECRET, joe},
    code,
    config::{With as _, tracked, tracked_in_file, untracked, web},
};

#[test]
fn a_cookie_remembers_a_login_by_component_for_as_long_as_the_component_knows_the_principal() {
    let service = |auth: Value| tracked_in_file().with("auth", auth.with("cookie", json!({})));
    let both = ["cookie", "ticket"];
    let eve = Login { authid: Some("eve"), secret: "no ticket", ..joe("ticket") };
    let mut gateway = gateway_with(&service(json!({ "ticket": invited("2999-12-31") })), &json!({}));
    let mut jar = Jar::default();
    let ann = Login { authid: Some("ann"), secret: SECRET, ..joe("ticket") };
    comes(&gateway, &mut jar, &both, &ann).unwrap();
    // Rotation gives the new cookie with the next handshake.
    let _ = Client::open(&gateway, &mut jar);
    let welcome = comes(&gateway, &mut jar, &both, &eve).unwrap();
    assert_eq!((&welcome["authid"], &welcome["authprovider"]), (&json!("ann"), &json!("cookie")));
    assert_eq!((&welcome["authmethod"], &welcome["authrole"]), (&json!("ticket"), &json!("frontend")));

    // The invitation has served; the name still counts, also after a restart.
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": invited("2020-12-31") }))));
    gateway.restart();
    assert_eq!(comes(&gateway, &mut jar, &both, &eve).unwrap()["authid"], "ann");

    // An authenticator that fails refuses, and forgets nothing.
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": scripted(&json!("trap")) }))));
    gateway.restart();
    let refused = comes(&gateway, &mut jar, &["cookie"], &eve).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.authentication_failed");
    // So does one that would have another client in its place.
    let other = json!({ "accept": { "authid": "joe", "authrole": "frontend" } });
    gateway.terminate();
    gateway.configure(&web(&service(json!({ "ticket": scripted(&other) }))));
    gateway.restart();
    comes(&gateway, &mut jar, &["cookie"], &eve).unwrap_err();
}

#[test]
fn a_login_whose_principal_the_component_no_longer_knows_is_dropped() {
    let service = |auth: Value| tracked().with("auth", auth.with("cookie", json!({})));
    let gateway = gateway_with(&service(json!({ "ticket": scripted(&accept()) })), &json!({}));
    let mut jar = Jar::default();
    comes(&gateway, &mut jar, &["ticket"], &joe("ticket")).unwrap();
    let _ = Client::open(&gateway, &mut jar);
    for answer in [json!({ "unknown": {} }), accept()] {
        let (said, code) = gateway.reload(&web(&service(json!({ "ticket": scripted(&answer) }))));
        assert_eq!(code, 0, "{said}");
        // The second time the component would take the client, and its login is gone.
        comes(&gateway, &mut jar, &["cookie"], &joe("ticket")).unwrap_err();
    }
}

#[test]
fn sessions_end_when_a_reload_takes_their_component_away() {
    let auth = json!({ "ticket": scripted(&accept()), "wampcra": scripted(&secret("wampcra")) });
    let gateway = gateway(&auth);
    let mut by_ticket = Client::open(&gateway, &mut Jar::default());
    by_ticket.join_by(&joe("ticket")).unwrap();
    let mut by_key = Client::open(&gateway, &mut Jar::default());
    by_key.join_by(&joe("wampcra")).unwrap();

    // New bytes of the component are the component all the same.
    let mut changed = SCRIPTED.to_vec();
    changed.extend([0, 2, 1, b'x']);
    fs::write(gateway.path().join("scripted.wasm"), changed).unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("policy reloaded", 1);
    by_ticket.echoes();
    login(&gateway, &joe("ticket")).unwrap();

    let left = json!({ "wampcra": scripted(&secret("wampcra")) });
    let (said, code) = gateway.reload(&web(&untracked().with("auth", left)));
    assert_eq!(code, 0, "{said}");
    assert_eq!(by_ticket.receive()[0], code::GOODBYE);
    by_key.echoes();
}
