//! Who a client is when it joins: anonymous, none, deferred and denied, by the default policy and by a custom one.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, code,
    config::{TICKET, With as _, anonymous_auth, ticket_auth, tracked, tracked_in_file, untracked, web},
    gateway::tracking_gateway,
};

/// Joins with these HELLO.Details.
#[track_caller]
fn join(gateway: &Gateway, jar: &mut Jar, details: Value) -> Value {
    Client::open(gateway, jar).join("realm1", details).unwrap()
}

/// The reason of the ABORT that these HELLO.Details get.
#[track_caller]
fn refusal(gateway: &Gateway, details: Value) -> String {
    Client::open(gateway, &mut Jar::default()).join("realm1", details).unwrap_err().reason
}

#[test]
fn features_of_the_wrong_type_are_a_protocol_violation() {
    let gateway = tracking_gateway();
    for (roles, what) in [
        (json!({ "callee": { "features": { "call_canceling": "true" } } }), "callee.features.call_canceling"),
        (json!({ "callee": { "features": 1 } }), "callee.features"),
        (json!({ "caller": 1 }), "caller"),
    ] {
        let mut client = Client::open(&gateway, &mut Jar::default());
        let abort = client.join("realm1", json!({ "roles": roles })).unwrap_err();
        assert_eq!(abort.reason, "wamp.error.protocol_violation", "{abort:?}");
        assert!(abort.message.contains(&format!("HELLO.Details: roles.{what}: ")), "{abort:?}");
    }
    join(&gateway, &mut Jar::default(), json!({ "roles": { "caller": [], "callee": { "features": [] } } }));
}

#[track_caller]
fn assert_anonymous(welcome: &Value) {
    let expected = json!({ "authrole": "anonymous", "authmethod": "anonymous", "authprovider": "static" });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&welcome[key], value, "{welcome}");
    }
    assert_eq!(welcome["realm"], "realm1", "{welcome}");
}

/// A client that was tracked joins twice under its cookie's ID.
#[track_caller]
fn assert_authid_is_the_cookie(gateway: &Gateway) {
    let mut jar = Jar::default();
    let first = join(gateway, &mut jar, json!({}));
    assert_anonymous(&first);
    assert_eq!(first["authid"].as_str(), jar.id.as_deref());
    assert_eq!(first["x_wampgate_known"], false);

    let (mut client, again) = Client::joined(gateway, &mut jar);
    assert_eq!(again["authid"], first["authid"]);
    assert_eq!(again["x_wampgate_known"], true);
    assert_eq!(again["x_wampgate_public_id"], first["x_wampgate_public_id"]);
    assert_ne!(again["x_wampgate_public_id"], first["authid"], "the public ID gives the cookie away");
    assert!(client.handshake.set_cookies().is_empty(), "a known client got another cookie");
    client.leaves();

    let stranger = join(gateway, &mut Jar::default(), json!({ "authmethods": ["anonymous"] }));
    assert_ne!(stranger["authid"], first["authid"]);
}

/// A client that is not tracked gets another authid each time.
#[track_caller]
fn assert_authid_is_random(gateway: &Gateway) {
    let mut jar = Jar::default();
    let first = join(gateway, &mut jar, json!({}));
    assert_anonymous(&first);
    assert_eq!(jar.id, None, "a cookie, and no tracking is configured");
    assert_eq!(first.get("x_wampgate_public_id"), None, "{first}");
    let again = join(gateway, &mut jar, json!({}));
    assert!(first["authid"].as_str().unwrap().len() >= 16, "{first}");
    assert_ne!(again["authid"], first["authid"]);
}

// === The default policy ===

#[test]
fn without_authentication_a_tracked_client_keeps_its_cookie_as_its_authid() {
    assert_authid_is_the_cookie(&tracking_gateway());
}

#[test]
fn with_anonymous_alone_a_tracked_client_keeps_its_cookie_as_its_authid() {
    assert_authid_is_the_cookie(&Gateway::start(&web(&tracked().with("auth", anonymous_auth()))));
}

#[test]
fn without_tracking_an_authid_is_random() {
    assert_authid_is_random(&Gateway::start(&web(&untracked())));
    assert_authid_is_random(&Gateway::start(&web(&untracked().with("auth", anonymous_auth()))));
}

#[test]
fn an_authid_that_an_anonymous_client_asks_for_is_not_given() {
    let gateway = tracking_gateway();
    let mut jar = Jar::default();
    let welcome = join(&gateway, &mut jar, json!({ "authid": "joe", "authrole": "admin" }));
    assert_eq!(welcome["authid"].as_str(), jar.id.as_deref());
    assert_eq!(welcome["authrole"], "anonymous");
}

#[test]
fn what_a_client_says_about_itself_is_neither_echoed_nor_stored() {
    let auth =
        ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone()).with("cookie", json!({}));
    let gateway = Gateway::start(&web(&tracked_in_file().with("auth", auth)));
    let extra = json!({ "note": "remember-me" });
    let welcome = join(&gateway, &mut Jar::default(), json!({ "authextra": extra }));
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe", "authextra": extra }));
    client.expect(code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, extra]));
    for welcome in [welcome, client.outcome().unwrap()] {
        assert!(!welcome.to_string().contains("remember-me"), "{welcome}");
    }
    let stored = std::fs::read_to_string(gateway.path().join("cookies.dat")).unwrap();
    assert!(stored.contains("\"joe\"") && !stored.contains("remember-me"), "{stored}");
}

#[test]
fn a_right_ticket_joins_as_its_principal() {
    for service in [tracked(), untracked()] {
        let gateway = Gateway::start(&web(&service.with("auth", ticket_auth())));
        let mut jar = Jar::default();
        for _ in 0..2 {
            let welcome = Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
            assert_eq!(welcome["authid"], "joe");
            assert_eq!(welcome["authrole"], "frontend");
            assert_eq!(welcome["authmethod"], "ticket");
            assert_eq!(welcome["authprovider"], "static");
        }
    }
}

#[test]
fn a_wrong_ticket_and_an_unknown_principal_are_refused_alike() {
    let gateway = Gateway::start(&web(&tracked().with("auth", ticket_auth())));
    let mut jar = Jar::default();
    let wrong = Client::open(&gateway, &mut jar).join_by_ticket("joe", "guess").unwrap_err();
    let unknown = Client::open(&gateway, &mut jar).join_by_ticket("eve", TICKET).unwrap_err();
    assert_eq!(wrong.reason, "wamp.error.not_authorized");
    assert_eq!(wrong, unknown, "a client can tell who exists");
    Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
}

#[test]
fn a_client_that_offers_no_configured_method_is_refused() {
    let ticket = Gateway::start(&web(&tracked().with("auth", ticket_auth())));
    for methods in [json!([]), json!(["anonymous"]), json!(["cookie"]), json!(["wampcra", "scram"])] {
        assert_eq!(refusal(&ticket, json!({ "authmethods": methods })), "wamp.error.no_auth_method");
    }
    let none = tracking_gateway();
    assert_eq!(
        refusal(&none, json!({ "authmethods": ["ticket"], "authid": "joe" })),
        "wamp.error.no_auth_method"
    );
    none.assert_next_client_is_served();
}

#[test]
fn beside_other_methods_an_anonymous_client_is_known_by_its_public_id() {
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    let gateway = Gateway::start(&web(&tracked().with("auth", auth)));
    let mut jar = Jar::default();
    let first = join(&gateway, &mut jar, json!({ "authmethods": ["anonymous"] }));
    assert_anonymous(&first);
    assert_eq!(first["authid"], first["x_wampgate_public_id"]);
    assert_ne!(first["authid"].as_str(), jar.id.as_deref(), "here the cookie's ID is a credential");
    let again = join(&gateway, &mut jar, json!({ "authmethods": ["anonymous"] }));
    assert_eq!(again["authid"], first["authid"]);
    let joe = Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    assert_eq!(joe["authid"], "joe");
}

#[test]
fn the_first_offered_method_that_is_configured_is_used() {
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    let gateway = Gateway::start(&web(&untracked().with("auth", auth)));
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello("realm1", json!({ "authmethods": ["wampcra", "ticket", "anonymous"], "authid": "joe" }));
    assert_eq!(client.receive()[1], "ticket");
}

// === A custom policy ===

/// A gateway whose policy is `tests/component/guests/custom.wat`: it calls known clients `vip-` and their public ID,
/// leaves new ones to the gateway, denies a client that says to be `banned`, and defers to `ticket` where that is offered.
#[track_caller]
fn custom_gateway() -> Gateway {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/component/guests/custom.wat");
    let component = wat::parse_file(source).unwrap();
    let service = tracked()
        .with("auth", ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone()))
        .with("policy", json!({ "component": "custom.wasm" }));
    Gateway::prepare(&web(&service)).file("custom.wasm", component).run()
}

#[test]
fn a_custom_policy_names_known_clients() {
    let gateway = custom_gateway();
    let mut jar = Jar::default();
    let first = join(&gateway, &mut jar, json!({}));
    assert_anonymous(&first);
    assert_ne!(
        first["authid"].as_str(),
        jar.id.as_deref(),
        "the policy assigned nothing: the authid is random"
    );

    let again = join(&gateway, &mut jar, json!({}));
    let public_id = again["x_wampgate_public_id"].as_str().unwrap();
    assert_eq!(again["authid"], format!("vip-{public_id}"));
    assert_eq!(join(&gateway, &mut jar, json!({}))["authid"], again["authid"]);
}

#[test]
fn a_custom_policy_denies() {
    let gateway = custom_gateway();
    let banned = Client::open(&gateway, &mut Jar::default()).join("realm1", json!({ "authid": "banned" }));
    let refused = banned.unwrap_err();
    assert_ne!(
        refused.reason, "wamp.error.authentication_failed",
        "that is a failure, not a denial: {refused:?}"
    );
    gateway.assert_next_client_is_served();
}

#[test]
fn a_custom_policy_defers_to_a_method() {
    let gateway = custom_gateway();
    let mut jar = Jar::default();
    let welcome = Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    assert_eq!(welcome["authid"], "joe");
    Client::open(&gateway, &mut jar).join_by_ticket("joe", "guess").unwrap_err();
    gateway.assert_next_client_is_served();
}
