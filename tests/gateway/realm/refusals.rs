//! Requests that the realm refuses, and what it says.

use serde_json::json;

use super::{register, sentence, subscribe};
use crate::support::{Client, Jar, client::uri, gateway::tracking_gateway};

#[test]
fn invalid_uri_comes_with_a_sentence_that_names_the_fault() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for (options, topic, says) in [
        (json!({}), "com.myapp.", "empty component"),
        (json!({}), "com..x", "empty component"),
        (json!({}), "", "is empty"),
        (json!({}), "com.my app", "white space"),
        (json!({ "match": "prefix" }), "com..x", "empty component before its end"),
        (json!({ "match": "wildcard" }), "com.#", "'#'"),
    ] {
        for error in [
            subscribe(&mut client, &options, topic).unwrap_err(),
            register(&mut client, &options, topic).unwrap_err(),
        ] {
            assert_eq!(uri(&error), "wamp.error.invalid_uri", "{error}");
            assert!(sentence(&error).contains(says), "{error}");
        }
    }
    client.leaves();
}

#[test]
fn values_that_an_option_does_not_have_are_refused_with_its_name() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let error = subscribe(&mut client, &json!({ "match": "regex" }), "com..x").unwrap_err();
    assert_eq!(uri(&error), "wamp.error.option_not_allowed", "{error}");
    assert!(sentence(&error).starts_with("option match: "), "{error}");
    let error = register(&mut client, &json!({ "invoke": "all" }), "com.x").unwrap_err();
    assert_eq!(uri(&error), "wamp.error.option_not_allowed", "{error}");
    assert!(sentence(&error).starts_with("option invoke: "), "{error}");
    client.leaves();
}
