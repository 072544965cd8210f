//! Questions of proxies: whether a request is allowed, and whose it is.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::metrics::metrics;
use crate::support::{
    Client, Gateway, Handshake, Jar, code,
    config::{TICKET, With as _, endpoint, logins, with_metrics},
    http::{Connection, Response},
};

/// The headers that tell who a client is.
const IDENTITY: [&str; 4] =
    ["wampgate-authid", "wampgate-authrole", "wampgate-authmethod", "wampgate-client"];

/// A service at `/ws` on which joe can log in and come back, with this at `/auth`.
fn config(question: &Value) -> Value {
    let question = json!({ "type": "forward-auth" }).with_all(question);
    let mut config = with_metrics(&json!({ "ws": logins(), "auth": question }));
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1"] });
    config
}

trait WithAll {
    fn with_all(self, more: &Value) -> Self;
}

impl WithAll for Value {
    fn with_all(mut self, more: &Value) -> Self {
        self.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self
    }
}

/// Asks as a proxy does, with the cookie of a client and further headers.
#[track_caller]
fn ask(gateway: &Gateway, jar: &Jar, line: &str, headers: &str) -> Response {
    let mut connection = Connection::open(gateway);
    connection.send(request(jar, line, headers));
    let response = if line.starts_with("HEAD") { connection.head() } else { connection.response() };
    assert_is_an_answer(&response, jar);
    response
}

fn request(jar: &Jar, line: &str, headers: &str) -> String {
    let cookie = jar.id.as_ref().map_or_else(String::new, |id| format!("Cookie: a=b; cbtid={id}\r\n"));
    format!("{line}\r\nHost: localhost\r\n{cookie}{headers}\r\n")
}

#[track_caller]
fn assert_is_an_answer(response: &Response, jar: &Jar) {
    for name in IDENTITY {
        assert_eq!(response.headers.iter().filter(|(other, _)| other == name).count(), 1, "{response:?}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("vary"), Some("Cookie"));
    assert!(response.set_cookies().is_empty(), "{response:?}");
    if let Some(id) = &jar.id {
        assert!(!format!("{response:?}").contains(id), "{response:?}");
    }
}

/// A client that has been here without logging in, and its public ID.
fn visitor(gateway: &Gateway) -> (Jar, String) {
    let mut jar = Jar::default();
    let welcome = Client::open(gateway, &mut jar).join("realm1", json!({})).unwrap();
    (jar, welcome["x_wampgate_public_id"].as_str().unwrap().to_owned())
}

fn joe(gateway: &Gateway) -> (Jar, String) {
    let mut jar = Jar::default();
    let (_, welcome) = Client::joe(gateway, &mut jar);
    (jar, welcome["x_wampgate_public_id"].as_str().unwrap().to_owned())
}

fn identity(response: &Response) -> [&str; 4] {
    IDENTITY.map(|name| response.header(name).unwrap())
}

const LINE: &str = "GET /auth HTTP/1.1";

#[test]
fn a_cookie_that_the_store_knows_is_enough_unless_more_is_asked_for() {
    let gateway = Gateway::start(&config(&json!({})));
    let planted = Jar { id: Some("AAAAAAAAAAAAAAAAAAAAAAAA".to_owned()) };
    for jar in [&Jar::default(), &planted] {
        let response = ask(&gateway, jar, LINE, "");
        assert_eq!((response.status, identity(&response)), (401, [""; 4]));
        assert_eq!(response.header("www-authenticate"), Some("Cookie realm=\"wampgate\""));
        assert_eq!(response.body, "log in first\n");
    }
    let (jar, public_id) = visitor(&gateway);
    // What a client writes into the headers counts for nothing.
    let response = ask(&gateway, &jar, LINE, "Wampgate-Authid: root\r\n");
    assert_eq!((response.status, identity(&response)), (200, ["", "", "", &public_id]));
    assert_eq!((response.header("content-length"), &*response.body), (Some("0"), ""));
    let (jar, public_id) = joe(&gateway);
    let response = ask(&gateway, &jar, LINE, "");
    assert_eq!((response.status, identity(&response)), (200, ["joe", "frontend", "ticket", &public_id]));
}

#[test]
fn any_method_and_any_path_below_the_mount_is_a_question() {
    let gateway = Gateway::start(&config(&json!({ "require": "authenticated" })));
    let ((joe, _), (visitor, _)) = (joe(&gateway), visitor(&gateway));
    for line in [
        "HEAD /auth HTTP/1.1",
        "POST /auth/ HTTP/1.1",
        "DELETE /auth/a/b?c=d HTTP/1.1",
        "OPTIONS /auth//x HTTP/1.1",
        "PROPFIND /auth/../ws HTTP/1.1",
        "GET /auth/%2e%2e/%2F%00%zz HTTP/1.1",
        "GET /auth HTTP/1.0",
    ] {
        assert_eq!(ask(&gateway, &joe, line, "").status, 200, "{line}");
        assert_eq!(ask(&gateway, &visitor, line, "").status, 401, "{line}");
    }
    // A page may not ask for a WebSocket here, whatever a proxy passes on.
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n";
    assert_eq!(ask(&gateway, &joe, LINE, upgrade).status, 200);
    assert_eq!(ask(&gateway, &visitor, LINE, upgrade).status, 401);
}

#[test]
fn a_client_that_has_logged_out_is_refused_at_once() {
    let gateway = Gateway::start(&config(&json!({ "require": "authenticated" })));
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join_by_ticket("joe", TICKET).unwrap();
    assert_eq!(ask(&gateway, &jar, LINE, "").status, 200);
    client.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
    client.socket().await_close();
    assert_eq!(ask(&gateway, &jar, LINE, "").status, 401);
}

#[test]
fn a_role_that_is_not_let_through_is_forbidden() {
    let question = json!({ "roles": ["admin", "frontend"] });
    let gateway = Gateway::start(&config(&question));
    assert_eq!(ask(&gateway, &joe(&gateway).0, LINE, "").status, 200);
    assert_eq!(ask(&gateway, &visitor(&gateway).0, LINE, "").status, 401, "logging in may help");
    let gateway = Gateway::start(&config(&json!({ "roles": ["admin"] })));
    let response = ask(&gateway, &joe(&gateway).0, LINE, "");
    assert_eq!((response.status, identity(&response)), (403, [""; 4]));
    gateway.output().until("forbidden-role", 1);
}

#[test]
fn a_question_may_come_by_another_transport_with_names_of_its_own() {
    let headers = json!({ "authid": "Remote-User", "authrole": "Remote-Groups" });
    let question = json!({ "type": "forward-auth", "websocket": "public/ws", "headers": headers });
    let config = json!({ "transports": [
        { "type": "web", "endpoint": endpoint(), "paths": { "/": question } },
        { "type": "web", "id": "public", "endpoint": endpoint(), "paths": { "ws": logins() } },
    ]});
    let gateway = Gateway::start(&config);
    let mut jar = Jar::default();
    let (mut socket, _) = {
        let mut connection = Connection::open_at(gateway.address_of(1));
        connection.send(Handshake::default().bytes());
        let response = connection.response();
        jar.id = response.tracking_id();
        (connection, response)
    };
    let mut connection = Connection::open_at(gateway.address_of(0));
    connection.send(request(&jar, "GET /any/path HTTP/1.1", ""));
    let response = connection.response();
    assert_eq!((response.status, response.header("remote-user")), (200, Some("")));
    assert_eq!(response.header("remote-groups"), Some(""));
    assert!(!response.header("wampgate-client").unwrap().is_empty());
    assert!(response.header("wampgate-authid").is_none());
    socket.finish_sending();
}

#[test]
fn a_proxy_asks_thousands_of_times_over_one_connection() {
    let gateway = Gateway::start(&config(&json!({ "require": "authenticated" })));
    let (joe, stranger) = (joe(&gateway).0, Jar::default());
    let mut connection = Connection::open(&gateway);
    for round in 0..20 {
        // Pipelined: all of them before the first answer.
        let mut requests = String::new();
        for _ in 0..50 {
            requests += &request(&joe, "GET /auth/page HTTP/1.1", "");
            requests += &request(&stranger, "POST /auth/page HTTP/1.1", "Content-Length: 0\r\n");
        }
        connection.send(requests);
        for _ in 0..50 {
            assert_eq!(connection.response().status, 200, "round {round}");
            assert_eq!(connection.response().status, 401, "round {round}");
        }
    }
    // HTTP/1.0 keeps a connection only if both sides say so.
    connection.send(request(&joe, "GET /auth HTTP/1.0", "Connection: keep-alive\r\n"));
    let response = connection.response();
    assert_eq!(response.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("keep-alive"));
    connection.send(request(&joe, "GET /auth HTTP/1.0", ""));
    assert_eq!(connection.response().status, 200);
    connection.assert_ends();
}

#[test]
fn a_gateway_that_drains_answers_and_asks_the_proxy_to_hang_up() {
    let mut config = config(&json!({}));
    config["transports"][0]["paths"]["ws"]["options"] = json!({ "close_handshake_timeout": 60_000 });
    let gateway = Gateway::start(&config);
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    client.join("realm1", json!({})).unwrap();
    let mut connection = Connection::open(&gateway);
    connection.send(request(&jar, LINE, ""));
    assert_eq!(connection.response().header("connection"), None);
    gateway.signal_term();
    // The client does not answer, so that the drain takes its time.
    assert_eq!(client.receive()[0], code::GOODBYE);
    connection.send(request(&jar, LINE, ""));
    let response = connection.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    connection.assert_ends();
}

#[test]
fn only_a_proxy_that_is_not_trusted_is_limited() {
    let mut config = config(&json!({}));
    config["transports"][0]["per_address"] = json!({ "handshakes_per_second": 1 });
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.8"] });
    let gateway = Gateway::start(&config);
    let statuses = |source: u8| {
        let source = Ipv4Addr::new(127, 0, 0, source).into();
        let mut connection = Connection::open_from(Some(source), gateway.address());
        let ask = |_| {
            connection.send(request(&Jar::default(), LINE, "X-Forwarded-For: 203.0.113.9\r\n"));
            let response = connection.response();
            assert_is_an_answer(&response, &Jar::default());
            response.status
        };
        (0..60).map(ask).collect::<Vec<_>>()
    };
    let untrusted = statuses(7);
    assert!(untrusted.starts_with(&[401; 20]) && untrusted.contains(&429), "{untrusted:?}");
    assert_eq!(statuses(8), [401; 60]);
}

const CUSTOM: &str = include_str!("../component/guests/custom.wat");

#[test]
fn a_policy_decides_without_a_hello_and_a_broken_one_lets_no_request_through() {
    let mut config = config(&json!({ "policy": true }));
    let paths = config["transports"][0]["paths"].as_object_mut().unwrap();
    let with_policy =
        |component| logins().with("policy", json!({ "component": component, "deadline": "10s" }));
    paths["ws"] = with_policy("custom.wasm");
    paths.insert("broken".to_owned(), with_policy("broken.wasm"));
    let broken = json!({ "type": "forward-auth", "policy": true, "websocket": "/broken", "timeout": 10_000 });
    paths.insert("auth-broken".to_owned(), broken);
    paths["auth"]["websocket"] = json!("/ws");
    paths["auth"]["timeout"] = json!(10_000);
    let gateway = Gateway::prepare(&config)
        .file("custom.wasm", wat::parse_str(CUSTOM).unwrap())
        .file("broken.wasm", super::metrics::policy("unreachable"))
        .run();
    let (jar, public_id) = joe(&gateway);
    let response = ask(&gateway, &jar, LINE, "");
    let [authid, authrole, authmethod, client] = identity(&response);
    assert_eq!((response.status, authrole, authmethod, client), (200, "anonymous", "anonymous", &*public_id));
    assert!(authid.starts_with("vip-") && authid.contains(&public_id), "{authid}");
    // It gives no name to a client without a cookie.
    let response = ask(&gateway, &Jar::default(), LINE, "");
    assert_eq!((response.status, identity(&response)), (200, ["", "anonymous", "anonymous", ""]));
    let response = ask(&gateway, &jar, "GET /auth-broken HTTP/1.1", "");
    assert_eq!((response.status, identity(&response)), (503, [""; 4]));
    assert!(response.header("retry-after").is_some());
}

#[test]
fn what_becomes_of_questions_is_counted_and_told_without_secrets() {
    let gateway = Gateway::start(&config(&json!({ "require": "authenticated" })));
    let ((joe, _), (visitor, public_id)) = (joe(&gateway), visitor(&gateway));
    for _ in 0..3 {
        ask(&gateway, &joe, LINE, "");
    }
    ask(&gateway, &visitor, LINE, "");
    gateway.output().until("reason=\"no-login\"", 1);
    for _ in 0..40 {
        ask(&gateway, &Jar::default(), LINE, "X-Forwarded-For: 203.0.113.9\r\n");
    }
    gateway.output().until("reason=\"no-cookie\"", 1);
    let said = gateway.output().text();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("a proxy was told to refuse")).collect();
    assert!(lines.len() < 15, "{lines:#?}");
    let line = lines.iter().find(|line| line.contains("no-login")).unwrap();
    assert!(
        line.contains(&public_id) && line.contains("status=401") && line.contains("path=\"/auth\""),
        "{line}"
    );
    assert!(lines.iter().any(|line| line.contains("203.0.113.9")), "{lines:#?}");
    for jar in [joe, visitor] {
        assert!(!said.contains(&jar.id.unwrap()));
    }
    let metrics = metrics(&gateway);
    for (outcome, count) in [("allowed", 3), ("unauthenticated", 41), ("forbidden", 0), ("unavailable", 0)] {
        let line = format!("{{transport=\"0\",path=\"/auth\",outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&format!("wampgate_forward_auth_total{line}")), "{line}: {metrics}");
    }
    for (reason, count) in [("no-cookie", 40), ("no-login", 1), ("timeout", 0)] {
        let line = format!("wampgate_refusals_total{{stage=\"forward-auth\",reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}
