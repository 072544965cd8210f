//! The JSON Schema agrees with the loader.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use wampgate::config::{ConfigSource, load_with};

use super::{env, json_files, validator::validate};

/// Rules that a schema cannot express, or that are about the text: the faults of these files are beyond it.
const BEYOND: &[&str] = &[
    "admin",
    "auth_cookie_alone",
    "auth_cookie_without_tracking",
    "auth_jwt_places",
    "auth_empty",
    "auth_methods_role_unknown",
    "auth_no_principals",
    "auth_role_unknown",
    "auth_scram_no_principals",
    "auth_wampcra_long_derivation",
    "auth_wampcra_no_users",
    "auth_wampcra_users_and_principals",
    "auth_wampcra_users_missing",
    "cookie_prefix_not_secure",
    "cookie_prefix_without_secure",
    "cookie_stores_differ",
    "duplicate_key",
    "endpoint_port_bad_variable",
    "endpoint_port_unset_variable",
    "endpoint_twice",
    "endpoint_unix_occupied",
    "endpoint_unix_path_too_long",
    "endpoint_version_mismatch",
    "empty_object",
    "forward_auth_alone",
    "no_transports",
    "policy_config_duplicate_key",
    "policy_name_unknown",
    "policy_name_without_policies",
    "realms_empty",
    "serializers_empty",
    "static_serves_secrets",
    "workers_and_transports",
];

fn printed_schema() -> Value {
    let printed = Command::new(env!("CARGO_BIN_EXE_wampgate")).arg("schema").output().unwrap();
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Whether a file is valid; nothing if it is no JSON.
fn valid(schema: &Value, file: &Path) -> Option<Result<(), String>> {
    let value = serde_json::from_slice(&fs::read(file).unwrap()).ok()?;
    Some(validate(schema, &value).map_err(|error| format!("{}: {error}", file.display())))
}

#[test]
fn what_the_loader_accepts_the_schema_accepts() {
    let schema = printed_schema();
    for file in ["tests/config/good", "examples", "examples/forward-auth", "examples/crossbar-router"]
        .map(json_files)
        .concat()
    {
        load_with(&ConfigSource::File(file.clone()), &env).unwrap();
        assert_eq!(valid(&schema, &file), Some(Ok(())));
    }
}

#[test]
fn what_the_schema_accepts_is_refused_only_for_what_it_cannot_say() {
    let schema = printed_schema();
    for name in BEYOND {
        let file = format!("tests/config/faulty/{name}.json");
        assert!(Path::new(&file).is_file(), "there is no {file} any more");
    }
    let mut refused = 0;
    for file in json_files("tests/config/faulty") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        match valid(&schema, &file) {
            Some(Ok(())) => assert!(BEYOND.contains(&name), "the schema accepts {name}"),
            Some(Err(_)) => {
                assert!(!BEYOND.contains(&name), "the schema refuses {name} by itself");
                refused += 1;
            }
            None => assert!(name.starts_with("json_"), "{name} is no JSON"),
        }
    }
    assert!(refused >= 35, "the schema refuses only {refused} files");
}

#[test]
fn every_key_is_described() {
    fn walk(value: &Value, keys: &mut usize) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                // The tag of a choice describes itself.
                let described = property.get("description").is_some() || key == "type";
                assert!(described, "{key}: {property}");
                *keys += 1;
            }
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, keys)),
            Value::Object(entries) => entries.values().for_each(|entry| walk(entry, keys)),
            _ => {}
        }
    }
    let mut keys = 0;
    walk(&printed_schema(), &mut keys);
    assert!(keys > 100, "only {keys} keys were found");
}
