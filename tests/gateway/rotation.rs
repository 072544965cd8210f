//! Taking over another client's login by the cookie: planted before, copied after, used again. All refused.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, code,
    config::{TICKET, With as _, anonymous_auth, is_durable, stores, ticket_auth, tracked_in, web},
};

/// Crossbar.io has none of the options of `cookie`, so these tests say what the defaults are.
#[track_caller]
fn gateway(store: &Value, cookie: &Value) -> Gateway {
    let auth =
        ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone()).with("cookie", cookie.clone());
    Gateway::start(&web(&tracked_in(store).with("auth", auth)))
}

#[track_caller]
fn log_in(gateway: &Gateway, jar: &mut Jar) -> Client {
    Client::joe(gateway, jar).0
}

/// Who a client with this cookie is, if it offers no other method.
#[track_caller]
fn by_cookie(gateway: &Gateway, jar: &mut Jar) -> Result<Value, String> {
    let mut client = Client::open(gateway, jar);
    let joined = client.join("realm1", json!({ "authmethods": ["cookie"] }));
    joined.map(|welcome| welcome["authid"].clone()).map_err(|refused| refused.reason)
}

fn with(id: &str) -> Jar {
    Jar { id: Some(id.to_owned()) }
}

/// Checks what must hold also after a restart, where the store survives one.
fn now_and_after_a_restart(gateway: &mut Gateway, store: &Value, check: impl Fn(&Gateway)) {
    check(gateway);
    if is_durable(store) {
        gateway.kill9();
        gateway.restart();
        check(gateway);
    }
}

const NOBODY: &str = "wamp.error.no_auth_method";

#[test]
fn a_login_is_followed_by_a_new_cookie_in_every_store_and_across_a_restart() {
    for store in stores() {
        let mut gateway = gateway(&store, &json!({}));
        let mut jar = Jar::default();
        drop(log_in(&gateway, &mut jar));
        let first = jar.id.clone().unwrap();
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
        }
        assert_eq!(by_cookie(&gateway, &mut jar).unwrap(), "joe");
        let second = jar.id.clone().unwrap();
        assert_ne!(first, second);
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
        }
        // Tabs that were opened side by side.
        let mut tab = with(&first);
        assert_eq!(by_cookie(&gateway, &mut tab).unwrap(), "joe");
        assert_eq!(tab.id.as_ref(), Some(&second), "both are given the same one");
        assert_eq!(by_cookie(&gateway, &mut jar).unwrap(), "joe");
        assert_eq!(jar.id, Some(second), "one login, one new cookie");
    }
}

#[test]
fn a_planted_cookie_is_nobodys_whoever_comes_first_in_every_store_and_across_a_restart() {
    for store in stores() {
        let mut gateway = gateway(&store, &json!({}));
        let mut planted = Jar::default();
        let (mut attacker, _) = Client::joined(&gateway, &mut planted);
        let planted = planted.id.unwrap();
        let mut victims = with(&planted);
        let victim = log_in(&gateway, &mut victims);
        for _ in 0..2 {
            assert_eq!(by_cookie(&gateway, &mut with(&planted)).unwrap_err(), NOBODY);
        }
        // A connection that is open since before the login.
        attacker.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        attacker.expect(code::GOODBYE);
        let refused = attacker.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap_err();
        assert_eq!(refused.reason, NOBODY);
        drop(victim);
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
            assert_eq!(by_cookie(&gateway, &mut with(&planted)).unwrap_err(), NOBODY);
        }
        assert_eq!(by_cookie(&gateway, &mut victims).unwrap(), "joe");
        assert_eq!(by_cookie(&gateway, &mut with(&planted)).unwrap_err(), NOBODY);
    }
}

#[test]
fn a_client_keeps_its_public_name_whatever_becomes_of_its_cookie() {
    let gateway = gateway(&stores()[0], &json!({}));
    let mut jar = Jar::default();
    let (_, first) = Client::joined(&gateway, &mut jar);
    for _ in 0..3 {
        let before = jar.id.clone();
        let (_, again) = Client::joined(&gateway, &mut jar);
        assert_ne!(jar.id, before, "an anonymous client's cookie is replaced: it may be planted");
        assert_eq!(again["authid"], first["authid"], "and the client is who it was");
        assert_eq!(again["x_wampgate_known"], true);
    }
    drop(log_in(&gateway, &mut jar));
    let mut client = Client::open(&gateway, &mut jar);
    let welcome = client.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    assert_eq!(welcome["x_wampgate_public_id"], first["x_wampgate_public_id"]);
}

#[test]
fn a_replaced_cookie_that_comes_back_later_logs_everybody_out_in_every_store() {
    // Joe's cookies as they are an hour after the one was replaced by the other.
    let line = |id: &str, created: &str, rest: &str| {
        let record = format!(
            r#"{{"cbtid": "{id}", "status": "created", "created": "{created}", "modified": "{created}", "deleted": null, "max_age": 86400, "authid": "joe", "authrole": "frontend", "authmethod": "ticket", "authrealm": "realm1", "authextra": {{}}{rest}, "seen": "{created}", "v": 2"#
        );
        format!("{record}, \"crc\": \"{:08x}\"}}\n", crc32fast::hash(record.as_bytes()))
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap();
    let ago = |seconds: u64| wampgate::store::Timestamp::from_millis(now - seconds * 1000).to_text();
    let (old, new) = ("old-old-old-old-old-old-", "new-new-new-new-new-new-");
    let replaced = format!(r#", "next": "{new}", "since": "{}""#, ago(3600));
    let lines = line(old, &ago(7200), &replaced)
        + &line(new, &ago(3600), &format!(r#", "public": "Public-Id-of-Joe", "before": "{old}""#));

    for store in stores() {
        let service = tracked_in(&store).with("auth", ticket_auth().with("cookie", json!({})));
        let mut gateway = Gateway::prepare(&web(&service)).file("lines.jsonl", &lines).run();
        gateway.command("cookies", &["import", "lines.jsonl"]);

        let mut jar = with(new);
        let mut client = Client::open(&gateway, &mut jar);
        let welcome = client.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
        assert_eq!(
            (&welcome["authid"], &welcome["x_wampgate_public_id"]),
            (&json!("joe"), &json!("Public-Id-of-Joe"))
        );

        let mut thief = with(old);
        assert_eq!(by_cookie(&gateway, &mut thief).unwrap_err(), NOBODY);
        assert!(![old, new].contains(&thief.id.as_deref().unwrap()));
        let goodbye = client.receive();
        assert_eq!(
            (&goodbye[0], &goodbye[2]),
            (&json!(code::GOODBYE), &json!("wamp.close.killed")),
            "{goodbye}"
        );
        assert_eq!(client.socket().await_close(), 1008);
        now_and_after_a_restart(&mut gateway, &store, |gateway| {
            for id in [old, new] {
                assert_eq!(by_cookie(gateway, &mut with(id)).unwrap_err(), NOBODY, "{id}");
            }
            let said = gateway.output().text();
            let line = said.lines().find(|line| line.contains(old) || line.contains(new));
            assert_eq!(line, None, "the log holds a tracking ID");
        });
    }
}

#[test]
fn a_logout_ends_the_cookies_before_and_after_it() {
    for store in stores() {
        let mut gateway = gateway(&store, &json!({}));
        let mut jar = Jar::default();
        let mut first = log_in(&gateway, &mut jar);
        let old = jar.id.clone().unwrap();
        let mut second = Client::open(&gateway, &mut jar);
        second.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
        let new = jar.id.clone().unwrap();
        second.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
        assert_eq!(second.receive()[2], "wamp.close.goodbye_and_out");
        assert_eq!(first.receive()[2], "wamp.close.logout");
        now_and_after_a_restart(&mut gateway, &store, |gateway| {
            for id in [&old, &new] {
                assert_eq!(by_cookie(gateway, &mut with(id)).unwrap_err(), NOBODY);
            }
        });
    }
}

#[test]
fn a_logout_in_one_tab_logs_the_browser_out() {
    for store in stores() {
        let mut gateway = gateway(&store, &json!({}));
        let mut jar = Jar::default();
        // Both are there before a client logs in, so that the browser's cookie is the other one's.
        let mut leaving = Client::open(&gateway, &mut jar);
        let mut tab = Client::open(&gateway, &mut jar);
        let mut closed = Client::open(&gateway, &mut jar);
        for client in [&mut leaving, &mut tab, &mut closed] {
            client.join_by_ticket("joe", TICKET).unwrap();
        }
        drop(closed);
        leaving.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
        assert_eq!(leaving.receive()[2], "wamp.close.goodbye_and_out");
        assert_eq!(tab.receive()[2], "wamp.close.logout");
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
        }
        assert_eq!(by_cookie(&gateway, &mut jar).unwrap_err(), NOBODY);
    }
}

#[test]
fn without_rotation_the_cookie_stays() {
    let gateway = gateway(&stores()[0], &json!({ "rotate": false }));
    let mut jar = Jar::default();
    drop(log_in(&gateway, &mut jar));
    let id = jar.id.clone().unwrap();
    assert_eq!(by_cookie(&gateway, &mut jar).unwrap(), "joe");
    assert_eq!(jar.id.as_ref(), Some(&id));
    let (_, response) = Handshake::default().cookie(&id).opens(&gateway);
    assert!(response.set_cookies().is_empty());
}
