//! File descriptors: a process that has few of them still answers.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    config::{tracked_in_file, web},
};

/// The soft limit of open files of a process.
fn soft_limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

/// Whether a handshake succeeds. The gateway may close the connection without a word.
fn is_welcome(gateway: &Gateway) -> bool {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(&Handshake::default().bytes());
    let mut status = [0; 12];
    stream.read_exact(&mut status).is_ok() && status == *b"HTTP/1.1 101"
}

#[test]
fn the_gateway_takes_what_the_system_lets_it_have() {
    let gateway =
        Gateway::prepare(&web(&tracked_in_file())).after("ulimit -S -n 64; ulimit -H -n 2000").run();
    assert_eq!(soft_limit(gateway.pid()), "2000");
    gateway.output().until("fewer files than `max_connections` allows", 1);
    gateway.output().until("max_connections=50000", 1);
}

#[test]
fn with_few_descriptors_clients_are_refused_and_the_operator_is_served() {
    let gateway = Gateway::prepare(&web(&tracked_in_file())).after("ulimit -n 128").run();
    let mut joined = Client::open(&gateway, &mut Jar::default());
    joined.joins();
    // So many that the limit is far behind.
    let mut waiting: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(gateway.address()).unwrap()).collect();
    gateway.output().until("no file descriptors left for clients", 1);
    let last = waiting.last_mut().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    // Told that there is no room, or closed without a word: nobody hangs.
    let mut answer = String::new();
    let _ = last.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
    gateway.command("cookies", &["ls"]);
    joined.echoes();
    drop(waiting);
    // The places are free as soon as the gateway has seen the ends.
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_welcome(&gateway) {
        assert!(std::time::Instant::now() < deadline, "nobody is served any more");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    gateway.assert_next_client_is_served();
    let said = gateway.output().text();
    assert!(!said.contains("accept failed"), "{said}");
}
