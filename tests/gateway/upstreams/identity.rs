//! Who is let through, and who the server hears it is.

use super::*;

#[test]
fn no_client_tells_the_server_who_it_is() {
    let upstream = Upstream::echo();
    let names = json!({ "headers": { "authid": "Remote-User", "authrole": "Remote-Groups" } });
    let gateway = gateway_with_logins(&upstream, &names);
    let (jar, _client) = joe(&gateway);
    let id = jar.id.clone().unwrap();
    let mut spoofed = handshake();
    for name in [
        "Remote-User",
        "remote_user",
        "REMOTE-USER",
        "Remote.User",
        "Remote-Groups",
        "remote_groups",
        "Wampgate-Client",
        "wampgate_client",
        "Wampgate-Authmethod",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Forwarded",
    ] {
        spoofed = spoofed.header(name, "root");
    }
    let spoofed = spoofed.header("Cookie", &format!("a=b; cbtid={id}; c=d, cbtid=\"{id}\""));
    let (_socket, _) = spoofed.opens(&gateway);
    let head = upstream.head();
    assert!(!head.text().contains("root"), "{head:?}");
    assert!(!head.text().contains(&id), "{head:?}");
    assert_eq!(head.all("cookie"), ["a=b; c=d,"]);
    assert_eq!((head.all("remote-user"), head.all("remote-groups")), (vec!["joe"], vec!["frontend"]));
    assert_eq!(head.all("wampgate-authmethod"), ["ticket"]);
    assert_eq!(head.all("wampgate-client").len(), 1);
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(
        (head.all("x-forwarded-proto"), head.all("x-forwarded-host")),
        (vec!["http"], vec!["gateway.example"])
    );
    assert_eq!((head.all("host"), head.all("connection")), (vec!["gateway.example"], vec!["Upgrade"]));
    // A client without a login has the same headers, with nothing in them.
    let (_other, response) = handshake().header("Remote-User", "root").opens(&gateway);
    let (other, head) = (response.tracking_id().unwrap(), upstream.head());
    assert_eq!((head.all("remote-user"), head.all("remote-groups")), (vec![""], vec![""]));
    assert!(!head.all("wampgate-client")[0].is_empty() && !head.text().contains(&other), "{head:?}");
}

#[test]
fn a_client_is_tracked_and_no_server_changes_its_cookie() {
    let planted = "Set-Cookie: cbtid=AAAAAAAAAAAAAAAAAAAAAAAA; Path=/\r\nSet-Cookie: session=1\r\n";
    let upstream = Upstream::switching(planted, |peer, seen| echo(peer, seen));
    let gateway = gateway(&upstream, &cookie());
    let mut jar = Jar::default();
    let (_first, response) = handshake().opens_with(&gateway, &mut jar);
    let lines = response.set_cookies();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "session=1");
    let id = response.tracking_id().unwrap();
    assert_ne!(id, "AAAAAAAAAAAAAAAAAAAAAAAA");
    let public_id = upstream.head().all("wampgate-client")[0].to_owned();
    let (_second, response) = handshake().opens_with(&gateway, &mut jar);
    assert_eq!(response.set_cookies(), ["session=1"], "the client has its cookie already");
    assert_eq!(upstream.head().all("wampgate-client"), [public_id]);
}

#[test]
fn a_client_that_lacks_something_hears_it_before_any_101() {
    let upstream = Upstream::echo();
    let gateway =
        gateway_with_logins(&upstream, &json!({ "require": "authenticated", "roles": ["frontend"] }));
    let response = handshake().is_refused(&gateway, 401);
    assert_eq!(response.header("www-authenticate"), Some("Cookie realm=\"wampgate\""));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let mut jar = Jar::default();
    let mut visitor = Client::open(&gateway, &mut jar);
    visitor.join("realm1", json!({})).unwrap();
    handshake().cookie(jar.id.as_ref().unwrap()).is_refused(&gateway, 401);
    let (jar, _client) = joe(&gateway);
    echoes(&mut handshake().cookie(jar.id.as_ref().unwrap()).opens(&gateway).0, "in");
    assert_eq!(upstream.heads().len(), 1, "the server hears of no client that is refused");
    let gateway = gateway_with_logins(&upstream, &json!({ "roles": ["admin"] }));
    let (jar, _client) = joe(&gateway);
    handshake().cookie(jar.id.as_ref().unwrap()).is_refused(&gateway, 403);
    handshake().header("Origin", "https://evil.example").is_refused(&gateway, 403);
    Handshake::default()
        .path("/app")
        .without("Upgrade")
        .without("Sec-WebSocket-Key")
        .is_refused(&gateway, 426);
}

/// The gateway gives a client its first cookie with the answer, which does not make it one that has come with a cookie.
#[test]
fn a_client_without_a_cookie_that_the_store_knows_is_refused_where_one_is_required() {
    let upstream = Upstream::echo();
    let gateway = gateway_with_logins(&upstream, &json!({ "require": "cookie" }));
    handshake().is_refused(&gateway, 401);
    let refused = handshake().cookie(&"A".repeat(24)).is_refused(&gateway, 401);
    assert!(refused.set_cookies().is_empty(), "a refusal gives no cookie");
    assert!(upstream.heads().is_empty(), "the server hears of no client that is refused");
    let mut jar = Jar::default();
    let _visitor = Client::open(&gateway, &mut jar);
    echoes(&mut handshake().cookie(jar.id.as_ref().unwrap()).opens(&gateway).0, "in");
}

const CUSTOM: &str = include_str!("../../component/guests/custom.wat");

#[test]
fn a_policy_decides_without_a_hello() {
    let upstream = Upstream::echo();
    let policy =
        |component: &str| cookie().with("policy", json!({ "component": component, "deadline": "10s" }));
    let paths = json!({
        "app": proxied(&upstream, &policy("custom.wasm")),
        "broken": proxied(&upstream, &policy("broken.wasm")),
    });
    let gateway = Gateway::prepare_exactly(&web_paths(&paths))
        .file("custom.wasm", wat::parse_str(CUSTOM).unwrap())
        .file("broken.wasm", super::super::metrics::policy("unreachable"))
        .run();
    let mut jar = Jar::default();
    let (_first, _) = handshake().opens_with(&gateway, &mut jar);
    assert_eq!(upstream.head().all("wampgate-authid"), [""], "it names no client that is new");
    let (mut socket, _) = handshake().opens_with(&gateway, &mut jar);
    let head = upstream.head();
    let public_id = head.all("wampgate-client")[0];
    assert_eq!(head.all("wampgate-authrole"), ["anonymous"]);
    assert!(head.all("wampgate-authid")[0].contains(public_id), "{head:?}");
    echoes(&mut socket, "in");
    let response = handshake().path("/broken").is_refused(&gateway, 503);
    assert!(response.header("retry-after").is_some());
    assert_eq!(upstream.heads().len(), 2);
}

#[test]
fn the_most_verbose_log_has_no_credential() {
    let upstream = Upstream::echo();
    let config =
        with_metrics(&json!({ "ws": logins(), "app": proxied(&upstream, &json!({ "websocket": "/ws" })) }));
    let mut gateway = Gateway::prepare_exactly(&config).environment("WAMPGATE_LOG", "trace").run();
    let (jar, _client) = joe(&gateway);
    let id = jar.id.unwrap();
    let (mut socket, _) = handshake().path("/app?token=hunter2").cookie(&id).opens(&gateway);
    echoes(&mut socket, "what is said");
    closes(&mut socket, 1000);
    assert!(gateway.terminate().success());
    let said = gateway.output().text();
    assert!(said.contains("websocket open to an upstream"), "{said}");
    for secret in [&id, TICKET, "hunter2", "what is said"] {
        assert!(!said.contains(secret), "{secret}");
    }
    assert_eq!(upstream.frames(), 1);
}
