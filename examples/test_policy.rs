//! A test of a policy, without a gateway: what a policy's author writes into `tests/` of the policy's project.
//!
//! `cargo run --example test_policy` asks the default policy, `cargo run --example test_policy COMPONENT.wasm CASES.json` asks
//! another one, an authenticator or an authorizer the cases of a file. A project that has such a test depends on wampgate with `default-features = false,
//! features = ["testkit"]`.

#![allow(clippy::print_stdout, reason = "an example tells on its terminal what it does")]

use std::{error::Error, process::ExitCode};

use wampgate::{
    policy::{ComponentKind, Decision, PolicyOptions},
    testkit::{Login, Report, Request, TestAuthenticator, TestAuthorizer, TestError, TestPolicy},
};

/// The default policy: a client that has logged in before is known again, and every other one is anonymous under its cookie's
/// name.
const DEFAULT: &[u8] = include_bytes!("../embedded/default-policy.wasm");

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let report = match (arguments.next(), arguments.next()) {
        (Some(component), Some(cases)) => cases_of(&component, &cases)?,
        (None, _) => default_policy()?,
        (Some(_), None) => return Err("which cases? give COMPONENT.wasm CASES.json, or nothing".into()),
    };
    for outcome in &report.outcomes {
        println!("{outcome}");
    }
    // A test would end with `report.assert_passed()`.
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The cases of a file, and then what every component of the kind must survive. A test knows the kind of its component, and needs one
/// of the three.
fn cases_of(component: &str, cases: &str) -> Result<Report, TestError> {
    match ComponentKind::guess(component.as_ref()) {
        Some(ComponentKind::Authenticator) => TestAuthenticator::run(component, cases),
        Some(ComponentKind::Authorizer) => TestAuthorizer::run(component, cases),
        _ => TestPolicy::run(component, cases),
    }
}

/// Questions with the answers that are expected, and then what every policy must survive.
fn default_policy() -> Result<Report, Box<dyn Error>> {
    let policy = TestPolicy::from_bytes("default", DEFAULT, PolicyOptions::default())?;

    // A visitor with a known cookie, from whom the gateway would take `anonymous`.
    let visitor = Request::new().returning("pub-1").offers(["anonymous"]);
    let decision = policy.decide(&visitor)?;
    assert!(matches!(decision, Decision::Anonymous(_)), "{decision:?}");

    // A visitor whose cookie remembers a login by ticket: the policy hands over to the method `cookie`.
    let login = Login {
        authid: "joe".to_owned(),
        authrole: "user".to_owned(),
        authmethod: "ticket".to_owned(),
        authrealm: "realm1".to_owned(),
        ..Login::default()
    };
    let known = Request::new().logged_in(login).methods(["cookie"]).offers(["cookie"]);
    let decision = policy.decide(&known)?;
    assert_eq!(decision, Decision::Defer("cookie".to_owned()));

    Ok(policy.run_generic())
}
