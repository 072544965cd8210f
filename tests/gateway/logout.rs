//! Logging out: the cookie stands for no client any more, here, in every other tab, and after a restart.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    client::uri,
    code,
    config::{
        self, TICKET, With as _, anonymous_auth, is_durable, stores, ticket_auth, tracked_in, untracked, web,
        web_paths,
    },
};

/// A gateway with a store, on which joe (`frontend`) may do everything, the meta API included.
#[track_caller]
fn gateway(store: &Value) -> Gateway {
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    Gateway::start(&web(&tracked_in(store).with("auth", auth)).with("realms", json!([realm()])))
}

/// A realm on which only `frontend` may kill sessions.
fn realm() -> Value {
    let everything = config::everything();
    let rule = |uri: &str| json!({ "uri": uri, "match": "prefix", "allow": everything });
    json!({ "name": "realm1", "roles": [
        { "name": "anonymous", "permissions": [rule("")] },
        { "name": "frontend", "permissions": [rule(""), rule("wamp.session.")] },
    ] })
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

/// The answer to an order does not wait for the store: the cookie of a client that is away goes a moment later.
#[track_caller]
fn await_unknown(gateway: &Gateway, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::open(gateway, &mut Jar { id: Some(id.to_owned()) });
        client.hello("realm1", json!({}));
        let frame = client.socket().receive().unwrap();
        // A client that asks in the very moment is closed with the cookie.
        if frame.close_code().is_none()
            && Serializer::Json.decode(&frame.payload)[2]["x_wampgate_known"] == false
        {
            return;
        }
        assert!(Instant::now() < deadline, "still known");
    }
}

/// Orders that an authid be logged out; no client of that name is here.
#[track_caller]
fn log_out_who_is_away(admin: &mut Client, authid: &Value) {
    let kwargs = json!({ "reason": "wamp.close.logout" });
    let call = admin.call("wamp.session.kill_by_authid", &json!([authid]), &kwargs);
    assert_eq!(admin.result(call).unwrap()[3][0], json!([]));
}

#[test]
fn a_logout_ends_the_cookie_and_all_of_its_connections_in_every_store() {
    for store in stores() {
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
        is_told(&mut other, "wamp.close.logout");
        assert_eq!(silent.socket().await_close(), 1008, "also one that never joined");
        bystander.echoes();
        assert_unknown(&gateway, &id);
        if is_durable(&store) {
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
    let gateway = Gateway::start(&web(&untracked()));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    assert_eq!(client.receive()[2], "wamp.close.goodbye_and_out");
    client.joins();
    client.echoes();
}

#[test]
fn somebody_with_the_right_to_kill_logs_all_devices_of_an_authid_out() {
    for store in stores() {
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

        let away = away.id.unwrap();
        await_unknown(&gateway, &away);
        let here = here.id.unwrap();
        assert_unknown(&gateway, &here);
        admin.echoes();
        let (_, welcome) = Client::joined(&gateway, &mut admins);
        assert_eq!(welcome["x_wampgate_known"], true, "the caller's own cookie stays");
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
            assert_unknown(&gateway, &away);
            assert_unknown(&gateway, &here);
        }
    }
}

#[test]
fn an_anonymous_client_that_is_away_is_logged_out_by_the_name_that_others_know() {
    for store in stores() {
        let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
        // Its authid is the public ID, is the public ID over a line of cookies, or is the cookie ID.
        let services = [
            tracked_in(&store).with("auth", auth.clone()),
            tracked_in(&store).with("auth", auth.clone().with("cookie", json!({}))),
            tracked_in(&store),
        ];
        for service in services {
            let admins = untracked().with("auth", auth.clone());
            let paths = web_paths(&json!({ "ws": service, "admin": admins }));
            let mut gateway = Gateway::start(&paths.with("realms", json!([realm()])));
            let [(first, first_name), (second, second_name), (other, _)] = [(); 3].map(|()| away(&gateway));

            let mut admin = admin(&gateway);
            let call = admin.call("wamp.session.kill_by_authid", &json!([first_name]), &json!({}));
            assert_eq!(admin.result(call).unwrap()[3][0], json!([]));
            log_out_who_is_away(&mut admin, &first_name);
            for id in &first {
                await_unknown(&gateway, id);
            }
            if is_durable(&store) {
                gateway.kill9();
                gateway.restart();
                for id in &first {
                    assert_unknown(&gateway, id);
                }
                admin = self::admin(&gateway);
            }
            // The next one came before the restart, and is logged out after it.
            log_out_who_is_away(&mut admin, &second_name);
            for id in &second {
                await_unknown(&gateway, id);
            }
            let (_, welcome) = Client::joined(&gateway, &mut Jar { id: other.last().cloned() });
            assert_eq!(welcome["x_wampgate_known"], true, "another client's cookie");
        }
    }
}

#[test]
fn who_logs_all_other_devices_out_keeps_its_own_tabs() {
    for store in stores() {
        let auth = ticket_auth().with("cookie", json!({}));
        let service = tracked_in(&store).with("auth", auth);
        let gateway = Gateway::start(&web(&service).with("realms", json!([realm()])));
        let mut own = Jar::default();
        let mut admin = Client::open(&gateway, &mut own);
        // The browser's cookie is the one of this tab, and comes after the one of the tab that asks.
        let mut tab = Client::open(&gateway, &mut own);
        let mut others = Jar::default();
        let mut other = Client::open(&gateway, &mut others);
        for client in [&mut admin, &mut tab, &mut other] {
            client.join_by_ticket("joe", TICKET).unwrap();
        }
        let kwargs = json!({ "reason": "wamp.close.logout" });
        let call = admin.call("wamp.session.kill_by_authid", &json!(["joe"]), &kwargs);
        assert_eq!(admin.result(call).unwrap()[3][0].as_array().map(Vec::len), Some(2));
        let by_cookie = |jar: &Jar| {
            let mut client = Client::open(&gateway, &mut jar.clone());
            client.join("realm1", json!({ "authmethods": ["cookie"] }))
        };
        // The revocation may close this client's connection before it has joined.
        let is_logged_in = |jar: &Jar| {
            let mut client = Client::open(&gateway, &mut jar.clone());
            client.hello("realm1", json!({ "authmethods": ["cookie"] }));
            client.socket().receive().is_some_and(|frame| frame.payload.starts_with(b"[2,"))
        };
        other.socket().await_close();
        let deadline = Instant::now() + PATIENCE;
        while is_logged_in(&others) {
            assert!(Instant::now() < deadline, "the other device is logged in still");
        }
        admin.echoes();
        assert_eq!(by_cookie(&own).unwrap()["authid"], "joe");
    }
}

/// An anonymous client that was there three times and is gone: its cookies, and its name towards others.
#[track_caller]
fn away(gateway: &Gateway) -> (Vec<String>, Value) {
    let (mut jar, mut ids, mut name) = (Jar::default(), Vec::new(), Value::Null);
    for _ in 0..3 {
        let (mut client, welcome) = Client::joined(gateway, &mut jar);
        client.leaves();
        ids.push(jar.id.clone().unwrap());
        name = welcome["x_wampgate_public_id"].clone();
    }
    (ids, name)
}

/// Joe by a path without cookies.
#[track_caller]
fn admin(gateway: &Gateway) -> Client {
    let handshake = Handshake::default().path("/admin");
    let mut admin = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    admin.join_by_ticket("joe", TICKET).unwrap();
    admin
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
