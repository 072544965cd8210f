//! Routers that clients join over RawSocket.

use std::sync::mpsc::channel;

use super::*;
use crate::support::{router::RawLink, tls::Authority};

/// The router, which has RawSocket at `raw.sock` in its folder as well, with these keys.
fn raw_router(more: &Value) -> Gateway {
    let mut config = router_config();
    let mut transport = json!({ "type": "rawsocket", "endpoint": { "type": "unix", "path": "raw.sock" } });
    transport["auth"] = config["transports"][0]["paths"]["ws"]["auth"].clone();
    transport.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config["transports"].as_array_mut().unwrap().push(transport);
    Gateway::start(&config)
}

fn raw(router: &Gateway) -> String {
    format!("rs+unix:{}", router.path().join("raw.sock").display())
}

/// The answer of a router that takes messages of up to 512 << `length` bytes.
fn accepts(length: u8) -> impl Fn([u8; 4]) -> Vec<u8> + Send + Sync {
    move |octets| match octets[1] & 0x0f {
        1 => vec![0x7f, length << 4 | 1, 0, 0],
        _ => vec![0x7f, 0x10, 0, 0],
    }
}

#[test]
fn every_serializer_passes_over_raw_socket_whatever_the_router_speaks() {
    for spoken in [json!(["json"]), json!(["msgpack"]), json!(["cbor"]), json!(["cbor", "msgpack", "json"])] {
        let router = raw_router(&json!({ "serializers": spoken }));
        let gateway = gateway(&raw(&router), &json!({}));
        let mut root = root(&router);
        // All stay until the end: the router may not know yet that one has left.
        let mut clients = Vec::new();
        for serializer in Serializer::ALL {
            let (mut client, welcome) = joe_with(&gateway, serializer, serializer != Serializer::Json);
            assert_eq!(welcome["authid"], "joe");
            client.echoes();
            let call = client.call("com.example.nothing", &json!([]), &json!({}));
            assert_eq!(uri(&client.result(call).unwrap_err()), "wamp.error.no_such_procedure");
            let ids = ask(&mut root, "wamp.session.list", &json!([["frontend"]]));
            clients.push(client);
            assert_eq!(ids.as_array().unwrap().len(), clients.len());
            for id in ids.as_array().unwrap() {
                let details = ask(&mut root, "wamp.session.get", &json!([id]));
                let transport = &details["transport"];
                assert_eq!(
                    (&transport["type"], &transport["channel"]),
                    (&json!("rawsocket"), &json!("unix"))
                );
            }
        }
        clients.iter_mut().for_each(Client::leaves);
    }
}

#[test]
fn a_router_of_tls_is_checked_over_raw_socket_too() {
    let authority = Authority::new();
    let mut config = router_config();
    let auth = config["transports"][0]["paths"]["ws"]["auth"].clone();
    let with_tls = endpoint().with("tls", json!({ "certificate": "server.pem", "key": "server.key" }));
    config["transports"] = json!([{ "type": "rawsocket", "endpoint": with_tls, "auth": auth }]);
    let run = |config: &Value| {
        let router = Gateway::prepare(config).file("clients.pem", Authority::new().pem());
        authority.issue(&["localhost"]).write(router.path(), "server");
        router.run()
    };
    let router = run(&config);
    let url = |router: &Gateway| format!("rss://localhost:{}", router.address().port());
    let to = |router: &Gateway, authorities: &str| {
        behind(&url(router), &json!({ "ca_certificates": [authorities], "connect_timeout": 20_000 }))
    };
    let start = |service: &Value| {
        Gateway::prepare(&with_metrics(service))
            .file("ours.pem", authority.pem())
            .file("other.pem", Authority::new().pem())
            .run()
    };
    let ours = start(&to(&router, "ours.pem"));
    let (mut client, _) = joe(&ours);
    client.echoes();
    let other = start(&to(&router, "other.pem"));
    assert_eq!(refused(&other).reason, "wamp.error.unavailable");
    other.output().until("reason=\"upstream-tls\"", 1);
    // A router that wants a certificate of the gateway says so behind the handshake of TLS, when the gateway speaks RawSocket already.
    config["transports"][0]["endpoint"]["tls"]["ca_certificates"] = json!(["clients.pem"]);
    let strict = run(&config);
    let unknown = start(&to(&strict, "ours.pem"));
    for count in 1..=5 {
        assert_eq!(refused(&unknown).reason, "wamp.error.unavailable");
        unknown.output().until("reason=\"upstream-tls\"", count);
    }
    assert!(unknown.output().text().contains("CertificateRequired"), "{}", unknown.output().text());
}

#[test]
fn sessions_end_over_raw_socket_as_over_websocket() {
    let router = raw_router(&json!({}));
    let gateway = gateway(&raw(&router), &json!({}));
    // The router ends a session, a client leaves and comes back, and one that is revoked.
    let mut root = root(&router);
    let (mut killed, _) = joe(&gateway);
    let out = json!({ "reason": "com.example.out", "message": "go home" });
    let call = root.call("wamp.session.kill_by_authid", &json!(["joe"]), &out);
    root.result(call).unwrap();
    assert_eq!(ends(&mut killed, 1000), ("com.example.out".to_owned(), "go home".to_owned()));
    let (mut back, _) = joe(&gateway);
    for _ in 0..2 {
        back.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        assert_eq!(back.expect(code::GOODBYE)[2], "wamp.close.goodbye_and_out");
        back.join_by_ticket("joe", TICKET).unwrap();
        back.echoes();
    }
    gateway.command("cookies", &["revoke", "--authid", "joe"]);
    assert_eq!(ends(&mut back, 1008).0, "wamp.close.killed");
    counted(&gateway, &["wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 0"]);
    let (mut warned, _) = joe(&gateway);
    router.signal_term();
    assert_eq!(ends(&mut warned, 1012).1, "the gateway is shutting down");
}

#[test]
fn the_router_hears_goodbye_and_vanishes_with_1012() {
    let (tell, told) = channel();
    let router = Router::raw(accepts(15), move |link| {
        tell.send(link.welcomes()).unwrap();
        while let Some(message) = link.receive() {
            if message == json!([code::CALL, 1, {}, "com.example.vanish"]) {
                return;
            }
            tell.send(message).unwrap();
        }
        tell.send(Value::Null).unwrap();
    });
    let gateway = gateway(&router.raw_url(), &json!({}));
    let (client, _) = joe(&gateway);
    assert_eq!(hears(&told)[2]["authid"], "joe");
    drop(client);
    assert_eq!(hears(&told), json!([code::GOODBYE, {}, "wamp.close.normal"]));
    assert_eq!(hears(&told), Value::Null);
    let (mut client, _) = joe(&gateway);
    client.send(&json!([code::CALL, 1, {}, "com.example.vanish"]));
    assert_eq!(ends(&mut client, 1012).0, "wamp.close.system_shutdown");
    gateway.output().until("reason=\"upstream-lost\"", 1);
}

#[test]
fn pings_of_the_router_are_answered_and_nonsense_ends_the_session() {
    let nonsense: [fn(&mut RawLink); 4] = [
        |link| link.write(3, b""),
        |link| link.write(0x10, b""),
        |link| link.write(0, b"no JSON"),
        |link| link.write(0, "x".repeat(20_000).as_bytes()),
    ];
    for break_it in nonsense {
        let (tell, told) = channel();
        let router = Router::raw(accepts(15), move |link| {
            link.welcomes();
            link.write(1, b"are you there?");
            tell.send(link.frame().map(|(kind, payload)| (kind, payload.len()))).unwrap();
            break_it(link);
            while link.frame().is_some() {}
            tell.send(None).unwrap();
        });
        let gateway = gateway(&router.raw_url(), &json!({ "max_message_size": 10_000 }));
        let (mut joe, _) = joe(&gateway);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some((2, 14)));
        assert_eq!(ends(&mut joe, 1014).0, "wamp.close.system_shutdown");
        gateway.output().until("reason=\"upstream-nonsense\"", 1);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), None);
    }
}

#[test]
fn what_is_longer_than_the_router_takes_is_answered_in_its_place() {
    let (tell, told) = channel();
    // 4 KiB.
    let router = Router::raw(accepts(3), move |link| {
        link.welcomes();
        link.send(&json!([code::INVOCATION, 1, 2, {}]));
        while let Some(message) = link.receive() {
            tell.send(message).unwrap();
        }
    });
    let gateway = gateway(&router.raw_url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    let large = json!("x".repeat(5000));
    joe.expect(code::INVOCATION);
    let call = joe.call("com.example.echo", &json!([large]), &json!({}));
    assert_eq!(uri(&joe.result(call).unwrap_err()), "wamp.error.payload_size_exceeded");
    joe.send(&json!([code::PUBLISH, 100, {}, "com.example.topic", [large]]));
    joe.send(&json!([code::YIELD, 1, {}, [large]]));
    let error = hears(&told);
    assert_eq!(
        (&error[0], &error[2], &error[4]),
        (&json!(code::ERROR), &json!(1), &json!("wamp.error.payload_size_exceeded"))
    );
    joe.send(&json!([code::PUBLISH, 101, {}, "com.example.topic", ["x"]]));
    assert_eq!(hears(&told), json!([code::PUBLISH, 101, {}, "com.example.topic", ["x"]]));
}

#[test]
fn a_router_that_hangs_up_is_asked_for_another_serializer() {
    let json_alone = |octets: [u8; 4]| if octets[1] & 0x0f == 1 { accepts(15)(octets) } else { Vec::new() };
    let router = Router::raw(json_alone, |link| {
        link.welcomes();
        while let Some(call) = link.receive() {
            link.send(&json!([code::RESULT, call[1], {}, call[4]]));
        }
    });
    let gateway = gateway(&router.raw_url(), &json!({}));
    for serializer in Serializer::ALL {
        let (mut client, _) = joe_with(&gateway, serializer, false);
        let call = client.call("com.example.same", &json!(["x", 1]), &json!({}));
        assert_eq!(client.result(call).unwrap()[3], json!(["x", 1]));
    }
}

#[test]
fn a_router_that_refuses_the_handshake_is_told_apart_in_the_log() {
    for (answer, reason, said) in [
        (&b"\x7f\x40\x00\x00"[..], "upstream-unreachable", "as many connections"),
        (b"\x7f\x20\x00\x00", "upstream-nonsense", "with the error 2"),
        (b"\x7f\x10\x00\x00", "upstream-nonsense", "does not speak the serializer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "upstream-nonsense", "does not answer as RawSocket does"),
        (b"", "upstream-lost", "has not come"),
    ] {
        let router = Router::raw(move |_| answer.to_vec(), |_| ());
        let gateway = gateway(&router.raw_url(), &json!({}));
        let down = refused(&gateway);
        assert_eq!((&*down.reason, down.close), ("wamp.error.unavailable", 1013), "{said}");
        gateway.output().until(&format!("reason=\"{reason}\""), 1);
        gateway.output().until(said, 1);
    }
    // Another address may be one of WebSocket.
    let full = Router::raw(|_| b"\x7f\x40\x00\x00".to_vec(), |_| ());
    let router = router();
    let gateway = gateway(&full.raw_url(), &json!({ "addresses": [full.raw_url(), at(&router)] }));
    joe(&gateway).0.echoes();
}
