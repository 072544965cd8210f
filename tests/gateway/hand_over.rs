//! One gateway takes over from another one at the same address, and no client is refused.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, PATIENCE, code,
    command::{run, wampgate},
    config::{stores, tracked, tracked_in, untracked, web},
    signal,
};

/// A gateway at a port that it shares, which says at `/` which one it is.
fn config(port: u16, name: &str, service: &Value) -> Value {
    let endpoint = json!({ "type": "tcp", "interface": "127.0.0.1", "port": port, "shared": true });
    let paths = json!({ "/": { "type": "json", "value": name }, "ws": service });
    json!({ "transports": [{ "type": "web", "endpoint": endpoint, "paths": paths }] })
}

/// Which gateway answers a request on a new connection; an error if none does.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let name =
        reply.split('"').nth(1).ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, reply.clone()))?;
    Ok(name.to_owned())
}

#[test]
fn a_gateway_takes_over_from_another_at_its_address_and_no_client_is_refused() {
    // The port that the system gives the first is the second's as well.
    let mut old = Gateway::start(&config(0, "old", &tracked()));
    let address = old.address();
    let (mut session, _) = Client::joined(&old, &mut Jar::default());
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let new = thread::scope(|scope| {
        let askers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut names = Vec::new();
                    while !is_over.load(Relaxed) {
                        names.push(ask(address));
                        asked.fetch_add(1, Relaxed);
                    }
                    names
                })
            })
            .collect();
        let until = |more: usize| {
            let goal = asked.load(Relaxed) + more;
            while asked.load(Relaxed) < goal {
                thread::yield_now();
            }
        };
        until(100);
        let new = Gateway::start(&config(address.port(), "new", &tracked()));
        until(100);
        old.signal_term();
        assert_eq!(session.expect(code::GOODBYE)[2], "wamp.close.system_shutdown");
        drop(session);
        assert!(old.await_exit().success());
        until(100);
        is_over.store(true, Relaxed);
        let answers: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!(refused.is_empty(), "{} of {} were refused: {refused:?}", refused.len(), answers.len());
        for name in ["old", "new"] {
            assert!(
                answers.iter().any(|answer| answer.as_deref().is_ok_and(|by| by == name)),
                "{name} answered nothing"
            );
        }
        new
    });
    assert_eq!(ask(address).unwrap(), "new");
    Client::joined(&new, &mut Jar::default());
}

#[test]
fn without_shared_no_other_gateway_listens_there() {
    let old = Gateway::start(&config(0, "old", &untracked()));
    let mut other = config(old.address().port(), "new", &untracked());
    other["transports"][0]["endpoint"]["shared"] = json!(false);
    let mut new = Gateway::prepare(&other);
    assert!(!new.run_to_end().success());
    assert!(new.output().text().contains("cannot listen at"), "{}", new.output().text());
}

/// A gateway with its cookies in a store of another one's node directory, or of its own.
fn with_store(store: &Value) -> Value {
    web(&tracked_in(store))
}

#[test]
fn the_lock_of_a_store_is_taken_over_when_the_gateway_that_has_it_ends() {
    for (kind, key, name) in [("file", "filename", "cookies.dat"), ("lmdb", "path", "cookies")] {
        let mut old = Gateway::start(&with_store(&json!({ "type": kind, key: name, "sync": "never" })));
        let mut jar = Jar::default();
        let (mut session, welcome) = Client::joined(&old, &mut jar);
        let place = old.path().join(name).display().to_string();
        let store = with_store(&json!({ "type": kind, key: place, "sync": "never" }));

        let mut refused = Gateway::prepare(&store);
        assert!(!refused.run_to_end().success(), "at once");
        // The time begins with the process, which takes some of it for its start.
        let mut refused = Gateway::prepare(&store).arguments(&["--take-over", "5"]);
        assert!(!refused.run_to_end().success(), "after its time");
        let said = refused.output().text();
        assert!(
            said.contains("waiting for another process") && said.contains("stop the other process"),
            "{said}"
        );
        assert!(said.contains(&place), "{said}");

        let key = std::fs::read(old.path().join("public-id.key")).unwrap();
        let new =
            Gateway::prepare(&store).file("public-id.key", key).arguments(&["--take-over", "300"]).launched();
        new.output().until("waiting for another process", 1);
        // A rotation of logs does not end what waits.
        new.signal(Signal::HUP);
        session.echoes();
        old.signal_term();
        let new = thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(session.expect(code::GOODBYE)[2], "wamp.close.system_shutdown");
                drop(session);
                assert!(old.await_exit().success());
            });
            new.listening()
        });
        new.output().until("nothing has changed since the gateway last looked", 1);
        let (_, again) = Client::joined(&new, &mut jar);
        assert_eq!(again["x_wampgate_known"], json!(true));
        assert_eq!(again["authid"], welcome["authid"]);
    }
}

/// A process that ends with the test, also where an assertion fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_signal_ends_a_gateway_that_waits_for_another_one() {
    for store in &stores()[..2] {
        let old = Gateway::start(&with_store(store));
        for signal in [Signal::TERM, Signal::INT] {
            let mut command = wampgate();
            command.args(["run", "--take-over", "300", "--node-dir"]).arg(old.path());
            let mut new = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
            let mut told = BufReader::new(new.0.stderr.take().unwrap()).lines();
            assert!(told.any(|told| told.unwrap().contains("waiting for another process")));
            signal::send(new.0.id(), Signal::HUP);
            signal::send(new.0.id(), signal);
            let told: String = told.map(Result::unwrap).collect();
            assert!(told.contains("a signal ends the gateway before it has started"), "{told}");
            assert!(new.0.wait().unwrap().success());
        }
        old.assert_next_client_is_served();
    }
}

#[test]
fn a_node_directory_is_taken_over_when_its_gateway_ends() {
    for (store, awaited) in [(&stores()[1], "cookie store"), (&stores()[0], "node directory")] {
        let mut old = Gateway::start(&with_store(store));
        let start = |seconds: &str| {
            let mut command = wampgate();
            command.args(["run", "--take-over", seconds, "--node-dir"]).arg(old.path());
            command
        };
        let refused = run(&mut start("1"), "");
        assert!(!refused.success);
        assert!(refused.stderr.contains("is in use already: stop the other process"), "{refused:?}");
        let new = start("300").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut new = Running(new);
        let mut told = BufReader::new(new.0.stderr.take().unwrap()).lines();
        let line = format!("waiting for another process to let go of the {awaited}");
        assert!(told.any(|told| told.unwrap().contains(&line)), "{line}");
        assert!(old.terminate().success());
        let mut said = BufReader::new(new.0.stdout.take().unwrap()).lines();
        let is_there = said.any(|line| line.unwrap().contains("listening on"));
        let health = run(wampgate().arg("health").arg("--node-dir").arg(old.path()), "");
        assert!(is_there && health.success, "{health:?}");
    }
}
