//! `wampgate policy new`, through the command itself. `plugins/build-all.sh` builds and tests what it writes in every language;
//! the one in component text needs no tool chain, and is tested here.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;
use wampgate::{
    policy::PolicyOptions,
    testkit::{Cases, Report, TestAuthenticator, TestAuthorizer, TestPolicy},
};

use super::support::PATIENT;
use crate::support::command::{Ran, run, wampgate};

/// Runs `wampgate policy new` in a folder, without a gateway on PATH.
fn new(folder: &Path, args: &[&str]) -> Ran {
    let mut command = wampgate();
    command.args(["policy", "new"]).args(args).current_dir(folder);
    run(command.env("PATH", folder).env_remove("WAMPGATE"), "")
}

const KINDS: [&str; 3] = ["policy", "authenticator", "authorizer"];

/// A component of this text, asked the cases of the project of its kind.
fn report(kind: &str, text: &str, cases: &Path) -> Report {
    let component = wat::parse_str(text).unwrap();
    let patient = |options: &PolicyOptions| PolicyOptions { deadline: PATIENT, ..options.clone() };
    match kind {
        "policy" => {
            let cases = Cases::read(cases).unwrap();
            TestPolicy::from_bytes(kind, &component, patient(&cases.options)).unwrap().run_all(&cases)
        }
        "authenticator" => {
            let cases = Cases::read(cases).unwrap();
            TestAuthenticator::from_bytes(kind, &component, patient(&cases.options)).unwrap().run_all(&cases)
        }
        _ => {
            let cases = Cases::read(cases).unwrap();
            TestAuthorizer::from_bytes(kind, &component, patient(&cases.options)).unwrap().run_all(&cases)
        }
    }
}

#[test]
fn a_project_in_component_text_passes_its_test() {
    let folder = TempDir::new().unwrap();
    for kind in KINDS {
        new(folder.path(), &["mine", "--kind", kind, "--lang", "wat", "--dir", kind]).printed();
        let project = folder.path().join(kind);
        let text = fs::read_to_string(project.join("component.wat")).unwrap();
        let report = report(kind, &text, &project.join("cases.json"));
        report.assert_passed();
        let own = report.outcomes.iter().filter(|outcome| !outcome.name.starts_with("generic: "));
        assert!(own.count() > 10, "{report}");
    }
}

#[test]
fn an_answer_that_is_kept_for_more_than_it_holds_for_is_found_out() {
    let folder = TempDir::new().unwrap();
    new(folder.path(), &["mine", "--kind", "authorizer", "--lang", "wat"]).printed();
    let text = fs::read_to_string(folder.path().join("mine/component.wat")).unwrap();
    let cases = folder.path().join("cases.json");
    let ask = |session: &str| {
        let case = format!(
            r#"{{ "config": {{ "open": ["com.example."] }}, "cases": [
                {{ "name": "own", "request": {{ "session": {session}, "action": "publish", "uri": "com.example.ann.x" }} }}
            ] }}"#
        );
        fs::write(&cases, case).unwrap();
    };
    ask(r#"{ "authid": "ann" }"#);
    // What depends on the session is kept for the role.
    let last = "(i32.store8 (i32.const 5) (global.get $own))))";
    assert!(text.contains(last));
    let for_role = text.replace(
        last,
        "(i32.store8 (i32.const 5) (global.get $own)) (i32.store8 (i32.const 16) (i32.const 1))))",
    );
    let failed = report("authorizer", &for_role, &cases).to_string();
    assert!(
        failed.contains("it may be kept for the role") && failed.contains("by another session"),
        "{failed}"
    );
    // What depends on the options is kept at all: here, on whether there are any. Their text is longer than "{}" then.
    let allow = "(i32.store8 (i32.const 4) (global.get $own))";
    assert!(text.contains(allow));
    let by_options = text.replace(
        allow,
        "(i32.store8 (i32.const 4) (i32.gt_u (i32.load offset=104 (local.get $p)) (i32.const 2)))",
    );
    let failed = report("authorizer", &by_options, &cases).to_string();
    assert!(
        failed.contains("it may be kept for the session") && failed.contains("with other options"),
        "{failed}"
    );
}

#[test]
fn every_file_that_is_named_is_there_and_the_scripts_can_be_run() {
    let folder = TempDir::new().unwrap();
    for kind in KINDS {
        for language in ["rust", "c", "zig", "js", "ts", "python", "go", "wat"] {
            let name = format!("{kind}-{language}");
            let out = new(folder.path(), &[&name, "--kind", kind, "--lang", language]).printed();
            assert!(out.starts_with(&format!("{name} is an ")) && out.contains(kind), "{out}");
            let (files, next) = out.split_once("\nNext:\n").unwrap();
            let project = folder.path().join(&name);
            let files: Vec<&str> = files.lines().filter_map(|line| line.strip_prefix("    ")).collect();
            assert!(files.contains(&"README.md") && files.contains(&"wit/policy.wit"), "{out}");
            for file in files {
                let mode = fs::metadata(project.join(file)).unwrap().permissions().mode();
                assert_eq!(mode & 0o100 != 0, matches!(file, "build.sh" | "test.sh"), "{file}");
            }
            let commands: Vec<&str> = next.lines().filter_map(|line| line.strip_prefix("    ")).collect();
            assert_eq!(commands[0], format!("cd {name}"));
            let gateway = fs::canonicalize(env!("CARGO_BIN_EXE_wampgate")).unwrap();
            assert_eq!(commands[1], format!("export WAMPGATE={}", gateway.display()));
            assert!(matches!(commands[2..], ["./test.sh"] | ["npm install", "npm test"]), "{commands:?}");
        }
    }
    // A policy, unless another kind is asked for.
    assert!(
        new(folder.path(), &["mine", "--lang", "c"]).printed().starts_with("mine is an authid policy in C:")
    );
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
        (["mine", "--kind", "filter"], "policy"),
    ] {
        let complaint = new(folder.path(), &args).complained();
        assert!(complaint.contains(why), "{complaint}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
