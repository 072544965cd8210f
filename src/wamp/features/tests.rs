use serde_json::{Value, json};

use super::*;

/// What is read of these roles, in each serializer.
fn read(roles: &Value) -> [Result<ClientFeatures, DecodeError>; 3] {
    [Serializer::Json, Serializer::MsgPack, Serializer::Cbor].map(|serializer| {
        let written = Serializer::Json.rewrite(roles.to_string().into(), serializer).unwrap();
        ClientFeatures::read(&Dictionary::written(serializer, written))
    })
}

#[test]
fn features_that_are_on_are_announced() {
    let on = json!({ "callee": { "features": { "call_canceling": true, "call_timeout": false } } });
    for features in read(&on) {
        assert_eq!(features, Ok(ClientFeatures::CALL_CANCELING));
    }
    for nothing in [
        json!({ "caller": {}, "callee": null }),
        json!({ "caller": [], "callee": { "features": [] } }),
        json!({ "callee": { "features": null, "x_own": 1 } }),
        json!({ "callee": { "features": { "call_canceling": null, "x_own": 7 } } }),
        json!({ "x_own": 1, "x_other": { "features": 1 } }),
    ] {
        for features in read(&nothing) {
            assert_eq!(features, Ok(ClientFeatures::default()), "{nothing}");
        }
    }
}

#[test]
fn values_of_the_wrong_type_are_named() {
    for (roles, what) in [
        (json!({ "caller": 1 }), "roles.caller: expected a dictionary"),
        (json!({ "caller": true }), "roles.caller: expected a dictionary"),
        (json!({ "callee": [1] }), "roles.callee: expected a dictionary"),
        (json!({ "callee": { "features": "x" } }), "roles.callee.features: expected a dictionary"),
        (
            json!({ "callee": { "features": { "call_canceling": "true" } } }),
            "roles.callee.features.call_canceling: expected a boolean",
        ),
    ] {
        for features in read(&roles) {
            let error = features.unwrap_err().to_string();
            assert_eq!(error, format!("invalid WAMP message: HELLO.Details: {what}"), "{roles}");
        }
    }
}
