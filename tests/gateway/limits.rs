//! Limits: each one reached on purpose, at a small configured value, with its answer and the next client served.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, PATIENCE, Serializer, code,
    config::{With as _, tracked, web, web_paths},
    http::Connection,
    websocket::opcode,
};

/// A gateway with these WebSocket options.
#[track_caller]
fn gateway_with(options: Value) -> Gateway {
    Gateway::start(&web(&tracked().with("options", options)))
}

/// A gateway with these options of the web transport.
#[track_caller]
fn gateway_with_http(options: Value) -> Gateway {
    let mut config = web(&tracked());
    config["transports"][0]["options"] = options;
    Gateway::start(&config)
}

/// A gateway of which only the second transport has these options: the clients of the first one are never too slow.
#[track_caller]
fn gateway_with_a_hasty_transport(options: &Value) -> Gateway {
    let patient = web(&tracked())["transports"][0].clone();
    let hasty = patient.clone().with("options", options.clone());
    Gateway::start(&json!({ "transports": [patient, hasty] }))
}

/// A gateway of which only the path `/hasty` has these WebSocket options.
#[track_caller]
fn gateway_with_a_hasty_path(options: &Value) -> Gateway {
    let hasty = tracked().with("options", options.clone());
    Gateway::start(&web_paths(&json!({ "ws": tracked(), "hasty": hasty })))
}

fn at_the_hasty_path() -> Handshake {
    Handshake::default().path("/hasty")
}

/// The gateway hangs up on its own, no sooner than `limit` and before a test loses patience.
#[track_caller]
fn assert_ends_after(gateway: &Gateway, limit: Duration, end: impl FnOnce()) {
    let begun = Instant::now();
    end();
    // The clock of the limit started a little before this one.
    let least = limit.mul_f64(0.8);
    assert!(begun.elapsed() >= least, "ended after {:?}", begun.elapsed());
    gateway.assert_next_client_is_served();
}

// === Heads ===

#[test]
fn a_head_that_is_too_large_is_refused() {
    // The default, which no configuration is needed for: 16 KiB.
    let gateway = gateway_with(json!({}));
    let response = Handshake::default().header("X-Large", &"x".repeat(17 * 1024)).is_refused(&gateway, 431);
    assert_ne!(response.status, 101);
    Handshake::default().header("X-Large", &"x".repeat(15 * 1024)).opens(&gateway);
    gateway.assert_next_client_is_served();

    let small = gateway_with_http(json!({ "max_head_size": 8192 }));
    Handshake::default().header("X-Large", &"x".repeat(9000)).is_refused(&small, 431);
    small.assert_next_client_is_served();
}

#[test]
fn a_head_without_an_end_is_refused() {
    let gateway = gateway_with(json!({}));
    let mut connection = Connection::open(&gateway);
    // The gateway may hang up before all of it has been sent.
    let _ = connection.try_send(format!("GET /{}", "x".repeat(64 * 1024)));
    assert_eq!(connection.response().status, 431);
    connection.assert_ends();
    gateway.assert_next_client_is_served();
}

#[test]
fn a_head_with_too_many_headers_is_refused() {
    let gateway = gateway_with(json!({}));
    let with_headers = |count| {
        (0..count)
            .fold(Handshake::default(), |handshake, number| handshake.header(&format!("X-{number}"), "x"))
    };
    with_headers(65).is_refused(&gateway, 431);
    with_headers(50).opens(&gateway);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    let gateway = gateway_with_a_hasty_transport(&json!({ "head_timeout": 1000 }));
    for beginning in ["", "GET /ws HTTP/1.1\r\nHost: gateway.example\r\n"] {
        let mut connection = Connection::open_at(gateway.address_of(1));
        connection.send(beginning);
        assert_ends_after(&gateway, Duration::from_secs(1), || {
            assert_eq!(connection.response().status, 408, "{beginning:?}");
            connection.assert_ends();
        });
    }
}

#[test]
fn a_head_that_trickles_is_refused() {
    let gateway = gateway_with_a_hasty_transport(&json!({ "head_timeout": 1000 }));
    let mut connection = Connection::open_at(gateway.address_of(1));
    let begun = Instant::now();
    connection.send("GET /ws HTTP/1.1\r\n");
    // Each byte is in time, the head is not.
    while !connection.is_readable(Duration::from_millis(100)) {
        let _ = connection.try_send("X");
        assert!(begun.elapsed() < PATIENCE, "still listening");
    }
    assert_eq!(connection.response().status, 408);
    gateway.assert_next_client_is_served();
}

// === Before WELCOME ===

#[test]
fn a_client_that_does_not_say_hello_is_closed() {
    let gateway = gateway_with_a_hasty_path(&json!({ "hello_timeout": 1000 }));
    let (mut silent, _) = at_the_hasty_path().opens(&gateway);
    assert_ends_after(&gateway, Duration::from_secs(1), || silent.is_closed_with(1002));
}

#[test]
fn pings_do_not_put_hello_off() {
    let gateway = gateway_with_a_hasty_path(&json!({ "hello_timeout": 1000 }));
    let (mut chatty, _) = at_the_hasty_path().opens(&gateway);
    let begun = Instant::now();
    let end = loop {
        chatty.connection().try_send(Frame::new(opcode::PING, "still here").masked()).ok();
        let frame = chatty.receive().expect("a close frame");
        if frame.opcode != opcode::PONG {
            break frame;
        }
        assert!(begun.elapsed() < PATIENCE, "kept open by pings");
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert_eq!(end.close_code(), Some(1002), "{end:?}");
    gateway.assert_next_client_is_served();
}

#[test]
fn a_large_hello_is_refused() {
    let gateway = gateway_with(json!({}));
    let mut client = Client::open(&gateway, &mut Jar::default());
    // The default: 64 KiB until the client has joined, 1 MiB afterwards.
    client.hello("realm1", json!({ "authextra": { "x": "x".repeat(65 * 1024) } }));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

// === Messages ===

#[test]
fn a_message_that_is_too_large_closes_the_connection() {
    let gateway = gateway_with(json!({ "max_message_size": 2000 }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(1900)]]));
    client.echoes();
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(2000)]]));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_that_is_too_large_in_all_its_fragments_closes_the_connection() {
    let gateway = gateway_with(json!({ "max_message_size": 2000 }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let socket = client.socket();
    socket.send(&Frame::text("[").unfinished());
    for _ in 0..5 {
        let _ =
            socket.connection().try_send(Frame::new(opcode::CONTINUATION, [b' '; 500]).unfinished().masked());
    }
    socket.is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn the_default_lets_a_mebibyte_through_and_no_more() {
    let gateway = gateway_with(json!({}));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.publish("com.example.topic", &json!(["x".repeat(1_000_000)]), &json!({})).unwrap();
    client.request(code::PUBLISH, &json!([{}, "com.example.topic", ["x".repeat(1 << 20)]]));
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_frame_that_only_claims_to_be_large_is_refused_at_once() {
    let gateway = gateway_with(json!({}));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    // The head of a frame of 2^62 bytes, and nothing behind it.
    client.socket().connection().send([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    client.socket().is_closed_with(1009);
    gateway.assert_next_client_is_served();
}

#[test]
fn a_message_that_is_nested_too_deeply_ends_the_session() {
    let gateway = gateway_with(json!({}));
    let nested = |depth: usize| {
        let arguments = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        Frame::text(format!(r#"[16,1,{{"acknowledge":true}},"com.example.topic",{arguments}]"#))
    };
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.socket().send(&nested(120));
    assert_eq!(client.receive()[0], code::PUBLISHED);
    for depth in [130, 100_000] {
        let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
        client.socket().send(&nested(depth));
        client.socket().await_close();
    }
    gateway.assert_next_client_is_served();
}

// === Slow and silent clients ===

#[test]
fn a_client_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let gateway = gateway_with(json!({ "max_unsent": 100_000 }));
    let (mut stuck, _) = Client::joined(&gateway, &mut Jar::default());
    stuck.subscribe("com.example.topic").unwrap();
    let (mut reader, _) = Client::joined(&gateway, &mut Jar::default());
    reader.subscribe("com.example.topic").unwrap();
    let (mut publisher, _) = Client::joined(&gateway, &mut Jar::default());
    // More than the sockets of both sides can hold beside the limit.
    let args = json!(["x".repeat(50_000)]);
    for _ in 0..400 {
        publisher.publish("com.example.topic", &args, &json!({})).unwrap();
        assert_eq!(reader.expect(code::EVENT)[4], args);
    }
    // What was sent before comes out of the socket, then its end.
    stuck.socket().connection().assert_ends();
    gateway.assert_next_client_is_served();
}

#[test]
fn a_client_that_does_not_answer_pings_is_dropped() {
    let pings = |timeout| json!({ "auto_ping_interval": 1000, "auto_ping_timeout": timeout });
    let hasty = tracked().with("options", pings(1000));
    // A client that answers has time to do so, also on a busy machine. The next ping comes when this time is over.
    let patient = tracked().with("options", pings(5000));
    let gateway = Gateway::start(&web_paths(&json!({ "ws": patient, "hasty": hasty })));

    let jar = &mut Jar::default();
    let mut absent = Client::open_by(&gateway, jar, at_the_hasty_path(), Serializer::Json, false);
    absent.joins();
    absent.socket().ignore_pings();
    absent.socket().connection().assert_ends();

    // After a ping without an answer there is no other one.
    let (mut present, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..2 {
        let ping = present.socket().receive_any().unwrap();
        assert_eq!(ping.opcode, opcode::PING);
        present.socket().send(&Frame::new(opcode::PONG, &ping.payload));
    }
    present.echoes();
}

// === Connections ===

#[test]
fn connections_beyond_the_limit_are_refused() {
    let mut config = web(&tracked());
    config["transports"][0]["max_connections"] = json!(2);
    let gateway = Gateway::start(&config);
    let (first, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut second, _) = Client::joined(&gateway, &mut Jar::default());

    for request in [Vec::new(), Handshake::default().bytes()] {
        let mut third = Connection::open(&gateway);
        // The gateway does not wait for the request.
        let _ = third.try_send(request);
        let response = third.response();
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.header("retry-after"), Some("5"), "{response:?}");
        assert_eq!(response.header("connection"), Some("close"), "{response:?}");
        // The body is as long as the head says: a text that is whole, and nothing behind it.
        assert_eq!(response.body, "too many connections, come later\n");
        assert_eq!(third.rest(), b"");
    }
    second.echoes();
    drop(first);

    // The gateway notices in its own time that there is room again.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut connection = Connection::open(&gateway);
        let _ = connection.try_send(Handshake::default().bytes());
        let response = connection.response();
        if response.status == 101 {
            break;
        }
        assert_eq!(response.status, 503, "{response:?}");
        assert!(Instant::now() < deadline, "no room any more");
    }
    second.echoes();
}

// === Sessions ===

/// A gateway whose open realm lets one session hold this.
#[track_caller]
fn gateway_with_session_limits(per_session: &Value) -> Gateway {
    let everything = json!({ "call": true, "register": true, "publish": true, "subscribe": true });
    let all = json!({ "uri": "", "match": "prefix", "allow": everything });
    let roles = json!([{ "name": "anonymous", "permissions": [all] }]);
    let realm = json!({ "name": "realm1", "roles": roles, "per_session": per_session });
    Gateway::start(&web(&tracked()).with("realms", json!([realm])))
}

#[test]
fn a_session_has_so_many_subscriptions_registrations_and_calls() {
    let limits = json!({ "max_subscriptions": 2, "max_registrations": 2, "max_pending_calls": 2 });
    let gateway = gateway_with_session_limits(&limits);
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let topics: Vec<Value> =
        ["com.a", "com.b"].iter().map(|topic| client.subscribe(topic).unwrap()).collect();
    assert_eq!(client.subscribe("com.c").unwrap_err(), "wamp.error.unavailable");
    client.unsubscribe(&topics[0]).unwrap();
    client.subscribe("com.c").unwrap();
    let procedures: Vec<Value> =
        ["com.a", "com.b"].iter().map(|procedure| client.register(procedure).unwrap()).collect();
    assert_eq!(client.register("com.c").unwrap_err(), "wamp.error.unavailable");
    client.unregister(&procedures[0]).unwrap();
    client.register("com.c").unwrap();

    // The client itself is the callee, and does not answer.
    for _ in 0..2 {
        client.call("com.b", &json!([]), &json!({}));
        client.expect(code::INVOCATION);
    }
    let refused = client.call("com.b", &json!([]), &json!({}));
    let error = client.result(refused).unwrap_err();
    assert_eq!(error[4], "wamp.error.unavailable", "{error}");
    assert!(error[5][0].as_str().is_some_and(|why| why.starts_with("2 calls")), "{error}");
    gateway.assert_next_client_is_served();
}

#[test]
fn the_uris_of_a_session_have_a_size_together() {
    let gateway = gateway_with_session_limits(&json!({ "uri_space": "1KiB" }));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let uri = |letter: &str| letter.repeat(500);
    let first = client.subscribe(&uri("a")).unwrap();
    client.register(&uri("b")).unwrap();
    assert_eq!(client.subscribe(&uri("c")).unwrap_err(), "wamp.error.unavailable");
    assert_eq!(client.register(&uri("c")).unwrap_err(), "wamp.error.unavailable");
    client.unsubscribe(&first).unwrap();
    client.register(&uri("c")).unwrap();
    gateway.assert_next_client_is_served();
}

#[test]
fn clients_hold_so_much_memory_in_all() {
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let (mut first, _) = Client::joined(&gateway, &mut Jar::default());
    let mut open = Vec::new();
    let refused = loop {
        let mut connection = Connection::open(&gateway);
        let _ = connection.try_send(Handshake::default().bytes());
        let response = connection.response();
        if response.status != 101 {
            break response;
        }
        open.push(connection);
        assert!(open.len() < 100, "32 KiB each");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("5"), "{refused:?}");
    assert!(open.len() >= 20, "{}", open.len());
    // Those that are connected go on, as long as they hold no more than before.
    first.publish("com.example.marker", &json!([]), &json!({})).unwrap();
    assert_eq!(first.subscribe("com.example.marker").unwrap_err(), "wamp.error.unavailable");
    // What a refused connection has not taken, it does not give back: the next one is refused as well.
    for _ in 0..4 {
        assert_eq!(Handshake::default().send(&gateway).1.status, 503);
    }
    let before = open.len();
    drop((first, open));
    // The gateway notices in its own time that there is room again.
    let begun = Instant::now();
    let mut again = Vec::new();
    while again.len() < before {
        let (connection, response) = Handshake::default().send(&gateway);
        if response.status == 101 {
            again.push(connection);
        }
        assert!(begun.elapsed() < PATIENCE, "{} instead of {before}", again.len());
    }
    drop(again);
    while Handshake::default().send(&gateway).1.status != 101 {
        assert!(begun.elapsed() < PATIENCE, "nothing was given back");
    }
    Client::joined(&gateway, &mut Jar::default()).0.echoes();
}

#[test]
fn calls_that_wait_for_their_callee_count_as_memory() {
    const PROCEDURE: &str = "com.example.slow";
    let gateway = Gateway::start(&web(&tracked()).with("max_memory", json!("1MiB")));
    let (mut callee, _) = Client::joined(&gateway, &mut Jar::default());
    let (mut caller, _) = Client::joined(&gateway, &mut Jar::default());
    let register = |callee: &mut Client| {
        let id = callee.request(code::REGISTER, &json!([{ "concurrency": 1 }, PROCEDURE]));
        callee.answer(code::REGISTER, id, code::REGISTERED).unwrap()[2].clone()
    };
    // Small enough for nothing else to be charged for them.
    let args = json!(["x".repeat(7 * 1024)]);
    // One that its callee has, and as many as there is room for behind it.
    let fill = |caller: &mut Client| {
        let mut waiting = Vec::new();
        loop {
            let call = caller.call(PROCEDURE, &args, &json!({}));
            caller.publish("com.example.marker", &json!([]), &json!({})).unwrap();
            if !caller.is_waiting_for_nothing() {
                let error = caller.result(call).unwrap_err();
                assert_eq!(error[4], "wamp.error.unavailable", "{error}");
                assert!(error[5][0].as_str().is_some_and(|why| why.contains("no memory left")), "{error}");
                return waiting;
            }
            waiting.push(call);
            assert!(waiting.len() < 150, "7 KiB each");
        }
    };
    let answer = |callee: &mut Client| {
        let invocation = callee.expect(code::INVOCATION);
        callee.send(&json!([code::YIELD, invocation[1], {}]));
    };

    let registration = register(&mut callee);
    let served = fill(&mut caller);
    assert!(served.len() > 100, "{}", served.len());
    for call in &served {
        answer(&mut callee);
        caller.result(*call).unwrap();
    }

    // Each way out of the queue gives back what a call was charged.
    let canceled = fill(&mut caller);
    assert_eq!(canceled.len(), served.len());
    for call in canceled.iter().skip(1) {
        caller.send(&json!([code::CANCEL, call, { "mode": "skip" }]));
        assert_eq!(caller.result(*call).unwrap_err()[4], "wamp.error.canceled");
    }
    answer(&mut callee);
    caller.result(canceled[0]).unwrap();

    let left = fill(&mut caller);
    assert_eq!(left.len(), served.len());
    callee.unregister(&registration).unwrap();
    for call in left.iter().skip(1) {
        assert_eq!(caller.result(*call).unwrap_err()[4], "wamp.error.canceled");
    }
    answer(&mut callee);
    caller.result(left[0]).unwrap();

    register(&mut callee);
    assert_eq!(fill(&mut caller).len(), served.len());
}
