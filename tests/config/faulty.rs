//! Faulty configurations: each is refused, with the very words that stand beside it.

use std::fs;

use super::{check, compare, json_files};

#[test]
fn every_faulty_configuration_is_refused_with_path_and_remedy() {
    let files = json_files("tests/config/faulty");
    assert!(files.len() >= 55, "only {} faulty configurations were found", files.len());
    let mut differences = String::new();
    for file in files {
        let (printed, is_sound) = check(&file);
        assert!(!is_sound, "{} was accepted", file.display());
        differences.extend(compare(&file.with_extension("txt"), &printed));
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn no_message_repeats_a_secret() {
    for (file, faulty) in [
        ("auth_ticket_kind", "principals.joe.ticket"),
        ("auth_wampcra_user", "users.eve.secret"),
        ("auth_wampcra_long_derivation", "users.joe.secret"),
        ("auth_scram_values", "principals.joe.stored-key"),
        ("passwords_in_addresses", "crossbar.host"),
    ] {
        let printed = fs::read_to_string(format!("tests/config/faulty/{file}.txt")).unwrap();
        assert!(printed.contains(faulty), "{printed}");
        for secret in ["123456789", "5ecret", "s3", "5e5e5e"] {
            assert!(!printed.contains(secret), "{file}: {secret}");
        }
    }
}
