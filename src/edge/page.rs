//! The page that is built in, and the status page of a WebSocket path. Neither loads anything from another server.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};

use super::{
    body::Body,
    path::RequestPath,
    reply::{self, Problem},
};

const HTML: &str = include_str!("page/page.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");
const STATUS: &str = include_str!("page/status.html");

/// The built-in page and its two assets; the path's first `depth` components name the service.
pub(crate) fn page(request: &Parts, path: &RequestPath<'_>, depth: usize) -> Result<Response<Body>, Problem> {
    let below = path.components().get(depth..).unwrap_or_default();
    let (media_type, text) = match below {
        [] if !path.is_directory() => {
            // The page names its assets relative to itself.
            let location = HeaderValue::try_from(path.as_directory()).map_err(|_| Problem::Path)?;
            return Ok(reply::redirect(StatusCode::TEMPORARY_REDIRECT, location));
        }
        [] => ("text/html; charset=utf-8", HTML),
        [asset] if asset == "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        [asset] if asset == "page.css" => ("text/css; charset=utf-8", STYLE),
        _ => return Err(Problem::NotFound),
    };
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    Ok(secured(media_type, text, content_security_policy(host)))
}

/// What a browser shows where a WebSocket client is expected.
pub(crate) fn status() -> Response<Body> {
    secured("text/html; charset=utf-8", STATUS, HeaderValue::from_static("default-src 'none'"))
}

/// A part of a page, which may do no more than the policy lets it.
pub(super) fn secured(
    media_type: &'static str,
    text: impl Into<Bytes>,
    policy: HeaderValue,
) -> Response<Body> {
    let bytes = text.into();
    let mut response = reply::content(StatusCode::OK, HeaderValue::from_static(media_type), bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A new version of the gateway brings a new page.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Allows the page its own script and style, and connections to its own host.
///
/// `connect-src 'self'` covers ws: and wss: since CSP level 3; older browsers need them spelled out.
pub(super) fn content_security_policy(host: Option<&str>) -> HeaderValue {
    const BASE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; \
                        form-action 'none'; frame-ancestors 'none'; connect-src 'self'";
    let is_host = |host: &&str| {
        host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    };
    host.filter(is_host)
        .and_then(|host| HeaderValue::try_from(format!("{BASE} ws://{host} wss://{host}")).ok())
        .unwrap_or(HeaderValue::from_static(BASE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_pages_own_host_and_nothing_that_a_client_could_smuggle_in() {
        let policy = |host| content_security_policy(host).to_str().unwrap().to_owned();
        assert!(
            policy(Some("localhost:8080"))
                .ends_with("connect-src 'self' ws://localhost:8080 wss://localhost:8080")
        );
        assert!(policy(Some("[::1]:8080")).ends_with("wss://[::1]:8080"));
        for host in [None, Some("x; script-src *"), Some("x *"), Some("x,y")] {
            assert!(policy(host).ends_with("connect-src 'self'"), "{host:?}");
        }
    }

    #[test]
    fn the_pages_bring_everything_along_and_run_nothing_inline() {
        for html in [HTML, STATUS] {
            for foreign in ["http://", "https://", "<style", "style=", "onclick=", "javascript:"] {
                assert!(!html.contains(foreign), "{foreign}");
            }
        }
        assert!(HTML.contains("<script src=\"page.js\" defer></script>"));
        assert_eq!(HTML.matches("<script").count(), 1);
        for id in ["status", "authid", "public-id", "recognised", "publish", "call", "log"] {
            assert!(HTML.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
