//! The example policies of `plugins/`, asked the questions of their cases files.
//!
//! The one in component text needs no tool chain and is always there. The others are asked when
//! `WAMPGATE_GUESTS` names them as `CASES=COMPONENT`, separated by colons: `plugins/build-all.sh` does.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use wampgate::{
    policy::PolicyOptions,
    testkit::{Cases, TestPolicy},
};

use super::support::PATIENT;

#[test]
fn the_example_in_text_passes_the_cases() {
    let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let component = wat::parse_file(plugins.join("returning-wat/component.wat")).expect("a component");
    passes("returning-wat", &component, &plugins.join("returning-cases.json"));
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
    let cases = Cases::read(cases).expect("a cases file");
    assert!(cases.cases.len() > 10);
    let options = PolicyOptions { deadline: PATIENT, ..cases.options.clone() };
    let begun = Instant::now();
    let policy = TestPolicy::from_bytes(name, component, options).expect(name);
    let loaded = begun.elapsed();
    let report = policy.run_all(&cases);
    report.assert_passed();
    let mut decisions: Vec<Duration> = report.outcomes.iter().map(|outcome| outcome.took).collect();
    decisions.sort();
    let median = decisions[decisions.len() / 2];
    println!("measured: {} {loaded:.1?} {median:.1?}", component.len());
}
