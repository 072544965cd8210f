//! The meta API of subscriptions and registrations: questions, events, and taking one back.

use serde_json::{Value, json};

use super::{ask, capable, register, subscribe};
use crate::support::{
    Client, Gateway, Jar, Serializer,
    client::uri,
    code,
    config::{With as _, everything, untracked, web},
    gateway::tracking_gateway,
};

#[test]
fn questions_about_subscriptions_are_answered_in_every_serializer() {
    let gateway = tracking_gateway();
    for serializer in Serializer::ALL {
        let mut client = Client::open_with(&gateway, &mut Jar::default(), serializer, false);
        client.joins();
        let exact = subscribe(&mut client, &json!({}), "com.app.x").unwrap();
        let prefix = subscribe(&mut client, &json!({ "match": "prefix" }), "com.app").unwrap();
        let wildcard = subscribe(&mut client, &json!({ "match": "wildcard" }), ".app.x").unwrap();
        let mut ask = |name: &str, args: Value| ask(&mut client, &format!("wamp.subscription.{name}"), &args);
        let list = ask("list", json!([])).unwrap();
        assert_eq!(list, json!({ "exact": [exact], "prefix": [prefix], "wildcard": [wildcard] }));
        assert_eq!(ask("lookup", json!(["com.app.x"])).unwrap(), exact);
        assert_eq!(ask("lookup", json!(["com.app", { "match": "prefix" }])).unwrap(), prefix);
        assert_eq!(ask("lookup", json!(["com.app"])).unwrap(), Value::Null);
        for options in [json!("prefix"), json!({ "match": "prefix", "strict": true })] {
            assert_eq!(
                uri(&ask("lookup", json!(["com.app", options])).unwrap_err()),
                "wamp.error.invalid_argument"
            );
        }
        let mut matching = ask("match", json!(["com.app.x"])).unwrap().as_array().unwrap().clone();
        matching.sort_by_key(Value::as_u64);
        assert_eq!(matching, [exact.clone(), prefix.clone(), wildcard.clone()]);
        assert_eq!(ask("match", json!(["net.x"])).unwrap(), Value::Null);
        let details = ask("get", json!([wildcard])).unwrap();
        assert_eq!(
            (&details["id"], &details["uri"], &details["match"]),
            (&wildcard, &json!(".app.x"), &json!("wildcard"))
        );
        assert!(details["created"].as_str().unwrap().ends_with('Z'), "{details}");
        assert_eq!(ask("list_subscribers", json!([exact])).unwrap().as_array().unwrap().len(), 1);
        assert_eq!(ask("count_subscribers", json!([exact])).unwrap(), 1);
        for name in ["get", "list_subscribers", "count_subscribers"] {
            assert_eq!(uri(&ask(name, json!([123_456])).unwrap_err()), "wamp.error.no_such_subscription");
            assert_eq!(uri(&ask(name, json!(["x"])).unwrap_err()), "wamp.error.invalid_argument");
        }
        client.leaves();
    }
}

#[test]
fn questions_about_registrations_are_answered() {
    let gateway = tracking_gateway();
    let (mut client, mut other) = (capable(&gateway), capable(&gateway));
    let shared = register(&mut client, &json!({ "invoke": "roundrobin" }), "com.app.x").unwrap();
    register(&mut other, &json!({ "invoke": "roundrobin" }), "com.app.x").unwrap();
    let prefix = register(&mut client, &json!({ "match": "prefix" }), "com.app").unwrap();
    let mut ask = |name: &str, args: Value| ask(&mut client, &format!("wamp.registration.{name}"), &args);
    assert_eq!(
        ask("list", json!([])).unwrap(),
        json!({ "exact": [shared], "prefix": [prefix], "wildcard": [] })
    );
    assert_eq!(ask("lookup", json!(["com.app", { "match": "prefix" }])).unwrap(), prefix);
    assert_eq!(ask("match", json!(["com.app.x"])).unwrap(), shared);
    assert_eq!(ask("match", json!(["com.apple"])).unwrap(), prefix);
    assert_eq!(ask("match", json!(["net.x"])).unwrap(), Value::Null);
    let details = ask("get", json!([shared])).unwrap();
    assert_eq!(
        (&details["uri"], &details["invoke"]),
        (&json!("com.app.x"), &json!("roundrobin")),
        "{details}"
    );
    assert_eq!(ask("list_callees", json!([shared])).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(ask("count_callees", json!([shared])).unwrap(), 2);
    assert_eq!(uri(&ask("get", json!([123_456])).unwrap_err()), "wamp.error.no_such_registration");
}

/// The events of the meta API that a watcher has got: the topic's last component and the arguments.
#[track_caller]
fn told(watcher: &mut Client, count: usize) -> Vec<(String, Value)> {
    (0..count)
        .map(|_| {
            let event = watcher.expect(code::EVENT);
            let topic = event[3]["topic"].as_str().unwrap();
            (topic.rsplit('.').next().unwrap().to_owned(), event[4].clone())
        })
        .collect()
}

#[test]
fn life_of_a_subscription_and_of_a_registration_is_told() {
    let gateway = tracking_gateway();
    let mut watcher = capable(&gateway);
    let (mut client, mut other) = (capable(&gateway), capable(&gateway));
    for kind in ["subscription", "registration"] {
        let pattern = format!("wamp.{kind}.");
        let watching = subscribe(&mut watcher, &json!({ "match": "prefix" }), &pattern).unwrap();
        let own = if kind == "subscription" { 2 } else { 0 };
        told(&mut watcher, own);
        let take = |client: &mut Client| match kind {
            "subscription" => subscribe(client, &json!({}), "com.app.x").unwrap(),
            _ => register(client, &json!({ "invoke": "first" }), "com.app.x").unwrap(),
        };
        let id = take(&mut client);
        take(&mut other);
        match kind {
            "subscription" => client.unsubscribe(&id).unwrap(),
            _ => client.unregister(&id).unwrap(),
        }
        let left = if kind == "registration" {
            other.leaves();
            true
        } else {
            other.unsubscribe(&id).unwrap();
            false
        };
        let events = told(&mut watcher, 6);
        let names: Vec<&str> = events.iter().map(|(name, _)| &**name).collect();
        let (on, off) = if kind == "subscription" {
            ("on_subscribe", "on_unsubscribe")
        } else {
            ("on_register", "on_unregister")
        };
        assert_eq!(names, ["on_create", on, on, off, off, "on_delete"], "{left}");
        let details = &events[0].1[1];
        assert_eq!(
            (&details["id"], &details["uri"], &details["match"]),
            (&id, &json!("com.app.x"), &json!("exact"))
        );
        for (_, args) in &events[1..] {
            assert_eq!(args[1], id);
        }
        assert_eq!(events[0].1[0], events[1].1[0], "one session made it and was added");
        assert_ne!(events[1].1[0], events[2].1[0]);
        watcher.unsubscribe(&watching).unwrap();
    }
}

/// All roles may do everything, and what the protocol's own URIs say besides.
#[track_caller]
fn administered() -> Gateway {
    let allow = everything();
    let permissions = json!([
        { "uri": "", "match": "prefix", "allow": allow },
        { "uri": "wamp.", "match": "prefix", "allow": { "call": true, "subscribe": true } },
    ]);
    let role = json!({ "name": "anonymous", "permissions": permissions });
    let realm = json!({ "name": "realm1", "roles": [role] });
    Gateway::start(&web(&untracked()).with("realms", json!([realm])))
}

#[test]
fn administrator_takes_a_subscription_or_a_registration_from_a_client_which_is_told() {
    let gateway = administered();
    let (mut admin, mut client) = (capable(&gateway), capable(&gateway));
    let subscription = subscribe(&mut client, &json!({}), "com.app.x").unwrap();
    let registration = register(&mut client, &json!({}), "com.app.x").unwrap();
    let session =
        ask(&mut admin, "wamp.registration.list_callees", &json!([registration])).unwrap()[0].clone();
    for (procedure, id, message) in [
        ("wamp.subscription.remove_subscriber", &subscription, code::UNSUBSCRIBED),
        ("wamp.registration.remove_callee", &registration, code::UNREGISTERED),
    ] {
        // Clients such as autobahn for Python take nothing else for a reason.
        for reason in ["no longer paid".to_owned(), "x".repeat(1025)] {
            let request = admin.call(procedure, &json!([id, session]), &json!({ "reason": reason }));
            assert_eq!(uri(&admin.result(request).unwrap_err()), "wamp.error.invalid_uri");
        }
        let request = admin.call(procedure, &json!([id, session]), &json!({ "reason": "com.app.unpaid" }));
        admin.result(request).unwrap();
        let told = client.expect(message);
        assert_eq!((&told[1], &told[2]["reason"]), (&json!(0), &json!("com.app.unpaid")), "{told}");
        assert_eq!(told[2].as_object().unwrap().values().find(|value| *value == id), Some(id), "{told}");
        let gone = ask(&mut admin, procedure, &json!([id, session])).unwrap_err();
        assert!(uri(&gone).starts_with("wamp.error.no_such_"), "{gone}");
    }
    client.echoes();
}

#[test]
fn in_an_open_realm_nobody_takes_from_others() {
    let gateway = tracking_gateway();
    let (mut client, mut other) = (capable(&gateway), capable(&gateway));
    let subscription = subscribe(&mut other, &json!({}), "com.app.x").unwrap();
    let session =
        ask(&mut client, "wamp.subscription.list_subscribers", &json!([subscription])).unwrap()[0].clone();
    let refused =
        ask(&mut client, "wamp.subscription.remove_subscriber", &json!([subscription, session])).unwrap_err();
    assert_eq!(uri(&refused), "wamp.error.not_authorized");
}
