//! `wampgate policy …` and the testkit, with the default policy, an honest guest and bad ones.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use wampgate::{
    policy::{Decision, PolicyError, PolicyOptions},
    testkit::{Cases, Request, TestPolicy},
};

use super::support::{DEADLINE, PATIENT, bytes, guest, options};
use crate::support::command::{Ran, run, wampgate};

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/default/wampgate-default-policy.wasm");

/// What `wampgate policy` prints on standard output and error, and whether it is content. The deadline is the default, for which
/// a busy machine may need more than one try.
fn policy(args: &[&str], input: &str) -> (String, String, bool) {
    let mut tries = (0..100).map(|_| run(wampgate().arg("policy").args(args), input));
    let is_an_answer = |ran: &Ran| !ran.stdout.contains("did not decide within");
    let Ran { stdout, stderr, success, .. } = tries.find(is_an_answer).expect("no decision is ever in time");
    (stdout, stderr, success)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

fn default_cases() -> Value {
    json!({ "cases": [
        { "name": "returning", "request": { "cookie": { "id": "abcdef" } }, "expect": { "anonymous": { "authid": "abcdef" } } },
        { "name": "untracked", "expect": "none" },
        { "name": "ticket", "request": { "methods": ["ticket"], "hello": { "authmethods": ["ticket"] } }, "expect": { "defer": "ticket" } },
        { "name": "nothing fits", "request": { "methods": ["ticket"] }, "expect": { "deny": { "reason": "wamp.error.no_auth_method" } } },
        { "name": "configured", "config": { "authid": "public-id" }, "request": { "cookie": { "public_id": "p" } },
          "expect": { "anonymous": { "authid": "p" } } },
        { "name": "misconfigured", "config": { "authid": "none" }, "expect": { "config_error": "authid: use" } },
    ] })
}

#[test]
fn the_default_policy_passes_its_cases_and_the_generic_ones() {
    let folder = Folder::new();
    let cases = folder.file("cases.json", default_cases().to_string());
    let (out, error, passed) = policy(&["test", DEFAULT, &cases], "");
    assert!(passed, "{out}{error}");
    assert!(out.contains("ok    returning") && out.contains("ok    generic: odd Unicode"), "{out}");
    assert!(out.contains("cases, 0 failed"), "{out}");
    TestPolicy::run(DEFAULT, &cases).unwrap().assert_passed();
}

#[test]
fn a_wrong_expectation_fails_with_both_answers() {
    let folder = Folder::new();
    let wrong = json!({ "cases": [
        { "name": "other", "expect": { "defer": "ticket" } },
        { "name": "accepted", "config": {}, "expect": { "config_error": "" } },
    ] });
    let cases = folder.file("cases.json", wrong.to_string());
    let (out, _, passed) = policy(&["test", DEFAULT, &cases], "");
    assert!(!passed);
    assert!(out.contains(r#"FAIL  other: expected {"defer":"ticket"}, got "none""#), "{out}");
    assert!(out.contains("FAIL  accepted: ") && out.contains("cases, 2 failed"), "{out}");
}

#[test]
fn traps_and_loops_are_reported_as_what_they_are() {
    for (guest, why) in [
        (guest::TRAP, "the component trapped"),
        (guest::ENDLESS_LOOP, "did not decide within"),
        (guest::MEMORY_BOMB, "bytes of memory"),
        (guest::BAD_UTF8, "broke the contract"),
    ] {
        let deadline = if guest == guest::ENDLESS_LOOP { DEADLINE } else { PATIENT };
        let options = PolicyOptions { deadline, ..options() };
        let report = TestPolicy::from_bytes("guest", &bytes(guest), options).unwrap().run_generic();
        assert_eq!(report.failures(), report.outcomes.len());
        assert!(report.to_string().contains(why), "{report}");
    }
}

#[test]
fn a_policy_that_keeps_state_is_found_out_where_instances_are_warm() {
    let run = |options| TestPolicy::from_bytes("mark", &bytes(guest::MARK), options).unwrap().run_generic();
    run(options()).assert_passed();
    let warm = PolicyOptions { instances: wampgate::policy::Instances::Warm, ..options() };
    let report = run(warm);
    assert!(!report.passed());
    assert!(report.to_string().contains("the same question got"), "{report}");
}

#[test]
fn decide_prints_one_decision() {
    let request = r#"{"cookie": {"id": "abcdef"}}"#;
    let (out, error, decided) = policy(&["decide", DEFAULT], request);
    assert!(decided, "{error}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "anonymous": { "authid": "abcdef" } }));

    let (out, _, _) = policy(&["decide", DEFAULT, "--config", r#"{"authid":"public-id"}"#], request);
    assert!(out.contains("test-public-id-0001"), "{out}");

    let (_, error, decided) = policy(&["decide", DEFAULT], r#"{"cooky": {}}"#);
    assert!(!decided && error.contains("unknown field `cooky`"), "{error}");

    let folder = Folder::new();
    let trap = folder.file("trap.wasm", bytes(guest::TRAP));
    let (out, _, decided) = policy(&["decide", &trap], "{}");
    assert!(!decided && out.contains("the component trapped"), "{out}");
}

#[test]
fn the_policys_own_lines_are_shown_where_they_are_asked_for() {
    let folder = Folder::new();
    let talkative = folder.file("talkative.wasm", bytes(guest::LOG_SECRETS));
    let request = r#"{"cookie": {}}"#;
    let (out, lines, _) = policy(&["decide", &talkative], request);
    assert!(lines.contains("WARN") && lines.contains("INFO") && !out.contains("WARN"), "{lines}{out}");
    let (_, lines, _) = policy(&["decide", &talkative, "--log", "warn"], request);
    assert!(lines.contains("WARN") && !lines.contains("INFO"), "{lines}");
    let (_, lines, _) = policy(&["test", &talkative], "");
    assert_eq!(lines, "");
    let (_, lines, _) = policy(&["test", &talkative, "--log", "info"], "");
    assert!(lines.contains("INFO"), "{lines}");
}

#[test]
fn what_a_policy_says_while_it_is_loaded_is_shown_as_well() {
    let says = r#"(data (i32.const 1024) "no tariff")
        (func (export "check-config") (param i32 i32) (result i32)
          (call $log (i32.const 3) (i32.const 1024) (i32.const 9)) (unreachable))
        (func (export "decide") (param i32) (result i32) (i32.const 0))"#;
    let folder = Folder::new();
    let component = folder.file("says.wasm", bytes(says));
    let (_, error, decided) = policy(&["decide", &component], "{}");
    assert!(!decided && error.contains("no tariff") && error.contains("it could not check"), "{error}");
}

#[test]
fn inspect_tells_what_a_component_is_and_needs() {
    let (out, error, usable) = policy(&["inspect", DEFAULT], "");
    assert!(usable, "{out}{error}");
    assert!(out.contains("contract  0.2.0") && out.contains("usable    yes"), "{out}");

    let folder = Folder::new();
    let wants_clock = folder.file("clock.wasm", bytes(guest::WANTS_CLOCK));
    let (out, _, usable) = policy(&["inspect", "--json", &wants_clock], "");
    let seen: Value = serde_json::from_str(&out).unwrap();
    assert!(!usable, "it exports nothing");
    assert_eq!(seen["grants"], json!(["clock"]));
    assert_eq!(seen["imports"], json!(["wampgate:authid/clock@0.2.0"]));
    assert_eq!(seen["sha256"].as_str().unwrap().len(), 64);
    assert!(
        seen["compile_ms"].as_f64().unwrap() > 0.0
            && seen["fault"].as_str().unwrap().contains("exports nothing")
    );

    let (_, error, found) = policy(&["inspect", "missing.wasm"], "");
    assert!(!found && error.contains("missing.wasm"), "{error}");
}

#[test]
fn check_loads_the_policies_unless_it_is_told_not_to() {
    let folder = Folder::new();
    folder.file("trap.wasm", bytes(guest::TRAPPING_CHECK));
    folder.file("fine.wasm", fs::read(DEFAULT).unwrap());
    let service = |component: &str| json!({ "type": "websocket", "policy": { "component": component } });
    let check = |paths: Value, more: &[&str]| {
        let endpoint = json!({ "type": "tcp", "port": 8080 });
        let config = json!({ "transports": [{ "type": "web", "endpoint": endpoint, "paths": paths }] });
        let file = folder.file("config.json", config.to_string());
        let ran = run(wampgate().args(["check", "--config", &file]).args(more), "");
        (ran.stdout, ran.success)
    };
    let faulty =
        json!({ "a": service("trap.wasm"), "b": service("missing.wasm"), "c": service("fine.wasm") });
    let (out, sound) = check(faulty.clone(), &[]);
    assert!(!sound && out.contains("2 faults"), "{out}");
    assert!(out.contains("trap.wasm: it could not check its configuration"), "{out}");
    assert!(out.contains("missing.wasm: cannot read the component") && !out.contains("fine.wasm"), "{out}");

    let (out, sound) = check(faulty, &["--without-policies"]);
    assert!(sound && out.contains("OK"), "{out}");
    let (out, sound) = check(json!({ "c": service("fine.wasm") }), &[]);
    assert!(sound && out.contains("OK"), "{out}");
}

#[test]
fn the_testkit_asks_what_it_is_told() {
    let policy = TestPolicy::load(DEFAULT).unwrap();
    assert_eq!(policy.decide(&Request::new()), Ok(Decision::None));
    let headers = (0..65).fold(Request::new(), |request, n| request.header(&format!("x-{n}"), ""));
    assert!(matches!(policy.decide(&headers), Err(PolicyError::Refused(_))));
}

/// `wampgate policy test`, with as much time as a busy machine needs.
fn tested(component: &str, cases: &str) -> (String, String, bool) {
    policy(&["test", component, cases, "--deadline", "2000"], "")
}

/// The cases pass, and this is told of them.
#[track_caller]
fn passes(component: &str, cases: &str, told: &[&str]) -> String {
    let (out, error, passed) = tested(component, cases);
    assert!(passed && told.iter().all(|told| out.contains(told)), "{out}{error}");
    out
}

/// The example in a section of the documentation is a cases file that the component passes; one in which a word is another does not.
#[track_caller]
fn passes_the_example(component: &str, section: &str, word: &str, other: &str) -> (Folder, String, String) {
    let folder = Folder::new();
    let page = include_str!("../../docs/policy-cases.md");
    let section = page.split(section).nth(1).unwrap();
    let example = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let cases = folder.file("cases.json", example);
    passes(component, &cases, &[]);
    let wrong = folder.file("wrong.json", example.replace(word, other));
    let (out, _, passed) = tested(component, &wrong);
    assert!(!passed, "{out}");
    (folder, cases, out)
}

#[test]
fn the_commands_ask_a_policy_that_chooses_for_upstreams() {
    const REGIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/component/regions.wasm");
    const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/regions/cases.json");
    let told = ["ok    a role goes to its own upstream", "ok    generic: an upstream: odd Unicode"];
    let out = passes(REGIONS, CASES, &told);
    assert!(!out.contains("warning"), "{out}");

    let (word, other) = (r#""upstream": "us""#, r#""upstream": "eu""#);
    let (folder, cases, out) = passes_the_example(REGIONS, "## A choice of an upstream", word, other);
    let report = TestPolicy::load_with(REGIONS, options_of(&cases)).unwrap().run_all(&cases_of(&cases));
    report.assert_passed();
    assert!(out.contains(r#"expected {"upstream":"eu"}, got {"upstream":"us"}"#), "{out}");

    // What is asked about a HELLO is not asked beside it.
    let mixed = json!({ "config": { "otherwise": "eu" }, "cases": [
        { "name": "both", "request": { "upstreams": ["eu"], "methods": ["ticket"] } },
        { "name": "who", "request": { "client": {} } },
        { "name": "any", "request": { "upstreams": ["eu"] }, "expect": "upstream" },
        { "name": "decision", "request": { "upstreams": ["eu"] }, "expect": "none" },
        { "name": "no name", "request": { "upstreams": ["eu", "a/b"] }, "expect": "error" },
        { "name": "twice", "request": { "upstreams": ["eu", "us", "eu"] } },
        { "name": "many", "request": { "upstreams": (0..65).map(|number| format!("u{number}")).collect::<Vec<_>>() } },
    ] });
    let mixed = folder.file("mixed.json", mixed.to_string());
    let (out, _, passed) = tested(REGIONS, &mixed);
    assert!(!passed && out.contains("FAIL  both: a request with `upstreams` asks which one"), "{out}");
    assert!(out.contains("FAIL  who: `client` is who goes on") && out.contains("ok    any"), "{out}");
    assert!(out.contains(r#"FAIL  decision: expected "none", got {"upstream":"eu"}"#), "{out}");
    // Nor is what no path has.
    for told in [
        r#"FAIL  no name: `upstreams`: "a/b" is no name of an upstream, use 1 to 64 letters"#,
        r#"FAIL  twice: `upstreams`: "eu" stands there more than once, keep one"#,
        "FAIL  many: `upstreams`: 65 upstreams are too many, use at most 64",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }

    let config = json!({ "otherwise": "eu" }).to_string();
    let decide = |component: &str, question: &str| {
        policy(&["decide", component, "--deadline", "2000", "--config", &config], question)
    };
    let (out, error, passed) = decide(REGIONS, r#"{ "upstreams": ["eu", "us"] }"#);
    assert!(passed, "{error}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "upstream": "eu" }));
    let (out, _, passed) = decide(REGIONS, r#"{ "upstreams": ["us"] }"#);
    assert!(!passed && out.contains("no upstream"), "{out}");
    for (question, told) in [
        (r#"{ "client": {} }"#, "name these as well"),
        (r#"{ "client": {}, "upstreams": [] }"#, "`upstreams`: the list is empty"),
        (r#"{ "upstreams": ["eu", "eu"] }"#, "\"eu\" stands there more than once"),
        (r#"{ "upstreams": [""] }"#, "\"\" is no name of an upstream"),
    ] {
        let (out, error, passed) = decide(REGIONS, question);
        assert!(!passed && out.is_empty() && error.contains(told), "{out}{error}");
    }
    let regions = TestPolicy::load_with(REGIONS, options_of(&cases)).unwrap();
    for (request, told) in [
        (Request::new().upstreams(["eu", "eu"]), "more than once"),
        (Request::new(), "`upstreams`: the list is empty"),
    ] {
        let refused = regions.choose_upstream(&request).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    let decided = Request::new().methods(["ticket"]).upstreams(["eu"]);
    assert_eq!(regions.choose_upstream(&decided).as_deref(), Ok("eu"));
    let other = ["decide", DEFAULT, "--deadline", "2000"];
    let (out, _, passed) = policy(&other, r#"{ "upstreams": ["us"] }"#);
    assert!(!passed && out.contains("it has no `routing`"), "{out}");
}

fn cases_of(file: &str) -> Cases {
    Cases::read(file.as_ref()).unwrap()
}

/// With as much time as a busy machine needs.
fn options_of(file: &str) -> PolicyOptions {
    PolicyOptions { deadline: std::time::Duration::from_secs(2), ..cases_of(file).options }
}

#[test]
fn the_commands_see_by_its_export_that_a_component_is_an_authenticator() {
    const INVITATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/component/invitation.wasm");
    const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/invitation/cases.json");
    passes(INVITATION, CASES, &["ok    generic: remembered, odd Unicode"]);
    let section = "## Cases of an authenticator";
    let (.., out) = passes_the_example(INVITATION, section, "\"unknown\"", "\"accept\"");
    assert!(out.contains("expected \"accept\", got \"unknown\""), "{out}");

    let config = json!({ "invited": { "ann": { "role": "frontend", "invitation": "q7ZrT2m9wXcK4vLb" } } });
    let arguments = ["decide", INVITATION, "--deadline", "2000", "--config", &config.to_string()];
    let (out, error, passed) = policy(&arguments, r#"{ "method": "wampcra", "authid": "ann" }"#);
    assert!(passed, "{error}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer, json!({ "secret": { "authrole": "frontend" } }), "and no secret");

    let (out, _, passed) = policy(&["inspect", INVITATION], "");
    assert!(passed && out.contains("kind      authenticator") && out.contains("contract  0.3.0"), "{out}");
}

#[test]
fn the_commands_see_by_its_export_that_a_component_is_an_authorizer() {
    const OWN_TOPICS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/component/own-topics.wasm");
    const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/own-topics/cases.json");
    passes(OWN_TOPICS, CASES, &["ok    generic: subscribe, every URI by prefix"]);
    let (word, other) = ("\"seconds\": 3600", "\"seconds\": 60");
    let (.., out) = passes_the_example(OWN_TOPICS, "## Cases of an authorizer", word, other);
    assert!(out.contains(r#""seconds":60"#) && out.contains(r#""seconds":3600"#), "{out}");

    let config = json!({ "own": "com.example.user." }).to_string();
    let decide =
        |question: &str| policy(&["decide", OWN_TOPICS, "--deadline", "2000", "--config", &config], question);
    let (out, error, passed) = decide(r#"{ "action": "publish", "uri": "com.example.other" }"#);
    assert!(passed, "{error}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer, json!({ "deny": { "disclose": true, "keep": { "seconds": 3600, "scope": "role" } } }));
    let (_, error, passed) = decide(r#"{ "action": "destroy" }"#);
    assert!(!passed && error.contains("unknown variant `destroy`, expected one of `call`"), "{error}");

    // Questions of another kind are told apart from a misspelt one.
    let (_, error, passed) = decide(r#"{ "hello": {} }"#);
    assert!(!passed && error.contains("the component is an authorizer"), "{error}");
    assert!(error.contains("unknown field `hello`") && error.contains("docs/policy-cases.md"), "{error}");
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/invitation/cases.json");
    let (_, error, passed) = policy(&["test", OWN_TOPICS, other], "");
    assert!(!passed && error.contains("the component is an authorizer"), "{error}");
    let (_, error, passed) = policy(&["test", OWN_TOPICS, CASES, "--roles", "frontend"], "");
    assert!(!passed && error.contains("leave out --roles"), "{error}");

    let (out, _, passed) = policy(&["inspect", OWN_TOPICS], "");
    assert!(passed && out.contains("kind      authorizer") && out.contains("contract  0.3.0"), "{out}");
}
