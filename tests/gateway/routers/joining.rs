//! What happens while the gateway joins a router for a client.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A router that hears HELLO, does not answer before it is told to, and reports the end of each connection as null.
fn waiting() -> (Router, Receiver<Value>, Sender<Value>) {
    let ((tell, told), (order, ordered)) = (channel(), channel::<Value>());
    let ordered = std::sync::Mutex::new(ordered);
    let router = Router::start(move |link| {
        tell.send(link.receive()).unwrap();
        if let Ok(answer) = ordered.lock().unwrap().recv_timeout(PATIENCE) {
            link.send(&answer);
        }
        while let Some(frame) = link.frame() {
            if frame.opcode == opcode::TEXT {
                tell.send(serde_json::from_slice(&frame.payload).unwrap()).unwrap();
            }
        }
        tell.send(Value::Null).unwrap();
    });
    (router, told, order)
}

/// Joe has logged in, and the router has heard of it.
#[track_caller]
fn joining(gateway: &Gateway, told: &Receiver<Value>) -> Client {
    let mut client = Client::open(gateway, &mut Jar::default());
    client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
    assert_eq!(client.receive()[0], code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    assert_eq!(hears(told)[0], code::HELLO);
    client
}

#[test]
fn a_client_that_leaves_before_welcome_takes_its_place_with_it() {
    let leave: [fn(Client); 5] = [
        drop,
        |mut client| {
            client.send(&json!([code::ABORT, {}, "wamp.close.system_shutdown"]));
            assert_eq!(client.socket().await_close(), 1000);
        },
        |mut client| {
            client.socket().send(&Frame::new(opcode::CLOSE, 1000_u16.to_be_bytes()));
            assert_eq!(client.socket().await_close(), 1000);
        },
        |mut client| {
            client.send(&json!([code::SUBSCRIBE, 1, {}, "com.example.data"]));
            assert_eq!(client.is_aborted("wamp.error.protocol_violation").close, 1002);
        },
        |mut client| {
            client.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
            assert_eq!(client.is_aborted("wamp.error.protocol_violation").close, 1002);
        },
    ];
    let (tell, told) = channel();
    let router = Router::start(move |link| {
        tell.send(link.receive()).unwrap();
        assert_eq!(link.frame().map(|frame| frame.opcode), None, "nothing comes but the end");
        tell.send(Value::Null).unwrap();
    });
    let gateway = gateway(&router.url(), &json!({ "join_timeout": 600_000, "max_connections": 1 }));
    for leave in leave {
        leave(joining(&gateway, &told));
        assert_eq!(hears(&told), Value::Null);
        counted(&gateway, &["wampgate_upstream_connections{transport=\"0\",path=\"/ws\"} 0"]);
    }
}

#[test]
fn a_revocation_finds_a_login_whose_router_has_not_answered() {
    let (router, told) = Router::silent();
    let gateway = gateway(&router.url(), &json!({ "join_timeout": 600_000 }));
    let mut client = joining(&gateway, &told);
    let said = gateway.command_said("cookies", &["revoke", "--authid", "joe"]);
    assert_eq!(said, "revoked 1 cookie, closed 1 connection\n");
    assert_eq!(client.socket().await_close(), 1008);
    assert_eq!(hears(&told), Value::Null);
}

#[test]
fn a_reload_while_the_router_is_joined_takes_the_ground_from_the_session() {
    let (router, told, order) = waiting();
    let service = behind(&router.url(), &json!({ "join_timeout": 600_000 }));
    let gateway = Gateway::start(&with_metrics(&service));
    let mut client = joining(&gateway, &told);
    let mut without = service;
    without["auth"]["ticket"]["principals"] = json!({ "jane": { "ticket": TICKET, "role": "frontend" } });
    let (said, exit) = gateway.reload(&with_metrics(&without));
    assert_eq!(exit, 0, "{said}");
    order.send(json!([code::WELCOME, 4711, welcome(&json!("joe"))])).unwrap();
    client.outcome().unwrap();
    assert_eq!(ends(&mut client, 1008).0, "wamp.close.killed");
    assert_eq!(hears(&told), json!([code::GOODBYE, {}, "wamp.close.normal"]));
}

#[test]
fn a_router_says_little_before_welcome_and_much_in_a_session() {
    let long = "x".repeat(100_000);
    let message = long.clone();
    let talkative = Router::start(move |link| {
        link.receive();
        link.send(&json!([code::ABORT, { "message": message }, "com.example.banned"]));
        link.frame();
    });
    let before = gateway(&talkative.url(), &json!({}));
    let refused = refused(&before);
    assert_eq!((&*refused.reason, refused.close), ("wamp.error.unavailable", 1013));
    before.output().until("reason=\"upstream-nonsense\"", 1);
    // What is sent right behind WELCOME is of the session.
    let event = json!([code::EVENT, 1, 2, {}, [long]]);
    let told = event.clone();
    let busy = Router::start(move |link| {
        let hello = link.receive();
        let welcome = json!([code::WELCOME, 4711, welcome(&hello[2]["authid"])]);
        let frames = [&welcome, &told].map(|message| Frame::text(message.to_string()).unmasked());
        link.write(&frames.concat());
        while link.frame().is_some() {}
    });
    let gateway = gateway(&busy.url(), &json!({}));
    let (mut joe, _) = joe(&gateway);
    assert_eq!(joe.receive(), event);
}

#[test]
fn a_router_that_is_stopped_keeps_no_client_waiting() {
    let router = router();
    let gateway = gateway(&at(&router), &json!({ "response_timeout": 300 }));
    router.signal(Signal::STOP);
    let stopped = refused(&gateway);
    assert_eq!((&*stopped.reason, stopped.close), ("wamp.error.unavailable", 1013));
    router.signal(Signal::CONT);
    gateway.output().until("reason=\"upstream-silent\"", 1);
    // A login takes longer than that where much else runs.
    let patient = self::gateway(&at(&router), &json!({}));
    let (mut joe, _) = joe(&patient);
    joe.echoes();
}

#[test]
fn a_refusal_of_the_gateway_is_none_of_its_client() {
    let router = router();
    let told = |auth: &Value| {
        let gateway = gateway(&at(&router), &json!({ "auth": auth }));
        let refused = refused(&gateway);
        gateway.output().until("reason=\"upstream-login\"", 1);
        let said = gateway.output().text();
        assert!(!said.contains("not-the-secret"), "{said}");
        (refused.reason, refused.close)
    };
    let unavailable = ("wamp.error.unavailable".to_owned(), 1013);
    assert_eq!(told(&json!({ "type": "ticket", "ticket": "not-the-secret" })), unavailable);
    assert_eq!(
        told(&json!({ "type": "account", "authid": "edge", "ticket": "not-the-secret" })),
        unavailable
    );
    assert_eq!(
        told(&json!({ "type": "account", "authid": "crate", "wampcra": "not-the-secret" })),
        unavailable
    );
    // A method that the router does not have.
    let fake = Router::start(|link| {
        link.receive();
        link.send(&json!([code::CHALLENGE, "cryptosign", { "challenge": "00" }]));
        assert_eq!(link.frame().map(|frame| frame.opcode), None, "no secret is sent");
    });
    let gateway = gateway(&fake.url(), &json!({}));
    assert_eq!(refused(&gateway).reason, "wamp.error.unavailable");
}

#[test]
fn a_router_may_refuse_a_client_and_its_realm() {
    let router = router();
    let unknown =
        json!([{ "name": "realm1", "upstream_name": "nowhere", "roles": ["anonymous", "frontend"] }]);
    let gateway = gateway(&at(&router), &json!({ "realms": unknown }));
    assert_eq!(refused(&gateway).reason, "wamp.error.no_such_realm");
    let mut client = Client::open(&gateway, &mut Jar::default());
    let refused_here = client.join("other", json!({})).unwrap_err();
    assert_eq!(
        refused_here.reason, "wamp.error.no_such_realm",
        "only the realms of the configuration are asked for"
    );
    let banning = Router::start(|link| {
        link.receive();
        link.send(&json!([code::ABORT, { "message": "internal words" }, "com.example.banned"]));
        link.frame();
    });
    let gateway = self::gateway(&banning.url(), &json!({}));
    let banned = refused(&gateway);
    assert_eq!((&*banned.reason, &*banned.message, banned.close), ("com.example.banned", "", 1000));
    gateway.output().until("reason=\"upstream-refused\"", 1);
}

/// What a router answers to a HELLO.
type Answer = Box<dyn Fn(&Value) -> Value + Send + Sync>;

#[test]
fn nonsense_lets_no_client_in() {
    let answers: [Answer; 6] = [
        // The router takes joe for another one.
        Box::new(|_| json!([code::WELCOME, 1, welcome(&json!("root"))])),
        Box::new(|_| json!([code::WELCOME, 1, { "roles": {} }])),
        Box::new(|hello| json!([code::WELCOME, 0, welcome(&hello[2]["authid"])])),
        Box::new(|_| json!([code::EVENT, 1, 2, {}])),
        Box::new(|_| json!({})),
        Box::new(|_| json!([code::WELCOME])),
    ];
    for answer in answers {
        let router = Router::start(move |link| {
            let hello = link.receive();
            link.send(&answer(&hello));
            link.frame();
        });
        let gateway = gateway(&router.url(), &json!({}));
        let refused = refused(&gateway);
        assert_eq!((&*refused.reason, refused.close), ("wamp.error.unavailable", 1013));
    }
    let (silent, _) = Router::silent();
    let gateway = gateway(&silent.url(), &json!({ "join_timeout": 200 }));
    assert_eq!(refused(&gateway).reason, "wamp.error.unavailable");
    gateway.output().until("reason=\"upstream-silent\"", 1);
}

#[test]
fn each_client_comes_back_to_its_router() {
    let routers: Vec<_> = (0..2).map(|_| Router::welcoming(|_| ())).collect();
    let addresses: Vec<_> = routers.iter().map(|(router, _)| router.url()).collect();
    let more = json!({ "addresses": addresses, "choice": "sticky" });
    let gateway = Gateway::start(&with_metrics(&tracked().with("upstream", upstream("", &more))));
    let mut reached = [false; 2];
    for _ in 0..24 {
        let mut jar = Jar::default();
        let mut come = || {
            let mut client = Client::open(&gateway, &mut jar);
            client.joins();
            client.leaves();
            let is_hello = |message: Value| message[0] == code::HELLO;
            let end = Instant::now() + PATIENCE;
            loop {
                let joined = routers.iter().position(|(_, told)| told.try_iter().any(is_hello));
                if let Some(joined) = joined {
                    return joined;
                }
                assert!(Instant::now() < end, "the client has joined no router");
                thread::yield_now();
            }
        };
        let home = come();
        for _ in 0..2 {
            assert_eq!(come(), home);
        }
        reached[home] = true;
    }
    assert_eq!(reached, [true; 2], "all clients go to one router");
}
