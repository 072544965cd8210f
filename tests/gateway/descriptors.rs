//! File descriptors: a process that has few of them still answers.

use std::{fs, net::TcpStream};

use serde_json::json;

use super::limits::room::{assert_is_full, await_client, fill_up};
use crate::support::{
    Client, Gateway, Jar,
    config::{With as _, tracked_in_file, web},
};

/// The soft limit of open files of a process.
fn soft_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn the_gateway_takes_what_the_system_lets_it_have() {
    let gateway =
        Gateway::prepare(&web(&tracked_in_file())).after("ulimit -S -n 64; ulimit -H -n 2000").run();
    assert_eq!(soft_limit(gateway.pid()), "2000");
    // The operator has asked for no number of connections: this is news, and no fault of theirs.
    gateway.output().until("the limit of open files bounds how many connections there may be", 1);
    assert!(!gateway.output().text().contains(" WARN "), "{}", gateway.output().text());

    let mut config = web(&tracked_in_file());
    config["transports"][0]["max_connections"] = 5000.into();
    let gateway = Gateway::prepare(&config).after("ulimit -n 2000").run();
    gateway.output().until("fewer files than `max_connections` allows", 1);
    gateway.output().until("max_connections=5000", 1);
}

#[test]
fn with_few_descriptors_clients_are_refused_and_the_operator_is_served() {
    // No place becomes free by itself meanwhile.
    let service = tracked_in_file().with("options", json!({ "hello_timeout": 600_000 }));
    let gateway = Gateway::prepare(&web(&service)).after("ulimit -n 128").run();
    let mut joined = Client::open(&gateway, &mut Jar::default());
    joined.joins();
    let open = fill_up(&gateway, 128);
    assert!(open.len() > 10, "{}", open.len());
    gateway.output().until("no file descriptors left for clients", 1);
    assert_is_full(&gateway, b"");
    // The gateway does not tell each of a crowd that there is no room, and has descriptors left all the same.
    let crowd: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(gateway.address()).unwrap()).collect();
    gateway.command("cookies", &["ls"]);
    joined.echoes();
    drop((open, crowd));
    // The places are free as soon as the gateway has seen the ends.
    await_client(&gateway);
    let said = gateway.output().text();
    assert!(!said.contains("accept failed"), "{said}");
}
