//! Paths with several upstreams, of which the policy chooses: clients reach the chosen one, and without a choice none.

mod logouts;
mod records;
mod routers;

use std::{fs, time::Instant};

use serde_json::{Value, json};

use super::metrics::metrics;
use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, PATIENCE,
    command::{run, wampgate},
    config::{self, With as _, with_metrics},
    http::{Connection, Response},
    upstream::Upstream,
};

/// Chooses as its configuration says: `plugins/scripted-policy`.
const SCRIPTED: &[u8] = include_bytes!("../component/scripted-policy.wasm");

/// The example: `plugins/regions`.
const REGIONS: &[u8] = include_bytes!("../component/regions.wasm");

/// A policy that is built in, and chooses nothing.
const DEFAULT: &[u8] = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");

/// A policy that chooses as this says.
fn choosing(choice: &Value) -> Value {
    json!({ "component": "scripted.wasm", "deadline": "10s", "config": { "choose": choice } })
}

/// Staff goes to `eu`, and all others to `us`.
fn by_role() -> Value {
    choosing(&json!({ "authrole": { "frontend": "eu" }, "otherwise": "us" }))
}

/// A WebSocket path with cookies, where joe can log in and others may stay anonymous.
fn logins(policy: &Value) -> Value {
    config::logins().with("policy", policy.clone())
}

/// What upstreams are called.
fn named(eu: &Upstream, us: &Upstream, scheme: &str) -> Value {
    let at = |upstream: &Upstream| json!({ "addresses": [format!("{scheme}://{}", upstream.address)] });
    json!({ "eu": at(eu), "us": at(us) })
}

/// `/ws` with this policy, and `/app`, whose clients these are.
fn config(kind: &str, policy: &Value, upstreams: &Value) -> Value {
    let app = json!({ "type": kind, "websocket": "/ws", "upstreams": upstreams });
    with_metrics(&json!({ "ws": logins(policy), "app": app }))
}

#[track_caller]
fn prepare(config: &Value) -> Gateway {
    let gateway = Gateway::prepare(config);
    gateway.file("scripted.wasm", SCRIPTED).file("regions.wasm", REGIONS).file("default.wasm", DEFAULT)
}

#[track_caller]
fn start(config: &Value) -> Gateway {
    prepare(config).run()
}

fn handshake() -> Handshake {
    Handshake::default().path("/app").without("Sec-WebSocket-Protocol")
}

/// Joe's cookie.
#[track_caller]
fn joe(gateway: &Gateway) -> Jar {
    let mut jar = Jar::default();
    Client::joe(gateway, &mut jar);
    jar
}

/// A WebSocket through the gateway, which is answered.
#[track_caller]
fn opens(gateway: &Gateway, jar: &mut Jar) -> crate::support::WebSocket {
    let (mut socket, _) = handshake().opens_with(gateway, jar);
    echoes(&mut socket);
    socket
}

#[track_caller]
fn echoes(socket: &mut crate::support::WebSocket) {
    socket.send(&Frame::text("hello"));
    assert_eq!(socket.receive(), Some(Frame::text("hello")));
}

/// How many clients each of the two has seen.
fn seen(eu: &Upstream, us: &Upstream) -> (usize, usize) {
    (eu.heads().len(), us.heads().len())
}

/// A server that tells its name.
fn telling(name: &'static str) -> Upstream {
    Upstream::answering_each(move |asked, peer| {
        asked.body(peer);
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
        peer.write_all(answer.as_bytes()).is_ok()
    })
}

#[track_caller]
fn asks(gateway: &Gateway, headers: &str) -> Response {
    let mut connection = Connection::open(gateway);
    connection.send(format!("GET /app HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
    connection.response()
}

/// What `wampgate check` says.
#[track_caller]
fn check(gateway: &Gateway) -> (String, i32) {
    let ran = run(wampgate().arg("check").arg("--node-dir").arg(gateway.path()), "");
    (ran.stdout + &ran.stderr, ran.code)
}

#[test]
fn each_websocket_goes_on_to_the_upstream_that_the_policy_chooses() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let gateway = start(&config("websocket-proxy", &by_role(), &named(&eu, &us, "ws")));
    let mut jar = joe(&gateway);
    let mut first = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (1, 0));
    assert_eq!(eu.head().all("wampgate-authid"), ["joe"]);
    let _second = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (2, 0));
    let _other = opens(&gateway, &mut Jar::default());
    assert_eq!(seen(&eu, &us), (2, 1));
    // Nothing is asked about a connection that is open.
    echoes(&mut first);
    let metrics = metrics(&gateway);
    for line in [
        r#"scripted.wasm",outcome="routed"} 3"#.to_owned(),
        r#"wampgate_upstream_connections{transport="0",path="/app#eu"} 2"#.to_owned(),
        r#"wampgate_upstream_connections{transport="0",path="/app#us"} 1"#.to_owned(),
        r#"wampgate_upstream_dials_total{transport="0",path="/app#eu",outcome="ok"} 2"#.to_owned(),
        format!(
            r#"wampgate_upstream_address_clients{{transport="0",path="/app#us",address="ws://{}"}} 1"#,
            us.address
        ),
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line}: {metrics}");
    }
    // The log has what the policy was asked.
    gateway.output().until("authid=joe authrole=frontend authmethod=ticket", 2);
    gateway.output().until("realm=realm1 path=/app cookie=true of eu,us", 3);
    gateway.output().until("authrole=anonymous authmethod=anonymous", 1);
}

#[test]
fn each_request_goes_on_to_the_upstream_that_the_policy_chooses_and_has_its_host() {
    let (eu, us) = (telling("eu"), telling("us"));
    let mut upstreams = named(&eu, &us, "http");
    upstreams["us"]["host"] = json!("us.example");
    let policy = json!({
        "component": "regions.wasm", "deadline": "10s", "headers": ["x-country"],
        "config": { "roles": { "frontend": "eu" }, "header": "x-country", "countries": { "US": "us" }, "otherwise": "eu" },
    });
    let gateway = start(&config("proxy", &policy, &upstreams));
    let jar = joe(&gateway);
    let cookie = format!("Cookie: cbtid={}\r\n", jar.id.as_ref().unwrap());
    for (headers, expected) in [
        ("", "eu"),
        ("X-Country: US\r\n", "us"),
        ("X-Country: FR\r\n", "eu"),
        ("X-Country: US\r\nX-Country: FR\r\n", "eu"),
        (&*format!("{cookie}X-Country: US\r\n"), "eu"),
    ] {
        let response = asks(&gateway, headers);
        assert_eq!((response.status, &*response.body), (200, expected), "{headers}");
    }
    assert_eq!(us.head().all("host"), ["us.example"]);
    assert_eq!(eu.head().all("host"), ["localhost"]);
}

#[test]
fn without_a_choice_there_is_no_upstream() {
    for (choice, failure) in [
        ("asia", "contract"),
        ("", "contract"),
        ("leak!", "contract"),
        ("error!", "refused"),
        ("trap!", "trap"),
        ("loop!", "deadline"),
    ] {
        let (eu, us) = (telling("eu"), telling("us"));
        let mut policy = choosing(&json!(choice));
        if failure == "deadline" {
            policy["deadline"] = json!("50ms");
        }
        let gateway = start(&config("proxy", &policy, &named(&eu, &us, "http")));
        let response = asks(&gateway, "");
        assert_eq!(response.status, 503, "{choice}: {}", response.body);
        let refused = handshake().is_refused(&gateway, 503);
        assert!(refused.set_cookies().is_empty(), "{choice}");
        assert_eq!(seen(&eu, &us), (0, 0), "{choice}");
        let metrics = metrics(&gateway);
        let line = format!("scripted.wasm\",outcome=\"{failure}\"}} 2\n");
        assert!(metrics.contains(&line), "{choice}: {metrics}");
        gateway.output().until(&format!("failure=\"{failure}\""), 1);
        if choice == "asia" {
            gateway.output().until(r#""asia" is none of the path's `upstreams`"#, 1);
        }
    }
}

#[test]
fn the_log_tells_which_of_several_upstreams_it_was() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let mut upstreams = named(&eu, &us, "ws");
    upstreams["eu"]["max_connections"] = json!(1);
    let mut config = config("websocket-proxy", &choosing(&json!("eu")), &upstreams);
    config["transports"][0]["options"] = json!({ "access_log": true });
    let gateway = start(&config);
    let _socket = opens(&gateway, &mut Jar::default());
    handshake().is_refused(&gateway, 503);
    gateway.output().until("upstream `eu`: the upstream has as many connections", 1);
    // The client that was let in, and the one that was not.
    gateway.output().until("upstream=\"eu\" status=101", 1);
    gateway.output().until("upstream=\"eu\" status=503", 1);
}

#[test]
fn a_choice_that_fails_names_the_path_in_the_log() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let gateway = start(&config("websocket-proxy", &choosing(&json!("error!")), &named(&eu, &us, "ws")));
    handshake().is_refused(&gateway, 503);
    gateway.output().until("path=\"/app\" failure=\"refused\"", 1);
}

#[test]
fn what_a_reload_takes_goes_from_the_metrics_once_nothing_uses_it() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let of = |name: &str| {
        let upstreams =
            json!({ name: { "addresses": [eu.url("/")] }, "stays": { "addresses": [us.url("/")] } });
        config("websocket-proxy", &choosing(&json!(name)), &upstreams)
    };
    let gateway = start(&of("old"));
    let mut socket = opens(&gateway, &mut Jar::default());
    let (said, code) = gateway.reload(&of("next"));
    assert_eq!(code, 0, "{said}");
    // A connection of before keeps what it is counted by.
    echoes(&mut socket);
    let seen = metrics(&gateway);
    let open = |path: &str| format!("wampgate_upstream_connections{{transport=\"0\",path=\"{path}\"}} 1\n");
    assert!(seen.contains(&open("/app#old")), "{seen}");
    let _next = opens(&gateway, &mut Jar::default());
    drop(socket);
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = metrics(&gateway);
        // What stays counts on.
        assert!(seen.contains(&open("/app#next")) && seen.contains("/app#stays"), "{seen}");
        if !seen.contains("/app#old") {
            break;
        }
        assert!(Instant::now() < end, "{seen}");
    }
}

#[test]
fn a_policy_that_does_not_choose_is_refused_with_what_to_do() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let config = |policy: &Value| config("websocket-proxy", policy, &named(&eu, &us, "ws"));
    let mut gateway = prepare(&config(&json!({ "component": "default.wasm" })));
    let (said, code) = check(&gateway);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not export `wampgate:authid/routing@0.3.0`"), "{said}");
    assert!(said.contains("build it for the world `routing-policy`"), "{said}");
    assert!(!gateway.run_to_end().success());
    gateway.output().until("wampgate:authid/routing@0.3.0", 1);
    let sound = prepare(&config(&by_role()));
    let (said, code) = check(&sound);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_reload_adds_and_takes_upstreams_and_keeps_a_policy_that_chooses() {
    let (eu, us) = (Upstream::echo(), Upstream::echo());
    let both = config("websocket-proxy", &by_role(), &named(&eu, &us, "ws"));
    let gateway = start(&config(
        "websocket-proxy",
        &choosing(&json!("eu")),
        &json!({ "eu": { "addresses": [eu.url("/")] } }),
    ));
    let mut jar = Jar::default();
    let mut old = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (1, 0));
    let (said, code) = gateway.reload(&both);
    assert_eq!(code, 0, "{said}");
    let _new = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (1, 1));
    echoes(&mut old);

    // A component that chooses nothing does not take the place of one that has to.
    fs::write(gateway.path().join("scripted.wasm"), DEFAULT).unwrap();
    let (said, code) = gateway.reload(&both);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the new one cannot be used") && said.contains("routing@0.3.0"), "{said}");
    let _kept = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (1, 2));

    // With one upstream it need not.
    let mut one = both.clone();
    one["transports"][0]["paths"]["app"] =
        json!({ "type": "websocket-proxy", "websocket": "/ws", "upstream": { "addresses": [eu.url("/")] } });
    one["transports"][0]["paths"]["ws"]["policy"] = json!({ "component": "default.wasm" });
    let (said, code) = gateway.reload(&one);
    assert_eq!(code, 0, "{said}");
    let _last = opens(&gateway, &mut jar);
    assert_eq!(seen(&eu, &us), (2, 2));
}
