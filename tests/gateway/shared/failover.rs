//! A failover to a replica that lacks the last changes: what is lost, and what the gateways make good.

use std::{collections::HashSet, time::Instant};

use serde_json::json;

use super::{await_that, by_cookie, gateways, is_ready, store};
use crate::support::{
    Client, Gateway, Jar, code,
    config::{TICKET, With as _},
    redis::{self, RedisServer},
};

/// Set for the long mode: how many failovers, instead of one.
/// `WAMPGATE_FAILOVER_ROUNDS=20 cargo test --test integration -- failover`
const LONG: &str = "WAMPGATE_FAILOVER_ROUNDS";

/// As whom the replica gets the changes. Without this user it gets none.
const REPLICA: &str = "replica";

/// Clients of each kind in a round.
const EACH: usize = 8;

/// A primary, a replica that can be cut off from it, and a Sentinel.
struct Trio {
    primary: RedisServer,
    replica: RedisServer,
    sentinel: RedisServer,
    url: String,
}

impl Trio {
    fn start() -> Self {
        let [port, other, of_sentinel] = std::array::from_fn(|_| RedisServer::free_port());
        let primary = RedisServer::with(&["--port", &port]);
        primary.cli(&["ACL", "SETUSER", REPLICA, "on", ">secret", "+psync", "+replconf", "+ping"]);
        let replica = RedisServer::with(
            &[
                &["--port", &other, "--replicaof", "127.0.0.1", &port][..],
                &["--masteruser", REPLICA, "--masterauth", "secret"],
            ]
            .concat(),
        );
        let sentinel = RedisServer::sentinel(&of_sentinel, &port);
        await_that("the Sentinel knows the replica", || {
            sentinel.cli(&["SENTINEL", "REPLICAS", "main"]).contains(&other)
        });
        Self { primary, replica, sentinel, url: format!("redis+sentinel://127.0.0.1:{of_sentinel}/main/0") }
    }

    fn await_all_copied(&self) {
        await_that("the replica has everything", || {
            let told = self.primary.cli(&["INFO", "replication"]);
            let number = |name: &str| {
                let digits = told.split_once(name)?.1.split(|c: char| !c.is_ascii_digit()).next()?;
                digits.parse::<u64>().ok()
            };
            let (has, all) = (number(",offset="), number("master_repl_offset:"));
            has.is_some() && has == all
        });
    }

    /// From now on the replica gets nothing.
    fn cut(&self) {
        self.primary.cli(&["ACL", "DELUSER", REPLICA]);
        await_that("the replica is cut off", || {
            self.replica.cli(&["INFO", "replication"]).contains("master_link_status:down")
        });
    }
}

fn keys(server: &RedisServer) -> HashSet<String> {
    server.cli(&["KEYS", "wg:r:*"]).lines().filter(|key| !key.is_empty()).map(ToOwned::to_owned).collect()
}

/// Joe's connections, each with a cookie of its own, and the public IDs of these.
fn log_in(gateway: &Gateway) -> Vec<(Client, Jar, String)> {
    let one = |_| {
        let mut jar = Jar::default();
        let mut client = Client::open(gateway, &mut jar);
        let welcome = client.join_by_ticket("joe", TICKET).unwrap();
        (client, jar, welcome["x_wampgate_public_id"].as_str().unwrap().to_owned())
    };
    (0..EACH).map(one).collect()
}

#[test]
fn a_failover_to_a_replica_that_lags_loses_new_logins_and_brings_no_revoked_one_back() {
    if !redis::is_there() {
        return;
    }
    let rounds = std::env::var(LONG).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for round in 0..rounds {
        fail_over(round);
    }
}

fn fail_over(round: usize) {
    let mut trio = Trio::start();
    let [a, b] =
        gateways(&store(&trio.primary).with("url", json!(trio.url)).with("max_per_principal", json!(0)));
    let mut kept = log_in(&a);
    let before = keys(&trio.primary);
    let mut gone = log_in(&b);
    let to_be_gone: HashSet<String> = keys(&trio.primary).difference(&before).cloned().collect();
    assert_eq!(to_be_gone.len(), EACH);
    trio.await_all_copied();
    trio.cut();

    // All of this is acknowledged.
    for (number, (client, _, public_id)) in gone.iter_mut().enumerate() {
        if number % 2 == 0 {
            a.command("cookies", &["revoke", "--yes", public_id]);
        } else {
            client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
        }
        assert_eq!(client.receive()[0], code::GOODBYE);
    }
    let mut late = log_in(&a);
    let all = keys(&trio.primary);
    assert!(to_be_gone.is_disjoint(&all) && all.len() == 2 * EACH, "{all:?}");

    let began = Instant::now();
    trio.primary.kill();
    // The Sentinel takes its time, so that both notice.
    await_that("both notice it", || !is_ready(&a) && !is_ready(&b));
    await_that("the replica takes over", || {
        trio.replica.cli(&["INFO", "replication"]).contains("role:master")
    });
    assert!(keys(&trio.replica).len() <= 2 * EACH, "what came last is lost");
    await_that("both have found the new primary", || is_ready(&a) && is_ready(&b));
    await_that("what was revoked is removed again", || to_be_gone.is_disjoint(&keys(&trio.replica)));
    println!("round {round}: {:?} from the end of the primary until all is well", began.elapsed());
    assert_eq!(keys(&trio.replica), before, "and nothing else");

    for (_, jar, _) in &mut gone {
        let other = jar.clone();
        for (gateway, mut jar) in [(&a, other), (&b, std::mem::take(jar))] {
            assert_eq!(by_cookie(gateway, &mut jar).unwrap_err(), "wamp.error.no_auth_method");
        }
    }
    for (client, jar, _) in &mut late {
        assert_eq!(client.socket().await_close(), 1008, "its record is gone");
        assert_eq!(by_cookie(&b, jar).unwrap_err(), "wamp.error.no_auth_method");
    }
    for (client, jar, _) in &mut kept {
        client.echoes();
        assert_eq!(by_cookie(&b, jar), Ok(json!("joe")));
    }
    // Both know what was revoked; the first that looks removes it, and says so.
    let said = a.output().text() + &b.output().text();
    assert!(said.contains("Redis had forgotten that cookies were revoked"), "{said}");
    drop(trio.sentinel);
}
