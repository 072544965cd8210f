//! The example components of `plugins/`, asked the questions of their cases files.
//!
//! The one in component text needs no tool chain and is always there. The others are asked when
//! `WAMPGATE_GUESTS` names them as `CASES=COMPONENT`, separated by colons: `plugins/build-all.sh` does.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wampgate::{
    policy::{ComponentKind, PolicyError, PolicyOptions},
    testkit::{AuthenticationQuestion, Cases, TestAuthenticator, TestAuthorizer, TestPolicy},
};

use super::support::PATIENT;

/// Answers what its configuration says: `plugins/scripted`.
const SCRIPTED: &[u8] = include_bytes!("scripted.wasm");
/// The example of an authorizer: `plugins/own-topics`.
const OWN_TOPICS: &[u8] = include_bytes!("own-topics.wasm");

#[test]
fn the_example_in_text_passes_the_cases() {
    let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let component = wat::parse_file(plugins.join("returning-wat/component.wat")).expect("a component");
    passes("returning-wat", &component, &plugins.join("returning-cases.json"));
}

#[test]
fn the_authenticator_passes_its_cases_and_survives_what_every_authenticator_must() {
    let cases = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/invitation/cases.json"));
    let (cases, options) = read(cases);
    let component = include_bytes!("invitation.wasm");
    let authenticator = TestAuthenticator::from_bytes("invitation", component, options).expect("a component");
    let report = authenticator.with_roles(["frontend", "backend"]).run_all(&cases);
    report.assert_passed();
    assert!(report.outcomes.len() > 100, "{} questions", report.outcomes.len());
}

#[test]
fn the_authorizer_passes_its_cases_and_survives_what_every_authorizer_must() {
    let cases = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/own-topics/cases.json"));
    let cases = Cases::read(cases).expect("a cases file");
    let options = PolicyOptions { deadline: PATIENT, ..cases.options.clone() };
    let authorizer = TestAuthorizer::from_bytes("own-topics", OWN_TOPICS, options).expect("a component");
    let report = authorizer.run_all(&cases);
    report.assert_passed();
    assert!(report.outcomes.len() > 80, "{} questions", report.outcomes.len());
}

#[test]
fn an_authorizer_that_does_what_none_should_fails_the_generic_questions() {
    let scripted = |answer: Value| {
        let config = json!({ "authorize": answer }).to_string();
        let options = PolicyOptions { config, deadline: PATIENT, ..PolicyOptions::default() };
        TestAuthorizer::from_bytes("scripted", SCRIPTED, options).expect("a component")
    };
    for deed in ["trap", "flood", "grow"] {
        assert!(!scripted(json!(deed)).run_generic().passed(), "{deed}");
    }
    // Out of the contract's range.
    assert!(!scripted(json!({ "allow": true, "seconds": 0 })).run_generic().passed());
    scripted(json!({ "allow": true, "seconds": 60, "scope": "role" })).run_generic().assert_passed();
}

#[test]
fn an_authenticator_that_does_what_none_should_fails_the_generic_questions() {
    let fails = |deed: &str| {
        let config = format!("{{\"authenticate\":\"{deed}\"}}");
        let options = PolicyOptions { config, deadline: PATIENT, ..PolicyOptions::default() };
        let authenticator = TestAuthenticator::from_bytes("scripted", SCRIPTED, options).expect(deed);
        let asked = AuthenticationQuestion::ticket("a-ticket");
        let failure = authenticator.authenticate(&asked).expect_err(deed);
        assert!(!authenticator.run_generic().passed(), "{deed}");
        failure
    };
    assert!(matches!(fails("trap"), PolicyError::Trap(_)));
    assert!(matches!(fails("flood"), PolicyError::HostCalls));
    assert!(matches!(fails("grow"), PolicyError::Memory(_)));
}

#[test]
fn examples_that_have_been_built_pass_their_cases() {
    let Ok(guests) = std::env::var("WAMPGATE_GUESTS") else { return };
    for guest in guests.split(':') {
        let (cases, component) = guest.split_once('=').expect("CASES=COMPONENT");
        passes(component, &fs::read(component).expect(component), Path::new(cases));
    }
}

#[allow(clippy::print_stdout, reason = "plugins/build-all.sh reads the line")]
fn passes(name: &str, component: &[u8], cases: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("component.wasm");
    fs::write(&file, component).expect("written");
    let (loaded, report) = match ComponentKind::guess(&file) {
        Some(ComponentKind::Authenticator) => {
            let (cases, options) = read(cases);
            let begun = Instant::now();
            let tested = TestAuthenticator::from_bytes(name, component, options).expect(name);
            (begun.elapsed(), tested.run_all(&cases))
        }
        Some(ComponentKind::Authorizer) => {
            let (cases, options) = read(cases);
            let begun = Instant::now();
            let tested = TestAuthorizer::from_bytes(name, component, options).expect(name);
            (begun.elapsed(), tested.run_all(&cases))
        }
        _ => {
            let (cases, options) = read(cases);
            let begun = Instant::now();
            let tested = TestPolicy::from_bytes(name, component, options).expect(name);
            (begun.elapsed(), tested.run_all(&cases))
        }
    };
    report.assert_passed();
    let mut answers: Vec<Duration> = report.outcomes.iter().map(|outcome| outcome.took).collect();
    answers.sort();
    let median = answers[answers.len() / 2];
    println!("measured: {} {loaded:.1?} {median:.1?}", component.len());
}

/// Cases, and how they say that a component runs, with time enough.
fn read<C: DeserializeOwned>(cases: &Path) -> (Cases<C>, PolicyOptions) {
    let cases = Cases::read(cases).expect("a cases file");
    assert!(cases.cases.len() > 10);
    let options = PolicyOptions { deadline: PATIENT, ..cases.options.clone() };
    (cases, options)
}
