//! Several gateways while something goes wrong with Redis, or with one of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use rustix::process::Signal;
use serde_json::json;

use super::{await_that, by_cookie, config, gateways, is_ready, store};
use crate::support::{
    Client, Gateway, Jar, PATIENCE,
    config::{TICKET, With as _, stores, tracked_in},
    redis::{self, RedisServer},
    tls::Authority,
};

/// Set for the long mode: how many rounds instead of [`ROUNDS`].
const LONG: &str = "WAMPGATE_KILL_ROUNDS";
const ROUNDS: usize = 3;

#[test]
fn redis_is_reached_by_tls_if_its_certificate_is_trusted() {
    if !redis::is_there() || redis::is_another() {
        return;
    }
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let issued = authority.issue(&["localhost"]);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("cert.pem", &issued.certificate), file("key.pem", &issued.key));
    let (trusted, other) = (file("ca.pem", &authority.pem()), file("other.pem", &Authority::new().pem()));
    let port = RedisServer::free_port();
    let server = RedisServer::with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &trusted,
        "--tls-auth-clients",
        "no",
    ]);
    let by_tls = |host: &str| {
        let url = format!("rediss://{host}:{port}/0");
        config(&tracked_in(&store(&server).with("url", json!(url))))
    };
    let gateway = Gateway::prepare(&by_tls("localhost")).environment("SSL_CERT_FILE", &trusted).run();
    let mut jar = Jar::default();
    let (_, first) = Client::joined(&gateway, &mut jar);
    assert_eq!(Client::joined(&gateway, &mut jar).1["authid"], first["authid"]);
    assert!(server.cli(&["KEYS", "wg:r:*"]).contains("wg:r:"), "the record is in this server");
    for (host, trusted) in [("localhost", &other), ("127.0.0.1", &trusted)] {
        let mut refused = Gateway::prepare(&by_tls(host)).environment("SSL_CERT_FILE", trusted);
        assert!(!refused.run_to_end().success(), "{host}");
        let said = refused.output().text();
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
    }
}

#[test]
fn a_redis_that_evicts_is_warned_of_and_ends_the_connections_of_what_it_has_dropped() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::with(&["--maxmemory-policy", "allkeys-lru"]);
    // It looks at the open connections more often.
    let gateway = Gateway::start(&config(&tracked_in(&store(&server).with("max_outage", json!("12s")))));
    let mut jar = Jar::default();
    let (mut open, first) = Client::joined(&gateway, &mut jar);
    gateway.output().until("maxmemory-policy allkeys-lru", 1);
    let key = server.cli(&["KEYS", "wg:r:*"]).trim().to_owned();
    let used = server.cli(&["INFO", "memory"]);
    let used: u64 =
        used.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", &(used + 2_000_000).to_string()]);
    let fill = "for n = 1, 64 do redis.call('SET', KEYS[1] .. n, string.rep('x', 100000)) end";
    let mut round = 0;
    await_that("the record is dropped", || {
        round += 1;
        server.cli(&["EVAL", fill, "1", &format!("junk{round}:")]);
        server.cli(&["EXISTS", &key]).trim() == "0"
    });
    assert_eq!(open.receive()[2], "wamp.close.killed");
    assert_eq!(open.socket().await_close(), 1008);
    let (_, anew) = Client::joined(&gateway, &mut jar);
    assert_ne!(anew["authid"], first["authid"], "it is a new client");
}

#[test]
fn a_password_that_is_changed_while_the_gateway_runs_is_told_without_showing_it() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let password = |before: &str, after: &str| {
        server.cli(&["-a", before, "CONFIG", "SET", "requirepass", after]);
        for kind in ["normal", "pubsub"] {
            server.cli(&["-a", after, "CLIENT", "KILL", "TYPE", kind]);
        }
    };
    password("none", "first-word");
    let url = json!(format!("{}?pass=first-word", server.url()));
    let gateway = Gateway::start(&config(&tracked_in(&store(&server).with("url", url))));
    assert!(is_ready(&gateway));
    password("first-word", "second-word");
    await_that("the operator is told", || {
        let said = gateway.output().text();
        said.contains("cannot be reached: WRONGPASS; check the user and the password of `url`")
    });
    let said = gateway.command_said("health", &[]);
    assert!(said.contains("Redis") && !said.contains("disk"), "{said}");
    password("second-word", "first-word");
    await_that("the gateway is ready again", || is_ready(&gateway));
    assert!(!gateway.output().text().contains("-word"));
}

#[test]
fn a_redis_that_comes_back_empty_makes_new_clients_of_all_and_keeps_the_public_ids() {
    if !redis::is_there() {
        return;
    }
    let mut server = RedisServer::start();
    let service = tracked_in(&store(&server));
    let [a, b] = std::array::from_fn(|_| Gateway::start(&config(&service)));
    let mut jar = Jar::default();
    let (mut open, first) = Client::joined(&a, &mut jar);
    let key = server.cli(&["GET", "wg:key"]);
    server.kill();
    await_that("both notice it", || !is_ready(&a) && !is_ready(&b));
    server.run();
    assert_eq!(open.receive()[2], "wamp.close.killed");
    await_that("both are ready again", || is_ready(&a) && is_ready(&b));
    await_that("the key is back", || server.cli(&["GET", "wg:key"]) == key);
    let (_, anew) = Client::joined(&b, &mut jar);
    assert_ne!(anew["authid"], first["authid"]);
    assert_eq!(Client::joined(&a, &mut jar).1["authid"], anew["authid"]);
}

#[test]
fn gateways_follow_sentinels_to_the_new_primary() {
    if !redis::is_there() {
        return;
    }
    let [port, other, of_sentinel] = std::array::from_fn(|_| RedisServer::free_port());
    let mut primary = RedisServer::with(&["--port", &port]);
    let replica = RedisServer::with(&["--port", &other, "--replicaof", "127.0.0.1", &port]);
    let sentinel = RedisServer::sentinel(&of_sentinel, &port);
    await_that("the Sentinel knows the replica", || {
        sentinel.cli(&["SENTINEL", "REPLICAS", "main"]).contains(&other)
    });
    // A Sentinel that does not answer is no harm.
    let url = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{of_sentinel}/main/0");
    let [a, b] = gateways(&store(&primary).with("url", json!(url)));
    let mut jar = Jar::default();
    let mut open = Client::open(&a, &mut jar);
    open.join_by_ticket("joe", TICKET).unwrap();
    await_that("the replica has the login", || {
        let key = replica.cli(&["KEYS", "wg:r:*"]).trim().to_owned();
        !key.is_empty() && replica.cli(&["GET", &key]).contains("joe")
    });
    primary.kill();
    await_that("both notice it", || !is_ready(&a) && !is_ready(&b));
    await_that("both have found the new primary", || is_ready(&a) && is_ready(&b));
    assert_eq!(by_cookie(&b, &mut jar), Ok(json!("joe")));
    open.echoes();
    Client::joined(&a, &mut Jar::default());
    let mut refused = Gateway::prepare(&config(&tracked_in(
        &store(&primary).with("url", json!(format!("redis+sentinel://127.0.0.1:{of_sentinel}/other"))),
    )));
    assert!(!refused.run_to_end().success());
    let said = refused.output().text();
    assert!(said.contains("check the name of the service"), "{said}");
}

#[test]
fn an_import_goes_on_when_redis_answers_again() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let source = Gateway::start(&config(&tracked_in(&stores()[1])));
    let mut jars: [Jar; 3] = Default::default();
    for jar in &mut jars {
        drop(Client::joined(&source, jar));
    }
    let file = source.path().join("cookies.jsonl").display().to_string();
    source.command("cookies", &["export", "--reveal", &file]);
    let gateway = Gateway::start(&config(&tracked_in(&store(&server))));
    server.stop();
    let said = thread::scope(|scope| {
        let import = scope.spawn(|| gateway.command_said("cookies", &["import", &file]));
        await_that("the gateway notices it", || !is_ready(&gateway));
        server.go_on();
        import.join().unwrap()
    });
    assert_eq!(server.cli(&["KEYS", "wg:r:*"]).lines().count(), 3, "{said}");
    await_that("it is ready again", || is_ready(&gateway));
    for jar in &mut jars {
        assert_eq!(Client::joined(&gateway, jar).1["x_wampgate_known"], json!(true));
    }
}

#[test]
fn commands_are_told_that_redis_does_not_take_the_password_and_show_none() {
    if !redis::is_there() {
        return;
    }
    let server = RedisServer::start();
    let has_password = |password: &str| {
        let password = format!(">{password}");
        server.cli(&["ACL", "SETUSER", "gate", "on", "resetpass", &password, "~*", "&*", "+@all"]);
    };
    let with = |password: &str| {
        let url = format!("{}?user=gate&pass={password}", server.url());
        config(&tracked_in(&store(&server).with("url", json!(url))))
    };
    let is_told = |said: &str| {
        assert!(!said.contains("first-word") && !said.contains("second-word"), "{said}");
        said.contains("check the user and the password of `url`")
    };
    has_password("first-word");
    let gateway = Gateway::prepare(&with("second-word"));
    let said = gateway.command_said("cookies", &["ls"]);
    assert!(is_told(&said), "{said}");
    gateway.configure(&with("first-word"));
    let gateway = gateway.run();
    has_password("second-word");
    server.cli(&["CLIENT", "KILL", "USER", "gate"]);
    // Through the gateway, which tells why it does not reach the store.
    await_that("the command says why", || is_told(&gateway.command_said("cookies", &["ls"])));
    assert!(!gateway.output().text().contains("-word"));
}

/// In the long mode: `WAMPGATE_KILL_ROUNDS=200 cargo test --test integration -- gateways_are_killed`.
#[test]
fn no_login_is_lost_when_gateways_are_killed() {
    const THREADS: usize = 4;
    if !redis::is_there() {
        return;
    }
    let rounds = std::env::var(LONG).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let server = RedisServer::start();
    let [mut a, b] = gateways(&store(&server).with("max_per_principal", json!(0)));
    let began = Instant::now();
    let mut total = 0;
    for round in 0..rounds {
        let known = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    // The gateway goes on acknowledging until it is killed; then opening or joining fails.
                    drop(catch_unwind(AssertUnwindSafe(|| {
                        loop {
                            let mut jar = Jar::default();
                            let mut client = Client::open(&a, &mut jar);
                            client.join_by_ticket("joe", TICKET).unwrap();
                            known.lock().unwrap().push(jar);
                        }
                    })));
                });
            }
            let end = Instant::now() + PATIENCE;
            while known.lock().unwrap().is_empty() {
                assert!(Instant::now() < end, "round {round}: no client logs in");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(rand::rng().random_range(0..100_000)));
            a.signal(Signal::KILL);
        });
        a.kill9();
        let known = known.into_inner().unwrap();
        total += known.len();
        for mut jar in known {
            assert_eq!(by_cookie(&b, &mut jar).as_ref(), Ok(&json!("joe")), "round {round}");
        }
        a.restart();
    }
    println!("{rounds} rounds in {:?}: {total} logins, none lost", began.elapsed());
}
