//! Roles and permissions of a realm in Crossbar.io's form, as clients meet them.

use serde_json::{Value, json};

use super::meta::joe;
use crate::support::{
    Client, Gateway, Jar,
    client::uri,
    code,
    config::{self, With as _, anonymous_auth, ticket_auth, tracked, web},
};

const DENIED: &str = "wamp.error.not_authorized";

/// A gateway on which joe (`frontend`) may do everything, and `anonymous` what these permissions say.
#[track_caller]
fn gateway(permissions: &Value) -> Gateway {
    let everything = config::everything();
    let all = json!({ "uri": "", "match": "prefix", "allow": everything });
    let realm = json!({ "name": "realm1", "roles": [
        { "name": "anonymous", "permissions": permissions },
        { "name": "frontend", "permissions": [all] },
    ] });
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    Gateway::start(&web(&tracked().with("auth", auth)).with("realms", json!([realm])))
}

/// Whether a client may call a procedure that no client has registered.
#[track_caller]
fn may_call(client: &mut Client, procedure: &str) -> bool {
    let call = client.call(procedure, &json!([]), &json!({}));
    match uri(&client.result(call).unwrap_err()).as_str() {
        "wamp.error.no_such_procedure" => true,
        DENIED => false,
        other => panic!("{other}"),
    }
}

#[test]
fn the_most_specific_rule_decides() {
    let rule = |uri: &str, matching: &str, call: bool| json!({ "uri": uri, "match": matching, "allow": { "call": call } });
    let gateway = gateway(&json!([
        rule("com.app.", "prefix", true),
        rule("com.app.admin.", "prefix", false),
        rule("com.app.admin.ping", "exact", true),
        rule("org..status", "wildcard", true),
        rule("org.secret.", "prefix", false),
    ]));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for (procedure, expected) in [
        ("com.app.list", true),
        ("com.app.admin.delete", false),
        ("com.app.admin.ping", true),
        ("com.app.admin.ping.pong", false),
        ("com.application", false),
        ("org.shop.status", true),
        ("org.shop.orders", false),
        ("org.shop.orders.status", false),
        ("org.secret.status", false),
        ("net.example", false),
    ] {
        assert_eq!(may_call(&mut client, procedure), expected, "{procedure}");
    }
    client.leaves();
}

#[test]
fn each_action_takes_its_own_permission_and_the_default_is_no() {
    for allowed in ["call", "register", "publish", "subscribe", "nothing"] {
        let mut allow = json!({ "call": false, "register": false, "publish": false, "subscribe": false });
        if allowed != "nothing" {
            allow[allowed] = true.into();
        }
        let gateway = gateway(&json!([{ "uri": "com.example.x", "match": "exact", "allow": allow }]));
        let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
        let outcomes = [
            ("call", may_call(&mut client, "com.example.x")),
            ("register", client.register("com.example.x") != Err(DENIED.to_owned())),
            ("publish", client.publish("com.example.x", &json!([]), &json!({})) != Err(DENIED.to_owned())),
            ("subscribe", client.subscribe("com.example.x") != Err(DENIED.to_owned())),
        ];
        for (action, is_allowed) in outcomes {
            assert_eq!(is_allowed, action == allowed, "{action} where {allowed} is allowed");
        }
        client.leaves();
    }
}

#[test]
fn who_publishes_and_who_calls_is_told_where_a_rule_says_so() {
    for (caller, publisher) in [(false, false), (true, false), (false, true)] {
        let gateway = gateway(&json!([{
            "uri": "com.example.", "match": "prefix", "allow": { "call": true, "publish": true },
            "disclose": { "caller": caller, "publisher": publisher },
        }]));
        let mut watcher = joe(&gateway);
        watcher.subscribe("com.example.topic").unwrap();
        watcher.register("com.example.procedure").unwrap();
        let (mut client, welcome) = Client::joined(&gateway, &mut Jar::default());
        client.publish("com.example.topic", &json!([]), &json!({})).unwrap();
        client.call("com.example.procedure", &json!([]), &json!({}));
        let event = watcher.expect(code::EVENT);
        let invocation = watcher.expect(code::INVOCATION);
        let told = |is_told: bool| if is_told { welcome["authid"].clone() } else { Value::Null };
        assert_eq!(event[3]["publisher_authid"], told(publisher), "{event}");
        assert_eq!(invocation[3]["caller_authid"], told(caller), "{invocation}");
    }
}
