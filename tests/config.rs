//! Configurations, through the front door: what `wampgate check` prints about each file of a folder.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration config::` writes down what is printed now.

mod faulty;
mod good;
mod schema;
mod validator;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The environment of all configurations here; tests leave the process's own alone.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "8443",
        "NOT_A_PORT" => "http",
        "TICKET" => "from the environment",
        "SCRAM_KEY" => "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",
        _ => return None,
    };
    Some(value.to_owned())
}

/// The JSON files of a folder of the repository, in order, by paths that are the same on every machine.
fn json_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no configuration");
    files
}

/// Compares a text with the file that holds what it should be; what differs, if anything does.
fn compare(golden: &Path, text: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, text).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    (expected != text).then(|| format!("== {}\n-- expected\n{expected}-- found\n{text}", golden.display()))
}
