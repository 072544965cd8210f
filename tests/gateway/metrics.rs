//! What monitoring reads of a running gateway.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    config::{TICKET, ticket_auth, tracked, with_metrics},
    http::Connection,
};

const FRAME: &str = include_str!("../component/guests/frame.wat");

/// A policy that does this.
pub(super) fn policy(decide: &str) -> Vec<u8> {
    let functions = format!(
        r#"(func (export "decide") (param i32) (result i32) {decide})
        (func (export "check-config") (param i32 i32) (result i32) (i32.const 0))"#
    );
    wat::parse_str(FRAME.replace(";; GUEST\n", &functions)).unwrap()
}

/// Services with policies that trap, loop, and answer what no contract has; and metrics at another port.
fn gateway() -> Gateway {
    let service = |component: &str| {
        let mut service = tracked();
        service["policy"] = json!({ "component": component, "deadline": "10s" });
        service
    };
    let paths = json!({
        "ws": tracked(), "trap": service("trap.wasm"), "trap2": service("trap.wasm"), "case": service("case.wasm"),
    });
    Gateway::prepare_exactly(&with_metrics(&paths))
        .file("trap.wasm", policy("unreachable"))
        .file("case.wasm", policy("(i32.store8 (i32.const 4) (i32.const 9)) (i32.const 0)"))
        .run()
}

/// What the second transport of a gateway serves.
pub(super) fn metrics(gateway: &Gateway) -> String {
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let response = connection.response();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    response.body
}

/// Waits until the metrics have lines that end like this.
#[track_caller]
pub(super) fn counted(gateway: &Gateway, lines: &[impl AsRef<str>]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = metrics(gateway);
        let is_missing = |line: &&str| !seen.contains(&format!("{line}\n"));
        let Some(missing) = lines.iter().map(AsRef::as_ref).find(is_missing) else { return };
        assert!(Instant::now() < end, "{missing}: {seen}");
    }
}

fn join(gateway: &Gateway, path: &str, jar: &mut Jar) -> Result<Value, String> {
    let mut client = Client::open_at(gateway, jar, path);
    client.join("realm1", json!({})).map_err(|refused| refused.reason)
}

/// A client that the built-in policy has let in. This policy has the default deadline, for which a busy machine may need more
/// than one try.
fn joined(gateway: &Gateway, jar: &mut Jar) -> Client {
    let begun = Instant::now();
    loop {
        let mut client = Client::open(gateway, jar);
        match client.join("realm1", json!({})) {
            Ok(_) => return client,
            Err(refused) => assert!(begun.elapsed() < PATIENCE, "{refused:?}"),
        }
    }
}

/// The value of a metric.
fn value(metrics: &str, name: &str, labels: &[&str]) -> u64 {
    let is_it = |line: &&str| {
        line.starts_with(name) && labels.iter().all(|label| line.contains(label)) && !line.starts_with('#')
    };
    let line = metrics.lines().find(is_it).unwrap_or_else(|| panic!("no {name} {labels:?} in {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_operator_sees_from_one_line_and_one_counter_which_policy_failed_how_and_for_whom() {
    let gateway = gateway();
    let mut jar = Jar::default();
    joined(&gateway, &mut jar);
    for path in ["/trap", "/trap", "/trap2", "/case"] {
        assert_eq!(join(&gateway, path, &mut jar), Err("wamp.error.authentication_failed".to_owned()));
    }

    let seen = metrics(&gateway);
    let decisions = |policy, outcome| {
        value(&seen, "wampgate_policy_decisions_total", &[policy, &format!("outcome=\"{outcome}\"")])
    };
    assert_eq!(decisions("policy=\"default\"", "anonymous"), 1);
    // Two services with one policy.
    assert_eq!(decisions("trap.wasm\"", "trap"), 3);
    assert_eq!(decisions("trap.wasm\"", "contract"), 0);
    assert_eq!(decisions("case.wasm\"", "contract"), 1);
    assert_eq!(seen.matches("# TYPE ").count(), seen.matches("# HELP ").count());

    gateway.output().until("no decision", 4);
    let log = gateway.output().text();
    let line = log.lines().find(|line| line.contains("no decision")).expect("a line");
    for part in ["trap.wasm", "failure=\"trap\"", "public_id="] {
        assert!(line.contains(part), "{part}: {line}");
    }
    for text in [&seen, &log] {
        assert!(!text.contains(jar.id.as_deref().unwrap()), "{text}");
    }
}

#[test]
fn every_metric_is_documented_and_what_a_realm_passes_on_is_counted() {
    const DOCUMENTED: &str = include_str!("../../docs/metrics.md");
    let gateway = gateway();
    let mut client = joined(&gateway, &mut Jar::default());
    client.echoes();
    // A client that was refused before may not have left yet.
    counted(&gateway, &["wampgate_open_connections{transport=\"0\"} 1"]);
    let seen = metrics(&gateway);
    let names = seen.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(DOCUMENTED.contains(&format!("| `{name}` |")), "{name} is missing in docs/metrics.md");
    }
    let reasons: Vec<_> =
        seen.lines().filter_map(|line| line.split("reason=\"").nth(1)?.split('"').next()).collect();
    assert!(reasons.len() > 50, "{reasons:?}");
    for reason in reasons {
        assert!(DOCUMENTED.contains(&format!("`{reason}`")), "{reason} is missing in docs/metrics.md");
    }
    let count = |name| value(&seen, name, &["realm=\"realm1\""]);
    let passed = ["wampgate_publications_total", "wampgate_events_total", "wampgate_calls_total"];
    assert_eq!(passed.map(count), [1, 1, 1], "{seen}");
    for name in ["wampgate_messages_total", "wampgate_bytes_total"] {
        for direction in ["received", "sent"] {
            let count = value(&seen, name, &["transport=\"0\"", &format!("direction=\"{direction}\"")]);
            assert!(count >= 5, "{name} {direction}: {count} in {seen}");
        }
    }
    assert!(value(&seen, "wampgate_connections_total", &["transport=\"0\""]) >= 1);
    assert!(value(&seen, "wampgate_policy_decision_seconds_count", &["policy=\"default\""]) >= 1);
    assert_eq!(value(&seen, "wampgate_ready", &[]), 1);
    assert!(
        value(&seen, "process_open_fds", &[]) > 3
            && value(&seen, "process_resident_memory_bytes", &[]) > 1 << 20
    );
    // The realm may have answered the last message a moment ago.
    assert!(count("wampgate_realm_inbox_slots") <= 1, "{seen}");
}

#[test]
fn sessions_and_reloads_are_counted() {
    let gateway = gateway();
    let file = gateway.path().join("trap.wasm");
    let client = joined(&gateway, &mut Jar::default());
    std::fs::write(&file, "nonsense").unwrap();
    gateway.signal(Signal::HUP);
    let begun = Instant::now();
    // Two services use the file, with one policy.
    while value(&metrics(&gateway), "wampgate_policy_reloads_total", &["trap.wasm", "kept"]) == 0 {
        assert!(begun.elapsed() < PATIENCE, "no reload is counted");
        std::thread::yield_now();
    }
    let seen = metrics(&gateway);
    assert_eq!(value(&seen, "wampgate_policy_reloads_total", &["trap.wasm", "replaced"]), 0);
    assert_eq!(value(&seen, "wampgate_policy_reloads_total", &["trap.wasm", "kept"]), 1);
    assert_eq!(value(&seen, "wampgate_sessions", &["realm=\"realm1\""]), 1);
    drop(client);
}

#[test]
fn handshakes_logins_and_refusals_are_counted_by_what_came_of_them() {
    let login = json!({ "type": "websocket", "auth": ticket_auth(), "options": { "allowed_origins": ["https://a.example"] } });
    let mut config = with_metrics(&json!({ "ws": login }));
    config["transports"][0]["id"] = json!("front");
    let gateway = Gateway::prepare(&config).run();
    let before = metrics(&gateway);
    let open = || Client::open(&gateway, &mut Jar::default());
    open().join_by_ticket("joe", TICKET).unwrap();
    open().join_by_ticket("joe", "guess").unwrap_err();
    open().join_by_ticket("jane", "guess").unwrap_err();
    Handshake::default().header("Origin", "https://evil.example").is_refused(&gateway, 403);
    let seen = metrics(&gateway);
    for (name, labels, expected) in [
        ("wampgate_handshakes_total", ["transport=\"front\"", "status=\"101\""], 3),
        ("wampgate_handshakes_total", ["transport=\"front\"", "status=\"403\""], 1),
        ("wampgate_logins_total", ["method=\"ticket\"", "outcome=\"ok\""], 1),
        ("wampgate_logins_total", ["method=\"ticket\"", "outcome=\"wrong\""], 2),
        ("wampgate_refusals_total", ["stage=\"handshake\"", "reason=\"origin\""], 1),
        ("wampgate_refusals_total", ["stage=\"join\"", "reason=\"credentials\""], 2),
    ] {
        assert_eq!(value(&seen, name, &labels), expected, "{name} {labels:?}");
        assert_eq!(value(&before, name, &labels), 0, "{name} {labels:?} is there before it counts");
    }
}
