//! What the embedded realm does for its clients, feature by feature.

mod leaving;
mod listing;
mod refusals;

use serde_json::{Value, json};

use crate::support::{Client, code};

/// The first argument of an ERROR: what it says to people.
#[track_caller]
fn sentence(error: &Value) -> String {
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
fn register(client: &mut Client, options: &Value, procedure: &str) -> Result<Value, Value> {
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
