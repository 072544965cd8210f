//! The question that benchmarks and tests of policies ask: nothing in it is left out. Included where it is needed with
//! `#[path]`.

use wampgate::testkit::{Cookie, Hello, Login, Request};

/// A tracking ID that must show up nowhere.
pub(crate) const TRACKING_ID: &str = "abcdefABCDEF-_0123456789";
/// The record's public ID.
pub(crate) const PUBLIC_ID: &str = "pub-5f3a91c2d4e6";

/// What a browser sends.
const HEADERS: [(&str, &str); 8] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    ("accept-language", "de-CH,de;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cache-control", "no-cache"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "websocket"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
];

/// A returning client with eight headers, whose record remembers a login. It comes as anonymous to a service without
/// authentication.
pub(crate) fn full_request() -> Request {
    let request = HEADERS.iter().fold(Request::new(), |request, (name, value)| request.header(name, value));
    request
        .cookie(Cookie {
            id: TRACKING_ID.to_owned(),
            public_id: PUBLIC_ID.to_owned(),
            authentication: Some(Login::default()),
            ..Cookie::default()
        })
        .hello(Hello { authmethods: vec!["anonymous".to_owned()], ..Hello::default() })
        .roles(["anonymous", "frontend"])
}
