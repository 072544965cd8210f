//! Faulty configurations: each is refused, with the very words that stand beside it.

use std::fs;

use wampgate::{cli::check::check_with, config::ConfigSource};

use crate::{compare, env, json_files};

#[test]
fn every_faulty_configuration_is_refused_with_path_and_remedy() {
    let files = json_files("tests/config/faulty");
    assert!(files.len() >= 35, "only {} faulty configurations were found", files.len());
    let mut differences = String::new();
    for file in files {
        let mut printed = Vec::new();
        let sound = check_with(&ConfigSource::File(file.clone()), &env, &mut printed).unwrap();
        assert!(!sound, "{} was accepted", file.display());
        let printed = String::from_utf8(printed).unwrap();
        differences.extend(compare(&file.with_extension("txt"), &printed));
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn no_message_repeats_a_secret() {
    let printed = fs::read_to_string("tests/config/faulty/auth_ticket_kind.txt").unwrap();
    assert!(printed.contains("principals.joe.ticket"));
    for secret in ["123456789", "5ecret"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
