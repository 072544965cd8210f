//! Authenticators that fail or misbehave, and wrong answers of their clients.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    accept, comes, every_method_scripted, gateway, gateway_with, is_refused, login, scripted, secret,
};
use crate::support::{
    Client, Gateway, Jar, PATIENCE,
    auth::{Login, joe},
    config::{TICKET, With as _, tracked, untracked, web},
};

#[test]
fn a_hostile_authenticator_refuses_its_own_clients_and_no_other_one_waits() {
    for deed in ["trap", "loop", "flood", "grow", "error"] {
        for method in ["ticket", "wampcra"] {
            let hostile = scripted(&json!(deed)).with("deadline", json!("50ms"));
            let mut auth = every_method_scripted();
            auth[method] = hostile;
            let gateway = gateway(&auth);
            let begun = Instant::now();
            let refused = is_refused(&gateway, method, "wamp.error.authentication_failed");
            assert!(!refused.message.contains(deed), "{refused:?}");
            assert!(begun.elapsed() < PATIENCE);
            gateway.output().until("no decision: ", 1);
            // The others join meanwhile and afterwards.
            let mut waiting: Vec<Client> =
                (0..8).map(|_| Client::open(&gateway, &mut Jar::default())).collect();
            for client in &mut waiting {
                client.hello("realm1", joe(method).hello(&[method]));
            }
            login(&gateway, &joe("scram")).unwrap();
            login(&gateway, &joe("cryptosign")).unwrap();
        }
    }
}

#[test]
fn a_ticket_and_a_tracking_id_stand_in_no_log_whatever_the_authenticator_writes() {
    let gateway = gateway_with(&tracked(), &json!({ "ticket": scripted(&json!("leak")) }));
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap_err();
    gateway.output().until("[secret]", 2);
    gateway.output().until("[tracking ID]", 2);
    let log = gateway.output().text();
    assert!(!log.contains(TICKET), "{log}");
    assert!(!log.contains(jar.id.as_ref().unwrap()), "{log}");
}

#[test]
fn wrong_tickets_are_limited_as_those_of_the_configuration_are() {
    let auth = json!({ "ticket": scripted(&json!({ "unknown": {} })), "max_failures": 3 });
    let gateway = gateway(&auth);
    let reasons = |login: &Login<'_>| -> Vec<String> {
        (0..12)
            .map(|_| comes(&gateway, &mut Jar::default(), &["ticket"], login).unwrap_err().reason)
            .collect()
    };
    // The first wait is a second, and each one after it twice as long: a busy machine may see the end of some.
    let is_limited = |reasons: &[String], refusal: &str| {
        assert!(reasons[..3].iter().all(|reason| reason == refusal), "{reasons:?}");
        let waits = reasons.iter().filter(|reason| *reason == "wamp.error.unavailable").count();
        let looked_at = reasons.iter().filter(|reason| *reason == refusal).count();
        assert!(looked_at < 8 && waits + looked_at == reasons.len(), "{reasons:?}");
    };
    is_limited(&reasons(&joe("ticket")), "wamp.error.not_authorized");
    // A refusal in words of its own is no way around the limit.
    let denial = json!({ "deny": { "reason": "com.example.closed", "message": "" } });
    let (said, code) = gateway
        .reload(&web(&untracked().with("auth", json!({ "ticket": scripted(&denial), "max_failures": 3 }))));
    assert_eq!(code, 0, "{said}");
    let other = Login { authid: Some("ann"), ..joe("ticket") };
    is_limited(&reasons(&other), "com.example.closed");
}

#[test]
fn a_component_that_fails_makes_no_wrong_guesses_of_its_clients_tickets() {
    let service = |answer: &Value| {
        web(&untracked().with("auth", json!({ "ticket": scripted(answer), "max_failures": 2 })))
    };
    let gateway = gateway(&json!({ "ticket": scripted(&json!("trap")), "max_failures": 2 }));
    // It traps, wants too much memory, says that it has failed, and gives an answer that does not fit.
    for failure in [json!("trap"), json!("grow"), json!("error"), secret("wampcra")] {
        let (said, code) = gateway.reload(&service(&failure));
        assert_eq!(code, 0, "{said}");
        for _ in 0..3 {
            is_refused(&gateway, "ticket", "wamp.error.authentication_failed");
        }
    }
    let (said, code) = gateway.reload(&service(&accept()));
    assert_eq!(code, 0, "{said}");
    login(&gateway, &joe("ticket")).unwrap();
}

#[test]
fn a_component_of_another_kind_is_refused_with_what_it_should_be() {
    let default = include_bytes!("../../../plugins/default/wampgate-default-policy.wasm");
    let auth = json!({ "ticket": { "type": "component", "component": "policy.wasm" } });
    let mut gateway = Gateway::prepare(&web(&untracked().with("auth", auth))).file("policy.wasm", default);
    assert_eq!(gateway.run_to_end().code(), Some(1));
    let said = gateway.output().text();
    assert!(said.contains("it is no authenticator as the contract has it"), "{said}");
    assert!(said.contains("it is a policy: name it as the `policy` of a websocket service"), "{said}");
    assert!(said.contains("wampgate:authid/authentication@0.3.0"), "{said}");
}
