//! What one session may hold in its realm.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, code,
    config::{self, With as _, tracked, web},
};

/// A gateway whose open realm lets one session hold this.
#[track_caller]
fn gateway_with_session_limits(per_session: &Value) -> Gateway {
    let everything = config::everything();
    let all = json!({ "uri": "", "match": "prefix", "allow": everything });
    let roles = json!([{ "name": "anonymous", "permissions": [all] }]);
    let realm = json!({ "name": "realm1", "roles": roles, "per_session": per_session });
    Gateway::start(&web(&tracked()).with("realms", json!([realm])))
}

#[test]
fn a_session_has_so_many_subscriptions_registrations_and_calls() {
    let limits = json!({ "max_subscriptions": 2, "max_registrations": 2, "max_pending_calls": 2 });
    let gateway = gateway_with_session_limits(&limits);
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let topics: Vec<Value> =
        ["com.a", "com.b"].iter().map(|topic| client.subscribe(topic).unwrap()).collect();
    assert_eq!(client.subscribe("com.c").unwrap_err(), "wamp.error.unavailable");
    client.unsubscribe(&topics[0]).unwrap();
    client.subscribe("com.c").unwrap();
    let procedures: Vec<Value> =
        ["com.a", "com.b"].iter().map(|procedure| client.register(procedure).unwrap()).collect();
    assert_eq!(client.register("com.c").unwrap_err(), "wamp.error.unavailable");
    client.unregister(&procedures[0]).unwrap();
    client.register("com.c").unwrap();

    // The client itself is the callee, and does not answer.
    for _ in 0..2 {
        client.call("com.b", &json!([]), &json!({}));
        client.expect(code::INVOCATION);
    }
    let refused = client.call("com.b", &json!([]), &json!({}));
    let error = client.result(refused).unwrap_err();
    assert_eq!(error[4], "wamp.error.unavailable", "{error}");
    assert!(error[5][0].as_str().is_some_and(|why| why.starts_with("2 calls")), "{error}");
    gateway.assert_next_client_is_served();
}

#[test]
fn the_uris_of_a_session_have_a_size_together() {
    let gateway = gateway_with_session_limits(&json!({ "uri_space": "1KiB" }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let uri = |letter: &str| letter.repeat(500);
    let first = client.subscribe(&uri("a")).unwrap();
    client.register(&uri("b")).unwrap();
    assert_eq!(client.subscribe(&uri("c")).unwrap_err(), "wamp.error.unavailable");
    assert_eq!(client.register(&uri("c")).unwrap_err(), "wamp.error.unavailable");
    client.unsubscribe(&first).unwrap();
    client.register(&uri("c")).unwrap();
    gateway.assert_next_client_is_served();
}
