//! What WELCOME announces works, and what works is announced: each feature has a probe here, and no other feature is announced.
//!
//! The probes say the least that a feature means; the other files of this folder test what each of them does in detail.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};

use super::{ask, call, capable, events, publish, register, subscribe};
use crate::support::{
    Client, Gateway, Jar,
    client::uri,
    code,
    config::{With as _, everything, tracked, web},
};

const TOPIC: &str = "com.example.topic";
const PROCEDURE: &str = "com.example.procedure";

/// A feature by its role and its name, and what shows that it works.
type Probe = (&'static str, &'static str, fn(&Gateway));

const PROBES: &[Probe] = &[
    ("broker", "event_history", |gateway| {
        let mut client = capable(gateway);
        let found = ask(&mut client, "wamp.subscription.lookup", &json!(["com.example.recorded"])).unwrap();
        publish(&mut client, json!({}), "com.example.recorded", &json!(["kept"])).unwrap();
        let recalled = ask(&mut client, "wamp.subscription.get_events", &json!([found])).unwrap();
        assert_eq!(recalled[0]["args"], json!(["kept"]), "{recalled}");
    }),
    ("broker", "event_retention", |gateway| {
        // Not its publisher, which is no receiver of its own event.
        let [mut publisher, mut subscriber] = [capable(gateway), capable(gateway)];
        publish(&mut publisher, json!({ "retain": true }), TOPIC, &json!(["latest"])).unwrap();
        subscribe(&mut subscriber, &json!({ "get_retained": true }), TOPIC).unwrap();
        assert_eq!(subscriber.expect(code::EVENT)[3]["retained"], true);
    }),
    ("broker", "pattern_based_subscription", |gateway| {
        let mut client = capable(gateway);
        for (matching, pattern) in [("prefix", "com.exa"), ("wildcard", "com..topic")] {
            let subscription = subscribe(&mut client, &json!({ "match": matching }), pattern).unwrap();
            publish(&mut client, json!({ "exclude_me": false }), TOPIC, &json!([])).unwrap();
            let event = client.expect(code::EVENT);
            assert_eq!((&event[1], &event[3]["topic"]), (&subscription, &json!(TOPIC)));
            client.unsubscribe(&subscription).unwrap();
        }
    }),
    ("broker", "payload_passthru_mode", |gateway| {
        let mut client = capable(gateway);
        let packed = json!({ "ppt_scheme": "x_test", "ppt_keyid": "1" });
        client.subscribe(TOPIC).unwrap();
        publish(&mut client, packed.clone().with("exclude_me", json!(false)), TOPIC, &json!(["packed"]))
            .unwrap();
        assert_eq!(client.expect(code::EVENT)[3], packed);
    }),
    ("broker", "publisher_exclusion", |gateway| {
        let mut client = capable(gateway);
        client.subscribe(TOPIC).unwrap();
        publish(&mut client, json!({}), TOPIC, &json!(["mine"])).unwrap();
        publish(&mut client, json!({ "exclude_me": false }), TOPIC, &json!(["for me"])).unwrap();
        assert_eq!(events(&mut client), ["for me"]);
    }),
    ("broker", "publisher_identification", |gateway| {
        let [mut publisher, mut subscriber] = [capable(gateway), capable(gateway)];
        subscriber.subscribe(TOPIC).unwrap();
        publish(&mut publisher, json!({ "disclose_me": true }), TOPIC, &json!([])).unwrap();
        assert!(subscriber.expect(code::EVENT)[3]["publisher"].is_u64());
    }),
    ("broker", "session_meta_api", |gateway| {
        let mut client = capable(gateway);
        client.subscribe("wamp.session.on_join").unwrap();
        drop(capable(gateway));
        assert!(client.expect(code::EVENT)[4][0]["session"].is_u64());
    }),
    ("broker", "subscriber_blackwhite_listing", |gateway| {
        let (mut client, welcome) = Client::joined(gateway, &mut Jar::default());
        client.subscribe(TOPIC).unwrap();
        let mut publisher = capable(gateway);
        let authid = &welcome["x_wampgate_public_id"];
        for (list, gets) in [
            (json!({ "exclude_authid": [authid] }), false),
            (json!({ "eligible_authid": [authid] }), true),
            (json!({ "eligible": [] }), false),
            (json!({ "exclude_authrole": ["anonymous"] }), false),
            (json!({ "eligible_authrole": ["anonymous"] }), true),
        ] {
            publish(&mut publisher, list.clone(), TOPIC, &json!(["listed"])).unwrap();
            assert_eq!(events(&mut client).len(), usize::from(gets), "{list}");
        }
    }),
    ("broker", "subscription_meta_api", |gateway| {
        let [mut watcher, mut client] = [capable(gateway), capable(gateway)];
        let own = watcher.subscribe("wamp.subscription.on_create").unwrap();
        let subscription = client.subscribe(TOPIC).unwrap();
        let created = [watcher.expect(code::EVENT), watcher.expect(code::EVENT)];
        assert_eq!(created.map(|event| event[4][1]["id"].clone()), [own, subscription.clone()]);
        assert_eq!(
            ask(&mut client, "wamp.subscription.count_subscribers", &json!([subscription])),
            Ok(json!(1))
        );
    }),
    ("broker", "subscription_revocation", |gateway| {
        let mut client = capable(gateway);
        let subscription = client.subscribe(TOPIC).unwrap();
        let session = ask(&mut client, "wamp.session.list", &json!([])).unwrap()[0].clone();
        ask(&mut client, "wamp.subscription.remove_subscriber", &json!([subscription, session])).unwrap();
        let revoked = client.expect(code::UNSUBSCRIBED);
        assert_eq!((&revoked[1], &revoked[2]["subscription"]), (&json!(0), &subscription));
        assert_eq!(revoked[2]["reason"], "wamp.error.unsubscribed");
    }),
    ("dealer", "call_canceling", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        let request = call(&mut caller, &json!({}), PROCEDURE, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        caller.send(&json!([code::CANCEL, request, { "mode": "killnowait" }]));
        assert_eq!(callee.expect(code::INTERRUPT)[1], invocation[1]);
        assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
    }),
    ("dealer", "call_timeout", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        let request = call(&mut caller, &json!({ "timeout": 20 }), PROCEDURE, &json!([]));
        callee.expect(code::INVOCATION);
        assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.timeout");
    }),
    ("dealer", "caller_identification", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        call(&mut caller, &json!({ "disclose_me": true }), PROCEDURE, &json!([]));
        assert!(callee.expect(code::INVOCATION)[3]["caller"].is_u64());
    }),
    ("dealer", "pattern_based_registration", |gateway| {
        let mut client = capable(gateway);
        for (matching, pattern) in [("prefix", "com.exa"), ("wildcard", "com..procedure")] {
            let registration = register(&mut client, &json!({ "match": matching }), pattern).unwrap();
            call(&mut client, &json!({}), PROCEDURE, &json!([]));
            let invocation = client.expect(code::INVOCATION);
            assert_eq!((&invocation[2], &invocation[3]["procedure"]), (&registration, &json!(PROCEDURE)));
            client.unregister(&registration).unwrap();
        }
    }),
    ("dealer", "payload_passthru_mode", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        let packed = json!({ "ppt_scheme": "x_test", "ppt_keyid": "1" });
        let request = call(&mut caller, &packed, PROCEDURE, &json!(["packed"]));
        let invocation = callee.expect(code::INVOCATION);
        assert_eq!(invocation[3], packed);
        callee.send(&json!([code::YIELD, invocation[1], packed, ["packed"]]));
        assert_eq!(caller.result(request).unwrap()[2], packed);
    }),
    ("dealer", "progressive_call_invocations", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        let request = call(&mut caller, &json!({ "progress": true }), PROCEDURE, &json!([1]));
        caller.send(&json!([code::CALL, request, {}, PROCEDURE, [2]]));
        let [first, second] = [callee.expect(code::INVOCATION), callee.expect(code::INVOCATION)];
        assert_eq!((&first[1], &first[3]["progress"], &second[4]), (&second[1], &json!(true), &json!([2])));
    }),
    ("dealer", "progressive_call_results", |gateway| {
        let [mut caller, mut callee] = pair(gateway, &json!({}));
        let request = call(&mut caller, &json!({ "receive_progress": true }), PROCEDURE, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        callee.send(&json!([code::YIELD, invocation[1], { "progress": true }, [1]]));
        callee.send(&json!([code::YIELD, invocation[1], {}, [2]]));
        assert_eq!(caller.result(request).unwrap()[2], json!({ "progress": true }));
        assert_eq!(caller.result(request).unwrap()[2], json!({}));
    }),
    ("dealer", "registration_meta_api", |gateway| {
        let mut watcher = capable(gateway);
        watcher.subscribe("wamp.registration.on_create").unwrap();
        let mut client = capable(gateway);
        let registration = client.register(PROCEDURE).unwrap();
        assert_eq!(watcher.expect(code::EVENT)[4][1]["id"], registration);
        assert_eq!(ask(&mut client, "wamp.registration.match", &json!([PROCEDURE])), Ok(registration));
    }),
    ("dealer", "registration_revocation", |gateway| {
        let [_, mut callee] = pair(gateway, &json!({}));
        register(&mut capable(gateway), &json!({ "force_reregister": true }), PROCEDURE).unwrap();
        let revoked = callee.expect(code::UNREGISTERED);
        assert_eq!((&revoked[1], &revoked[2]["reason"]), (&json!(0), &json!("wamp.error.unregistered")));
    }),
    ("dealer", "session_meta_api", |gateway| {
        let mut client = capable(gateway);
        let sessions = ask(&mut client, "wamp.session.count", &json!([])).unwrap();
        assert!(sessions.as_u64() >= Some(1), "{sessions}");
    }),
    ("dealer", "shared_registration", |gateway| {
        let options = json!({ "invoke": "roundrobin" });
        let [mut caller, mut one] = pair(gateway, &options);
        let mut other = capable(gateway);
        register(&mut other, &options, PROCEDURE).unwrap();
        for callee in [&mut one, &mut other] {
            call(&mut caller, &json!({}), PROCEDURE, &json!([]));
            callee.expect(code::INVOCATION);
        }
    }),
    ("dealer", "testament_meta_api", |gateway| {
        let mut watcher = capable(gateway);
        watcher.subscribe(TOPIC).unwrap();
        let mut client = capable(gateway);
        ask(&mut client, "wamp.session.add_testament", &json!([TOPIC, ["last words"], {}])).unwrap();
        client.leaves();
        assert_eq!(watcher.expect(code::EVENT)[4], json!(["last words"]));
    }),
];

/// A realm that has all there is, for clients that may do everything.
fn start(has_history: bool) -> Gateway {
    let allow = everything();
    let rule = |uri: &str| json!({ "uri": uri, "match": "prefix", "allow": allow });
    let roles = json!([{ "name": "anonymous", "permissions": [rule(""), rule("wamp.")] }]);
    let mut realm = json!({ "name": "realm1", "roles": roles });
    if has_history {
        let entry = json!({ "uri": "com.example.recorded", "limit": 10 });
        realm["store"] = json!({ "type": "memory", "event-history": [entry] });
    }
    Gateway::start(&web(&tracked()).with("realms", json!([realm])))
}

/// A caller and a callee of [`PROCEDURE`].
#[track_caller]
fn pair(gateway: &Gateway, options: &Value) -> [Client; 2] {
    let mut callee = capable(gateway);
    register(&mut callee, options, PROCEDURE).unwrap();
    [capable(gateway), callee]
}

/// All features that a WELCOME announces, by role; each must be `true`.
fn announced(welcome: &Value) -> BTreeSet<(String, String)> {
    let roles = welcome["roles"].as_object().unwrap();
    let features = roles.iter().flat_map(|(role, details)| {
        let features = details["features"].as_object().unwrap();
        features.iter().map(move |(feature, on)| {
            assert_eq!(on, true, "{role}: {feature}");
            (role.clone(), feature.clone())
        })
    });
    features.collect()
}

#[test]
fn what_welcome_announces_works_and_what_works_is_announced() {
    for (role, feature, works) in PROBES {
        // A realm of its own, so that no probe sees what another one has left; and a thread of its name, which a fault is told with.
        let probe = || works(&start(true));
        let thread = thread::Builder::new().name(format!("{role}: {feature}"));
        let ended = thread::scope(|scope| thread.spawn_scoped(scope, probe).unwrap().join());
        assert!(ended.is_ok(), "{role}: {feature} is announced and does not work");
    }
    let probed: BTreeSet<_> =
        PROBES.iter().map(|(role, feature, _)| ((*role).to_owned(), (*feature).to_owned())).collect();
    let (_, welcome) = Client::joined(&start(true), &mut Jar::default());
    assert_eq!(announced(&welcome), probed);
}

#[test]
fn realm_without_a_store_announces_and_has_no_history() {
    let gateway = start(false);
    let (mut client, welcome) = Client::joined(&gateway, &mut Jar::default());
    let announced = announced(&welcome);
    assert_eq!(announced.len(), PROBES.len() - 1);
    assert!(!announced.iter().any(|(_, feature)| feature == "event_history"), "{announced:?}");
    let subscription = client.subscribe(TOPIC).unwrap();
    let error = ask(&mut client, "wamp.subscription.get_events", &json!([subscription])).unwrap_err();
    assert!(uri(&error).starts_with("wamp.error."), "{error}");
}
