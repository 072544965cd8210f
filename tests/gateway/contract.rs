//! What `wampgate policy test` accepts, the gateway accepts, and nothing else: the same components, asked on both sides.

use serde_json::json;
use wampgate::{
    policy::{PolicyError, PolicyOptions},
    testkit::{Request, TestPolicy},
};

use super::metrics::metrics;
use crate::{
    component::guests,
    support::{
        Client, Gateway, Jar, code,
        config::{With as _, anonymous_auth, ticket_auth, tracked_in_file, with_metrics},
    },
};

/// The answer's kind, as the guest `say` has it, and its text, in which `{id}` stands for the client's tracking ID; and
/// whether the contract allows it.
const ANSWERS: [(char, &str, bool); 27] = [
    ('i', "joe", true),
    ('i', "J\u{f6}rg Mei\u{df}er \u{1f642}", true),
    ('i', "{id}", true),
    ('i', "", false),
    ('i', "a\u{7}b", false),
    ('i', "a\u{200b}b", false),
    ('i', "a\u{a0}b", false),
    ('i', "\u{202e}eoj", false),
    ('i', "user-{id}", false),
    ('i', "{id}.", false),
    ('r', "frontend", true),
    ('r', "admin", false),
    ('r', "front\u{200b}end", false),
    ('r', "{id}", false),
    ('x', r#"{"level": 3}"#, true),
    ('x', "[]", false),
    ('x', r#"{"deep": ["user-{id}"]}"#, false),
    ('x', r#"{"{id}": 1}"#, false),
    ('d', "anonymous", true),
    ('d', "ticket", true),
    ('d', "wampcra", false),
    ('d', "scram", false),
    ('d', "two words", false),
    ('y', "com.example.closed", true),
    ('y', "no uri", false),
    ('y', "com.example.{id}", false),
    ('m', "go away, {id}", true),
];

/// A component that always gives this answer.
fn component(kind: char, text: &str) -> Vec<u8> {
    let (before, after) = text.split_once("{id}").unwrap_or((text, ""));
    let data = |text: &str| text.bytes().fold(String::new(), |data, byte| format!("{data}\\{byte:02x}"));
    // The ID goes between the two texts. It is the first part of the cookie's record, 80 bytes into the arguments.
    let (address, length) = if text.contains("{id}") {
        ("(i32.load offset=80 (local.get $p))", "(i32.load offset=84 (local.get $p))")
    } else {
        ("(i32.const 0)", "(i32.const 0)")
    };
    let (first, second) = (before.len(), after.len());
    let prepared = format!(
        r#"(func (export "decide") (param $p i32) (result i32)
          (local $id i32)
          (local.set $id {length})
          (memory.copy (i32.const {at}) {address} (local.get $id))
          (memory.copy (i32.add (i32.const {at}) (local.get $id)) (i32.const 1024) (i32.const {second}))"#,
        at = 2048 + first,
    );
    let say = guests::guest::SAY
        .replace(r#"(func (export "decide") (param $p i32) (result i32)"#, &prepared)
        .replace("(i32.load8_u (i32.load (local.get $p)))", &format!("(i32.const {})", u32::from(kind)))
        .replace("(i32.add (i32.load (local.get $p)) (i32.const 1))", "(i32.const 2048)")
        .replace(
            "(i32.sub (i32.load offset=4 (local.get $p)) (i32.const 1))",
            &format!("(i32.add (i32.const {}) (local.get $id))", first + second),
        );
    let guest = format!(
        "(data (i32.const 1024) \"{}\")\n(data (i32.const 2048) \"{}\")\n{}",
        data(after),
        data(before),
        hoisted(&say)
    );
    guests::bytes(&guest)
}

/// The guest's locals stand before its instructions.
fn hoisted(say: &str) -> String {
    let locals = "(local $kind i32) (local $at i32) (local $length i32) (local $to i32)";
    assert!(say.contains(locals), "{say}");
    say.replacen(locals, "", 1).replacen("(local $id i32)", &format!("(local $id i32) {locals}"), 1)
}

const OFFERED: [&str; 4] = ["anonymous", "ticket", "scram", "cryptosign"];

/// What breaks the contract counts as `contract`, and a role that the realm does not have under a name of its own: the policy
/// and the realm may each be what is wrong.
fn failure(kind: char, text: &str) -> &'static str {
    if (kind, text) == ('r', "admin") { "no-such-role" } else { "contract" }
}

/// What the testkit makes of an answer: the kind of the decision, or of the failure.
fn tested(component: &[u8]) -> &'static str {
    let policy = TestPolicy::from_bytes("say", component, PolicyOptions::default()).unwrap();
    let request = Request::new()
        .returning("public")
        .offers(OFFERED)
        .methods(["anonymous", "ticket"])
        .roles(["anonymous", "frontend"]);
    match policy.decide(&request) {
        Ok(decision) => decision.kind(),
        Err(error @ PolicyError::Contract(_)) => error.kind(),
        Err(error) => panic!("{error}"),
    }
}

/// What the gateway makes of it, by what its client gets.
fn served(gateway: &Gateway, path: &str, jar: &mut Jar) -> &'static str {
    let mut client = Client::open_at(gateway, jar, path);
    client.hello("realm1", json!({ "authmethods": OFFERED, "authid": "joe" }));
    let answer = client.receive();
    if answer[0] == code::WELCOME {
        return "anonymous";
    }
    if answer[0] == code::CHALLENGE {
        return "defer";
    }
    assert_eq!(answer[0], code::ABORT, "{answer}");
    match answer[2].as_str().unwrap() {
        "com.example.closed" | "test.denied" => "deny",
        "wamp.error.authentication_failed" | "wamp.error.no_auth_method" => "contract",
        "wamp.error.no_such_role" => "no-such-role",
        other => panic!("{other}"),
    }
}

#[test]
fn an_answer_is_accepted_by_the_test_of_a_policy_and_by_the_gateway_or_by_neither() {
    let roles = json!([{ "name": "anonymous" }, { "name": "frontend" }]);
    let mut paths = json!({});
    let mut files = Vec::new();
    for (number, (kind, text, _)) in ANSWERS.iter().enumerate() {
        let name = format!("answer{number}");
        let file = format!("{name}.wasm");
        let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
        let policy = json!({ "component": file, "deadline": "10s" });
        paths[&name] = tracked_in_file().with("auth", auth).with("policy", policy);
        files.push((file, component(*kind, text)));
    }
    let config = with_metrics(&paths).with("realms", json!([{ "name": "realm1", "roles": roles }]));
    let prepared = Gateway::prepare(&config);
    let gateway = files.iter().fold(prepared, |gateway, (file, bytes)| gateway.file(file, bytes)).run();

    let mut jar = Jar::default();
    for (number, (kind, text, is_allowed)) in ANSWERS.into_iter().enumerate() {
        let by_test = tested(&files[number].1);
        assert_eq!(by_test != failure(kind, text), is_allowed, "{kind} {text:?} is {by_test} to the testkit");
        // A deferral to `anonymous` runs nothing, so that its client is welcome at once.
        let expected = if (kind, text) == ('d', "anonymous") { "anonymous" } else { by_test };
        let by_gateway = served(&gateway, &format!("/answer{number}"), &mut jar);
        assert_eq!(by_gateway, expected, "{kind} {text:?}");
    }

    // Whatever breaks the contract counts as such, wherever it is found.
    let seen = metrics(&gateway);
    for (number, (kind, text, is_allowed)) in ANSWERS.into_iter().enumerate() {
        let outcome = failure(kind, text);
        let broken = seen.lines().any(|line| {
            line.contains(&format!("/answer{number}.wasm\",outcome=\"{outcome}\"")) && line.ends_with(" 1")
        });
        assert_eq!(broken, !is_allowed, "{kind} {text:?}: {seen}");
    }
    let broken = ANSWERS.iter().filter(|(.., is_allowed)| !is_allowed).count();
    gateway.output().until("failure=\"contract\"", broken - 1);
    gateway.output().until("failure=\"no-such-role\"", 1);
    let log = gateway.output().text();
    assert_eq!(log.matches("failure=\"contract\"").count(), broken - 1, "{log}");
    assert_eq!(log.matches("failure=\"no-such-role\"").count(), 1, "{log}");
    for text in [&seen, &log] {
        assert!(!text.contains(jar.id.as_deref().unwrap()), "{text}");
    }
}
