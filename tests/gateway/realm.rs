//! What the embedded realm does for its clients, feature by feature.

mod announced;
mod calls;
mod history;
mod leaving;
mod listing;
mod meta;
mod patterns;
mod refusals;
mod retained;
mod sharing;
mod testaments;

use serde_json::{Value, json};

use crate::support::{Client, Gateway, Jar, Serializer, code};

/// The first argument of an ERROR: what it says to people.
#[track_caller]
pub(super) fn sentence(error: &Value) -> String {
    error[5][0].as_str().unwrap_or_else(|| panic!("{error} has no explanation")).to_owned()
}

/// Subscribes with options; the subscription, or the ERROR.
#[track_caller]
fn subscribe(client: &mut Client, options: &Value, topic: &str) -> Result<Value, Value> {
    let id = client.request(code::SUBSCRIBE, &json!([options, topic]));
    client.answer(code::SUBSCRIBE, id, code::SUBSCRIBED).map(|subscribed| subscribed[2].clone())
}

/// Registers with options; the registration, or the ERROR.
#[track_caller]
pub(super) fn register(client: &mut Client, options: &Value, procedure: &str) -> Result<Value, Value> {
    let id = client.request(code::REGISTER, &json!([options, procedure]));
    client.answer(code::REGISTER, id, code::REGISTERED).map(|registered| registered[2].clone())
}

/// Publishes with options and waits for the acknowledgement; the publication, or the ERROR.
#[track_caller]
fn publish(client: &mut Client, mut options: Value, topic: &str, args: &Value) -> Result<Value, Value> {
    options["acknowledge"] = json!(true);
    let id = client.request(code::PUBLISH, &json!([options, topic, args]));
    client.answer(code::PUBLISH, id, code::PUBLISHED).map(|published| published[2].clone())
}

/// What the client has got of the events until now, by their first argument. A publication of its own comes after all that
/// was published before it.
#[track_caller]
fn events(client: &mut Client) -> Vec<Value> {
    let marker = "com.example.marker";
    client.subscribe(marker).unwrap();
    publish(client, json!({ "exclude_me": false }), marker, &json!(["end"])).unwrap();
    let mut events = Vec::new();
    loop {
        let event = client.expect(code::EVENT);
        if event[4][0] == "end" {
            return events;
        }
        events.push(event[4][0].clone());
    }
}

/// Joins as a client that has announced all there is to announce.
#[track_caller]
pub(super) fn capable(gateway: &Gateway) -> Client {
    capable_with(gateway, Serializer::Json)
}

/// The same, with a serializer.
#[track_caller]
fn capable_with(gateway: &Gateway, serializer: Serializer) -> Client {
    let features = json!({
        "call_canceling": true, "progressive_call_results": true, "progressive_call_invocations": true,
        "call_timeout": true, "registration_revocation": true, "subscription_revocation": true,
        "payload_passthru_mode": true,
    });
    joined_with(gateway, serializer, &features)
}

/// Joins as a client that has announced these features in all of its roles.
#[track_caller]
fn joined_with(gateway: &Gateway, serializer: Serializer, features: &Value) -> Client {
    let mut client = Client::open_with(gateway, &mut Jar::default(), serializer, false);
    let role = json!({ "features": features });
    let roles = json!({ "publisher": role, "subscriber": role, "caller": role, "callee": role });
    client.join("realm1", json!({ "roles": roles })).unwrap();
    client
}

/// Calls with options, without waiting; the request.
#[track_caller]
pub(super) fn call(client: &mut Client, options: &Value, procedure: &str, args: &Value) -> u64 {
    client.request(code::CALL, &json!([options, procedure, args]))
}

/// Calls a procedure of the meta API; the RESULT's only argument, or the ERROR.
#[track_caller]
fn ask(client: &mut Client, procedure: &str, args: &Value) -> Result<Value, Value> {
    let request = call(client, &json!({}), procedure, args);
    client.result(request).map(|result| result[3][0].clone())
}
