//! The request that a proxy asks about, as the proxy tells of it.
//!
//! | told by | in |
//! |---|---|
//! | Caddy, Traefik | `X-Forwarded-Method`, `X-Forwarded-Uri` |
//! | nginx and others, by convention | `X-Original-Method`, `X-Original-URI` or `X-Original-URL` |
//! | Envoy | the method, and the path below the mount |
//!
//! A proxy passes on what it does not set, so a client can write the header that another proxy would set. If two of these tell
//! of different requests, the gateway cannot know which one is the proxy's, and refuses.

use http::{HeaderMap, HeaderName, Method, header, request::Parts};

use crate::admission::KeptHeaders;

pub(super) const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

const METHODS: [HeaderName; 2] = [X_FORWARDED_METHOD, HeaderName::from_static("x-original-method")];

const URIS: [HeaderName; 3] = [
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
];

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Original<'a> {
    /// The path without its query, as the client has written it.
    pub(super) path: &'a str,
    /// The query, if there is one.
    pub(super) query: Option<&'a str>,
    /// The method; none if the proxy does not tell.
    pub(super) method: Option<Method>,
}

/// The proxy's word cannot be understood, or there are two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

impl<'a> Original<'a> {
    /// What a trusted proxy says. `below` is what its own path has behind the mount.
    pub(super) fn told(question: &'a Parts, below: &'a str) -> Result<Self, Unclear> {
        let target = agreed(&question.headers, &URIS, target)?;
        let method = agreed(&question.headers, &METHODS, |text| Method::from_bytes(text.as_bytes()).ok())?;
        if below.is_empty() {
            let (path, query) = target.unwrap_or((question.uri.path(), None));
            return Ok(Self { path, query, method });
        }
        // The proxy asks with the request's own method and path: headers are not its way of telling.
        let itself = (below, question.uri.query());
        let agrees = target.is_none_or(|target| target == itself)
            && method.is_none_or(|method| method == question.method);
        let Some((path, query)) = agrees.then_some(itself) else { return Err(Unclear) };
        Ok(Self { path, query, method: Some(question.method.clone()) })
    }

    /// The question itself, of a peer whose word does not count.
    pub(super) fn itself(question: &'a Parts) -> Self {
        let uri = &question.uri;
        Self { path: uri.path(), query: uri.query(), method: Some(question.method.clone()) }
    }

    /// Whether a browser asks for a page, and shows what it is sent to.
    pub(super) fn is_for_a_page(&self, headers: &HeaderMap) -> bool {
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        matches!(self.method, Some(Method::GET | Method::HEAD))
            && accepted.any(|value| value.contains("text/html"))
    }

    /// The path with its query. No reader takes it for the name of another server, which two slashes would begin.
    pub(super) fn uri(&self) -> String {
        let path = self.path.trim_start_matches(['/', '\\']);
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("/{path}{query}")
    }

    /// Makes a policy's headers tell of this request: `X-Forwarded-Method` has the method or is not there, and no other header of the
    /// kind is.
    pub(super) fn correct(&self, headers: &mut KeptHeaders) {
        headers.replace(&URIS, None);
        headers.replace(&METHODS, self.method.as_ref().map(Method::as_str));
    }
}

/// What all of these headers say that are there.
fn agreed<'a, T: PartialEq>(
    headers: &'a HeaderMap,
    names: &[HeaderName],
    read: impl Fn(&'a str) -> Option<T>,
) -> Result<Option<T>, Unclear> {
    let mut known = None;
    for value in names.iter().flat_map(|name| headers.get_all(name)) {
        let said = value.to_str().ok().and_then(&read).ok_or(Unclear)?;
        if known.as_ref().is_some_and(|known| *known != said) {
            return Err(Unclear);
        }
        known = Some(said);
    }
    Ok(known)
}

/// The path and the query of a URL or of a request's target, which has no blanks (RFC 9112, 3.2): browsers leave tabs out, so that
/// two slashes with one between them begin a server's name.
fn target(text: &str) -> Option<(&str, Option<&str>)> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let target = match text.split_once("://") {
        // A path may hold the URL of another site.
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            rest.find('/').map_or("/", |slash| rest.get(slash..).unwrap_or("/"))
        }
        _ => text,
    };
    let target = target.split('#').next()?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    path.starts_with('/').then_some((path, query))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn question(target: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().method("PUT").uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn each_proxy_tells_in_its_own_way() {
        for (below, headers, path, query, method) in [
            (
                "",
                &[("x-forwarded-uri", "/a/b?c=d"), ("x-forwarded-method", "POST")][..],
                "/a/b",
                Some("c=d"),
                Some("POST"),
            ),
            (
                "",
                &[("x-original-uri", "/a//b%2F#c"), ("x-original-method", "GET")],
                "/a//b%2F",
                None,
                Some("GET"),
            ),
            ("", &[("x-original-url", "https://a.example/x?y")], "/x", Some("y"), None),
            ("", &[("x-original-url", "https://a.example")], "/", None, None),
            (
                "",
                &[("x-original-uri", "/go?to=https://b.example/c?d")],
                "/go",
                Some("to=https://b.example/c?d"),
                None,
            ),
            ("", &[("x-original-uri", "/go/https://b.example/c")], "/go/https://b.example/c", None, None),
            ("/a/b", &[], "/a/b", Some("q"), Some("PUT")),
            ("/", &[], "/", Some("q"), Some("PUT")),
            (
                "/a",
                &[("x-forwarded-uri", "/a?q"), ("x-original-method", "PUT")],
                "/a",
                Some("q"),
                Some("PUT"),
            ),
            ("", &[("x-forwarded-uri", "/a"), ("x-original-url", "http://c/a#d")], "/a", None, None),
            ("", &[], "/auth", None, None),
        ] {
            let question = question("/auth?q", headers);
            let told = Original::told(&question, below).unwrap();
            let method = method.map(|method| Method::from_bytes(method.as_bytes()).unwrap());
            assert_eq!(told, Original { path, query, method }, "{headers:?}");
        }
    }

    #[test]
    fn where_a_browser_wanted_to_go_is_never_another_server() {
        for (told, expected) in [
            ("/a/b?c=d", "/a/b?c=d"),
            ("/", "/"),
            ("//evil.example/a", "/evil.example/a"),
            ("/\\\\evil.example", "/evil.example"),
            ("https://a.example//evil.example?x", "/evil.example?x"),
        ] {
            let question = question("/auth", &[("x-original-uri", told)]);
            assert_eq!(Original::told(&question, "").unwrap().uri(), expected, "{told}");
        }
    }

    #[test]
    fn two_different_words_and_nonsense_are_refused() {
        for headers in [
            &[("x-forwarded-uri", "/admin"), ("x-original-uri", "/public")][..],
            &[("x-forwarded-uri", "/admin"), ("x-forwarded-uri", "/public")],
            &[("x-forwarded-method", "GET"), ("x-original-method", "DELETE")],
            &[("x-forwarded-uri", "/shop?id=1"), ("x-original-uri", "/shop?id=2")],
            &[("x-forwarded-uri", "admin")],
            &[("x-forwarded-uri", "")],
            &[("x-forwarded-method", "G E T")],
            &[("x-forwarded-uri", "/\t/evil.example")],
            &[("x-forwarded-uri", "/a b")],
        ] {
            assert_eq!(Original::told(&question("/auth", headers), ""), Err(Unclear), "{headers:?}");
        }
        // A proxy that asks below the mount tells by that.
        for headers in [
            &[("x-forwarded-uri", "/public")][..],
            &[("x-original-uri", "/admin")],
            &[("x-original-url", "https://a.example/admin?other")],
            &[("x-forwarded-method", "OPTIONS")],
            &[("x-original-method", "GET")],
        ] {
            for below in ["/admin", "/"] {
                assert_eq!(Original::told(&question("/auth?q", headers), below), Err(Unclear), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_policy_is_shown_the_method_and_no_word_that_may_be_a_clients() {
        let headers = [("x-original-method", "DELETE"), ("x-forwarded-uri", "/a"), ("accept", "*/*")];
        let question = question("/auth", &headers);
        let mut shown =
            KeptHeaders::of(&question.headers, &[METHODS.as_slice(), &URIS, &[header::ACCEPT]].concat());
        Original::told(&question, "").unwrap().correct(&mut shown);
        assert_eq!(shown.get(&X_FORWARDED_METHOD), Some("DELETE"));
        assert_eq!(shown.iter().count(), 2, "{shown:?}");
        Original::itself(&question).correct(&mut shown);
        assert_eq!(shown.get(&X_FORWARDED_METHOD), Some("PUT"));
    }
}
