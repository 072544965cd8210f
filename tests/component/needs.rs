//! Version 0.3.0 of the contract: what a component says that it needs, and a role for the client of a method. And what an author
//! sees who gets it wrong.

use std::fs;

use http::HeaderName;
use serde_json::{Value, json};
use wampgate::{
    policy::{ContractError, Decision, Grants, PolicyError, PolicyLoadFault, PolicyOptions, WasmPolicy},
    testkit::{Case, Expectation, Request, TestPolicy},
};

use super::support::{ENGINE, options, policy};
use crate::support::command::{run, wampgate};

/// The example in component text, which is built for version 0.3.0.
const RETURNING: &str = include_str!("../../plugins/returning-wat/component.wat");

/// The example, with other functions in place of some of its own.
fn returning(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut text = RETURNING.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    wat::parse_str(text).unwrap()
}

/// One that declares a header and a grant, each only if it is given.
fn needing(header: &str, grant: &str) -> Vec<u8> {
    let list = |at: u32, text: &str| {
        format!(
            "(call $put (i32.const {at}) (i32.const {}) (i32.const {}))",
            24 + at,
            u32::from(!text.is_empty())
        )
    };
    let item = |at: u32, place: u32, text: &str| {
        format!("(call $put (i32.const {}) (i32.const {place}) (i32.const {}))", 24 + at, text.len())
    };
    let body = [list(0, header), list(8, grant), item(0, 512, header), item(8, 640, grant)].concat();
    let data = format!(
        r#"(data (i32.const 512) "{header}") (data (i32.const 640) "{grant}") (data (i32.const 64) "anonymous")"#
    );
    returning(&[
        (r#"(data (i32.const 64) "anonymous")"#, &data),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 16))", &body),
    ])
}

/// One that gives the clients of every method the role `anonymous`.
fn giving_a_role() -> Vec<u8> {
    let defer = "(i32.store8 (i32.const 4) (i32.const 2))";
    let defer_as =
        "(i32.store8 (i32.const 4) (i32.const 4)) (call $put (i32.const 16) (i32.const 64) (i32.const 9))";
    returning(&[(defer, defer_as)])
}

fn load(component: &[u8], options: PolicyOptions) -> Result<WasmPolicy, PolicyLoadFault> {
    WasmPolicy::from_bytes(&ENGINE, "guest", component, options).map_err(|error| error.fault)
}

#[test]
fn a_component_is_not_used_without_the_headers_and_grants_that_it_declares() {
    let needing = needing("x-maintenance", "clock");
    let headers = vec![HeaderName::from_static("x-maintenance")];
    let grants = Grants { clock: true, ..Grants::default() };
    let refused = |options: PolicyOptions, parts: &[&str]| {
        let fault = load(&needing, options).expect_err("it loads");
        assert!(matches!(fault, PolicyLoadFault::Needs(_)), "{fault}");
        let text = fault.to_string();
        assert_eq!(
            ["`x-maintenance`", "`clock`"].map(|part| text.contains(part)),
            ["`x-maintenance`", "`clock`"].map(|part| parts.contains(&part)),
            "{text}"
        );
    };
    refused(options(), &["`x-maintenance`", "`clock`"]);
    refused(PolicyOptions { grants, ..options() }, &["`x-maintenance`"]);
    refused(PolicyOptions { headers: headers.clone(), ..options() }, &["`clock`"]);
    let policy = load(&needing, PolicyOptions { headers, grants, ..options() }).unwrap();
    assert_eq!(policy.needs().unwrap().headers, ["x-maintenance"]);
    // Older components cannot say.
    assert_eq!(super::support::honest().needs(), None);
}

#[test]
fn check_and_inspect_tell_what_a_component_needs() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("maintenance.wasm");
    fs::write(&component, needing("x-maintenance", "")).unwrap();
    let check = |policy: Value| {
        let service =
            json!({ "type": "websocket", "endpoint": { "type": "tcp", "port": 8080 }, "policy": policy });
        let file = folder.path().join("config.json");
        fs::write(&file, json!({ "transports": [service] }).to_string()).unwrap();
        run(wampgate().args(["check", "--config"]).arg(&file), "")
    };
    let without = check(json!({ "component": "maintenance.wasm" }));
    let expected = "it needs the header `x-maintenance`: add it to the policy's `headers`";
    assert!(!without.success && without.stdout.contains(expected), "{}", without.stdout);
    let with = check(json!({ "component": "maintenance.wasm", "headers": ["x-maintenance"] }));
    assert!(with.success, "{}", with.stdout);

    let inspected = run(wampgate().args(["policy", "inspect"]).arg(&component), "");
    let text = &inspected.stdout;
    assert!(
        inspected.success && text.contains("contract  0.3.0") && text.contains("needs     x-maintenance"),
        "{text}"
    );
    let inspected = run(wampgate().args(["policy", "inspect", "--json"]).arg(&component), "");
    let seen: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(seen["needs"], json!({ "headers": ["x-maintenance"], "grants": [] }));
}

#[test]
fn a_test_shows_every_header_and_warns_of_those_that_are_not_declared() {
    let case = |header: &str| Case {
        name: header.to_owned(),
        request: Request::new().header(header, "1"),
        expect: Expectation::None,
        config: None,
    };
    let warnings = |component: &[u8], cases: &[Case]| {
        let policy = TestPolicy::from_bytes("guest", component, options()).unwrap();
        let report = policy.run_cases(cases);
        report.assert_passed();
        report.warnings
    };
    let declaring = needing("x-maintenance", "");
    assert!(warnings(&declaring, &[case("x-maintenance")]).is_empty());
    let found = warnings(&declaring, &[case("x-maintenance"), case("x-staff"), case("x-staff")]);
    assert!(
        found.len() == 1 && found[0].contains("\"x-staff\"") && found[0].contains("declare"),
        "{found:?}"
    );
    assert_eq!(warnings(&returning(&[]), &[case("x-staff")]).len(), 1);
    let older = warnings(super::support::DEFAULT, &[case("x-staff")]);
    assert!(older.len() == 1 && older[0].contains("0.3.0"), "{older:?}");
}

#[test]
fn a_role_for_the_client_of_a_method_is_checked_like_every_role() {
    let policy = load(&giving_a_role(), options()).unwrap();
    let request = || Request::new().offers(["ticket"]).methods(["ticket"]);
    let decide = |request: Request| request.with(|view| policy.decide(view));
    let Ok(Decision::DeferAs { method, authrole }) = decide(request()) else { panic!() };
    assert_eq!((&*method, &*authrole), ("ticket", "anonymous"));
    assert!(decide(request().roles(["anonymous", "staff"])).is_ok());
    assert!(matches!(
        decide(request().roles(["staff"])),
        Err(PolicyError::Contract(ContractError::NoSuchRole(_)))
    ));
}

#[test]
fn roles_of_a_realm_can_be_given_to_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("role.wasm");
    fs::write(&component, giving_a_role()).unwrap();
    let cases = folder.path().join("cases.json");
    let case = json!({ "name": "staff", "request": { "methods": ["ticket"], "hello": { "authmethods": ["ticket"] } },
        "expect": { "defer": { "method": "ticket", "authrole": "anonymous" } } });
    fs::write(&cases, json!({ "deadline": "10s", "cases": [case] }).to_string()).unwrap();
    let test =
        |more: &[&str]| run(wampgate().args(["policy", "test"]).arg(&component).arg(&cases).args(more), "");
    let any = test(&[]);
    assert!(any.success, "{}{}", any.stdout, any.stderr);
    let known = test(&["--roles", "staff,anonymous"]);
    assert!(known.success, "{}", known.stdout);
    let unknown = test(&["--roles", "staff,frontend"]);
    assert!(!unknown.success && unknown.stdout.contains("none of the realm's `roles`"), "{}", unknown.stdout);
}

#[test]
fn a_trap_names_the_functions_that_were_running() {
    let named = r#"
        (func $no_such_tariff (unreachable))
        (func $price (call $no_such_tariff))
        (func $decide (export "decide") (param i32) (result i32) (call $price) (i32.const 0))"#;
    let trap = |text: &str| match Request::new().with(|view| policy(text).decide(view)) {
        Err(PolicyError::Trap(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = trap(named);
    assert!(text.contains("in no_such_tariff, called by price < decide"), "{text}");
    let unnamed = r#"(func (export "decide") (param i32) (result i32) (unreachable))"#;
    assert!(trap(unnamed).contains("in function "), "{}", trap(unnamed));
    // Names are the component's: none of them writes a line of its own into the log.
    let hostile = r#"(func $"a\nWARN b" (unreachable))
        (func (export "decide") (param i32) (result i32) (call $"a\nWARN b") (i32.const 0))"#;
    assert!(!trap(hostile).contains('\n'), "{}", trap(hostile));
    // Deep recursion tells its end only.
    let deep = r#"(func $deeper (param i32) (result i32) (call $deeper (local.get 0)) (i32.add (i32.const 1)))
        (func (export "decide") (param i32) (result i32) (call $deeper (i32.const 0)))"#;
    let text = trap(deep);
    assert!(text.contains("deeper") && text.len() < 1000, "{text}");
}
