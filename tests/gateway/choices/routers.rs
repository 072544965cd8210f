//! The same for routers that clients join.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use super::{choosing, logins, metrics, prepare, start, with_metrics};
use crate::support::{
    Client, Gateway, Jar, PATIENCE, code,
    config::{TICKET, With as _},
    router::{EDGE, Router},
};

/// A router behind the gateway, which has other names for its realms.
fn router_at(router: &Router, inner: &str) -> Value {
    json!({
        "type": "wamp",
        "addresses": [router.url()],
        "realms": [{ "name": "realm1", "upstream_name": inner, "roles": ["anonymous", "frontend"] }],
        "auth": { "type": "ticket", "ticket": EDGE },
    })
}

pub(super) fn config(policy: &Value, eu: &Router, us: &Router) -> Value {
    let upstreams = json!({ "eu": router_at(eu, "inner.eu"), "us": router_at(us, "inner.us") });
    with_metrics(&json!({ "ws": logins(policy).with("upstreams", upstreams) }))
}

/// The realm and the authid of the next session.
#[track_caller]
fn hello(told: &Receiver<Value>) -> (Value, Value) {
    let next = || told.recv_timeout(PATIENCE).unwrap();
    // The sessions before it may have ended.
    let hello = std::iter::repeat_with(next).find(|message| message[0] == code::HELLO).unwrap();
    (hello[1].clone(), hello[2]["authid"].clone())
}

/// Joe has logged in by a method that asks him.
#[track_caller]
fn joe(gateway: &Gateway, jar: &mut Jar) -> Client {
    Client::joe(gateway, jar).0
}

#[test]
fn each_session_joins_the_router_that_the_policy_chooses_for_who_the_client_has_become() {
    let ((eu, at_eu), (us, at_us)) = (Router::welcoming(|_| {}), Router::welcoming(|_| {}));
    let by_role = choosing(&json!({ "authrole": { "frontend": "eu" }, "otherwise": "us" }));
    let gateway = start(&config(&by_role, &eu, &us));
    let mut jar = Jar::default();
    let mut first = joe(&gateway, &mut jar);
    assert_eq!(hello(&at_eu), (json!("inner.eu"), json!("joe")));
    let mut other = Client::open(&gateway, &mut Jar::default());
    other.joins();
    assert_eq!(hello(&at_us).0, json!("inner.us"));
    // The same connection may join anew, and is another client then.
    first.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
    first.expect(code::GOODBYE);
    first.join("realm1", json!({})).unwrap();
    assert_eq!(hello(&at_us).0, json!("inner.us"));
    // The login that stands on the cookie leads to the same router.
    let mut again = Client::open(&gateway, &mut jar);
    again.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    assert_eq!(hello(&at_eu), (json!("inner.eu"), json!("joe")));
    let seen = metrics(&gateway);
    for line in [
        r#"wampgate_upstream_connections{transport="0",path="/ws#eu"} 1"#,
        r#"wampgate_upstream_connections{transport="0",path="/ws#us"} 2"#,
        r#"scripted.wasm",outcome="routed"} 4"#,
    ] {
        assert!(seen.contains(&format!("{line}\n")), "{line}: {seen}");
    }
    gateway.output().until("authprovider=cookie", 1);
}

#[test]
fn a_client_whose_router_nothing_chooses_joins_none() {
    for (choice, failure) in
        [("asia", "contract"), ("error!", "refused"), ("trap!", "trap"), ("loop!", "deadline")]
    {
        let ((eu, at_eu), (us, at_us)) = (Router::welcoming(|_| {}), Router::welcoming(|_| {}));
        let policy = choosing(&json!(choice)).with("deadline", json!("50ms"));
        let gateway = start(&config(&policy, &eu, &us));
        let mut client = Client::open(&gateway, &mut Jar::default());
        let refused = client.join_by_ticket("joe", TICKET).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.authentication_failed", "{choice}");
        assert!(at_eu.try_recv().is_err() && at_us.try_recv().is_err(), "{choice}");
        gateway.output().until(&format!("failure=\"{failure}\""), 1);
    }
}

#[test]
fn a_reload_takes_a_router_away_and_leaves_the_sessions_that_are_there() {
    let ((eu, at_eu), (us, at_us)) = (Router::welcoming(|_| {}), Router::welcoming(|_| {}));
    let gateway = start(&config(&choosing(&json!("us")), &eu, &us));
    let mut old = joe(&gateway, &mut Jar::default());
    hello(&at_us);
    let upstreams = json!({ "eu": router_at(&eu, "inner.eu") });
    let now = with_metrics(&json!({ "ws": logins(&choosing(&json!("eu"))).with("upstreams", upstreams) }));
    let (said, code) = gateway.reload(&now);
    assert_eq!(code, 0, "{said}");
    let _new = joe(&gateway, &mut Jar::default());
    hello(&at_eu);
    old.leaves();
}

#[test]
fn routers_with_other_roles_or_without_a_policy_are_refused() {
    let ((eu, _), (us, _)) = (Router::welcoming(|_| {}), Router::welcoming(|_| {}));
    let policy = choosing(&json!("eu"));
    let mut config = config(&policy, &eu, &us);
    let service = &mut config["transports"][0]["paths"]["ws"];
    service["upstreams"]["us"]["realms"][0]["roles"] = json!(["anonymous"]);
    let (said, code) = super::check(&prepare(&config));
    assert!(code != 0 && said.contains("has other realms or roles than the first of `upstreams`"), "{said}");
}
