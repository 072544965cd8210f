//! What passes between a client and its router, and what waits where one of them is slow.

use super::*;

#[test]
fn every_serializer_passes_to_every_other() {
    let router = router();
    for spoken in [json!(["json"]), json!(["msgpack"]), json!(["cbor"]), json!(["cbor", "msgpack", "json"])] {
        let gateway = gateway(&at(&router), &json!({ "serializers": spoken }));
        for serializer in Serializer::ALL {
            for batched in [false, true] {
                let (mut client, _) = joe_with(&gateway, serializer, batched);
                client.echoes();
                let topic = client.subscribe("com.example.data").unwrap();
                let (args, kwargs) =
                    (json!([bytes(b"\x00\xff"), 1_u64 << 40, -1, 1.5, null]), json!({ "ü": ["x"] }));
                client.publish("com.example.data", &args, &kwargs).unwrap();
                let event = client.expect(code::EVENT);
                assert_eq!(
                    (&event[1], &event[4], &event[5]),
                    (&topic, &args, &kwargs),
                    "{spoken} {serializer:?}"
                );
                let call = client.call("com.example.nothing", &json!([]), &json!({}));
                assert_eq!(uri(&client.result(call).unwrap_err()), "wamp.error.no_such_procedure");
                client.leaves();
            }
        }
    }
}

#[test]
fn a_burst_passes_whole_and_in_order() {
    const EVENTS: u64 = 3000;
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut subscriber, _) = joe_with(&gateway, Serializer::Cbor, false);
    subscriber.subscribe("com.example.burst").unwrap();
    let (mut publisher, _) = joe_with(&gateway, Serializer::Json, true);
    let text = "x".repeat(300);
    let publish = |id: u64| json!([code::PUBLISH, id + 1, {}, "com.example.burst", [id, text]]);
    for part in (0..EVENTS).map(publish).collect::<Vec<_>>().chunks(100) {
        publisher.send_all(part);
    }
    for id in 0..EVENTS {
        assert_eq!(subscriber.receive()[4][0], id);
    }
}

#[test]
fn what_belongs_before_welcome_reaches_no_router() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = gateway(&router.url(), &json!({}));
    for smuggled in [
        json!([code::HELLO, "realm1", { "authid": "root", "roles": { "caller": {} } }]),
        json!([code::AUTHENTICATE, "x", {}]),
        json!([code::WELCOME, 1, {}]),
        json!([code::CHALLENGE, "ticket", {}]),
        json!([code::INVOCATION, 1, 1, {}]),
        json!([4242, 1]),
        json!(["48", 1, {}, "com.a"]),
    ] {
        let (mut client, _) = joe(&gateway);
        assert_eq!(hears(&told)[0], code::HELLO);
        let call = json!([code::CALL, 1, {}, "com.example.call"]);
        client.send_all(&[call.clone(), smuggled]);
        let refused = client.is_aborted("wamp.error.protocol_violation");
        assert_eq!(refused.close, 1002);
        assert_eq!(hears(&told), call);
        hears_goodbye(&told);
    }
    // Two messages in one frame of a serializer that has one in each.
    let (mut client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    client.socket().send(&Frame::text("[48,1,{},\"com.a\"][1,\"realm1\",{}]"));
    client.is_aborted("wamp.error.protocol_violation");
    assert_eq!(hears(&told)[0], code::GOODBYE);
}

#[test]
fn a_client_that_reads_slowly_slows_the_router_down() {
    const EVENTS: usize = 400;
    let (sent, seen) = std::sync::mpsc::channel();
    let text = "x".repeat(100_000);
    let (router, _told) = Router::welcoming(move |link| {
        for id in 0..EVENTS {
            link.send(&json!([code::EVENT, 1, id + 1, {}, [text]]));
            let _ = sent.send(id);
        }
    });
    let gateway = gateway(&router.url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    // The router sends until nothing goes any more: far less than all of it.
    let mut last = 0;
    while let Ok(id) = seen.recv_timeout(Duration::from_secs(2)) {
        last = id;
    }
    assert!(last + 1 < EVENTS, "the gateway has taken 40 MB for a client that reads nothing");
    for id in 0..EVENTS {
        assert_eq!(joe.receive()[2], id + 1);
    }
}

#[test]
fn two_gateways_behind_each_other_do_not_wait_for_each_other() {
    const CALLS: u64 = 300;
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    joe.register("com.example.large").unwrap();
    let text = "x".repeat(60_000);
    // Far more than all buffers between the two hold, before anything is read.
    for id in 0..CALLS {
        joe.send(&json!([code::CALL, id + 2, {}, "com.example.nothing", [text]]));
        if id % 10 == 9 {
            for _ in 0..10 {
                assert_eq!(joe.receive()[0], code::ERROR);
            }
        }
    }
    joe.echoes();
}
