//! Replies, and the one function that turns what goes wrong before an upgrade into one of them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{body::Body, routes::BadPath};
use crate::{handshake::Refused, store::StoreError};

/// Sent when a head has not arrived in time: the HTTP machinery is at its end then, so the bytes go out as they are.
///
/// RFC 9110, 15.5.9: the reply may be sent on a connection that is idle, too.
pub(crate) const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    Server: wampgate\r\n\
    Connection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 40\r\n\
    \r\n\
    the request's head did not come in time\n";

/// How long a client is asked to wait when the store fails, in seconds: a full disk takes somebody to act, and a full
/// store takes some records to expire; nothing is gained by retrying at once.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a request gets something else than what it asked for.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// The path is not one that a service may see.
    Path,
    /// Nothing is served there.
    NotFound,
    /// Only GET and HEAD are served.
    Method,
    /// A file is there and cannot be read.
    File,
    /// A WebSocket handshake is refused.
    Handshake(Refused),
    /// The cookie store failed. Nobody becomes a WebSocket without the tracking that is configured.
    Store(StoreError),
}

impl From<BadPath> for Problem {
    fn from(_: BadPath) -> Self {
        Self::Path
    }
}

/// Turns a problem into a reply. Its text says what to do, and nothing about stores, IDs or files.
pub(crate) fn reply(problem: &Problem) -> Response<Body> {
    let mut response = text(status(problem), message(problem));
    let headers = response.headers_mut();
    match problem {
        Problem::Method | Problem::Handshake(Refused::Method) => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        // RFC 9110, 15.5.22: a 426 names the protocol to upgrade to; 7.8: and `Upgrade` stands in `Connection`, too.
        Problem::Handshake(refused @ (Refused::NoUpgrade | Refused::Version)) => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            if *refused == Refused::Version {
                // RFC 6455, 4.4: the versions that the server does speak.
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
        }
        Problem::Store(_) => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        _ => {}
    }
    response
}

fn status(problem: &Problem) -> StatusCode {
    match problem {
        Problem::Path => StatusCode::BAD_REQUEST,
        Problem::NotFound => StatusCode::NOT_FOUND,
        Problem::Method => StatusCode::METHOD_NOT_ALLOWED,
        Problem::File => StatusCode::INTERNAL_SERVER_ERROR,
        Problem::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        Problem::Handshake(refused) => match refused {
            Refused::NoUpgrade | Refused::Version => StatusCode::UPGRADE_REQUIRED,
            Refused::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refused::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Refused::Origin | Refused::NullOrigin => StatusCode::FORBIDDEN,
            Refused::Host
            | Refused::Connection
            | Refused::Key
            | Refused::Subprotocol { .. }
            | Refused::NoSubprotocol { .. }
            | Refused::Body => StatusCode::BAD_REQUEST,
        },
    }
}

fn message(problem: &Problem) -> String {
    match problem {
        Problem::Path => "this path cannot be served: check its percent-encoding and leave out '..'".into(),
        Problem::NotFound => "nothing is served at this path".into(),
        Problem::Method => "only GET and HEAD are served here".into(),
        Problem::File => "this file cannot be read".into(),
        Problem::Store(_) => "clients cannot be tracked at the moment: try again later".into(),
        Problem::Handshake(refused) => refused.to_string(),
    }
}

/// A reply of one line of text.
pub(crate) fn text(status: StatusCode, mut line: String) -> Response<Body> {
    line.push('\n');
    content(status, HeaderValue::from_static("text/plain; charset=utf-8"), Bytes::from(line))
}

/// A reply whose content is in memory.
pub(crate) fn content(status: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Bytes(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    // Browsers are not to find scripts in what is served as something else.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A reply that sends the client elsewhere.
pub(crate) fn redirect(status: StatusCode, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
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
            (Problem::File, 500, none, "file"),
            (Problem::Store(StoreError::Exists), 503, &[(RETRY_AFTER, "5")][..], "try again"),
            (Problem::Store(StoreError::Full { limit: 7 }), 503, &[(RETRY_AFTER, "5")][..], "try again"),
            (Problem::Store(StoreError::Io(Arc::from("/x"))), 503, &[(RETRY_AFTER, "5")][..], "try again"),
            (refused(Refused::NoUpgrade), 426, &[(UPGRADE, "websocket")][..], "WebSocket client"),
            (refused(Refused::Method), 405, &[(ALLOW, "GET, HEAD")][..], "GET"),
            (refused(Refused::HttpVersion), 505, none, "HTTP/1.1"),
            (refused(Refused::Host), 400, none, "Host"),
            (refused(Refused::Connection), 400, none, "Connection"),
            (
                refused(Refused::Version),
                426,
                &[(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")][..],
                "Sec-WebSocket-Version: 13",
            ),
            (refused(Refused::Key), 400, none, "Sec-WebSocket-Key"),
            (refused(Refused::Origin), 403, none, "allowed_origins"),
            (refused(Refused::NullOrigin), 403, none, "allow_null_origin"),
            (
                refused(Refused::Subprotocol { supported: supported.clone() }),
                400,
                none,
                "wamp.2.json, wamp.2.json.batched, wamp.2.cbor, wamp.2.cbor.batched",
            ),
            (refused(Refused::NoSubprotocol { supported }), 400, none, "wamp.2.json, "),
            (refused(Refused::Body), 400, none, "body"),
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
    fn the_timeout_reply_counts_its_content_right() {
        let text = str::from_utf8(HEAD_TIMEOUT).unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", content.len())), "{}", content.len());
        assert!(head.lines().all(|line| !line.starts_with(' ')));
    }
}
