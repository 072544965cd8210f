//! Policies of a running gateway: reloaded while clients join, and recorded.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Instant,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use wampgate::{
    policy::PolicyOptions,
    testkit::{Cases, TestPolicy},
};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    config::{TICKET, With as _, ticket_auth, tracked, web},
};

const DEFAULT: &[u8] = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");
const OTHER: &str = include_str!("../component/guests/custom.wat");

#[test]
fn a_hundred_reloads_fail_no_join_and_a_bad_file_changes_nothing() {
    let mut service = tracked();
    service["policy"] = json!({ "component": "policy.wasm" });
    let gateway = Gateway::prepare(&web(&service)).file("policy.wasm", DEFAULT).run();
    let file = gateway.path().join("policy.wasm");
    let components = [DEFAULT.to_vec(), wat::parse_str(OTHER).unwrap()];
    let (stop, joins) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let joining = scope.spawn(|| {
            let mut jar = Jar::default();
            while !stop.load(Relaxed) {
                Client::open(&gateway, &mut jar).join("realm1", json!({})).unwrap();
                joins.fetch_add(1, Relaxed);
            }
        });
        for round in 1..=100 {
            let before = joins.load(Relaxed);
            fs::write(&file, &components[round % 2]).unwrap();
            gateway.signal(Signal::HUP);
            gateway.output().until("policy reloaded", round);
            while joins.load(Relaxed) == before {
                assert!(!joining.is_finished(), "a join failed");
                thread::yield_now();
            }
        }
        stop.store(true, Relaxed);
    });

    fs::write(&file, "nonsense").unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("the old policy goes on", 1);
    Client::open(&gateway, &mut Jar::default()).join("realm1", json!({})).unwrap();

    // No signal tells the gateway: it sees the change.
    fs::write(&file, &components[1]).unwrap();
    gateway.output().until("policy reloaded", 101);
}

#[test]
fn a_signal_to_reload_says_what_was_not_done() {
    const NOTHING: &str = "nothing has changed since the gateway last looked";
    let gateway = Gateway::start(&web(&tracked()));
    gateway.signal(Signal::HUP);
    gateway.output().until(NOTHING, 1);
    fs::write(gateway.path().join("config.json"), "{").unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("the old configuration goes on, as the new one cannot", 1);
    gateway.assert_next_client_is_served();
}

#[test]
fn what_is_recorded_passes_as_cases() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.jsonl");
    let name = file.display().to_string();
    let gateway = Gateway::prepare(&web(&tracked())).arguments(&["--record", &name]).run();
    let mut jar = Jar::default();
    for _ in 0..2 {
        Client::open(&gateway, &mut jar).join("realm1", json!({})).unwrap();
    }
    let refused =
        Client::open(&gateway, &mut Jar::default()).join("realm1", json!({ "authmethods": ["ticket"] }));
    refused.unwrap_err();
    let begun = Instant::now();
    let text = loop {
        let text = fs::read_to_string(&file).unwrap();
        if text.lines().count() == 3 && text.ends_with('\n') {
            break text;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        thread::yield_now();
    };
    assert!(!text.contains(jar.id.as_deref().unwrap()), "{text}");
    let ids: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request"]["cookie"]["id"].clone())
        .collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/default/wampgate-default-policy.wasm");
    let options = PolicyOptions { deadline: PATIENCE, ..PolicyOptions::default() };
    let policy = TestPolicy::load_with(default, options).unwrap();
    policy.run_all(&Cases::read(&file).unwrap()).assert_passed();
}

#[test]
fn a_policy_is_told_the_client_that_a_trusted_proxy_speaks_for() {
    let folder = tempfile::tempdir().unwrap();
    for (proxies, expected) in [(json!(["127.0.0.0/8"]), "198.51.100.7:0"), (json!([]), "127.0.0.1:")] {
        let file = folder.path().join("cases.jsonl");
        let mut config = web(&tracked());
        config["transports"][0]["options"] = json!({ "trusted_proxies": proxies });
        let gateway = Gateway::prepare(&config).arguments(&["--record", &file.display().to_string()]).run();
        let handshake = Handshake::default().header("X-Forwarded-For", "192.0.2.1, 198.51.100.7");
        let mut client = Client::open_by(&gateway, &mut Jar::default(), handshake, Serializer::Json, false);
        client.join("realm1", json!({})).unwrap();
        let begun = Instant::now();
        let text = loop {
            match fs::read_to_string(&file) {
                Ok(text) if text.ends_with('\n') => break text,
                _ => assert!(begun.elapsed() < PATIENCE, "nothing is recorded"),
            }
            thread::yield_now();
        };
        let case: Value = serde_json::from_str(&text).unwrap();
        let peer = case["request"]["connection"]["peer"].as_str().unwrap();
        assert!(peer.starts_with(expected), "{peer}");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_record_of_another_name_is_refused_at_the_start() {
    let mut gateway = Gateway::prepare(&web(&tracked())).arguments(&["--record", "cases.json"]);
    assert!(!gateway.run_to_end().success());
    assert!(gateway.output().text().contains(".jsonl"));
}

#[test]
fn a_policy_gives_a_role_to_those_who_log_in_and_to_those_whom_their_cookie_remembers() {
    let returning = include_str!("../../plugins/returning-wat/component.wat");
    let defer = "(i32.store8 (i32.const 4) (i32.const 2))";
    // The role is `anonymous`, a text that the component has already.
    let defer_as =
        "(i32.store8 (i32.const 4) (i32.const 4)) (call $put (i32.const 16) (i32.const 64) (i32.const 9))";
    assert!(returning.contains(defer));
    let component = wat::parse_str(returning.replace(defer, defer_as)).unwrap();
    let mut service = tracked().with("auth", ticket_auth().with("cookie", json!({})));
    service["policy"] = json!({ "component": "policy.wasm" });
    let gateway = Gateway::prepare(&web(&service)).file("policy.wasm", component).run();
    let mut jar = Jar::default();
    let welcome = Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    let who = |welcome: &Value| ["authid", "authrole", "authmethod"].map(|key| welcome[key].clone());
    assert_eq!(who(&welcome), ["joe", "anonymous", "ticket"].map(Value::from));
    // The role of the configuration does not count, and what the record remembers of it does not either.
    let mut client = Client::open(&gateway, &mut jar);
    let welcome = client.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    assert_eq!(who(&welcome), ["joe", "anonymous", "ticket"].map(Value::from));
    let wrong = Client::open(&gateway, &mut Jar::default()).join_by_ticket("joe", "guess").unwrap_err();
    assert_eq!(wrong.reason, "wamp.error.not_authorized");
}
