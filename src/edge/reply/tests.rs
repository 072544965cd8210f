use std::sync::Arc;

use super::*;
use crate::wamp::Serializer;

fn body(response: Response<Body>) -> String {
    match response.into_body() {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_problem_has_its_status_its_headers_and_one_line_that_says_what_to_do() {
    use header::{ALLOW, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
    let supported = vec![Serializer::Json, Serializer::Cbor];
    let refused = |refused| Problem::Handshake(refused);
    let none: &[(_, _)] = &[];
    for (problem, status, headers, words) in [
        (Problem::Path, 400, none, "percent-encoding"),
        (Problem::NotFound, 404, none, "nothing"),
        (Problem::Method, 405, &[(ALLOW, "GET, HEAD")][..], "GET"),
        (Problem::NotPassed, 405, &[(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")][..], "TRACE"),
        (Problem::Framing("it has two lengths"), 400, none, "two lengths"),
        (Problem::Expect, 417, none, "100-continue"),
        (Problem::Loop(Some("eu".into())), 508, none, "each other"),
        (Problem::File, 500, none, "file"),
        (Problem::HeadTimeout, 408, none, "in time"),
        (Problem::Full, 503, &[(RETRY_AFTER, "5")][..], "come later"),
        (Problem::Store(StoreError::Exists), 503, &[(RETRY_AFTER, "5")][..], "try again"),
        (Problem::Store(StoreError::Full { limit: 7 }), 503, &[(RETRY_AFTER, "5")][..], "try again"),
        (Problem::Store(StoreError::Io(Arc::from("/x"))), 503, &[(RETRY_AFTER, "5")][..], "try again"),
        (refused(HandshakeError::NoUpgrade), 426, &[(UPGRADE, "websocket")][..], "WebSocket client"),
        (refused(HandshakeError::Method), 405, &[(ALLOW, "GET, HEAD")][..], "GET"),
        (refused(HandshakeError::HttpVersion), 505, none, "HTTP/1.1"),
        (refused(HandshakeError::Host), 400, none, "Host"),
        (refused(HandshakeError::Connection), 400, none, "Connection"),
        (
            refused(HandshakeError::Version),
            426,
            &[(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")][..],
            "Sec-WebSocket-Version: 13",
        ),
        (refused(HandshakeError::Key), 400, none, "Sec-WebSocket-Key"),
        (refused(HandshakeError::Origin), 403, none, "allowed_origins"),
        (refused(HandshakeError::ForeignHost), 403, none, "allowed_hosts"),
        (refused(HandshakeError::NullOrigin), 403, none, "allow_null_origin"),
        (
            refused(HandshakeError::Subprotocol { supported: supported.clone() }),
            400,
            none,
            "wamp.2.json, wamp.2.json.batched, wamp.2.cbor, wamp.2.cbor.batched",
        ),
        (refused(HandshakeError::NoSubprotocol { supported }), 400, none, "wamp.2.json, "),
        (refused(HandshakeError::Body), 400, none, "body"),
    ] {
        let response = reply(&problem);
        assert_eq!(response.status(), status, "{problem:?}");
        for (name, value) in headers {
            assert_eq!(response.headers().get(name).unwrap(), value, "{problem:?}");
        }
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        let text = body(response);
        assert!(text.contains(words), "{problem:?}: {text}");
        assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{problem:?}");
    }
}

#[test]
fn a_store_failure_tells_the_client_no_details() {
    for error in [StoreError::Io(Arc::from("/var/secret")), StoreError::Full { limit: 4711 }] {
        let text = body(reply(&Problem::Store(error)));
        assert!(!text.contains("secret") && !text.contains("4711"), "{text}");
    }
}

#[test]
fn a_reply_without_hyper_has_the_same_headers_and_counts_its_content() {
    for (problem, status_line) in [
        (Problem::HeadTimeout, "HTTP/1.1 408 Request Timeout"),
        (Problem::Full, "HTTP/1.1 503 Service Unavailable"),
        (Problem::Handshake(HandshakeError::Version), "HTTP/1.1 426 Upgrade Required"),
    ] {
        let written = String::from_utf8(bytes(&problem)).unwrap();
        let (head, content) = written.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next(), Some(status_line));
        for line in ["Server: wampgate", "Connection: close", "Content-Type: text/plain; charset=utf-8"] {
            assert!(head.lines().any(|other| other == line), "{line}: {head}");
        }
        for (name, value) in reply(&problem).headers() {
            let line = format!("{name}: {}", value.to_str().unwrap());
            assert!(head.lines().any(|other| other.eq_ignore_ascii_case(&line)), "{line}: {head}");
        }
        assert_eq!(content, body(reply(&problem)));
        let lengths: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("Content-Length: ")).collect();
        assert_eq!(lengths, [content.len().to_string()]);
    }
}
