//! The example policies of `plugins/`, asked the questions of their cases files.
//!
//! The one in component text needs no tool chain and is always there. The others are asked when
//! `WAMPGATE_GUESTS` names them as `CASES=COMPONENT`, separated by colons: `plugins/build-all.sh` does.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use wampgate::{
    policy::{
        ConnectionView, CookieView, Decision, EngineOptions, HelloView, JoinRequest, LoadFault, Policy,
        PolicyEngine, PolicyOptions, WasmPolicy,
    },
    store::Authentication,
    time::Timestamp,
};

/// With a cache: a component is loaded once for each configuration that its cases have, and some take seconds
/// to compile.
struct Bench {
    engine: PolicyEngine,
    _cache: TempDir,
}

/// An interpreter on a busy machine takes its time, and what is asked here is what it answers.
const DEADLINE: Duration = Duration::from_secs(2);

#[test]
fn the_example_in_text_passes_the_cases() {
    let plugins = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let component = wat::parse_file(plugins.join("returning-wat/component.wat")).expect("a component");
    Bench::new().passes("returning-wat", &component, &plugins.join("returning-cases.json"));
}

#[test]
fn examples_that_have_been_built_pass_their_cases() {
    let Ok(guests) = std::env::var("WAMPGATE_GUESTS") else { return };
    let bench = Bench::new();
    for guest in guests.split(':') {
        let (cases, component) = guest.split_once('=').expect("CASES=COMPONENT");
        bench.passes(component, &fs::read(component).expect(component), Path::new(cases));
    }
}

impl Bench {
    fn new() -> Self {
        let cache = TempDir::new().expect("a folder");
        let options = EngineOptions { cache: Some(cache.path().to_owned()), ..EngineOptions::default() };
        Self { engine: PolicyEngine::new(&options).expect("an engine"), _cache: cache }
    }

    #[allow(clippy::print_stdout, reason = "plugins/build-all.sh reads the line")]
    fn passes(&self, name: &str, component: &[u8], cases: &Path) {
        let file: Value = serde_json::from_slice(&fs::read(cases).expect("a cases file")).expect("JSON");
        let cases = file["cases"].as_array().expect("cases");
        assert!(cases.len() > 10);
        let begun = Instant::now();
        let default = self.load(name, component, &file["config"]).expect(name);
        let compiled = begun.elapsed();
        let mut decisions = Vec::new();
        for case in cases {
            let what = format!("{name}: {}", case["name"]);
            let own = case.get("config").map(|config| self.load(name, component, config));
            if let Some(part) = case["expect"].get("config_error") {
                let fault = own.expect("a config").expect_err(&what);
                let LoadFault::Config(errors) = fault else { panic!("{what}: {fault}") };
                let part = part.as_str().expect("a text");
                assert!(errors.iter().any(|error| error.contains(part)), "{what}: {errors:?}");
                continue;
            }
            let own = own.map(|policy| policy.expect(&what));
            let policy = own.as_ref().unwrap_or(&default);
            for _ in 0..5 {
                let begun = Instant::now();
                let answer = ask(policy, &case["request"]);
                decisions.push(begun.elapsed());
                assert!(matches(&answer, &case["expect"]), "{what}: {answer:?}");
            }
        }
        decisions.sort();
        let median = decisions[decisions.len() / 2];
        println!("measured: {} {compiled:.1?} {median:.1?}", component.len());
    }

    fn load(&self, name: &str, component: &[u8], config: &Value) -> Result<WasmPolicy, LoadFault> {
        let options =
            PolicyOptions { config: config.to_string(), deadline: DEADLINE, ..PolicyOptions::default() };
        WasmPolicy::from_bytes(&self.engine, name, component, options).map_err(|error| error.fault)
    }
}

/// Asks with what a case leaves out filled in.
fn ask(policy: &WasmPolicy, request: &Value) -> Value {
    let text = |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|item| text(item, "")).collect()
    };
    let cookie = request.get("cookie").filter(|cookie| !cookie.is_null());
    let authentication = cookie.and_then(|cookie| cookie.get("authentication")).map(|login| Authentication {
        authid: text(&login["authid"], "joe"),
        authrole: text(&login["authrole"], "frontend"),
        authmethod: "ticket".to_owned(),
        authrealm: text(&login["authrealm"], "realm1"),
        authextra: "{}".to_owned(),
        at: Timestamp::from_millis(1_790_000_030_000),
        succession: None,
    });
    let public_id = cookie.map(|cookie| text(&cookie["public_id"], "test-public-id-0001"));
    let hello = match request.get("hello") {
        Some(hello) => hello,
        None => &json!({}),
    };
    let realm = if hello.get("realm").is_some() { hello["realm"].as_str() } else { Some("realm1") };
    let (offered, methods) = (list(&hello["authmethods"]), list(&request["methods"]));
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
    let answer = policy.decide(&JoinRequest {
        connection: ConnectionView {
            id: "c1",
            peer: "203.0.113.9:52100",
            tls: true,
            host: "chat.example.org",
            path: "/ws",
            origin: Some("https://chat.example.org"),
            subprotocol: "wamp.2.json",
            headers: &[("user-agent", "test")],
        },
        cookie: cookie.map(|cookie| CookieView {
            id: "test-tracking-id-0001",
            public_id: public_id.as_deref().unwrap_or_default(),
            is_new: cookie["is_new"] == true,
            created: 1_790_000_000_000,
            last_seen: 1_790_000_060_000,
            max_age: 86_400,
            connections: 1,
            authentication: authentication.as_ref(),
        }),
        hello: (!hello.is_null()).then(|| HelloView {
            realm,
            authmethods: &offered,
            authid: hello["authid"].as_str(),
            authrole: hello["authrole"].as_str(),
            authextra: "{}",
        }),
        methods: &methods,
        roles: &[],
        now: 1_790_000_120_000,
    });
    match answer {
        Ok(Decision::Anonymous(identity)) => {
            let mut parts = serde_json::Map::new();
            parts.extend(identity.authid.map(|authid| ("authid".to_owned(), json!(authid))));
            parts.extend(identity.authrole.map(|authrole| ("authrole".to_owned(), json!(authrole))));
            json!({ "anonymous": parts })
        }
        Ok(Decision::None) => json!("none"),
        Ok(Decision::Defer(method)) => json!({ "defer": method }),
        Ok(Decision::Deny(denial)) => {
            json!({ "deny": { "reason": denial.reason.as_str(), "message": denial.message } })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Of a denial, only what is expected has to be there.
fn matches(answer: &Value, expected: &Value) -> bool {
    match expected.get("deny") {
        Some(Value::Object(parts)) => parts.iter().all(|(key, value)| answer["deny"][key] == *value),
        _ => answer == expected,
    }
}
