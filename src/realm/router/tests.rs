use super::{testing::*, *};
use crate::{
    realm::Permission,
    wamp::{
        Dictionary,
        message::{CallOptions, Disclosed, EventDetails, InvocationDetails, PublishOptions},
    },
};

mod interleavings;
mod model;

fn error(sent: Sent) -> String {
    refused(sent).3
}

fn acknowledged() -> PublishOptions {
    PublishOptions { acknowledge: true, ..PublishOptions::default() }
}

fn call_disclosing(procedure: &str) -> ClientMessage {
    let options = CallOptions { disclose_me: true, ..CallOptions::default() };
    ClientMessage::Call { request: 9, options, procedure: uri(procedure), payload: payload("[]") }
}

fn event_details(sent: Sent) -> EventDetails {
    match only(sent) {
        (_, RouterMessage::Event { details, .. }) => details,
        other => panic!("{other:?}"),
    }
}

fn invocation_details(sent: Sent) -> InvocationDetails {
    match only(sent) {
        (_, RouterMessage::Invocation { details, .. }) => details,
        other => panic!("{other:?}"),
    }
}

fn disclosed(session: u64) -> Disclosed {
    let authid = format!("public{session}").into();
    Disclosed { session: SessionId(session), authid, authrole: "user".into() }
}

fn publisher(session: u64) -> EventDetails {
    EventDetails { publisher: Some(disclosed(session)), ..EventDetails::default() }
}

fn caller(session: u64) -> InvocationDetails {
    InvocationDetails { caller: Some(disclosed(session)), ..InvocationDetails::default() }
}

#[test]
fn open_realm_discloses_publishers_and_callers_that_ask_for_it_and_no_others() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "com.t");
    world.register(2, "com.p");
    let silent = world.send(1, publish(1, "com.t", PublishOptions::default()));
    assert_eq!(event_details(silent), EventDetails::default());
    let wish = PublishOptions { disclose_me: true, ..PublishOptions::default() };
    assert_eq!(event_details(world.send(1, publish(1, "com.t", wish))), publisher(1));
    assert_eq!(invocation_details(world.send(1, call(1, "com.p"))), InvocationDetails::default());
    assert_eq!(invocation_details(world.send(1, call_disclosing("com.p"))), caller(1));
}

#[test]
fn listed_realm_discloses_by_rule_or_by_the_clients_own_wish_only() {
    let quiet = || Permission { disclose_caller: false, disclose_publisher: false, ..rule("com.quiet") };
    let loud = Permission { disclose_caller: true, disclose_publisher: true, ..rule("com.loud") };
    let mut world = World::listed(vec![quiet(), loud], [1, 2]);
    for name in ["com.quiet", "com.loud"] {
        world.subscribe(2, name);
        world.register(2, name);
    }
    let silent = world.send(1, publish(1, "com.quiet", PublishOptions::default()));
    assert_eq!(event_details(silent), EventDetails::default());
    let by_rule = world.send(1, publish(1, "com.loud", PublishOptions::default()));
    assert_eq!(event_details(by_rule), publisher(1));
    let wish = PublishOptions { disclose_me: true, ..PublishOptions::default() };
    assert_eq!(event_details(world.send(1, publish(1, "com.quiet", wish))), publisher(1));

    assert_eq!(invocation_details(world.send(1, call(1, "com.quiet"))), InvocationDetails::default());
    assert_eq!(invocation_details(world.send(1, call(2, "com.loud"))), caller(1));
    assert_eq!(invocation_details(world.send(1, call_disclosing("com.quiet"))), caller(1));
}

#[test]
fn authid_that_is_a_credential_is_never_sent_to_anybody() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "com.t");
    world.register(2, "com.p");
    let disclosing = PublishOptions { disclose_me: true, ..acknowledged() };
    let mut sent = world.send(1, publish(1, "com.t", disclosing));
    sent.extend(world.send(1, call_disclosing("com.p")));
    sent.extend(world.leave(2));
    let shown = format!("{sent:?}");
    assert!(shown.contains("public1"), "{shown}");
    assert!(!shown.contains("secret1"), "{shown}");
}

#[test]
fn request_without_permission_is_not_authorized() {
    let mut world = World::listed(vec![rule("com.allowed")], [1]);
    let cases = [
        (subscribe(5, "com.denied"), code::SUBSCRIBE),
        (register(5, "com.denied"), code::REGISTER),
        (call(5, "com.denied"), code::CALL),
        (publish(5, "com.denied", acknowledged()), code::PUBLISH),
    ];
    for (message, request_type) in cases {
        let expected = (1, request_type, 5, "wamp.error.not_authorized".to_owned());
        assert_eq!(refused(world.send(1, message)), expected);
    }
    assert!(world.router.is_empty());
    world.subscribe(1, "com.allowed");
}

#[test]
fn unacknowledged_publication_without_permission_is_dropped_without_a_word() {
    let only_subscribe = Permission { publish: false, ..rule("com.t") };
    let mut world = World::listed(vec![only_subscribe], [1, 2]);
    world.subscribe(2, "com.t");
    assert_eq!(world.send(1, publish(5, "com.t", PublishOptions::default())), []);
    assert_eq!(error(world.send(1, publish(5, "com.t", acknowledged()))), "wamp.error.not_authorized");
}

#[test]
fn reserved_uris_cannot_be_published_to_or_registered() {
    let mut world = World::open([1, 2]);
    world.subscribe(2, "wamp.session.on_join");
    let event = publish(5, "wamp.session.on_join", acknowledged());
    assert_eq!(error(world.send(1, event)), "wamp.error.invalid_uri");
    let silent = publish(5, "wamp.session.on_join", PublishOptions::default());
    assert_eq!(world.send(1, silent), []);
    assert_eq!(error(world.send(1, register(5, "wamp.session.count"))), "wamp.error.invalid_uri");
    assert_eq!(error(world.send(1, register(5, "wamp"))), "wamp.error.invalid_uri");
    world.register(1, "wampum.count");
}

#[test]
fn meta_topics_may_be_subscribed_to_and_other_meta_procedures_do_not_exist() {
    let mut world = World::open([1]);
    world.subscribe(1, "wamp.session.on_leave");
    assert_eq!(error(world.send(1, call(5, "wamp.no.such"))), "wamp.error.no_such_procedure");
}

#[test]
fn messages_of_the_session_itself_are_a_protocol_violation() {
    let mut world = World::open([1]);
    let reason = || uri("wamp.close.normal");
    let messages = [
        ClientMessage::Hello { realm: None, details: Box::default() },
        ClientMessage::Abort { details: Dictionary::default(), reason: reason() },
        ClientMessage::Goodbye { details: Dictionary::default(), reason: reason() },
        ClientMessage::Authenticate { signature: String::new(), extra: Dictionary::default() },
    ];
    for message in messages {
        world.try_send(1, message).unwrap_err();
    }
}
