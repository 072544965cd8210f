//! Several gateways on one Redis: a client is the same on all of them, and an end on one is an end on all.
//!
//! Each test starts the real server. Without one they are left out, and a line says so.

mod away;
mod failover;
mod trouble;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::auth::{guess, waits_with_the_right_secret};
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, code,
    config::{TICKET, With as _, anonymous_auth, endpoint, ticket_auth, tracked_in},
    http::Connection,
    redis::{self, RedisServer},
};

/// A store on this server, patient enough for a busy machine.
fn store(server: &RedisServer) -> Value {
    json!({ "type": "redis", "url": server.url(), "timeout": "5s" })
}

fn config(service: &Value) -> Value {
    let paths = json!({ "ws": service, "health": { "type": "health" } });
    json!({ "transports": [{ "type": "web", "endpoint": endpoint(), "paths": paths }] })
}

/// So many gateways with this store, on which joe may log in.
fn gateways<const N: usize>(store: &Value) -> [Gateway; N] {
    let auth =
        ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone()).with("cookie", json!({}));
    let service = tracked_in(store).with("auth", auth);
    std::array::from_fn(|_| Gateway::start(&config(&service)))
}

fn by_cookie(gateway: &Gateway, jar: &mut Jar) -> Result<Value, String> {
    let mut client = Client::open(gateway, jar);
    let joined = client.join("realm1", json!({ "authmethods": ["cookie"] }));
    joined.map(|welcome| welcome["authid"].clone()).map_err(|refused| refused.reason)
}

fn is_ready(gateway: &Gateway) -> bool {
    let mut connection = Connection::open_at(gateway.address());
    connection.send("GET /health/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.response().status == 200
}

#[track_caller]
fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_is_the_same_on_every_gateway() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let service = tracked_in(&store(&server));
    let [a, mut b] = std::array::from_fn(|_| Gateway::start(&config(&service)));
    let mut jar = Jar::default();
    let (_, first) = Client::joined(&a, &mut jar);
    let id = jar.id.clone();
    let (_, second) = Client::joined(&b, &mut jar);
    assert_eq!((&second["authid"], &second["x_wampgate_known"]), (&first["authid"], &json!(true)));
    assert_eq!(second["x_wampgate_public_id"], first["x_wampgate_public_id"], "both have one key");
    assert_eq!(jar.id, id);
    b.kill9();
    b.restart();
    assert_eq!(Client::joined(&b, &mut jar).1["authid"], first["authid"]);
    let keys = server.cli(&["KEYS", "*"]);
    let said = keys.lines().map(|key| server.cli(&["GET", key])).collect::<String>() + &keys;
    assert!(!said.contains(&id.unwrap()), "the ID itself is not in Redis");
}

#[test]
fn a_logout_on_one_gateway_closes_the_connections_on_the_others() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let [a, b, c] = gateways(&store(&server));
    let mut jar = Jar::default();
    let mut leaving = Client::open(&a, &mut jar);
    leaving.join_by_ticket("joe", TICKET).unwrap();
    let mut others = [&b, &c].map(|gateway| {
        let mut client = Client::open(gateway, &mut jar);
        let welcome = client.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
        assert_eq!(welcome["authid"], "joe");
        client
    });
    let mut bystander = Client::open(&b, &mut Jar::default());
    bystander.join_by_ticket("joe", TICKET).unwrap();
    leaving.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    for client in &mut others {
        assert_eq!(client.receive()[2], "wamp.close.logout");
        assert_eq!(client.socket().await_close(), 1008);
    }
    bystander.echoes();
    for gateway in [&a, &b, &c] {
        assert_eq!(by_cookie(gateway, &mut jar).unwrap_err(), "wamp.error.no_auth_method");
    }
}

#[test]
fn commands_count_the_connections_of_the_gateway_that_they_ask_and_need_no_url() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let service = tracked_in(&store(&server).with("url", json!("${STORE_URL}"))).with("auth", ticket_auth());
    let gateway = Gateway::prepare(&config(&service)).environment("STORE_URL", &server.url()).run();
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    let welcome = client.join_by_ticket("joe", TICKET).unwrap();
    let public_id = welcome["x_wampgate_public_id"].as_str().unwrap();
    // The commands do not have the URL, which the gateway has.
    let said = gateway.command_said("cookies", &["ls", "--json"]);
    assert!(said.contains("\"connections\":1"), "{said}");
    let said = gateway.command_said("cookies", &["show", public_id, "--json"]);
    assert!(said.contains("\"connections\":1"), "{said}");
    for whose in [["--authid", "joe"].as_slice(), &[public_id], &["--all"]] {
        let said = gateway.command_said("cookies", &[&["revoke", "--dry-run"], whose].concat());
        assert!(said.contains("close 1 connection"), "{said}");
    }
    assert!(!gateway.output().text().contains("tracking IDs were revealed"));
    client.echoes();
}

#[test]
fn a_revocation_by_the_command_reaches_every_gateway() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let [a, b] = gateways(&store(&server));
    let mut jar = Jar::default();
    let mut client = Client::open(&b, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap();
    let listed: Value = serde_json::from_str(
        a.command_said("cookies", &["ls", "--json", "--reveal"]).lines().next().unwrap(),
    )
    .unwrap();
    assert_eq!((&listed["authentication"]["authid"], &listed["id"]), (&json!("joe"), &Value::Null));
    let public_id = listed["public_id"].as_str().unwrap();
    let shown = a.command_said("cookies", &["show", "--json", public_id]);
    assert!(shown.contains("joe"), "{shown}");
    a.command("cookies", &["revoke", "--authid", "joe", "--yes"]);
    assert_eq!(client.receive()[2], "wamp.close.killed");
    assert_eq!(by_cookie(&b, &mut jar).unwrap_err(), "wamp.error.no_auth_method");
}

#[test]
fn a_revocation_that_no_message_told_is_noticed_after_a_break() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let [a, b] = gateways(&store(&server));
    let mut jar = Jar::default();
    let mut client = Client::open(&b, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap();
    // As if another gateway had removed it, and its message were lost.
    let keys = server.cli(&["KEYS", "wg:r:*"]);
    assert_eq!(server.cli(&["DEL", keys.trim()]).trim(), "1");
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(client.receive()[2], "wamp.close.killed");
    await_that("both gateways are ready again", || is_ready(&a) && is_ready(&b));
}

#[test]
fn two_gateways_replace_one_cookie_by_one_new_one() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let [a, b] = gateways(&store(&server));
    for _ in 0..5 {
        let mut jar = Jar::default();
        let mut client = Client::open(&a, &mut jar);
        client.join_by_ticket("joe", TICKET).unwrap();
        drop(client);
        let first = jar.id.clone();
        let next = thread::scope(|scope| {
            let comings = [&a, &b, &a, &b].map(|gateway| {
                let mut jar = Jar { id: first.clone() };
                scope.spawn(move || {
                    assert_eq!(by_cookie(gateway, &mut jar).unwrap(), "joe");
                    jar.id
                })
            });
            comings.map(|coming| coming.join().unwrap())
        });
        assert_ne!(next[0], first);
        assert!(next.iter().all(|id| *id == next[0]), "all of them have the same new cookie");
    }
}

#[test]
fn while_redis_is_gone_clients_are_refused_and_afterwards_they_are_known() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::keeping_all();
    let service = tracked_in(&store(&server));
    let gateway = Gateway::start(&config(&service));
    let mut jar = Jar::default();
    let (mut open, first) = Client::joined(&gateway, &mut jar);
    server.kill();
    await_that("it is not ready", || !is_ready(&gateway));
    for cookie in [None, jar.id.as_deref()] {
        let handshake = cookie.map_or_else(Handshake::default, |id| Handshake::default().cookie(id));
        assert!(handshake.is_refused(&gateway, 503).set_cookies().is_empty());
    }
    open.echoes();
    server.run();
    await_that("it is ready again", || is_ready(&gateway));
    let (_, again) = Client::joined(&gateway, &mut jar);
    assert_eq!((&again["authid"], &again["x_wampgate_known"]), (&first["authid"], &json!(true)));
}

#[test]
fn while_redis_is_full_clients_with_a_cookie_are_known_also_after_a_break() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let gateway = Gateway::start(&config(&tracked_in(&store(&server))));
    let mut jar = Jar::default();
    let (mut open, first) = Client::joined(&gateway, &mut jar);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for is_after_break in [false, true] {
        if is_after_break {
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        await_that("it is not ready", || !is_ready(&gateway));
        Handshake::default().is_refused(&gateway, 503);
        await_that("a known client is served", || {
            let (_, response) = Handshake::default().cookie(jar.id.as_deref().unwrap()).send(&gateway);
            response.status == 101
        });
        assert_eq!(Client::joined(&gateway, &mut jar).1["authid"], first["authid"]);
        assert!(!is_ready(&gateway));
    }
    open.echoes();
    let said = gateway.output().text();
    assert!(said.contains("takes no changes: OOM; it has no memory left: raise `maxmemory`"), "{said}");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    await_that("it is ready again", || is_ready(&gateway));
    Client::joined(&gateway, &mut Jar::default());
}

#[test]
fn a_client_has_no_more_guesses_on_two_gateways_than_on_one() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::start();
    let [a, b] = gateways(&store(&server));
    let guesser = Some("127.0.0.2");
    let reason = |gateway, ticket| guess(gateway, guesser, "joe", ticket).map(|(reason, _)| reason);
    for _ in 0..20 {
        guess(&a, guesser, "joe", "guess").unwrap();
    }
    // The other gateway hears of it a moment later.
    thread::sleep(Duration::from_secs(1));
    let waits = || reason(&b, "guess").unwrap() != "wamp.error.not_authorized";
    let (mut looked_at, end) = (0, Instant::now() + PATIENCE);
    while !waits() {
        looked_at += 1;
        assert!(Instant::now() < end, "the other gateway does not hear of it");
    }
    assert!(looked_at < 10, "its own count would let that many through");
    waits_with_the_right_secret(&b, guesser, "joe");
    assert_eq!(guess(&b, Some("127.0.0.3"), "joe", TICKET), None, "another address need not wait");
    let keys = server.cli(&["KEYS", "*"]);
    assert!(keys.lines().all(|key| !key.contains("attempt")), "nothing of it stays in Redis: {keys}");
    server.kill();
    await_that("it is not ready", || !is_ready(&b));
}

#[test]
fn connections_end_when_redis_is_away_for_too_long() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let gateway = Gateway::start(&config(&tracked_in(&store(&server).with("max_outage", json!("10s")))));
    let mut jar = Jar::default();
    let (mut open, first) = Client::joined(&gateway, &mut jar);
    // They do not answer the gateway's farewell.
    let _others = [(); 2].map(|()| Client::joined(&gateway, &mut Jar::default()).0);
    // Several looks at the open connections keep them.
    thread::sleep(Duration::from_secs(11));
    open.echoes();
    let began = Instant::now();
    server.stop();
    let goodbye = open.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.error.unavailable")));
    assert_eq!(open.socket().await_close(), 1013);
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    await_that("the operator is told", || gateway.output().text().contains("which is `max_outage`"));
    let said = gateway.output().text();
    assert!(said.contains("connections=3"), "each counts once: {said}");
    assert!(!gateway.output().text().contains("logged out"));
    server.go_on();
    await_that("it is ready again", || is_ready(&gateway));
    let (mut again, welcome) = Client::joined(&gateway, &mut jar);
    assert_eq!(welcome["authid"], first["authid"]);
    again.echoes();
}

#[test]
fn a_redis_that_stops_refuses_clients_in_bounded_time() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let gateway = Gateway::start(&config(&tracked_in(&store(&server))));
    let mut jar = Jar::default();
    let (_, first) = Client::joined(&gateway, &mut jar);
    server.stop();
    // The record may have been read a moment ago.
    thread::sleep(Duration::from_millis(1100));
    let began = Instant::now();
    Handshake::default().cookie(jar.id.as_deref().unwrap()).is_refused(&gateway, 503);
    assert!(began.elapsed() < PATIENCE / 2, "refused after {:?}", began.elapsed());
    await_that("it is not ready", || !is_ready(&gateway));
    server.go_on();
    await_that("it is ready again", || is_ready(&gateway));
    assert_eq!(Client::joined(&gateway, &mut jar).1["authid"], first["authid"]);
}

#[test]
fn with_ephemeral_a_new_client_is_served_without_a_cookie_while_redis_is_gone() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::keeping_all();
    let store = store(&server).with("on_error", json!("ephemeral"));
    let gateway = Gateway::start(&config(&tracked_in(&store)));
    let mut known = Jar::default();
    drop(Client::joined(&gateway, &mut known));
    server.kill();
    await_that("it is not ready", || !is_ready(&gateway));
    let mut jar = Jar::default();
    let (mut client, welcome) = Client::joined(&gateway, &mut jar);
    assert_eq!((&jar.id, &welcome["x_wampgate_known"]), (&None, &json!(false)));
    let refused = Handshake::default().cookie(known.id.as_deref().unwrap()).is_refused(&gateway, 503);
    assert!(refused.set_cookies().is_empty(), "it is neither believed nor replaced");
    server.run();
    await_that("it is ready again", || is_ready(&gateway));
    // Longer than the gateway waits until it ends a connection whose record is gone.
    thread::sleep(Duration::from_secs(3));
    client.echoes();
}

#[test]
fn a_password_is_shown_nowhere() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    server.cli(&["ACL", "SETUSER", "gate", "on", ">very-secret", "~wg:*", "&wg:*", "+@all"]);
    let url = format!("{}?user=gate&pass=very-secret", server.url());
    let mut gateway = Gateway::start(&config(&tracked_in(&store(&server).with("url", json!(url)))));
    drop(Client::joined(&gateway, &mut Jar::default()));
    server.cli(&["ACL", "DELUSER", "gate"]);
    await_that("it is not ready", || !is_ready(&gateway));
    gateway.terminate();
    let said = gateway.output().text();
    assert!(said.contains("cookie store") && !said.contains("very-secret"), "{said}");
}
