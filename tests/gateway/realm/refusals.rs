//! Requests that the realm refuses, and what it says.

use serde_json::json;

use super::{call, capable, publish, register, sentence, subscribe};
use crate::support::{Client, Jar, client::uri, code, gateway::tracking_gateway};

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

#[test]
fn options_that_the_realm_does_not_have_are_refused_with_their_names_and_nothing_is_done() {
    let gateway = tracking_gateway();
    let (mut client, mut other) = (capable(&gateway), capable(&gateway));
    subscribe(&mut other, &json!({}), "com.x").unwrap();
    register(&mut other, &json!({}), "com.x").unwrap();
    let refused = |error: serde_json::Value, option: &str| {
        assert_eq!(uri(&error), "wamp.error.option_not_allowed", "{error}");
        assert!(sentence(&error).starts_with(&format!("option {option}: ")), "{error}");
    };
    refused(subscribe(&mut client, &json!({ "nkey": "node1" }), "com.y").unwrap_err(), "nkey");
    refused(register(&mut client, &json!({ "rkey": "x" }), "com.y").unwrap_err(), "rkey");
    let again = json!({ "force_reregister": true });
    refused(subscribe(&mut client, &again, "com.y").unwrap_err(), "force_reregister");
    refused(register(&mut client, &json!({ "timeout": 5 }), "com.y").unwrap_err(), "timeout");
    let request = call(&mut client, &json!({ "exclude_me": true }), "com.x", &json!([]));
    refused(client.result(request).unwrap_err(), "exclude_me");
    let many = json!({ "exclude_authid": vec![""; 10_001] });
    refused(publish(&mut client, many, "com.x", &json!([])).unwrap_err(), "exclude_authid");
    for (options, option) in [
        (json!({ "rkey": "x" }), "rkey"),
        (json!({ "match": "prefix" }), "match"),
        (json!({ "enc_algo": "cryptobox" }), "enc_algo"),
        (json!({ "ppt_cipher": "xsalsa20poly1305" }), "ppt_scheme"),
        (json!({ "ppt_scheme": "x".repeat(65), "ppt_keyid": "1" }), "ppt_scheme"),
        (json!({ "ppt_scheme": "x_own", "ppt_keyid": "x".repeat(257) }), "ppt_keyid"),
    ] {
        refused(publish(&mut client, options.clone(), "com.x", &json!([])).unwrap_err(), option);
        let request = call(&mut client, &options, "com.x", &json!([]));
        refused(client.result(request).unwrap_err(), option);
        let request = call(&mut client, &options, "wamp.session.count", &json!([]));
        refused(client.result(request).unwrap_err(), option);
        // Without an acknowledgement there is no answer, and no event either.
        client.request(code::PUBLISH, &json!([options, "com.x"]));
    }
    let packed = json!({ "ppt_scheme": "x_own" });
    let request = call(&mut client, &packed, "wamp.session.count", &json!([]));
    refused(client.result(request).unwrap_err(), "ppt_scheme");
    client.echoes();
    publish(&mut client, json!({}), "com.x", &json!(["only"])).unwrap();
    assert_eq!(other.expect(code::EVENT)[4], json!(["only"]));
}

/// None of them comes back, or reaches another client.
#[test]
fn uri_that_is_too_long_ends_what_has_no_answer() {
    let gateway = tracking_gateway();
    let longer = "x".repeat(1025);
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello(&longer, json!({}));
    let refused = client.is_aborted("wamp.error.protocol_violation");
    assert!(
        refused.message.ends_with("HELLO.Realm: a URI may have 1024 bytes: use a shorter one"),
        "{refused:?}"
    );

    let (mut caller, mut callee) = (capable(&gateway), capable(&gateway));
    register(&mut callee, &json!({}), "com.x").unwrap();
    let request = call(&mut caller, &json!({}), "com.x", &json!([]));
    let invocation = callee.expect(code::INVOCATION);
    callee.send(&json!([code::ERROR, code::INVOCATION, invocation[1], {}, longer]));
    callee.is_aborted("wamp.error.protocol_violation");
    assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
    caller.echoes();
}

#[test]
fn answer_whose_packing_is_refused_ends_the_session_of_its_callee() {
    let gateway = tracking_gateway();
    let mut caller = capable(&gateway);
    for packed in
        [json!({ "ppt_scheme": "x".repeat(65) }), json!({ "ppt_scheme": "x_own", "ppt_keyid": "\u{1}" })]
    {
        for is_error in [false, true] {
            let mut callee = capable(&gateway);
            register(&mut callee, &json!({}), "com.x").unwrap();
            let request = call(&mut caller, &json!({}), "com.x", &json!([]));
            let invocation = callee.expect(code::INVOCATION)[1].clone();
            callee.send(&if is_error {
                json!([code::ERROR, code::INVOCATION, invocation, packed, "com.example.no"])
            } else {
                json!([code::YIELD, invocation, packed])
            });
            callee.is_aborted("wamp.error.protocol_violation");
            assert_eq!(uri(&caller.result(request).unwrap_err()), "wamp.error.canceled");
        }
    }
}

#[test]
fn progressive_call_that_is_refused_gets_one_error_and_its_later_invocations_are_dropped() {
    let gateway = tracking_gateway();
    let (mut client, mut callee) = (capable(&gateway), capable(&gateway));
    register(&mut callee, &json!({}), "com.x").unwrap();
    for (options, procedure, error) in [
        (json!({ "progress": true, "rkey": "x" }), "com.x", "wamp.error.option_not_allowed"),
        (json!({ "progress": true }), "com..x", "wamp.error.invalid_uri"),
        (json!({ "progress": true, "rkey": "x" }), "wamp.session.count", "wamp.error.feature_not_supported"),
    ] {
        let mut last = options.clone();
        last["progress"] = json!(false);
        let request = call(&mut client, &options, procedure, &json!([1]));
        for chunk in [&options, &last] {
            client.send(&json!([code::CALL, request, chunk, procedure, [2]]));
        }
        assert_eq!(uri(&client.result(request).unwrap_err()), error, "{procedure}");
        client.echoes();
        assert!(client.is_waiting_for_nothing(), "{procedure}");
    }
}

#[test]
fn later_invocation_goes_on_whatever_its_other_options_say() {
    let gateway = tracking_gateway();
    let (mut client, mut callee) = (capable(&gateway), capable(&gateway));
    register(&mut callee, &json!({}), "com.x").unwrap();
    let request = call(&mut client, &json!({ "progress": true }), "com.x", &json!([1]));
    client.send(&json!([code::CALL, request, { "rkey": "x" }, "com.x", [2]]));
    for chunk in [1, 2] {
        assert_eq!(callee.expect(code::INVOCATION)[4], json!([chunk]));
    }
}
