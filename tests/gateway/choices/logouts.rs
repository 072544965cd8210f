//! A client that logs out while the policy makes up its mind about its upstream goes on to none.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use super::{asks, choosing, config, handshake, joe, named, routers, start, telling};
use crate::support::{
    Client, Gateway, Jar, PATIENCE, Serializer, code,
    config::{TICKET, With as _},
    router::Router,
    upstream::Upstream,
};

/// Takes seconds of the processor to choose.
fn slow() -> Value {
    choosing(&json!("slow!eu")).with("deadline", json!("10s"))
}

/// Logs joe out once the policy has been asked for his upstream so many times.
#[track_caller]
fn log_out_at_choice(gateway: &Gateway, number: usize) {
    gateway.output().until("choosing for", number);
    gateway.command("cookies", &["revoke", "--authid", "joe"]);
}

/// Logs joe out while the policy is asked for his upstream, and gives the status that he gets. On a busy machine the policy may have chosen
/// before the logout is done: then he tries again.
#[track_caller]
fn status_after_logout(gateway: &Gateway, upstream: &Upstream, go_on: impl Fn(&str) -> u16 + Sync) -> u16 {
    let end = Instant::now() + PATIENCE;
    for round in 1.. {
        let (id, seen) = (joe(gateway).id.unwrap(), upstream.heads().len());
        let has_answer = AtomicBool::new(false);
        let (status, is_in_time) = thread::scope(|scope| {
            let client = scope.spawn(|| {
                let status = go_on(&id);
                has_answer.store(true, SeqCst);
                status
            });
            log_out_at_choice(gateway, round);
            let is_in_time = !has_answer.load(SeqCst);
            (client.join().unwrap(), is_in_time)
        });
        if is_in_time {
            assert_eq!(upstream.heads().len(), seen, "no upstream hears of the client");
            return status;
        }
        assert!(Instant::now() < end, "the policy never takes long enough");
    }
    unreachable!("rounds have no end");
}

#[test]
fn a_websocket_of_a_client_that_logs_out_meanwhile_is_refused() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let gateway = start(&config("websocket-proxy", &slow(), &named(&eu, &us, "ws")));
    let status = status_after_logout(&gateway, &eu, |id| handshake().cookie(id).send(&gateway).1.status);
    assert_eq!(status, 401);
}

#[test]
fn a_request_of_a_client_that_logs_out_meanwhile_is_refused() {
    let (eu, us) = (telling("eu"), telling("us"));
    let gateway = start(&config("proxy", &slow(), &named(&eu, &us, "http")));
    let status =
        status_after_logout(&gateway, &eu, |id| asks(&gateway, &format!("Cookie: cbtid={id}\r\n")).status);
    assert_eq!(status, 401);
}

#[test]
fn a_session_of_a_client_that_logs_out_meanwhile_joins_no_router() {
    let ((eu, at_eu), (us, _)) = (Router::welcoming(|_| {}), Router::welcoming(|_| {}));
    let gateway = start(&routers::config(&slow(), &eu, &us));
    let end = Instant::now() + PATIENCE;
    for round in 1.. {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
        client.expect(code::CHALLENGE);
        client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
        log_out_at_choice(&gateway, round);
        // In time, the client hears of nothing but the end.
        let said = client.socket().receive().expect("a close frame");
        let is_welcome =
            said.close_code().is_none() && Serializer::Json.decode(&said.payload)[0] == json!(code::WELCOME);
        if !is_welcome {
            assert!(at_eu.try_recv().is_err(), "no router hears of the client");
            break;
        }
        assert_eq!(client.socket().await_close(), 1008);
        while at_eu.try_recv().is_ok() {}
        assert!(Instant::now() < end, "the policy never takes long enough");
    }
}
