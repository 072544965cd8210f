//! Cookie tracking: who is recognised, what the cookie looks like, how long it lives, and what survives a restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Response,
    config::{With as _, tracked, tracked_in_file, web, web_paths},
    gateway::tracking_gateway,
};

/// Opens a WebSocket, presenting an ID; the answer to the handshake.
#[track_caller]
fn visit(gateway: &Gateway, path: &str, id: Option<&str>) -> Response {
    let handshake = Handshake::default().path(path);
    id.map_or(handshake.clone(), |id| handshake.cookie(id)).opens(gateway).1
}

/// The ID that a first visit gets.
#[track_caller]
fn first_visit(gateway: &Gateway) -> String {
    visit(gateway, "/ws", None).tracking_id().unwrap()
}

#[track_caller]
fn assert_known(gateway: &Gateway, id: &str) {
    assert_eq!(visit(gateway, "/ws", Some(id)).tracking_id(), None, "not recognised");
}

#[track_caller]
fn assert_unknown(gateway: &Gateway, id: &str) {
    let fresh = visit(gateway, "/ws", Some(id)).tracking_id();
    assert!(fresh.is_some_and(|fresh| fresh != id), "recognised");
}

// === The Cookie header ===

#[test]
fn cookie_headers_of_every_shape_are_recognised_or_not() {
    let gateway = tracking_gateway();
    let known = first_visit(&gateway);
    let unknown = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let recognised: &[&[&str]] = &[
        &["cbtid=K"],
        &["foo=bar; cbtid=K"],
        &["cbtid=K;foo=bar"],
        &["cbtid=\"K\""],
        &["cbtid=U; cbtid=K"],
        &["cbtid=K; cbtid=U"],
        &["cbtid=zzz; cbtid=K"],
        &["j={\"a\": 1}; cbtid=K"],
        &["xcbtid=U; j={\"a\":1}; cbtid=K"],
        &["cbtid=K; @@@ ,,,"],
        &["foo=\u{ff}; cbtid=K"],
        &["$Version=1; cbtid=K"],
        &["lonely; cbtid=K"],
        &["bad{name}=1; cbtid=K"],
        &["@x=1; cbtid=K"],
        &["  cbtid=K  "],
        &["cbtid=K", "foo=bar"],
        &["foo=bar", "cbtid=K"],
        &["cbtid=U", "cbtid=K"],
    ];
    for lines in recognised {
        assert_eq!(with_cookies(&gateway, lines, &known, unknown), None, "{lines:?} is not recognised");
    }
    let strange: &[&[&str]] = &[
        &[],
        &["cbtid="],
        &["cbtid=U"],
        &["cbtid=x"],
        &["foo=bar"],
        &["CBTID=K"],
        &["xcbtid=K"],
        &["=;;=,"],
        &["cbtid=KK"],
        &["cbtid"],
    ];
    for lines in strange {
        let fresh = with_cookies(&gateway, lines, &known, unknown);
        let fresh = fresh.unwrap_or_else(|| panic!("{lines:?} is recognised"));
        assert!(fresh != known && fresh != unknown, "{lines:?}: an ID was adopted");
    }
    assert_known(&gateway, &known);
}

/// The new ID for a request with these `Cookie` lines, in which `K` stands for a known and `U` for an unknown ID.
#[track_caller]
fn with_cookies(gateway: &Gateway, lines: &[&str], known: &str, unknown: &str) -> Option<String> {
    lines
        .iter()
        // A known ID may hold any letter, so it comes last.
        .map(|line| line.replace('U', unknown).replace('K', known))
        .fold(Handshake::default(), |handshake, line| handshake.header("Cookie", &line))
        .opens(gateway)
        .1
        .tracking_id()
}

#[test]
fn a_header_name_in_any_case_is_a_cookie_header() {
    let gateway = tracking_gateway();
    let known = first_visit(&gateway);
    for name in ["cookie", "COOKIE", "cOOkie"] {
        let (_, response) = Handshake::default().header(name, &format!("cbtid={known}")).opens(&gateway);
        assert_eq!(response.tracking_id(), None, "{name}");
    }
}

#[test]
fn a_client_that_sends_a_set_cookie_header_is_not_recognised_by_it() {
    let gateway = tracking_gateway();
    let id = first_visit(&gateway);
    let (_, response) = Handshake::default().header("Set-Cookie", &format!("cbtid={id}")).opens(&gateway);
    assert!(response.tracking_id().is_some_and(|fresh| fresh != id), "{response:?}");
    assert_known(&gateway, &id);
}

#[test]
fn two_connections_at_once_are_one_client() {
    let gateway = tracking_gateway();
    let mut jar = Jar::default();
    let (mut first, welcome) = Client::joined(&gateway, &mut jar);
    let (mut second, other) = Client::joined(&gateway, &mut jar);
    assert_eq!(welcome["authid"], other["authid"]);
    first.echoes();
    second.echoes();
}

// === The Set-Cookie header ===

#[test]
fn a_first_visit_gets_a_safe_cookie() {
    let gateway = tracking_gateway();
    let response = visit(&gateway, "/ws", None);
    let [cookie] = response.set_cookies()[..] else { panic!("{response:?}") };
    let mut attributes: Vec<&str> = cookie.split(';').map(str::trim).collect();
    let id = attributes.remove(0).strip_prefix("cbtid=").unwrap();
    assert_eq!(id.len(), 24);
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "not URL-safe");
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax"]);
}

#[test]
fn the_cookie_is_written_as_configured() {
    let options = json!({
        "name": "sid_x", "length": 6, "max_age": 3600, "secure": true, "http_strict": false, "same_site": "Strict"
    });
    let gateway = Gateway::start(&web(&tracked().with("cookie", options)));
    let response = visit(&gateway, "/ws", None);
    let [cookie] = response.set_cookies()[..] else { panic!("{response:?}") };
    let mut attributes: Vec<&str> = cookie.split(';').map(str::trim).collect();
    let id = attributes.remove(0).strip_prefix("sid_x=").unwrap();
    assert_eq!(id.len(), 6);
    attributes.sort_unstable();
    assert_eq!(attributes, ["Max-Age=3600", "Path=/", "SameSite=Strict", "Secure"]);
    let (_, again) = Handshake::default().header("Cookie", &format!("sid_x={id}")).opens(&gateway);
    assert!(again.set_cookies().is_empty());
}

#[test]
fn every_first_visit_gets_another_id() {
    let gateway = tracking_gateway();
    let mut ids: Vec<String> = (0..50).map(|_| first_visit(&gateway)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn a_client_that_never_joins_is_recognised_all_the_same() {
    let gateway = tracking_gateway();
    let id = first_visit(&gateway);
    assert_known(&gateway, &id);
}

#[test]
fn only_a_websocket_handshake_hands_out_cookies() {
    let gateway = tracking_gateway();
    let plain = Handshake::default().without("Upgrade").without("Connection");
    for request in [plain.clone(), plain.path("/"), Handshake::default().path("/nowhere")] {
        let (_, response) = request.send(&gateway);
        assert!(response.set_cookies().is_empty(), "{response:?}");
    }
}

// === Expiry ===

#[test]
fn the_gateway_forgets_a_cookie_when_its_time_is_over() {
    let max_age = Duration::from_secs(2);
    let gateway = Gateway::start(&web(&tracked().with("cookie", json!({ "max_age": max_age.as_secs() }))));
    let before = Instant::now();
    let id = first_visit(&gateway);
    let after = Instant::now();
    loop {
        let asked = Instant::now();
        let fresh = visit(&gateway, "/ws", Some(&id)).tracking_id();
        let answered = Instant::now();
        if asked.duration_since(after) >= max_age {
            assert!(fresh.is_some_and(|fresh| fresh != id), "recognised after its time");
            break;
        }
        // Between the two it may be either.
        if answered.duration_since(before) < max_age {
            assert_eq!(fresh, None, "forgotten before its time");
        }
        assert!(asked.duration_since(after) < PATIENCE);
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

// === Stores ===

#[test]
fn a_memory_store_ends_with_the_process() {
    let mut gateway = tracking_gateway();
    let id = first_visit(&gateway);
    assert!(gateway.terminate().success());
    gateway.restart();
    assert_unknown(&gateway, &id);
}

#[test]
fn a_file_store_survives_a_restart() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    let mut jar = Jar::default();
    let (_, first) = Client::joined(&gateway, &mut jar);
    assert!(gateway.terminate().success());
    gateway.restart();
    let (_, again) = Client::joined(&gateway, &mut jar);
    assert_eq!(again["authid"], first["authid"]);
    assert_eq!(again["x_wampgate_known"], true);
    assert_eq!(again["x_wampgate_public_id"], first["x_wampgate_public_id"]);
}

#[test]
fn a_cookie_that_a_client_has_seen_survives_kill_9() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    for _ in 0..3 {
        let ids: Vec<String> = (0..5).map(|_| first_visit(&gateway)).collect();
        gateway.kill9();
        gateway.restart();
        for id in ids {
            assert_known(&gateway, &id);
        }
    }
}

#[test]
fn two_paths_that_name_one_file_share_its_cookies() {
    let paths =
        json!({ "ws": tracked_in_file(), "other": { "type": "path", "paths": { "ws": tracked_in_file() } } });
    let gateway = Gateway::start(&web_paths(&paths));
    let id = first_visit(&gateway);
    assert_eq!(visit(&gateway, "/other/ws", Some(&id)).tracking_id(), None);
    let id = visit(&gateway, "/other/ws", None).tracking_id().unwrap();
    assert_known(&gateway, &id);
}

#[test]
fn a_torn_last_line_costs_that_line_only() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    let kept = first_visit(&gateway);
    gateway.kill9();
    let file = gateway.path().join("cookies.dat");
    let mut content = std::fs::read(&file).unwrap();
    content.extend_from_slice(b"{\"cbtid\": \"torn-torn-torn-torn-torn\", \"status\": \"crea");
    std::fs::write(&file, content).unwrap();

    gateway.restart();
    assert_known(&gateway, &kept);
    let added = first_visit(&gateway);
    gateway.assert_next_client_is_served();
    gateway.kill9();
    gateway.restart();
    assert_known(&gateway, &kept);
    assert_known(&gateway, &added);
}

#[test]
fn a_cookie_file_of_crossbar_is_taken_as_it_is() {
    let line = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "status": "created", "created": "2026-11-22T10:14:33.139Z", "modified": null, "deleted": null, "max_age": 311040000, "authid": null, "authrole": null, "authmethod": null, "authrealm": null, "authextra": null}"#;
    let gateway = Gateway::prepare(&web(&tracked_in_file())).file("cookies.dat", format!("{line}\n")).run();
    assert_known(&gateway, "dsI6D8i7pycVhma20uj5g+/G");
}
