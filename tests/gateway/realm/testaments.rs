//! Testaments (section "Session Testament").

use serde_json::{Value, json};

use super::{events, subscribe};
use crate::support::{Client, Jar, client::uri, code, gateway::tracking_gateway};

const TOPIC: &str = "com.example.gone";

/// Calls a procedure of the testaments; the ERROR's URI if there is one.
#[track_caller]
fn ask(client: &mut Client, procedure: &str, args: &Value, kwargs: &Value) -> Result<(), String> {
    let request = client.call(&format!("wamp.session.{procedure}"), args, kwargs);
    client.result(request).map(drop).map_err(|error| uri(&error))
}

#[track_caller]
fn add(client: &mut Client, text: &str, kwargs: &Value) {
    ask(client, "add_testament", &json!([TOPIC, [text], {}]), kwargs).unwrap();
}

/// What a watcher sees until the testator's end is told, which comes after its testaments.
#[track_caller]
fn until_gone(watcher: &mut Client, on_leave: &Value) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let event = watcher.expect(code::EVENT);
        if &event[1] == on_leave {
            return seen;
        }
        seen.push(event[4][0].clone());
    }
}

#[test]
fn testaments_are_published_when_the_session_is_gone_however_it_ends() {
    let gateway = tracking_gateway();
    let (mut watcher, _) = Client::joined(&gateway, &mut Jar::default());
    subscribe(&mut watcher, &json!({}), TOPIC).unwrap();
    let on_leave = subscribe(&mut watcher, &json!({}), "wamp.session.on_leave").unwrap();
    for leaves in [true, false] {
        let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
        add(&mut client, "destroyed", &json!({}));
        add(&mut client, "detached", &json!({ "scope": "detached" }));
        add(&mut client, "for nobody", &json!({ "publish_options": { "eligible": [] } }));
        add(&mut client, "last", &json!({ "scope": "destroyed" }));
        assert_eq!(events(&mut watcher), [] as [Value; 0], "not before");
        if leaves {
            client.leaves();
        } else {
            drop(client);
        }
        assert_eq!(until_gone(&mut watcher, &on_leave), ["detached", "destroyed", "last"]);
    }
}

#[test]
fn flushed_testaments_are_not_published() {
    let gateway = tracking_gateway();
    let (mut watcher, _) = Client::joined(&gateway, &mut Jar::default());
    subscribe(&mut watcher, &json!({}), TOPIC).unwrap();
    let on_leave = subscribe(&mut watcher, &json!({}), "wamp.session.on_leave").unwrap();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    add(&mut client, "flushed", &json!({}));
    add(&mut client, "kept", &json!({ "scope": "detached" }));
    ask(&mut client, "flush_testaments", &json!([]), &json!({})).unwrap();
    client.leaves();
    assert_eq!(until_gone(&mut watcher, &on_leave), ["kept"]);
}

#[test]
fn testaments_that_could_not_be_published_and_too_many_are_refused() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    for (args, kwargs, error) in [
        (json!(["a..b", [], {}]), json!({}), "wamp.error.invalid_uri"),
        (json!(["wamp.session.on_join", [], {}]), json!({}), "wamp.error.invalid_uri"),
        (json!([7]), json!({}), "wamp.error.invalid_argument"),
        (json!([TOPIC, {}, {}]), json!({}), "wamp.error.invalid_argument"),
        (json!([TOPIC]), json!({ "scope": "later" }), "wamp.error.invalid_argument"),
        (json!([TOPIC]), json!({ "publish_options": { "eligible": 1 } }), "wamp.error.invalid_argument"),
        (json!([TOPIC]), json!({ "publish_options": { "ppt_scheme": "x" } }), "wamp.error.invalid_argument"),
    ] {
        assert_eq!(
            ask(&mut client, "add_testament", &args, &kwargs),
            Err(error.to_owned()),
            "{args} {kwargs}"
        );
    }
    for _ in 0..64 {
        add(&mut client, "one", &json!({}));
    }
    let more = ask(&mut client, "add_testament", &json!([TOPIC]), &json!({}));
    assert_eq!(more, Err("wamp.error.unavailable".to_owned()));
    client.leaves();
}
