//! `wampgate policy new`, through the command itself. `plugins/build-all.sh` builds and tests what it writes in every language;
//! the one in component text needs no tool chain, and is tested here.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;
use wampgate::testkit::{Cases, TestPolicy};

use crate::support::command::{Ran, run, wampgate};

/// Runs `wampgate policy new` in a folder, without a gateway on PATH.
fn new(folder: &Path, args: &[&str]) -> Ran {
    let mut command = wampgate();
    command.args(["policy", "new"]).args(args).current_dir(folder);
    run(command.env("PATH", folder).env_remove("WAMPGATE"), "")
}

#[test]
fn a_project_in_component_text_passes_its_test() {
    let folder = TempDir::new().unwrap();
    new(folder.path(), &["my-policy", "--lang", "wat"]).printed();
    let project = folder.path().join("my-policy");
    let component = wat::parse_file(project.join("component.wat")).unwrap();
    let cases = Cases::read(&project.join("cases.json")).unwrap();
    assert!(cases.cases.len() > 10);
    let policy = TestPolicy::from_bytes("my-policy", &component, cases.options.clone()).unwrap();
    policy.run_all(&cases).assert_passed();
}

#[test]
fn every_file_that_is_named_is_there_and_the_scripts_can_be_run() {
    for language in ["rust", "c", "zig", "js", "ts", "python", "go", "wat"] {
        let folder = TempDir::new().unwrap();
        let out = new(folder.path(), &["my-policy", "--lang", language]).printed();
        let (files, next) = out.split_once("\nNext:\n").unwrap();
        let project = folder.path().join("my-policy");
        let files: Vec<&str> = files.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert!(files.contains(&"README.md") && files.contains(&"wit/policy.wit"), "{out}");
        for file in files {
            let mode = fs::metadata(project.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o100 != 0, matches!(file, "build.sh" | "test.sh"), "{file}");
        }
        let commands: Vec<&str> = next.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(commands[0], "cd my-policy");
        let gateway = fs::canonicalize(env!("CARGO_BIN_EXE_wampgate")).unwrap();
        assert_eq!(commands[1], format!("export WAMPGATE={}", gateway.display()));
        assert!(matches!(commands[2..], ["./test.sh"] | ["npm install", "npm test"]), "{commands:?}");
    }
}

#[test]
fn no_file_that_was_there_is_overwritten() {
    let folder = TempDir::new().unwrap();
    let refused = |args: &[&str], why: &str| {
        let complaint = new(folder.path(), args).complained();
        assert!(complaint.contains(why), "{complaint}");
    };
    let args = ["mine", "--lang", "c"];
    fs::create_dir(folder.path().join("mine")).unwrap();
    // An empty folder is fine.
    new(folder.path(), &args).printed();
    let policy = folder.path().join("mine/policy.c");
    fs::write(&policy, "mine").unwrap();
    refused(&args, "mine is not empty: choose another name, or another folder with --dir");
    refused(&["other", "--lang", "zig", "--dir", "mine"], "mine is not empty");
    refused(&["other", "--lang", "zig", "--dir", "mine/policy.c"], "cannot use mine/policy.c as a folder");
    assert_eq!(fs::read_to_string(policy).unwrap(), "mine");

    let elsewhere = new(folder.path(), &["other", "--lang", "zig", "--dir", "some/where else"]).printed();
    assert!(elsewhere.contains("cd 'some/where else'\n"), "{elsewhere}");
    assert!(folder.path().join("some/where else/policy.zig").is_file());
    assert!(!folder.path().join("other").exists());
}

#[test]
fn bad_names_and_languages_leave_nothing_behind() {
    let folder = TempDir::new().unwrap();
    for (args, why) in [
        (["../out", "--lang", "c"], "use a-z, 0-9 and single hyphens between them"),
        (["My_Policy", "--lang", "c"], "use a-z, 0-9 and single hyphens between them"),
        (["mine", "--lang", "perl"], "[possible values: rust, c, zig, js, ts, python, go, wat]"),
    ] {
        let complaint = new(folder.path(), &args).complained();
        assert!(complaint.contains(why), "{complaint}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
