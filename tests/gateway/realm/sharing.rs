//! Registrations that several callees share, or take from one another; and callees that ask who calls.

use serde_json::{Value, json};

use super::{call, capable, register};
use crate::support::{Client, Gateway, Jar, client::uri, code, gateway::tracking_gateway};

const PROCEDURE: &str = "com.example.shared";

/// Three callees of [`PROCEDURE`] with these options.
#[track_caller]
fn callees(gateway: &Gateway, options: &Value) -> Vec<Client> {
    (0..3)
        .map(|_| {
            let mut callee = capable(gateway);
            register(&mut callee, options, PROCEDURE).unwrap();
            callee
        })
        .collect()
}

/// Calls once for each callee that is expected, and lets it answer.
#[track_caller]
fn assert_order(caller: &mut Client, callees: &mut [Client], expected: &[usize]) {
    for place in expected {
        let request = call(caller, &json!({}), PROCEDURE, &json!([]));
        let invocation = callees[*place].expect(code::INVOCATION);
        callees[*place].send(&json!([code::YIELD, invocation[1], {}, [place]]));
        assert_eq!(caller.result(request).unwrap()[3], json!([place]));
    }
}

#[test]
fn policy_of_the_registration_chooses_the_callee() {
    for (policy, order) in [("first", [0, 0, 0, 0]), ("last", [2, 2, 2, 2]), ("roundrobin", [0, 1, 2, 0])] {
        let gateway = tracking_gateway();
        let mut callees = callees(&gateway, &json!({ "invoke": policy }));
        let mut caller = capable(&gateway);
        assert_order(&mut caller, &mut callees, &order);
        let other = if policy == "first" { "last" } else { "first" };
        let refused = register(&mut caller, &json!({ "invoke": other }), PROCEDURE).unwrap_err();
        assert_eq!(uri(&refused), "wamp.error.procedure_already_exists");
        // The others go on without one of them.
        callees.remove(0).leaves();
        let rest: [usize; 2] = match policy {
            "last" => [1, 1],
            "first" => [0, 0],
            _ => [0, 1],
        };
        assert_order(&mut caller, &mut callees, &rest);
    }
}

#[test]
fn callee_gets_as_many_invocations_as_it_takes_at_once_and_the_others_wait() {
    let gateway = tracking_gateway();
    let mut callee = capable(&gateway);
    register(&mut callee, &json!({ "concurrency": 2 }), PROCEDURE).unwrap();
    let mut caller = capable(&gateway);
    let requests: Vec<u64> = (0..5).map(|n| call(&mut caller, &json!({}), PROCEDURE, &json!([n]))).collect();
    let mut open: Vec<Value> = (0..2).map(|_| callee.expect(code::INVOCATION)).collect();
    for (n, request) in requests.into_iter().enumerate() {
        // Nothing else comes before an answer: the next message is the answer to a request of the callee's own.
        callee.subscribe("com.example.marker").unwrap();
        assert!(callee.is_waiting_for_nothing(), "an invocation too many");
        let invocation = open.remove(0);
        assert_eq!(invocation[4], json!([n]));
        callee.send(&json!([code::YIELD, invocation[1], {}, [n]]));
        assert_eq!(caller.result(request).unwrap()[3], json!([n]));
        if n < 3 {
            open.push(callee.expect(code::INVOCATION));
        }
    }
}

#[test]
fn forced_registration_takes_a_procedure_over_and_the_old_callee_is_told() {
    let gateway = tracking_gateway();
    let (mut old, mut new, mut caller) = (capable(&gateway), capable(&gateway), capable(&gateway));
    let lost = register(&mut old, &json!({}), PROCEDURE).unwrap();
    let refused = register(&mut new, &json!({}), PROCEDURE).unwrap_err();
    assert_eq!(uri(&refused), "wamp.error.procedure_already_exists");
    register(&mut new, &json!({ "force_reregister": true }), PROCEDURE).unwrap();
    let told = old.expect(code::UNREGISTERED);
    assert_eq!((&told[1], &told[2]["registration"]), (&json!(0), &lost), "{told}");
    call(&mut caller, &json!({}), PROCEDURE, &json!([]));
    new.expect(code::INVOCATION);
    assert_eq!(old.unregister(&lost), Err("wamp.error.no_such_registration".to_owned()));
}

#[test]
fn callee_sees_who_calls_if_it_asks_or_the_caller_does_and_not_otherwise() {
    let gateway = tracking_gateway();
    let mut callee = capable(&gateway);
    register(&mut callee, &json!({}), "com.example.blind").unwrap();
    register(&mut callee, &json!({ "disclose_caller": true }), "com.example.seeing").unwrap();
    let (mut caller, welcome) = Client::joined(&gateway, &mut Jar::default());
    for (procedure, options, sees) in [
        ("com.example.blind", json!({}), false),
        ("com.example.blind", json!({ "disclose_me": true }), true),
        ("com.example.seeing", json!({}), true),
    ] {
        call(&mut caller, &options, procedure, &json!([]));
        let invocation = callee.expect(code::INVOCATION);
        let expected = sees.then_some(&welcome["x_wampgate_public_id"]);
        assert_eq!(invocation[3].get("caller_authid"), expected, "{procedure} {options}: {invocation}");
    }
}
