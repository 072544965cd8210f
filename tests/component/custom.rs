//! An operator's own policy, honest and well-behaved.

use wampgate::policy::{Decision, PolicyLoadFault, PolicyOptions};

use super::support::{Cookie, PUBLIC_ID, ask, ask_as, authid, guest, load, options, policy};

#[test]
fn its_answers_reach_the_host() {
    let custom = policy(guest::CUSTOM);
    let vip = format!("vip-{PUBLIC_ID}");
    assert_eq!(authid(ask(&custom, &[], Cookie::Known, &["anonymous"])), vip);
    assert_eq!(authid(ask(&custom, &["ticket"], Cookie::Authenticated, &[])), vip);
    assert_eq!(ask(&custom, &[], Cookie::New, &[]), Ok(Decision::None));
    assert_eq!(ask(&custom, &[], Cookie::Off, &[]), Ok(Decision::None));
    let defer = Ok(Decision::Defer("ticket".to_owned()));
    assert_eq!(ask(&custom, &["ticket"], Cookie::Known, &["wampcra", "ticket"]), defer);
    let denied = ask_as(&custom, &[], Cookie::Known, &["ticket"], Some("banned"));
    let Ok(Decision::Deny(denial)) = denied else { panic!("{denied:?}") };
    assert_eq!(denial.reason.as_str(), "wamp.error.not_authorized");
    assert_eq!(denial.message, "this name is banned");
}

#[test]
fn its_configuration_is_checked_when_it_is_loaded() {
    let options = PolicyOptions { config: "[]".to_owned(), ..options() };
    match load(guest::CUSTOM, options).expect_err("it loads").fault {
        PolicyLoadFault::Config(errors) => assert_eq!(errors, ["config: not a JSON object"]),
        other => panic!("{other}"),
    }
}

#[test]
fn every_decision_meets_a_fresh_instance() {
    let mark = policy(guest::MARK);
    for _ in 0..100 {
        assert_eq!(authid(ask(&mark, &[], Cookie::Known, &[])), "11");
    }
}
