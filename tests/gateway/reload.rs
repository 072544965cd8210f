//! The configuration, read again while clients are connected: by SIGHUP, by `wampgate reload`, and by `--watch`.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar,
    auth::joe,
    client::uri,
    code,
    config::{
        With as _, anonymous_auth, endpoint, everything, ticket_auth, tracked, untracked, web, web_paths,
    },
};

const KILLED: &str = "wamp.close.killed";

/// A role that may do these things with everything.
fn role(name: &str, allow: &Value) -> Value {
    json!({ "name": name, "permissions": [{ "uri": "", "match": "prefix", "allow": allow }] })
}

fn realm(roles: &[Value]) -> Value {
    json!([{ "name": "realm1", "roles": roles }])
}

/// The principals `joe` and `ann`, and anonymous clients; all may do everything.
fn team() -> Value {
    let mut auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    auth["ticket"]["principals"]["ann"] = json!({ "ticket": "ann-secret", "role": "frontend" });
    let roles = [role("anonymous", &everything()), role("frontend", &everything())];
    web(&tracked().with("auth", auth)).with("realms", realm(&roles))
}

/// The same after a change to the service's options.
fn changed(config: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut config = config.clone();
    change(&mut config);
    config
}

fn principals(config: &mut Value) -> &mut Value {
    &mut config["transports"][0]["paths"]["ws"]["auth"]["ticket"]["principals"]
}

fn ann(gateway: &Gateway) -> Client {
    let mut ann = Client::open(gateway, &mut Jar::default());
    ann.join_by_ticket("ann", "ann-secret").unwrap();
    ann
}

/// The client must be told that it is killed, and closed.
#[track_caller]
fn is_ended(client: &mut Client) {
    let goodbye = client.receive();
    assert_eq!((&goodbye[0], &goodbye[2]), (&json!(code::GOODBYE), &json!(KILLED)), "{goodbye}");
    assert_eq!(client.socket().await_close(), 1008);
}

#[test]
fn a_session_that_has_lost_its_ground_is_ended_and_all_others_stay() {
    let before = team();
    let cases: [(&str, Value, [bool; 3]); 7] = [
        ("nothing", before.clone(), [true, true, true]),
        (
            "a principal",
            changed(&before, |config| *principals(config) = json!({ "joe": principals(config)["joe"] })),
            [true, false, true],
        ),
        (
            "a secret",
            changed(&before, |config| principals(config)["ann"]["ticket"] = json!("another-one")),
            [true, false, true],
        ),
        (
            "a principal's role",
            changed(&before, |config| principals(config)["ann"]["role"] = json!("anonymous")),
            [true, false, true],
        ),
        (
            "a role",
            changed(&before, |config| {
                config["realms"] = realm(&[role("anonymous", &everything()), role("other", &everything())]);
                for name in ["joe", "ann"] {
                    principals(config)[name]["role"] = json!("other");
                }
            }),
            [false, false, true],
        ),
        (
            "anonymous clients",
            changed(&before, |config| {
                config["transports"][0]["paths"]["ws"]["auth"].as_object_mut().unwrap().remove("anonymous");
            }),
            [true, true, false],
        ),
        (
            "the path",
            changed(&before, |config| {
                let service = config["transports"][0]["paths"]["ws"].take();
                config["transports"][0]["paths"] = json!({ "other": service });
            }),
            [false, false, false],
        ),
    ];
    for (what, after, stays) in cases {
        let gateway = Gateway::start(&before);
        let mut joe_joined = Client::open(&gateway, &mut Jar::default());
        joe_joined.join_by(&joe("ticket")).unwrap();
        let (anonymous, _) = Client::joined(&gateway, &mut Jar::default());
        let mut clients = [joe_joined, ann(&gateway), anonymous];
        let (said, code) = gateway.reload(&after);
        assert_eq!(code, 0, "{what}: {said}");
        let ended = stays.iter().filter(|stays| !**stays).count();
        assert_eq!(said.contains("nothing has changed"), what == "nothing", "{said}");
        assert!(ended == 0 || said.contains(&format!("ended: {ended} ")), "{what}: {said}");
        for (client, stays) in clients.iter_mut().zip(stays) {
            if stays { client.echoes() } else { is_ended(client) }
        }
    }
}

#[test]
fn permissions_count_from_the_next_message_on() {
    let gateway = Gateway::start(&team());
    let mut ann = Client::open(&gateway, &mut Jar::default());
    let features = |name: &str| json!({ "features": { name: true } });
    ann.hello(
        "realm1",
        json!({ "authid": "ann", "authmethods": ["ticket"], "roles": {
        "subscriber": features("subscription_revocation"), "callee": features("registration_revocation"),
        "publisher": {}, "caller": {},
    } }),
    );
    ann.expect(code::CHALLENGE);
    ann.send(&json!([code::AUTHENTICATE, "ann-secret", {}]));
    ann.outcome().unwrap();
    ann.subscribe("com.topic").unwrap();
    ann.register("com.procedure").unwrap();
    let less = changed(&team(), |config| {
        config["realms"] =
            realm(&[role("anonymous", &everything()), role("frontend", &json!({ "call": true }))]);
    });
    assert_eq!(gateway.reload(&less).1, 0);
    for kind in [code::UNREGISTERED, code::UNSUBSCRIBED] {
        let told = ann.expect(kind);
        assert_eq!(told[1], 0, "{told}");
        assert_eq!(told[2]["reason"], "wamp.error.not_authorized", "{told}");
    }
    assert_eq!(ann.subscribe("com.topic").unwrap_err(), "wamp.error.not_authorized");
    let call = ann.call("com.procedure", &json!([]), &json!({}));
    assert_eq!(uri(&ann.result(call).unwrap_err()), "wamp.error.no_such_procedure", "it may still call");
    assert_eq!(gateway.reload(&team()).1, 0);
    ann.subscribe("com.topic").unwrap();
}

#[test]
fn a_join_in_challenge_is_refused_when_its_principal_is_gone() {
    let gateway = Gateway::start(&team());
    let mut client = Client::open(&gateway, &mut Jar::default());
    let challenge = client.challenged(&joe("ticket"));
    let gone = changed(&team(), |config| {
        principals(config).as_object_mut().unwrap().remove("joe");
    });
    assert_eq!(gateway.reload(&gone).1, 0);
    client.send(&joe("ticket").authenticate(&challenge));
    assert_eq!(client.outcome().unwrap_err().reason, "wamp.error.unavailable");
    // A connection that was open before meets what holds now, with each HELLO.
    let mut waiting = Client::open(&gateway, &mut Jar::default());
    assert_eq!(gateway.reload(&team()).1, 0);
    waiting.join_by(&joe("ticket")).unwrap();
}

#[test]
fn a_fault_keeps_everything_and_is_told() {
    let gateway = Gateway::start(&team());
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let bad =
        changed(&team(), |config| config["transports"][0]["paths"]["ws"]["hello_timeout"] = json!("soon"));
    let (said, code) = gateway.reload(&bad);
    assert_eq!(code, 1);
    assert!(said.contains("hello_timeout"), "{said}");
    gateway.output().until("the old configuration goes on", 1);
    let missing = changed(&team(), |config| {
        config["transports"][0]["paths"]["ws"]["policy"] = json!({ "component": "missing.wasm" });
        principals(config).as_object_mut().unwrap().remove("ann");
    });
    let (said, code) = gateway.reload(&missing);
    assert_eq!(code, 1);
    assert!(said.contains("missing.wasm"), "{said}");
    client.echoes();
    ann(&gateway).echoes();
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_applied() {
    let gateway = Gateway::start(&team());
    let store = json!({ "type": "memory", "max_cookies": 77 });
    let after = changed(&team(), |config| {
        config["transports"][0]["paths"]["ws"]["cookie"]["store"] = store;
        config["transports"][0]["paths"]["more"] = json!({ "type": "json", "value": 1 });
    });
    for _ in 0..2 {
        let (said, code) = gateway.reload(&after);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("needs a restart: the options of the store"), "{said}");
    }
    Handshake::default().replace("Host", "localhost").path("/more").is_refused(&gateway, 200);
    ann(&gateway).echoes();
}

#[test]
fn routes_listeners_and_realms_come_and_go() {
    let gateway = Gateway::start(&web(&untracked()));
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    let socket = gateway.path().join("more.sock");
    let unix = json!({ "type": "web", "endpoint": { "type": "unix", "path": "more.sock" }, "paths": { "ws": untracked() } });
    let mut more = web_paths(&json!({ "ws": untracked(), "more": { "type": "json", "value": 1 } }));
    more["transports"].as_array_mut().unwrap().push(unix);
    let (said, code) = gateway.reload(&more);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the path /more") && said.contains("the listener at"), "{said}");
    let mut connected = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    client.echoes();
    assert_eq!(gateway.reload(&web(&untracked())).1, 0);
    assert_eq!(std::io::Read::read(&mut connected, &mut [0]).unwrap(), 0, "it is drained");
    assert!(!socket.exists());
    client.echoes();
    let other = json!([{ "name": "realm2", "roles": [role("anonymous", &everything())] }]);
    let (said, code) = gateway.reload(&web(&untracked()).with("realms", other));
    assert_eq!(code, 0, "{said}");
    let goodbye = client.receive();
    assert_eq!(goodbye[2], "wamp.close.system_shutdown", "{goodbye}");
    Client::open(&gateway, &mut Jar::default()).join("realm2", json!({})).unwrap();
}

#[test]
fn a_changed_file_is_read_by_itself_with_watch() {
    let gateway = Gateway::prepare(&team()).arguments(&["--watch"]).run();
    gateway.configure(&changed(&team(), |config| {
        principals(config).as_object_mut().unwrap().remove("ann");
    }));
    gateway.output().until("goes by its new configuration", 1);
    Client::open(&gateway, &mut Jar::default()).join_by_ticket("ann", "ann-secret").unwrap_err();
}

#[test]
fn a_hundred_reloads_under_load_fail_no_join_and_end_no_session() {
    let metrics = json!({ "type": "metrics" });
    let config = |round: usize| {
        let mut config = changed(&team(), |config| {
            principals(config)["user"] = json!({ "ticket": format!("secret-{round}"), "role": "frontend" });
        });
        let listener = json!({ "type": "web", "endpoint": endpoint(), "paths": { "metrics": metrics } });
        config["transports"].as_array_mut().unwrap().push(listener);
        config
    };
    let gateway = Gateway::start(&config(0));
    let mut sessions: Vec<Client> =
        (0..20).map(|_| Client::joined(&gateway, &mut Jar::default()).0).collect();
    let (stop, joins) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let joining = scope.spawn(|| {
            let mut jar = Jar::default();
            while !stop.load(Relaxed) {
                let mut client = Client::open(&gateway, &mut jar);
                client.joins();
                client.leaves();
                joins.fetch_add(1, Relaxed);
            }
        });
        for round in 1..=100 {
            let before = joins.load(Relaxed);
            gateway.configure(&config(round));
            gateway.signal(Signal::HUP);
            gateway.output().until("goes by its new configuration", round);
            while joins.load(Relaxed) == before {
                assert!(!joining.is_finished(), "a join failed");
                thread::yield_now();
            }
        }
        stop.store(true, Relaxed);
    });
    for client in &mut sessions {
        client.echoes();
    }
    let shown = super::metrics::metrics(&gateway);
    for name in ["wampgate_sessions{", "wampgate_store_ready{"] {
        assert_eq!(shown.matches(&format!("\n{name}")).count(), 1, "{name} in {shown}");
    }
}
