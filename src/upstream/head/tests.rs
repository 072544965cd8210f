//! What passes and what does not.

use super::*;

fn rules() -> HeadRules {
    HeadRules {
        identity: ["remote-user", "wampgate-client"].map(HeaderName::from_static).to_vec(),
        cookies: ["cbtid", "other"].map(|name| CookieName::parse(name).unwrap()).to_vec(),
        host: None,
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn stranger() -> Origin {
    let client = Some("203.0.113.9".parse().unwrap());
    Origin { client, peer: client, is_trusted: false, has_tls: false }
}

const ASKED: [(&str, &str); 6] = [
    ("host", "app.example"),
    ("connection", "keep-alive, Upgrade, X-Hop"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
    ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
];

fn passed(lines: &[(&str, &str)], origin: Origin) -> HeaderMap {
    let told = headers(&[("remote-user", "joe")]);
    rules().handshake(&headers(&[&ASKED[..], lines].concat()), origin, told)
}

#[test]
fn no_spelling_of_a_header_lets_a_client_say_who_it_is() {
    for name in [
        "Remote-User",
        "remote_user",
        "REMOTE_USER",
        "Remote.User",
        "remote-user",
        "Wampgate-Client",
        "wampgate_client",
        "Wampgate-Anything",
        "WAMPGATE_ANYTHING",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-User",
        "X_Forwarded_Proto",
        "Forwarded",
        "X-Real-IP",
        "x_real_ip",
        "CF-Connecting-IP",
        "client_ip",
        "X-Cluster-Client-IP",
        "Sec_WebSocket_Key",
        "Transfer-Encoding",
        "transfer_encoding",
        "Content-Length",
        "content_length",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Expect",
        "X-Hop",
    ] {
        let passed = passed(&[(name, "root"), (name, "root")], stranger());
        let is_left = passed.iter().any(|(_, value)| value == "root");
        assert!(!is_left, "{name}: {passed:?}");
        assert_eq!(passed.get_all("remote-user").iter().collect::<Vec<_>>(), ["joe"], "{name}");
    }
}

#[test]
fn the_gateway_adds_itself_to_what_tells_of_loops() {
    let told = passed(&[("cdn-loop", "cdn.example"), ("cdn-loop", "wampgate")], stranger());
    let told: Vec<_> = told.get_all("cdn-loop").iter().collect();
    assert_eq!(told, ["cdn.example", "wampgate", "wampgate"]);
}

#[test]
fn everything_else_passes_as_it_is() {
    let lines = [
        ("origin", "https://app.example"),
        ("user-agent", "test"),
        ("authorization", "Bearer token"),
        ("accept-language", "de"),
        ("x-own", "1"),
        ("x-own", "2"),
        ("x_own", "3"),
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-protocol", "superchat"),
    ];
    let passed = passed(&lines, stranger());
    for (name, value) in lines.iter().chain(&ASKED[3..]) {
        assert!(passed.get_all(*name).iter().any(|passed| passed == value), "{name}: {passed:?}");
        assert!(passed.get_all(*name).iter().count() <= 2, "{name}: {passed:?}");
    }
    assert_eq!(passed["connection"], "Upgrade");
    assert_eq!(passed["upgrade"], "websocket");
    assert_eq!(passed["host"], "app.example");
}

#[test]
fn the_cookies_of_the_gateway_stay_here() {
    let secret = "ynxeF9djpFhvdtla3T/sM+2N";
    let lines = [
        ("cookie", format!("a=b; cbtid={secret}; c=d")),
        ("cookie", format!("other={secret}")),
        ("cookie", format!("e=f, cbtid=\"{secret}\"")),
    ];
    let lines: Vec<_> = lines.iter().map(|(name, line)| (*name, line.as_str())).collect();
    let passed = passed(&lines, stranger());
    assert_eq!(passed.get_all("cookie").iter().collect::<Vec<_>>(), ["a=b; c=d", "e=f,"]);
    assert!(!format!("{passed:?}").contains(secret));
}

#[test]
fn an_upstream_hears_for_whom_the_gateway_speaks() {
    let spoofed =
        [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil")];
    let passed_by_stranger = passed(&spoofed, stranger());
    assert_eq!(passed_by_stranger["x-forwarded-for"], "203.0.113.9");
    assert_eq!(passed_by_stranger["x-forwarded-proto"], "http");
    assert_eq!(passed_by_stranger["x-forwarded-host"], "app.example");

    let told =
        [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"), ("x_forwarded_for", "6.6.6.6")];
    let proxy = Origin {
        client: Some("198.51.100.7".parse().unwrap()),
        peer: Some("10.0.0.1".parse().unwrap()),
        is_trusted: true,
        has_tls: false,
    };
    let passed_by_proxy = passed(&told, proxy);
    assert_eq!(passed_by_proxy["x-forwarded-for"], "198.51.100.7, 10.0.0.1");
    assert_eq!(passed_by_proxy["x-forwarded-proto"], "https");
    assert!(!passed_by_proxy.contains_key("x_forwarded_for"));

    let neighbor = Origin { client: None, peer: None, is_trusted: false, has_tls: true };
    let passed_by_neighbor = passed(&spoofed, neighbor);
    assert!(!passed_by_neighbor.contains_key("x-forwarded-for"));
    assert_eq!(passed_by_neighbor["x-forwarded-proto"], "https");
}

#[test]
fn a_host_that_is_configured_takes_the_place_of_the_clients() {
    let rules = HeadRules { host: Some(HeaderValue::from_static("app.internal")), ..rules() };
    let passed = rules.handshake(&headers(&ASKED), stranger(), HeaderMap::new());
    assert_eq!(passed["host"], "app.internal");
    assert_eq!(passed["x-forwarded-host"], "app.example");
}

#[test]
fn an_answer_neither_sets_the_gateways_cookies_nor_speaks_of_its_own_connection() {
    let answer = headers(&[
        ("set-cookie", "cbtid=planted; Path=/"),
        ("set-cookie", "session=1; Path=/"),
        ("set-cookie", " other = planted"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("wampgate-authid", "root"),
        ("server", "app"),
        ("location", "/login"),
        ("sec-websocket-protocol", "chat"),
    ]);
    let passed = rules().answer(&answer);
    let expected = headers(&[
        ("set-cookie", "session=1; Path=/"),
        ("location", "/login"),
        ("sec-websocket-protocol", "chat"),
    ]);
    assert_eq!(passed, expected);
}
