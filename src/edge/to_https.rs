//! Sends a client to the same place by https.

use http::{
    HeaderValue, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};

/// The port of https that URLs leave out (RFC 9110, 4.2.2).
const HTTPS: u16 = 443;

/// Where a request should have gone; none if it names no host.
pub(super) fn location(request: &Parts, port: u16) -> Option<HeaderValue> {
    let host = request.headers.get(header::HOST)?;
    let authority = Authority::try_from(host.as_bytes()).ok()?;
    let path = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let port = if port == HTTPS { String::new() } else { format!(":{port}") };
    HeaderValue::try_from(format!("https://{}{port}{path}", authority.host())).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn host_and_path_stay_and_the_port_is_that_of_https() {
        for (host, uri, port, expected) in [
            ("chat.example", "/a/b?c=%20d", 443, Some("https://chat.example/a/b?c=%20d")),
            ("chat.example:8080", "/", 443, Some("https://chat.example/")),
            ("chat.example:8080", "/ws", 8443, Some("https://chat.example:8443/ws")),
            ("[::1]:8080", "/", 8443, Some("https://[::1]:8443/")),
            // The path cannot name another host.
            ("chat.example", "//evil.test/", 443, Some("https://chat.example//evil.test/")),
            ("chat.example", "http://evil.test/x", 443, Some("https://chat.example/x")),
            ("", "/", 443, None),
        ] {
            let request = Request::get(uri).header(header::HOST, host).body(()).unwrap().into_parts().0;
            let found = location(&request, port);
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), expected, "{host} {uri}");
        }
    }
}
