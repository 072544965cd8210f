//! Bodies that are larger than the memory that the gateway has for them.

use std::{thread, time::Duration};

use super::*;
use crate::support::resident::kib;

/// How large a body is. `WAMPGATE_TEST_STREAM_MIB=1024` makes it a gigabyte.
fn size() -> usize {
    let mib = std::env::var("WAMPGATE_TEST_STREAM_MIB").ok().and_then(|mib| mib.parse().ok());
    mib.unwrap_or(100) << 20
}

/// How much more memory a stream may take, in KiB.
const FLAT: u64 = 8 << 10;

#[test]
fn large_bodies_pass_both_ways_in_flat_memory() {
    let upstream = Upstream::answering_each(|asked, peer| {
        let length: usize = asked.head.all("content-length")[0].parse().unwrap();
        let (mut left, mut buffer) = (length, vec![0; 64 << 10]);
        while left > 0 {
            match peer.read(&mut buffer) {
                Ok(0) | Err(_) => return false,
                Ok(read) => left -= read,
            }
        }
        let _ = peer.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        buffer.fill(b'x');
        let mut left = length;
        while left > 0 {
            let part = &buffer[..left.min(buffer.len())];
            if peer.write_all(part).is_err() {
                return false;
            }
            left -= part.len();
        }
        true
    });
    let gateway = gateway(&upstream, &json!({}));
    let process = gateway.pid().to_string();
    let mut connection = Connection::open(&gateway);
    assert_eq!(ask(&mut connection, "POST /app", "Content-Length: 1\r\n", "x").status, 200);
    let before = kib(&process);
    let size = size();
    connection.send(format!("POST /app HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"));
    let (chunk, mut most) = (vec![b'y'; 1 << 20], 0);
    for _ in 0..size >> 20 {
        connection.send(&chunk);
        most = most.max(kib(&process));
    }
    assert_eq!(connection.head().header("content-length"), Some(&*size.to_string()));
    for _ in 0..size >> 20 {
        assert!(connection.read_exactly(1 << 20).is_some_and(|read| read.iter().all(|byte| *byte == b'x')));
        most = most.max(kib(&process));
    }
    let grown = most.saturating_sub(before);
    println!("{} MiB each way: {grown} KiB more", size >> 20);
    assert!(grown < FLAT, "{grown} KiB more");
}

#[test]
fn a_client_that_reads_slowly_slows_the_server_down() {
    let upstream = Upstream::answering_each(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let part = vec![b'x'; 64 << 10];
        while peer.write_all(&part).is_ok() {}
        false
    });
    let gateway = gateway(&upstream, &json!({}));
    let process = gateway.pid().to_string();
    let mut connection = Connection::open(&gateway);
    let before = kib(&process);
    connection.send("GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    thread::sleep(Duration::from_millis(500));
    let grown = kib(&process).saturating_sub(before);
    assert!(grown < FLAT, "{grown} KiB more");
    assert!(connection.read_exactly(1 << 20).is_some(), "what waits is there");
}

/// An answer that is under way when the gateway ends comes to its end.
#[test]
fn the_gateways_end_cuts_no_answer() {
    let upstream = Upstream::answering_each(|_, peer| {
        let _ = peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(250));
            let _ = peer.write_all(b"x");
        }
        true
    });
    let mut gateway = gateway(&upstream, &json!({}));
    let mut connection = Connection::open(&gateway);
    connection.send("GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    gateway.signal_term();
    assert_eq!(connection.read_exactly(10), Some(b"xxxxxxxxxx".to_vec()));
    connection.assert_ends();
    assert!(gateway.await_exit().success());
}
