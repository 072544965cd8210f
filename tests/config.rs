//! Configurations, through the front door: what `wampgate check` prints about each file of a folder.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration config::` writes down what is printed now.

mod crossbar;
mod documented;
mod faulty;
mod good;
mod schema;
mod used;
mod validator;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The environment of all configurations here; tests leave the process's own alone.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PORT", "8443"),
    ("NOT_A_PORT", "http"),
    ("TICKET", "from the environment"),
    ("JOE_TICKET", "from the environment"),
    ("SCRAM_KEY", "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"),
];

fn env(name: &str) -> Option<String> {
    ENVIRONMENT.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// What `wampgate check` prints about a file, and whether it finds the file sound.
fn check(file: &Path) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wampgate"));
    command.arg("check").arg("--config").arg(file).arg("--without-policies");
    let ran = command.env_clear().envs(ENVIRONMENT).output().unwrap();
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    // Messages name whole paths, which differ from one machine to the other.
    let here = format!("{}/", std::env::current_dir().unwrap().display());
    (String::from_utf8(ran.stdout).unwrap().replace(&here, ""), ran.status.success())
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
