//! Logouts and revocations while Redis is away.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{await_that, by_cookie, config, gateways, is_ready, store};
use crate::support::{
    Client, Gateway, Jar, PATIENCE, code,
    config::{TICKET, With as _, ticket_auth, tracked_in},
    redis::{self, RedisServer},
    router::{EDGE, Router},
};

/// Joe's connections on one gateway: where he has logged in, and one with the ID that came next, which the jar has.
fn line(gateway: &Gateway, jar: &mut Jar) -> ([Client; 2], String) {
    let mut first = Client::open(gateway, jar);
    let welcome = first.join_by_ticket("joe", TICKET).unwrap();
    let before = jar.id.clone();
    let second = Client::open(gateway, jar);
    assert_ne!(jar.id, before, "the ID was replaced");
    ([first, second], welcome["x_wampgate_public_id"].as_str().unwrap().to_owned())
}

fn await_no_records(server: &RedisServer) {
    await_that("the records are gone", || server.cli(&["KEYS", "wg:r:*"]).trim().is_empty());
}

#[test]
fn a_logout_while_redis_is_away_ends_the_whole_line() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::keeping_all();
    let [gateway] = gateways(&store(&server));
    let mut jars = <[Jar; 2]>::default();
    let ([mut leaving, mut other], _) = line(&gateway, &mut jars[0]);
    // Here no connection has the next ID any more.
    let ([mut alone, closed], _) = line(&gateway, &mut jars[1]);
    drop(closed);
    server.kill();
    await_that("the gateway notices it", || !is_ready(&gateway));
    for client in [&mut leaving, &mut alone] {
        client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    }
    assert_eq!(alone.receive()[0], code::GOODBYE);
    assert_eq!(other.socket().await_close(), 1008, "closed although Redis is away");
    server.run();
    await_that("the gateway is ready again", || is_ready(&gateway));
    await_no_records(&server);
    for jar in &mut jars {
        assert_eq!(by_cookie(&gateway, jar).unwrap_err(), "wamp.error.no_auth_method");
    }
}

#[test]
fn a_logout_while_redis_is_away_reaches_other_gateways_soon_after_it_is_back() {
    if !redis::is_there() {
        return;
    }
    for hangs in [false, true] {
        let mut server = RedisServer::keeping_all();
        let [a, b] = gateways(&store(&server));
        let mut jar = Jar::default();
        let (mut leaving, _) = Client::joe(&a, &mut jar);
        let (mut elsewhere, _) = Client::joe(&b, &mut jar);
        if hangs {
            server.stop();
        } else {
            server.kill();
        }
        await_that("both notice it", || !is_ready(&a) && !is_ready(&b));
        leaving.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
        assert_eq!(leaving.receive()[0], code::GOODBYE);
        if hangs {
            server.go_on();
        } else {
            // The other gateway hears of it, and does not find out by itself.
            a.signal(Signal::STOP);
            server.run();
            await_that("the other gateway is ready", || is_ready(&b));
            a.signal(Signal::CONT);
        }
        let back = Instant::now();
        let goodbye = elsewhere.receive();
        assert_eq!(goodbye[0], code::GOODBYE);
        assert!(hangs || goodbye[2] == "wamp.close.logout", "{goodbye}");
        // Half a minute goes by until the gateway looks by itself.
        assert!(back.elapsed() < Duration::from_secs(25), "{hangs}: after {:?}", back.elapsed());
    }
}

#[test]
fn a_revocation_by_the_command_while_redis_is_away_counts_here() {
    if !redis::is_there() {
        return;
    }
    for by_authid in [false, true] {
        let mut server = RedisServer::keeping_all();
        let [gateway] = gateways(&store(&server));
        let mut jar = Jar::default();
        let (connections, public_id) = line(&gateway, &mut jar);
        let mut bystander = Client::joined(&gateway, &mut Jar::default()).0;
        server.kill();
        await_that("the gateway notices it", || !is_ready(&gateway));
        let whose = if by_authid { ["--authid", "joe"].as_slice() } else { &[public_id.as_str()] };
        let said = gateway.command_said("cookies", &[&["revoke", "--yes"], whose].concat());
        assert!(said.contains("closed on this gateway: 2") && said.contains("Revoke again"), "{said}");
        for mut client in connections {
            assert_eq!(client.socket().await_close(), 1008);
        }
        bystander.echoes();
        drop(bystander);
        server.run();
        await_that("the gateway is ready again", || is_ready(&gateway));
        await_that("joe's records are gone", || {
            server.cli(&["KEYS", "wg:r:*"]).lines().all(|key| !server.cli(&["GET", key]).contains("joe"))
        });
        assert_eq!(by_cookie(&gateway, &mut jar).unwrap_err(), "wamp.error.no_auth_method");
    }
}

#[test]
fn a_revocation_by_authid_while_redis_is_away_finds_sessions_of_a_router() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::keeping_all();
    let (router, _told) = Router::welcoming(|_| {});
    let gateway = Gateway::start(&config(&before(&router, &store(&server))));
    let mut client = joe(&gateway);
    client.outcome().unwrap();
    server.kill();
    is_revoked_without_a_store(&gateway);
    assert_eq!(client.expect(code::GOODBYE)[2], "wamp.close.killed");
}

#[test]
fn a_revocation_by_authid_while_redis_is_away_finds_a_login_whose_router_has_not_answered() {
    if !redis::is_there() {
        return;
    }
    let (router, told) = Router::silent();
    for auth in [ticket_auth(), ticket_auth().with("cookie", json!({}))] {
        let mut server = RedisServer::keeping_all();
        let gateway = Gateway::start(&config(&before(&router, &store(&server)).with("auth", auth)));
        let mut client = joe(&gateway);
        told.recv_timeout(PATIENCE).unwrap();
        server.kill();
        is_revoked_without_a_store(&gateway);
        assert_eq!(client.socket().await_close(), 1008);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), json!(null));
    }
}

/// A service before a router.
fn before(router: &Router, store: &Value) -> Value {
    let upstream = json!({
        "type": "wamp",
        "addresses": [router.url()],
        "realms": [{ "name": "outer", "roles": ["frontend"] }],
        "auth": { "type": "ticket", "ticket": EDGE },
        "join_timeout": 600_000,
    });
    tracked_in(store).with("auth", ticket_auth()).with("upstream", upstream)
}

/// Joe, who has logged in.
#[track_caller]
fn joe(gateway: &Gateway) -> Client {
    let mut client = Client::open(gateway, &mut Jar::default());
    client.hello("outer", json!({ "authmethods": ["ticket"], "authid": "joe" }));
    client.expect(code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    client
}

#[track_caller]
fn is_revoked_without_a_store(gateway: &Gateway) {
    await_that("the gateway notices it", || !is_ready(gateway));
    let said = gateway.command_said("cookies", &["revoke", "--yes", "--authid", "joe"]);
    assert!(said.contains("closed on this gateway: 1"), "{said}");
}
