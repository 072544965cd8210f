//! Logging out: the cookie stands for nobody any more, here, in every other tab, and after a restart.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar,
    client::uri,
    code,
    config::{TICKET, With as _, anonymous_auth, ticket_auth, tracked, web},
};

/// How soon other connections are to be closed.
const SOON: Duration = Duration::from_secs(1);

/// A store of each kind, and whether it survives a restart.
fn stores() -> [(Value, bool); 3] {
    [
        (json!({ "type": "memory" }), false),
        (json!({ "type": "file", "filename": "cookies.dat" }), true),
        (json!({ "type": "lmdb", "path": "cookies" }), true),
    ]
}

/// A gateway with a store, on which joe (`frontend`) may do everything, the meta API included.
#[track_caller]
fn gateway(store: &Value) -> Gateway {
    let everything = json!({ "call": true, "register": true, "publish": true, "subscribe": true });
    let rule = |uri: &str| json!({ "uri": uri, "match": "prefix", "allow": everything });
    let realm = json!({ "name": "realm1", "roles": [
        { "name": "anonymous", "permissions": [rule("")] },
        { "name": "frontend", "permissions": [rule(""), rule("wamp.session.")] },
    ] });
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    let service =
        tracked().with("cookie", json!({ "store": null })).with("cookie", json!({ "store": store }));
    Gateway::start(&web(&service.with("auth", auth)).with("realms", json!([realm])))
}

fn log_out(client: &mut Client) {
    client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    let goodbye = client.receive();
    assert_eq!(goodbye, json!([code::GOODBYE, {}, "wamp.close.goodbye_and_out"]));
    client.socket().await_close();
}

#[track_caller]
fn is_told(client: &mut Client, reason: &str) {
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!(reason)), "{goodbye}");
    assert_eq!(client.socket().await_close(), if reason == "wamp.close.logout" { 1008 } else { 1000 });
}

#[track_caller]
fn assert_unknown(gateway: &Gateway, id: &str) {
    let mut jar = Jar { id: Some(id.to_owned()) };
    let (_, welcome) = Client::joined(gateway, &mut jar);
    assert_eq!(welcome["x_wampgate_known"], false, "a cookie that was logged out is known");
    assert_ne!(jar.id.as_deref(), Some(id));
}

#[test]
fn a_logout_ends_the_cookie_and_all_of_its_connections_in_every_store() {
    for (store, is_durable) in stores() {
        let mut gateway = gateway(&store);
        let mut jar = Jar::default();
        let mut leaving = Client::open(&gateway, &mut jar);
        leaving.join_by_ticket("joe", TICKET).unwrap();
        let id = jar.id.clone().unwrap();
        let (mut other, welcome) = Client::joined(&gateway, &mut jar);
        let mut silent = Client::open(&gateway, &mut jar);
        let (mut bystander, _) = Client::joined(&gateway, &mut Jar::default());
        assert_eq!(welcome["x_wampgate_known"], true);

        log_out(&mut leaving);
        let before = Instant::now();
        is_told(&mut other, "wamp.close.logout");
        assert_eq!(silent.socket().await_close(), 1008, "also one that never joined");
        assert!(before.elapsed() < SOON, "{:?}", before.elapsed());
        bystander.echoes();
        assert_unknown(&gateway, &id);
        if is_durable {
            gateway.kill9();
            gateway.restart();
            assert_unknown(&gateway, &id);
        }
    }
}

#[test]
fn any_other_goodbye_keeps_the_cookie() {
    let gateway = gateway(&json!({ "type": "memory" }));
    let mut jar = Jar::default();
    let (mut client, _) = Client::joined(&gateway, &mut jar);
    client.leaves();
    let (_, welcome) = Client::joined(&gateway, &mut jar);
    assert_eq!(welcome["x_wampgate_known"], true);
}

#[test]
fn a_logout_without_a_cookie_is_a_goodbye() {
    let gateway = Gateway::start(&web(&crate::support::config::untracked()));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    assert_eq!(client.receive()[2], "wamp.close.goodbye_and_out");
    client.joins();
    client.echoes();
}

#[test]
fn somebody_with_the_right_to_kill_logs_all_devices_of_an_authid_out() {
    for (store, is_durable) in stores() {
        let mut gateway = gateway(&store);
        let mut admins = Jar::default();
        let mut admin = Client::open(&gateway, &mut admins);
        admin.join_by_ticket("joe", TICKET).unwrap();
        let mut away = Jar::default();
        let mut device = Client::open(&gateway, &mut away);
        device.join_by_ticket("joe", TICKET).unwrap();
        device.leaves();
        let mut here = Jar::default();
        let mut device = Client::open(&gateway, &mut here);
        device.join_by_ticket("joe", TICKET).unwrap();
        let (mut tab, _) = Client::joined(&gateway, &mut here);

        let kwargs = json!({ "reason": "wamp.close.logout" });
        let call = admin.call("wamp.session.kill_by_authid", &json!(["joe"]), &kwargs);
        let result = admin.result(call).unwrap();
        assert_eq!(
            result[3][0].as_array().map(Vec::len),
            Some(1),
            "the caller's own session stays: {result}"
        );
        assert_eq!(device.receive()[2], "wamp.close.logout");
        device.socket().await_close();
        is_told(&mut tab, "wamp.close.logout");

        // The answer does not wait for the store: the cookie of the device that is away goes a moment later.
        let away = away.id.unwrap();
        let deadline = Instant::now() + SOON;
        loop {
            let (_, welcome) = Client::joined(&gateway, &mut Jar { id: Some(away.clone()) });
            if welcome["x_wampgate_known"] == false {
                break;
            }
            assert!(Instant::now() < deadline, "still known");
        }
        let here = here.id.unwrap();
        assert_unknown(&gateway, &here);
        admin.echoes();
        let (_, welcome) = Client::joined(&gateway, &mut admins);
        assert_eq!(welcome["x_wampgate_known"], true, "the caller's own cookie stays");
        if is_durable {
            gateway.kill9();
            gateway.restart();
            assert_unknown(&gateway, &away);
            assert_unknown(&gateway, &here);
        }
    }
}

#[test]
fn who_may_not_kill_logs_nobody_out() {
    let gateway = gateway(&json!({ "type": "memory" }));
    let mut victims = Jar::default();
    let mut victim = Client::open(&gateway, &mut victims);
    victim.join_by_ticket("joe", TICKET).unwrap();
    let (mut attacker, _) = Client::joined(&gateway, &mut Jar::default());
    let kwargs = json!({ "reason": "wamp.close.logout" });
    for procedure in ["kill_by_authid", "kill_by_authrole", "kill_all"] {
        let call = attacker.call(&format!("wamp.session.{procedure}"), &json!(["joe"]), &kwargs);
        assert_eq!(uri(&attacker.result(call).unwrap_err()), "wamp.error.not_authorized");
    }
    victim.echoes();
    let (_, welcome) = Client::joined(&gateway, &mut victims);
    assert_eq!(welcome["x_wampgate_known"], true);
}
