//! Retained events (section "Event Retention").

use serde_json::{Value, json};

use super::{capable_with, events, publish, subscribe};
use crate::support::{Client, Jar, Serializer, code, gateway::tracking_gateway};

#[test]
fn later_subscriber_gets_the_latest_retained_event_in_every_serializer() {
    let gateway = tracking_gateway();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    publish(&mut publisher, json!({ "retain": true }), "com.example.state", &json!(["old"])).unwrap();
    let latest =
        publish(&mut publisher, json!({ "retain": true }), "com.example.state", &json!(["new"])).unwrap();
    publish(&mut publisher, json!({}), "com.example.state", &json!(["passing"])).unwrap();
    for serializer in Serializer::ALL {
        let mut client = capable_with(&gateway, serializer);
        let id = subscribe(&mut client, &json!({ "get_retained": true }), "com.example.state").unwrap();
        let event = client.expect(code::EVENT);
        assert_eq!((&event[1], &event[2], &event[4]), (&id, &latest, &json!(["new"])), "{event}");
        assert_eq!(event[3], json!({ "retained": true }));
        client.leaves();
    }
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    subscribe(&mut other, &json!({}), "com.example.state").unwrap();
    assert_eq!(events(&mut other), [] as [Value; 0], "who does not ask gets nothing");
}

#[test]
fn subscriber_of_a_pattern_gets_the_retained_events_of_the_topics_that_it_covers() {
    let gateway = tracking_gateway();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    for topic in ["com.a.state", "com.b.state", "com.b.other", "net.a.state"] {
        publish(&mut publisher, json!({ "retain": true }), topic, &json!([topic])).unwrap();
    }
    for (matching, pattern, expected) in [
        ("prefix", "com.b", vec!["com.b.other", "com.b.state"]),
        ("wildcard", "com..state", vec!["com.a.state", "com.b.state"]),
        ("wildcard", ".a.", vec!["com.a.state", "net.a.state"]),
    ] {
        let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
        subscribe(&mut client, &json!({ "match": matching, "get_retained": true }), pattern).unwrap();
        assert_eq!(events(&mut client), expected, "{pattern}");
    }
}

#[test]
fn retained_event_reaches_those_whom_its_publisher_named_and_others_get_the_one_before() {
    let gateway = tracking_gateway();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut named, welcome) = Client::joined(&gateway, &mut Jar::default());
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    publish(&mut publisher, json!({ "retain": true }), "com.example.state", &json!(["for all"])).unwrap();
    let options = json!({ "retain": true, "eligible_authid": [welcome["x_wampgate_public_id"]] });
    publish(&mut publisher, options, "com.example.state", &json!(["for one"])).unwrap();
    for (client, expected) in [(&mut named, "for one"), (&mut other, "for all")] {
        subscribe(client, &json!({ "get_retained": true }), "com.example.state").unwrap();
        assert_eq!(events(client), [expected]);
    }
}

#[test]
fn retained_event_for_all_outlives_many_events_for_one_session() {
    let gateway = tracking_gateway();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut other, _) = Client::joined(&gateway, &mut Jar::default());
    publish(&mut publisher, json!({ "retain": true }), "com.example.state", &json!(["for all"])).unwrap();
    for session in (1..20).chain([5; 20]) {
        let options = json!({ "retain": true, "eligible": [session] });
        publish(&mut publisher, options, "com.example.state", &json!([session])).unwrap();
    }
    subscribe(&mut other, &json!({ "get_retained": true }), "com.example.state").unwrap();
    assert_eq!(events(&mut other), ["for all"]);
}

#[test]
fn subscriber_of_more_retained_events_than_may_wait_for_it_gets_those_that_fit() {
    let gateway = tracking_gateway();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    let large = "x".repeat(500_000);
    // Together 10 MB, while 1 MiB may wait for a client.
    for topic in 0..20 {
        let topic = format!("com.large.t{topic:02}");
        publish(&mut publisher, json!({ "retain": true }), &topic, &json!([topic, large])).unwrap();
    }
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..3 {
        let id = subscribe(&mut client, &json!({ "match": "prefix", "get_retained": true }), "com.large");
        assert!(id.is_ok(), "{id:?}");
        let given = events(&mut client);
        assert_eq!(given.first(), Some(&json!("com.large.t00")), "the first ones come");
        assert!(given.is_sorted_by_key(|topic| topic.as_str().map(str::to_owned)), "{given:?}");
    }
    client.leaves();
}
