//! How each side hears of the other's end, and of the gateway's.

use super::*;

#[test]
fn a_client_that_leaves_may_join_again() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    for _ in 0..3 {
        let call = joe.call("com.example.nothing", &json!([]), &json!({}));
        joe.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        assert!(joe.result(call).is_err(), "what was asked before is answered before GOODBYE is");
        assert_eq!(joe.expect(code::GOODBYE)[2], "wamp.close.goodbye_and_out");
        joe.join_by_ticket("joe", TICKET).unwrap();
        joe.echoes();
    }
    counted(&gateway, &["wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 1"]);
}

#[test]
fn a_session_that_the_router_ends_hears_its_words() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let mut root = root(&router);
    let (mut joe, _) = joe(&gateway);
    let call = root.call(
        "wamp.session.kill_by_authid",
        &json!(["joe"]),
        &json!({ "reason": "com.example.out", "message": "go home" }),
    );
    root.result(call).unwrap();
    assert_eq!(ends(&mut joe, 1000), ("com.example.out".to_owned(), "go home".to_owned()));
    counted(
        &gateway,
        &["wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"upstream-closed\"} 1"],
    );
}

#[test]
fn a_router_that_is_gone_is_told_from_one_that_refuses() {
    let mut router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut lost, _) = joe(&gateway);
    router.kill9();
    let (reason, _) = ends(&mut lost, 1012);
    assert_eq!(reason, "wamp.close.system_shutdown");
    let down = refused(&gateway);
    assert_eq!((&*down.reason, down.close), ("wamp.error.unavailable", 1013));
    assert!(!down.message.contains("refused"), "nothing of the network is told to clients: {down:?}");
    gateway.output().until("reason=\"upstream-unreachable\"", 1);
    gateway.output().until("reason=\"upstream-lost\"", 1);
    counted(&gateway, &["wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 0"]);
}

#[test]
fn a_router_that_shuts_down_says_so_itself() {
    let mut router = router();
    let gateway = gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&gateway);
    router.signal_term();
    let (reason, message) = ends(&mut joe, 1012);
    assert_eq!((&*reason, &*message), ("wamp.close.system_shutdown", "the gateway is shutting down"));
    router.await_exit();
}

#[test]
fn nonsense_in_a_session_ends_it() {
    let nonsense: [Vec<u8>; 7] = [
        Frame::text("[48,1,{},\"com.a\"]").unmasked(),
        Frame::text("[2,1,{}]").unmasked(),
        Frame::text("[36,1,2,{}] ]").unmasked(),
        Frame::text("no JSON").unmasked(),
        Frame::new(opcode::BINARY, b"[36,1,2,{}]").unmasked(),
        Frame::text("x".repeat(20_000)).unmasked(),
        // A frame of a type that is reserved.
        b"\x83\x00".to_vec(),
    ];
    for bytes in nonsense {
        let (router, told) = Router::welcoming(move |link| link.write(&bytes));
        let gateway = gateway(&router.url(), &json!({ "max_message_size": 10_000 }));
        let (mut joe, _) = joe(&gateway);
        assert_eq!(ends(&mut joe, 1014).0, "wamp.close.system_shutdown");
        assert_eq!(hears(&told)[0], code::HELLO);
        assert_eq!(hears(&told), 1002);
        gateway.output().until("reason=\"upstream-nonsense\"", 1);
    }
}

#[test]
fn an_abort_of_the_router_reaches_the_client() {
    let (router, told) =
        Router::welcoming(|link| link.send(&json!([code::ABORT, { "message": "no" }, "com.example.stop"])));
    let gateway = gateway(&router.url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    let aborted = joe.is_aborted("com.example.stop");
    assert_eq!((&*aborted.message, aborted.close), ("no", 1000));
    assert_eq!((&hears(&told)[0], hears(&told)), (&json!(code::HELLO), json!(1000)));
}

#[test]
fn a_revocation_closes_a_hundred_sessions_at_once_and_no_other() {
    const SESSIONS: usize = 100;
    let (router, told) = Router::welcoming(|_| {});
    let gateway = anonymous(&router);
    let mut jar = Jar::default();
    let (first, welcome) = Client::joined(&gateway, &mut jar);
    let mut clients = vec![first];
    clients.extend((1..SESSIONS).map(|_| Client::joined(&gateway, &mut jar).0));
    let (mut stranger, _) = Client::joined(&gateway, &mut Jar::default());
    for _ in 0..=SESSIONS {
        assert_eq!(hears(&told)[0], code::HELLO);
    }
    let begun = Instant::now();
    let public_id = welcome["x_wampgate_public_id"].as_str().unwrap();
    assert_eq!(
        gateway.command_said("cookies", &["revoke", public_id]),
        format!("revoked 1 cookie, closed {SESSIONS} connections\n")
    );
    for client in &mut clients {
        assert_eq!(ends(client, 1008).0, "wamp.close.killed");
    }
    let (mut goodbyes, mut closes) = (0, 0);
    while goodbyes + closes < 2 * SESSIONS {
        let heard = hears(&told);
        if heard == json!([code::GOODBYE, {}, "wamp.close.normal"]) {
            goodbyes += 1;
        } else {
            assert_eq!(heard, 1000);
            closes += 1;
        }
    }
    println!("{SESSIONS} sessions were ended within {:?}, the command included", begun.elapsed());
    let call = json!([code::CALL, 1, {}, "com.example.call"]);
    stranger.send(&call);
    assert_eq!(hears(&told), call);
    counted(&gateway, &["wampgate_upstream_ends_total{transport=\"0\",path=\"/ws\",how=\"revoked\"} 100"]);
}

#[test]
fn a_logout_reaches_the_router_and_the_other_tabs() {
    let (router, told) = Router::welcoming(|_| {});
    let gateway = gateway(&router.url(), &json!({}));
    let mut jar = Jar::default();
    let mut tab = Client::open(&gateway, &mut jar);
    tab.join_by_ticket("joe", TICKET).unwrap();
    let mut other = Client::open(&gateway, &mut jar);
    other.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
    assert_eq!([hears(&told)[0].clone(), hears(&told)[0].clone()], [code::HELLO; 2].map(Value::from));
    tab.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    assert_eq!(ends(&mut tab, 1000).0, "wamp.close.goodbye_and_out");
    assert_eq!(ends(&mut other, 1008).0, "wamp.close.logout");
    let mut heard: Vec<_> = (0..4).map(|_| hears(&told).to_string()).collect();
    heard.sort();
    let goodbye = "[6,{},\"wamp.close.normal\"]";
    assert_eq!(heard, ["1000", "1000", goodbye, goodbye]);
}

#[test]
fn the_router_hears_of_a_client_that_vanishes_and_of_a_gateway_that_ends() {
    let (router, told) = Router::welcoming(|_| {});
    let mut gateway = gateway(&router.url(), &json!({}));
    let (client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    drop(client);
    hears_goodbye(&told);
    let (mut client, _) = joe(&gateway);
    assert_eq!(hears(&told)[0], code::HELLO);
    gateway.signal_term();
    assert_eq!(ends(&mut client, 1001).0, "wamp.close.system_shutdown");
    hears_goodbye(&told);
    gateway.await_exit();
}

#[test]
fn a_reload_ends_the_sessions_that_it_takes_the_ground_from() {
    let (router, told) = Router::welcoming(|_| {});
    let service = behind(&router.url(), &json!({}));
    let gateway = Gateway::start(&with_metrics(&service));
    let (mut joe, _) = joe(&gateway);
    let (mut stays, _) = Client::joined(&gateway, &mut Jar::default());
    assert_eq!([hears(&told)[0].clone(), hears(&told)[0].clone()], [code::HELLO; 2].map(Value::from));
    // Another time-out is no reason to end anything.
    let (said, exit) =
        gateway.reload(&with_metrics(&behind(&router.url(), &json!({ "join_timeout": 4000 }))));
    assert_eq!(exit, 0, "{said}");
    let call = json!([code::CALL, 1, {}, "com.example.call"]);
    joe.send(&call);
    assert_eq!(hears(&told), call);
    // Joe is no longer known.
    let mut without = service.clone();
    without["auth"]["ticket"]["principals"] = json!({ "jane": { "ticket": TICKET, "role": "frontend" } });
    let (said, exit) = gateway.reload(&with_metrics(&without));
    assert_eq!(exit, 0, "{said}");
    assert_eq!(ends(&mut joe, 1008).0, "wamp.close.killed");
    hears_goodbye(&told);
    stays.send(&call);
    assert_eq!(hears(&told), call);
    // The router is no longer there for the path.
    let mut local = service;
    local.as_object_mut().unwrap().remove("upstream");
    let (said, exit) = gateway.reload(&with_metrics(&local));
    assert_eq!(exit, 0, "{said}");
    assert_eq!(ends(&mut stays, 1008).0, "wamp.close.killed");
    hears_goodbye(&told);
    Client::joined(&gateway, &mut Jar::default()).0.echoes();
}
