//! Event history (section "Event History").

use serde_json::{Value, json};

use super::{capable_with, publish, sentence, subscribe};
use crate::support::{
    Client, Gateway, Jar, Serializer,
    client::uri,
    config::{With as _, everything, tracked, web},
};

const TOPIC: &str = "com.example.log";

/// A gateway that records what `entry` says; the role `anonymous` sees no topic that begins with `com.example.secret`.
fn recording(entry: &Value) -> Gateway {
    let allow = everything();
    let realm = json!({
        "name": "realm1",
        "roles": [{ "name": "anonymous", "permissions": [
            { "uri": "", "match": "prefix", "allow": allow },
            { "uri": "com.example.secret", "match": "prefix", "allow": { "publish": true } },
        ] }],
        "store": { "type": "memory", "event-history": [entry] },
    });
    Gateway::start(&web(&tracked()).with("realms", json!([realm])))
}

/// Asks for events; those, or the ERROR.
#[track_caller]
fn events(client: &mut Client, args: &Value, kwargs: &Value) -> Result<Vec<Value>, Value> {
    let request = client.call("wamp.subscription.get_events", args, kwargs);
    client.result(request).map(|result| result[3][0].as_array().unwrap().clone())
}

fn first_arguments(events: &[Value]) -> Vec<Value> {
    events.iter().map(|event| event["args"][0].clone()).collect()
}

#[track_caller]
fn lookup(client: &mut Client, pattern: &str, matching: &str) -> Value {
    let request =
        client.call("wamp.subscription.lookup", &json!([pattern, { "match": matching }]), &json!({}));
    client.result(request).unwrap()[3][0].clone()
}

#[test]
fn events_from_before_the_first_subscriber_are_recalled_in_every_serializer() {
    let gateway = recording(&json!({ "uri": TOPIC, "limit": 4 }));
    for publisher in Serializer::ALL {
        let mut publisher = capable_with(&gateway, publisher);
        let texts = ["0", "1", "2", "3", "4"];
        let published: Vec<Value> = texts
            .iter()
            .map(|text| {
                publish(&mut publisher, json!({}), TOPIC, &json!([text, 9_007_199_254_740_993_u64])).unwrap()
            })
            .collect();
        for serializer in Serializer::ALL {
            let mut client = Client::open_with(&gateway, &mut Jar::default(), serializer, false);
            let welcome = client.joins();
            assert_eq!(welcome["roles"]["broker"]["features"]["event_history"], true);
            let id = lookup(&mut client, TOPIC, "exact");
            let all = events(&mut client, &json!([id]), &json!({})).unwrap();
            assert_eq!(first_arguments(&all), ["1", "2", "3", "4"]);
            assert_eq!((&all[0]["publication"], &all[0]["subscription"]), (&published[1], &id));
            assert_eq!(all[0]["details"], json!({ "topic": TOPIC }));
            assert_eq!(all[0]["args"][1], json!(9_007_199_254_740_993_u64));
            assert!(all[0]["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{}", all[0]);
            // Crossbar.io's form, and the specification's.
            assert_eq!(
                first_arguments(&events(&mut client, &json!([id, 2]), &json!({})).unwrap()),
                ["4", "3"]
            );
            let page = json!({ "limit": 2, "after_publication": published[2] });
            assert_eq!(first_arguments(&events(&mut client, &json!([id]), &page).unwrap()), ["3", "4"]);
            let since = json!({ "from_time": all[0]["timestamp"], "reverse": true });
            assert_eq!(events(&mut client, &json!([id]), &since).unwrap().last(), Some(&all[0]));
            let late = json!({ "after_time": "2999-01-01T00:00:00+02:00" });
            assert_eq!(events(&mut client, &json!([id]), &late).unwrap(), [] as [Value; 0]);
        }
    }
}

#[test]
fn events_are_chosen_by_their_disclosed_publisher() {
    let gateway = recording(&json!({ "uri": TOPIC }));
    let (mut one, welcome) = Client::joined(&gateway, &mut Jar::default());
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    publish(&mut one, json!({}), TOPIC, &json!(["hidden"])).unwrap();
    publish(&mut one, json!({ "disclose_me": true }), TOPIC, &json!(["shown"])).unwrap();
    publish(&mut other, json!({ "disclose_me": true }), TOPIC, &json!(["other"])).unwrap();
    let id = lookup(&mut one, TOPIC, "exact");
    let all = events(&mut one, &json!([id]), &json!({})).unwrap();
    let details = &all[1]["details"];
    assert_eq!(details["publisher_authrole"], welcome["authrole"]);
    for (filter, found) in [
        (json!({ "publisher": details["publisher"] }), &["shown"][..]),
        (json!({ "publisher_authid": details["publisher_authid"] }), &["shown"]),
        (json!({ "publisher_authrole": details["publisher_authrole"] }), &["shown", "other"]),
        (json!({ "publisher_authrole": "nobody" }), &[]),
        (json!({ "publisher": details["publisher"], "publisher_authid": "nobody" }), &[]),
    ] {
        assert_eq!(first_arguments(&events(&mut one, &json!([id]), &filter).unwrap()), found, "{filter}");
    }
    let refused = events(&mut one, &json!([id]), &json!({ "publisher": "me" })).unwrap_err();
    assert_eq!(refused[4], "wamp.error.invalid_argument");
}

#[test]
fn limit_that_is_reached_is_told_and_the_next_page_follows() {
    let gateway = recording(&json!({ "uri": TOPIC }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for number in 0..5 {
        publish(&mut client, json!({}), TOPIC, &json!([number])).unwrap();
    }
    let id = lookup(&mut client, TOPIC, "exact");
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let kwargs = json!({ "limit": 2, "after_publication": after });
        let request = client.call("wamp.subscription.get_events", &json!([id]), &kwargs);
        let result = client.result(request).unwrap();
        let page = result[3][0].as_array().unwrap();
        seen.extend(first_arguments(page));
        after = page.last().unwrap()["publication"].clone();
        if result[4] == json!({ "is_limit_reached": false }) {
            break;
        }
        assert_eq!(result[4], json!({ "is_limit_reached": true }));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn client_recalls_only_what_it_may_see() {
    let gateway = recording(&json!({ "uri": "com.example", "match": "prefix" }));
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut client, welcome) = Client::joined(&gateway, &mut Jar::default());
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    let named = json!({ "eligible_authid": [welcome["x_wampgate_public_id"]] });
    for (options, topic, text) in [
        (json!({}), TOPIC, "for all"),
        (json!({}), "com.example.secret.x", "secret"),
        (named, TOPIC, "for one"),
        (json!({ "exclude": [1] }), TOPIC, "not for a session"),
    ] {
        publish(&mut publisher, options, topic, &json!([text])).unwrap();
    }
    let id = lookup(&mut client, "com.example", "prefix");
    assert_eq!(
        first_arguments(&events(&mut client, &json!([id]), &json!({})).unwrap()),
        ["for all", "for one"]
    );
    assert_eq!(first_arguments(&events(&mut other, &json!([id]), &json!({})).unwrap()), ["for all"]);
    let of_topic = json!({ "topic": "com.example.secret.x" });
    assert_eq!(events(&mut client, &json!([id]), &of_topic).unwrap(), [] as [Value; 0]);
}

#[test]
fn subscription_with_a_history_stays_and_questions_without_an_answer_are_refused() {
    let gateway = recording(&json!({ "uri": TOPIC }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let id = lookup(&mut client, TOPIC, "exact");
    assert_eq!(subscribe(&mut client, &json!({}), TOPIC).unwrap(), id);
    client.unsubscribe(&id).unwrap();
    assert_eq!(lookup(&mut client, TOPIC, "exact"), id);
    let other = subscribe(&mut client, &json!({}), "com.example.other").unwrap();
    for (args, kwargs, error) in [
        (json!([other]), json!({}), "wamp.error.history_unavailable"),
        (json!([4711]), json!({}), "wamp.error.no_such_subscription"),
        (json!([]), json!({}), "wamp.error.invalid_argument"),
        (json!([id, 0]), json!({}), "wamp.error.invalid_argument"),
        (json!([id, 1]), json!({ "limit": 1 }), "wamp.error.invalid_argument"),
        (json!([id]), json!({ "limit": "all" }), "wamp.error.invalid_argument"),
        (json!([id]), json!({ "from_time": "yesterday" }), "wamp.error.invalid_argument"),
        (json!([id]), json!({ "from_publication": 1 }), "wamp.error.invalid_argument"),
        (json!([id]), json!({ "since": 1 }), "wamp.error.invalid_argument"),
    ] {
        let refusal = events(&mut client, &args, &kwargs).unwrap_err();
        assert_eq!(uri(&refusal), error, "{args} {kwargs}");
        assert!(!sentence(&refusal).is_empty());
    }
}

#[test]
fn role_that_may_not_subscribe_recalls_nothing() {
    let gateway = recording(&json!({ "uri": "com.example.secret" }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    publish(&mut client, json!({}), "com.example.secret", &json!(["x"])).unwrap();
    let id = lookup(&mut client, "com.example.secret", "exact");
    let refusal = events(&mut client, &json!([id]), &json!({})).unwrap_err();
    assert_eq!(uri(&refusal), "wamp.error.not_authorized");
}
