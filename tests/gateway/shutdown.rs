//! Ending: SIGTERM drains, a second one ends at once.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, code,
    config::{With as _, tracked, web},
    gateway::tracking_gateway,
    http::Connection,
    websocket::opcode,
};

/// What the gateway promises for a drain.
const DRAIN: Duration = Duration::from_secs(10);

#[test]
fn sigterm_says_goodbye_to_everybody_and_ends_well() {
    let mut gateway = tracking_gateway();
    let mut jar = Jar::default();
    let mut joined: Vec<Client> = (0..3).map(|_| Client::joined(&gateway, &mut jar).0).collect();
    let (mut unjoined, _) = Handshake::default().opens(&gateway);
    let mut silent = Connection::open(&gateway);

    let begun = Instant::now();
    gateway.signal_term();
    for client in &mut joined {
        let goodbye = client.receive();
        assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.system_shutdown")));
        client.send(&json!([code::GOODBYE, {}, "wamp.close.goodbye_and_out"]));
        client.socket().is_closed_with(1001);
    }
    unjoined.is_closed_with(1001);
    silent.assert_ends();
    let status = gateway.await_exit();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < DRAIN);
}

#[test]
fn clients_hear_of_the_end_in_random_order_over_the_time_that_the_operator_gives() {
    let least = Duration::from_millis(300);
    // On a busy machine all of them may hear of it late, and then at once.
    let is_spread = (0..5).any(|_| {
        let told = told_of_the_end();
        let (first, last) = (told.iter().min().unwrap(), told.iter().max().unwrap());
        !told.is_sorted() && last.duration_since(*first) > least
    });
    assert!(is_spread, "all at once, or in the order in which they came");
}

/// When clients hear of the end, in the order in which they came.
fn told_of_the_end() -> Vec<Instant> {
    const CLIENTS: usize = 16;
    let mut gateway = Gateway::start(&web(&tracked()).with("drain_seconds", json!(3)));
    let clients: Vec<Client> =
        (0..CLIENTS).map(|_| Client::joined(&gateway, &mut Jar::default()).0).collect();
    gateway.signal_term();
    let waiting: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let goodbye = client.receive();
                let when = Instant::now();
                assert_eq!(goodbye[2], json!("wamp.close.system_shutdown"));
                client.send(&json!([code::GOODBYE, {}, "wamp.close.goodbye_and_out"]));
                when
            })
        })
        .collect();
    let told = waiting.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(gateway.await_exit().success());
    told
}

/// Its messages are served before anything else of its connection, so it must run out of its share now and then.
#[test]
fn a_client_that_sends_without_a_pause_hears_of_the_end() {
    let mut gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let message = json!([code::PUBLISH, 1, {}, "com.example.topic"]).to_string();
    let burst = Frame::text(message).masked().repeat(2000);
    let mut stream = client.socket().connection().stream();
    let pours = std::thread::spawn(move || while stream.write_all(&burst).is_ok() {});
    std::thread::sleep(Duration::from_millis(200));

    gateway.signal_term();
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!("wamp.close.system_shutdown")));
    drop(client);
    assert!(gateway.await_exit().success());
    pours.join().unwrap();
}

#[test]
fn clients_that_do_not_answer_do_not_hold_up_the_end() {
    let mut gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let begun = Instant::now();
    let status = gateway.terminate();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    assert_eq!(client.receive()[0], code::GOODBYE);
}

#[test]
fn a_second_signal_ends_at_once() {
    // So long a handshake that only the second signal can explain an early end.
    let options = json!({ "close_handshake_timeout": 60_000 });
    let mut gateway = Gateway::start(&web(&tracked().with("options", options)));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    gateway.signal_term();
    assert_eq!(client.receive()[0], code::GOODBYE);
    let second = Instant::now();
    gateway.signal_term();
    gateway.await_exit();
    assert!(second.elapsed() < DRAIN, "{:?}", second.elapsed());
}

#[test]
fn a_gateway_without_connections_ends_at_once() {
    let mut gateway = tracking_gateway();
    let begun = Instant::now();
    assert!(gateway.terminate().success());
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
}

#[test]
fn a_client_that_closes_without_goodbye_is_let_go() {
    let gateway = tracking_gateway();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.socket().send(&Frame::new(opcode::CLOSE, 1000_u16.to_be_bytes()));
    client.socket().is_closed_with(1000);
    gateway.assert_next_client_is_served();
}
