//! A policy author's test: it stands in `tests/` of the policy's crate, with wampgate among the dev-dependencies.

use wampgate::{
    policy::Decision,
    testkit::{Cases, Request, TestPolicy},
};

const COMPONENT: &str = "policy.wasm";

#[test]
fn a_visitor_who_comes_back_keeps_the_name() {
    let policy = TestPolicy::load(COMPONENT).unwrap();
    let decision = policy.decide(&Request::new().returning("pub-1").offers(["anonymous"])).unwrap();
    assert!(matches!(decision, Decision::Anonymous(_)), "{decision:?}");
}

#[test]
fn the_policy_survives_what_every_policy_must_survive() {
    TestPolicy::load(COMPONENT).unwrap().run_all(&Cases::default()).assert_passed();
}
