//! Whether the gateway is ready: by HTTP, by the command, and for the service manager.

use std::{os::unix::net::UnixDatagram, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, code,
    command::{Ran, run, wampgate},
    config::{With as _, endpoint, tracked, tracked_in_file, untracked},
    http::Connection,
    redis::RedisServer,
};

/// A service, and a health path at another port.
fn config(service: &Value) -> Value {
    json!({ "transports": [
        { "type": "web", "endpoint": endpoint(), "paths": { "ws": service, "health": { "type": "health" } } },
        { "type": "web", "endpoint": endpoint(), "paths": { "health": { "type": "health" } } },
    ]})
}

/// What a transport answers at a path.
#[track_caller]
fn get(gateway: &Gateway, transport: usize, path: &str) -> (u16, Value) {
    let mut connection = Connection::open_at(gateway.address_of(transport));
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let response = connection.response();
    (response.status, serde_json::from_str(&response.body).unwrap_or_default())
}

/// `wampgate health` with these arguments, without the environment of the tests.
fn health(arguments: &[&str]) -> Ran {
    run(wampgate().env_clear().arg("health").args(arguments), "")
}

fn node_dir(gateway: &Gateway) -> &str {
    gateway.path().to_str().unwrap()
}

#[test]
fn a_gateway_that_serves_lives_and_is_ready() {
    let gateway = Gateway::start(&config(&tracked()));
    for transport in [0, 1] {
        for path in ["/health", "/health/", "/health/readyz"] {
            assert_eq!(get(&gateway, transport, path), (200, json!({ "status": "ready" })), "{path}");
        }
        assert_eq!(get(&gateway, transport, "/health/livez"), (200, json!({ "status": "alive" })));
        for path in ["/health/startupz", "/health/readyz/all"] {
            assert_eq!(get(&gateway, transport, path).0, 404, "{path}");
        }
    }
    assert_eq!(health(&["--node-dir", node_dir(&gateway)]).printed(), "ready\n");
    let url = format!("http://{}/health/readyz", gateway.address_of(1));
    assert_eq!(health(&["--url", &url, "--json"]).json(), [json!({ "status": "ready" })]);
}

#[test]
fn a_probe_may_neither_be_stored_nor_read_as_a_page() {
    let gateway = Gateway::start(&config(&tracked()));
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send("GET /health/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let response = connection.response();
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_gateway_that_drains_is_not_ready_and_says_so_until_its_clients_are_gone() {
    let options = json!({ "close_handshake_timeout": 60_000 });
    let mut gateway = Gateway::start(&config(&tracked().with("options", options)));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let url = format!("http://{}/health/readyz", gateway.address_of(1));
    gateway.signal_term();
    // The client does not answer, so that the drain takes its time.
    assert_eq!(client.receive()[0], code::GOODBYE);
    let (status, body) = get(&gateway, 1, "/health/readyz");
    assert_eq!((status, &body["status"]), (503, &json!("not-ready")));
    assert_eq!(body["reasons"][0]["reason"], "draining");
    assert_eq!(get(&gateway, 1, "/health/livez").0, 200);
    let told = health(&["--url", &url]);
    assert!(!told.success && told.stdout.starts_with("not ready\n  the gateway ends"), "{told:?}");
    client.send(&json!([code::GOODBYE, {}, "wamp.close.goodbye_and_out"]));
    assert!(gateway.await_exit().success());
    let told = health(&["--url", &url]).complained();
    assert!(told.contains("no answer from http://"), "{told}");
    let told = health(&["--node-dir", node_dir(&gateway)]).complained();
    assert!(told.contains("no gateway listens at "), "{told}");
}

/// The file may not become longer than a few records, as on a disk that is full.
#[test]
fn a_store_that_takes_no_changes_makes_the_gateway_not_ready() {
    let gateway = Gateway::prepare(&config(&tracked_in_file())).after("trap '' XFSZ; ulimit -f 16").run();
    let refused = (0..400).any(|_| Handshake::default().send(&gateway).1.status == 503);
    assert!(refused, "the store takes everything");
    let (status, body) = get(&gateway, 1, "/health/readyz");
    assert_eq!(status, 503);
    let reasons = body["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{body}");
    assert_eq!(reasons[0]["reason"], "store");
    assert!(!body.to_string().contains("cookies.dat"), "strangers need not know the file: {body}");
    assert_eq!(get(&gateway, 1, "/health/livez").0, 200);
    let told = health(&["--node-dir", node_dir(&gateway)]);
    assert!(
        !told.success && told.stdout.contains("cookies.dat: the cookie store takes no changes"),
        "{told:?}"
    );
}

#[test]
fn a_policy_that_fails_every_question_makes_the_gateway_not_ready() {
    let frame = include_str!("../component/guests/frame.wat");
    let functions = r#"(func (export "decide") (param i32) (result i32) unreachable)
        (func (export "check-config") (param i32 i32) (result i32) (i32.const 0))"#;
    let mut service = tracked();
    service["policy"] = json!({ "component": "trap.wasm" });
    let policy = wat::parse_str(frame.replace(";; GUEST\n", functions)).unwrap();
    let gateway = Gateway::prepare(&config(&service)).file("trap.wasm", policy).run();
    for count in 0..20 {
        assert_eq!(get(&gateway, 1, "/health/readyz").0, 200, "after {count} failures");
        Client::open(&gateway, &mut Jar::default()).join("realm1", json!({})).unwrap_err();
    }
    let (status, body) = get(&gateway, 1, "/health/readyz");
    assert_eq!((status, &body["reasons"][0]["reason"]), (503, &json!("policy")));
}

#[test]
fn a_gateway_without_a_socket_is_asked_at_its_health_path() {
    // Which has to be known beforehand: the configuration names it.
    let free = RedisServer::free_port();
    let mut config = config(&untracked());
    config["transports"][1]["endpoint"]["port"] = json!(free.parse::<u16>().unwrap());
    let gateway = Gateway::start(&config);
    assert_eq!(health(&["--node-dir", node_dir(&gateway)]).printed(), "ready\n");
}

#[test]
fn a_url_that_tells_nothing_of_health_is_an_error() {
    let gateway = Gateway::start(&config(&tracked()));
    let url = format!("http://{}/ws", gateway.address());
    let told = health(&["--url", &url]).complained();
    assert!(
        told.contains("does not tell whether a gateway is ready") && told.contains("\"health\""),
        "{told}"
    );
    assert!(health(&["--url", "https://localhost/"]).complained().contains("begins with http://"));
}

#[test]
fn the_service_manager_hears_of_start_reload_life_and_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 512];
        loop {
            let length = manager.recv(&mut buffer).expect(wanted);
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            // Signs of life come between all others.
            if said.lines().any(|line| line == wanted) {
                return said;
            }
            assert_eq!(said, "WATCHDOG=1\n", "instead of {wanted}");
        }
    };
    let limit = Duration::from_millis(100).as_micros().to_string();
    let mut gateway = Gateway::prepare(&config(&tracked()))
        .environment("NOTIFY_SOCKET", path.to_str().unwrap())
        .environment("WATCHDOG_USEC", &limit)
        .run();
    hear("READY=1");
    assert_eq!(get(&gateway, 1, "/health/readyz").0, 200);
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    gateway.signal(Signal::HUP);
    let said = hear("RELOADING=1");
    assert!(said.contains("\nMONOTONIC_USEC="), "systemd refuses a reload without its time: {said}");
    hear("READY=1");
    gateway.signal_term();
    hear("STOPPING=1");
    assert!(gateway.await_exit().success());
}
