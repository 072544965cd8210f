//! Subscriptions and registrations of patterns (sections "Pattern-based Subscription" and "Pattern-based Registrations").

use serde_json::{Value, json};

use super::{call, publish, register, subscribe};
use crate::support::{Client, Gateway, Jar, Serializer, client::uri, code, gateway::tracking_gateway};

#[track_caller]
fn joined(gateway: &Gateway) -> Client {
    Client::joined(gateway, &mut Jar::default()).0
}

#[test]
fn event_comes_for_each_subscription_that_matches_and_tells_its_topic() {
    let gateway = tracking_gateway();
    let mut publisher = joined(&gateway);
    for serializer in Serializer::ALL {
        let mut client = Client::open_with(&gateway, &mut Jar::default(), serializer, false);
        client.joins();
        let exact = subscribe(&mut client, &json!({}), "com.shop.orders.created").unwrap();
        let prefix = subscribe(&mut client, &json!({ "match": "prefix" }), "com.shop.ord").unwrap();
        let wildcard = subscribe(&mut client, &json!({ "match": "wildcard" }), "com..orders.").unwrap();
        subscribe(&mut client, &json!({ "match": "prefix" }), "com.shop.other").unwrap();
        let publication = publish(&mut publisher, json!({}), "com.shop.orders.created", &json!([7])).unwrap();
        let mut got: Vec<(Value, Option<Value>)> = (0..3)
            .map(|_| {
                let event = client.expect(code::EVENT);
                assert_eq!((&event[2], &event[4]), (&publication, &json!([7])), "{event}");
                (event[1].clone(), event[3].get("topic").cloned())
            })
            .collect();
        got.sort_by_key(|(subscription, _)| subscription.as_u64());
        let topic = || Some(json!("com.shop.orders.created"));
        assert_eq!(got, [(exact.clone(), None), (prefix.clone(), topic()), (wildcard.clone(), topic())]);
        for subscription in [exact, prefix, wildcard] {
            client.unsubscribe(&subscription).unwrap();
        }
        client.echoes();
        client.leaves();
    }
}

#[test]
fn subscribers_of_the_same_pattern_share_a_subscription_and_others_do_not() {
    let gateway = tracking_gateway();
    let (mut one, mut other) = (joined(&gateway), joined(&gateway));
    let id = |client: &mut Client, options: Value| subscribe(client, &options, "com.app").unwrap();
    let prefix = id(&mut one, json!({ "match": "prefix" }));
    assert_eq!(prefix, id(&mut other, json!({ "match": "prefix" })));
    assert_ne!(prefix, id(&mut other, json!({ "match": "exact" })));
    assert_ne!(prefix, id(&mut other, json!({ "match": "wildcard" })));
}

#[test]
fn call_goes_to_the_pattern_that_says_most() {
    let gateway = tracking_gateway();
    let (mut callee, mut caller) = (joined(&gateway), joined(&gateway));
    let exact = register(&mut callee, &json!({}), "com.shop.orders.create").unwrap();
    let short = register(&mut callee, &json!({ "match": "prefix" }), "com.shop").unwrap();
    let long = register(&mut callee, &json!({ "match": "prefix" }), "com.shop.orders.").unwrap();
    let wildcard = register(&mut callee, &json!({ "match": "wildcard" }), "net..ping").unwrap();
    for (procedure, registration) in [
        ("com.shop.orders.create", &exact),
        ("com.shop.orders.delete", &long),
        ("com.shopping", &short),
        ("net.example.ping", &wildcard),
    ] {
        let request = call(&mut caller, &json!({}), procedure, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        assert_eq!(&invocation[2], registration, "{procedure}");
        let told = (registration != &exact).then(|| json!(procedure));
        assert_eq!(invocation[3].get("procedure"), told.as_ref(), "{invocation}");
        callee.send(&json!([code::YIELD, invocation[1], {}, [procedure]]));
        assert_eq!(caller.result(request).unwrap()[3], json!([procedure]));
    }
    let request = call(&mut caller, &json!({}), "net.example.pong", &json!([]));
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.no_such_procedure");
    callee.unregister(&long).unwrap();
    call(&mut caller, &json!({}), "com.shop.orders.delete", &json!([]));
    assert_eq!(callee.expect(code::INVOCATION)[2], short);
}
