//! RFC 6455, 4.2.1 as a table: each row changes one thing in a sound handshake.

use super::*;

/// The example of RFC 6455, 1.3.
const SOUND: &[(&str, &str)] = &[
    ("host", "server.example.com"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "wamp.2.json"),
];

fn options() -> HandshakeOptions {
    HandshakeOptions {
        serializers: vec![Serializer::Json, Serializer::Cbor],
        allowed_origins: vec!["https://*.example.com".to_owned()],
        same_origin: false,
        allow_null_origin: true,
        ..HandshakeOptions::default()
    }
}

/// A sound head without the headers named in `changes`, and with their values there instead, line by line.
fn head(changes: &[(&'static str, &[&'static str])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in SOUND {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    for (name, values) in changes {
        headers.remove(*name);
        for value in *values {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
    }
    headers
}

fn check_with(options: &HandshakeOptions, headers: &HeaderMap) -> Result<Accepted, HandshakeError> {
    Handshake::new(options.clone()).check(&Method::GET, Version::HTTP_11, headers)
}

#[test]
fn the_rfcs_example_is_accepted_with_the_rfcs_answer() {
    let accepted = check_with(&options(), &head(&[])).unwrap();
    assert_eq!(accepted.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accepted.subprotocol.name(), "wamp.2.json");
    assert!(accepted.announce);
}

#[test]
fn heads_are_checked_line_by_line() {
    let supported = || options().serializers;
    for (name, values, refused) in [
        ("upgrade", &["WebSocket"][..], None),
        ("upgrade", &["h2c, websocket"], None),
        ("upgrade", &["h2c", "websocket"], None),
        ("upgrade", &[], Some(HandshakeError::NoUpgrade)),
        ("upgrade", &["h2c"], Some(HandshakeError::NoUpgrade)),
        ("upgrade", &["websockets"], Some(HandshakeError::NoUpgrade)),
        ("connection", &["keep-alive, upgrade"], None),
        ("connection", &["keep-alive", "UPGRADE"], None),
        ("connection", &[], Some(HandshakeError::Connection)),
        ("connection", &["close"], Some(HandshakeError::Connection)),
        ("connection", &["upgraded"], Some(HandshakeError::Connection)),
        ("host", &[], Some(HandshakeError::Host)),
        ("host", &["a.example", "b.example"], Some(HandshakeError::Host)),
        ("sec-websocket-version", &[], Some(HandshakeError::Version)),
        ("sec-websocket-version", &["8"], Some(HandshakeError::Version)),
        ("sec-websocket-version", &["12"], Some(HandshakeError::Version)),
        ("sec-websocket-version", &["13, 8"], Some(HandshakeError::Version)),
        ("sec-websocket-version", &["13", "13"], Some(HandshakeError::Version)),
        ("sec-websocket-key", &[], Some(HandshakeError::Key)),
        ("sec-websocket-key", &[""], Some(HandshakeError::Key)),
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ"], Some(HandshakeError::Key)),
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZSEh"], Some(HandshakeError::Key)),
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25j"], Some(HandshakeError::Key)),
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25!ZQ=="], Some(HandshakeError::Key)),
        (
            "sec-websocket-key",
            &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
            Some(HandshakeError::Key),
        ),
        // The last character's spare bits are noise.
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZR=="], None),
        ("origin", &[], None),
        ("origin", &["https://a.example.com"], None),
        ("origin", &["https://a.example.com:443"], None),
        ("origin", &["null"], None),
        ("origin", &["file://"], None),
        ("origin", &["http://a.example.com"], Some(HandshakeError::Origin)),
        ("origin", &["https://evil.example"], Some(HandshakeError::Origin)),
        ("origin", &[""], Some(HandshakeError::Origin)),
        ("origin", &["https://ä.example.com"], Some(HandshakeError::Origin)),
        ("origin", &["https://a.example.com", "https://a.example.com"], Some(HandshakeError::Origin)),
        ("sec-websocket-protocol", &["wamp.2.cbor.batched"], None),
        (
            "sec-websocket-protocol",
            &["wamp.2.msgpack"],
            Some(HandshakeError::Subprotocol { supported: supported() }),
        ),
        (
            "sec-websocket-protocol",
            &["WAMP.2.JSON"],
            Some(HandshakeError::Subprotocol { supported: supported() }),
        ),
        ("sec-websocket-protocol", &["\u{e4}"], Some(HandshakeError::Subprotocol { supported: supported() })),
        ("sec-websocket-protocol", &[], Some(HandshakeError::NoSubprotocol { supported: supported() })),
        (
            "sec-websocket-protocol",
            &["", ","],
            Some(HandshakeError::NoSubprotocol { supported: supported() }),
        ),
    ] {
        let outcome = check_with(&options(), &head(&[(name, values)]));
        assert_eq!(outcome.err(), refused, "{name}: {values:?}");
    }
}

#[test]
fn the_clients_order_of_subprotocols_counts_over_several_headers() {
    for (offered, chosen) in [
        (&["wamp.2.cbor, wamp.2.json"][..], "wamp.2.cbor"),
        (&["wamp.2.json.batched,wamp.2.cbor"], "wamp.2.json.batched"),
        (&["wamp.2.msgpack", "soap", "wamp.2.cbor", "wamp.2.json"], "wamp.2.cbor"),
        (&["", " wamp.2.json "], "wamp.2.json"),
    ] {
        let accepted = check_with(&options(), &head(&[("sec-websocket-protocol", offered)])).unwrap();
        assert_eq!((accepted.subprotocol.name(), accepted.announce), (chosen, true), "{offered:?}");
    }
}

#[test]
fn a_client_without_a_subprotocol_is_let_in_only_where_the_configuration_says_so() {
    let mut options = options();
    options.require_websocket_subprotocol = false;
    let accepted = check_with(&options, &head(&[("sec-websocket-protocol", &[])])).unwrap();
    assert_eq!((accepted.subprotocol.name(), accepted.announce), ("wamp.2.json", false));

    // A client that names a wrong one is still refused, and so is every client of a service without JSON.
    let wrong = check_with(&options, &head(&[("sec-websocket-protocol", &["soap"])]));
    assert!(matches!(wrong, Err(HandshakeError::Subprotocol { .. })));
    options.serializers = vec![Serializer::Cbor];
    let none = check_with(&options, &head(&[("sec-websocket-protocol", &[])]));
    assert!(matches!(none, Err(HandshakeError::NoSubprotocol { .. })));
}

#[test]
fn the_null_origin_has_an_option_of_its_own() {
    let mut options = options();
    options.allow_null_origin = false;
    options.allowed_origins = vec!["*".to_owned()];
    for origin in ["null", "file://"] {
        let refused = check_with(&options, &head(&[("origin", &[origin])])).unwrap_err();
        assert_eq!(refused, HandshakeError::NullOrigin, "{origin}");
    }
    assert!(check_with(&options, &head(&[("origin", &["https://any.example"])])).is_ok());
}

#[test]
fn a_page_of_the_own_origin_may_come_and_no_other_one_unless_the_configuration_says_so() {
    let options = HandshakeOptions::default();
    let from = |origin| check_with(&options, &head(&[("origin", &[origin])])).err();
    assert_eq!(from("https://server.example.com"), None);
    for foreign in ["https://evil.example", "https://server.example.com:8443", "https://example.com"] {
        assert_eq!(from(foreign), Some(HandshakeError::Origin), "{foreign}");
    }
    assert_eq!(from("null"), Some(HandshakeError::NullOrigin));
    assert!(check_with(&options, &head(&[])).is_ok(), "a client that is no browser");
}

#[test]
fn on_loopback_a_name_of_another_owner_makes_no_page_the_services_own() {
    let at = |hosts: &AllowedHosts, host, origin: Option<&'static str>| {
        let options = HandshakeOptions { allowed_hosts: hosts.clone(), ..HandshakeOptions::default() };
        let origin: &[&str] = origin.as_slice();
        let mut headers = head(&[]);
        headers.insert("host", HeaderValue::from_static(host));
        for origin in origin {
            headers.insert("origin", HeaderValue::from_static(origin));
        }
        check_with(&options, &headers).err()
    };
    let loopback = AllowedHosts::Loopback;
    for (host, origin, refused) in [
        ("localhost:8080", Some("http://localhost:8080"), None),
        ("127.0.0.1:8080", Some("http://127.0.0.1:8080"), None),
        ("[::1]:8080", Some("http://[::1]:8080"), None),
        // DNS rebinding: the name leads to 127.0.0.1, and its page sends what it was loaded from.
        ("evil.example:8080", Some("http://evil.example:8080"), Some(HandshakeError::ForeignHost)),
        ("localhost.evil.example", Some("http://localhost.evil.example"), Some(HandshakeError::ForeignHost)),
        ("localhost:8080", Some("http://localhost:3000"), Some(HandshakeError::Origin)),
        // A proxy that passes Host on, in front of a client that is no browser.
        ("chat.example:8080", None, None),
    ] {
        assert_eq!(at(&loopback, host, origin), refused, "{host} {origin:?}");
    }
    let listed = AllowedHosts::Listed(vec!["chat.example".to_owned()]);
    assert_eq!(at(&listed, "chat.example", Some("https://chat.example")), None);
    assert_eq!(at(&listed, "chat.example", None), None);
    for host in ["localhost", "evil.example"] {
        assert_eq!(at(&listed, host, None), Some(HandshakeError::ForeignHost), "{host}");
    }
}

#[test]
fn method_and_http_version_are_checked() {
    let (handshake, headers) = (Handshake::new(options()), head(&[]));
    for (method, version, refused) in [
        (Method::HEAD, Version::HTTP_11, HandshakeError::Method),
        (Method::POST, Version::HTTP_11, HandshakeError::Method),
        (Method::GET, Version::HTTP_10, HandshakeError::HttpVersion),
        (Method::GET, Version::HTTP_2, HandshakeError::HttpVersion),
    ] {
        assert_eq!(handshake.check(&method, version, &headers).unwrap_err(), refused);
    }
}
