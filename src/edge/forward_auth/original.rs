//! The request that a proxy asks about, as the proxy tells of it.
//!
//! | told by | in |
//! |---|---|
//! | Caddy, Traefik | `X-Forwarded-Method`, `X-Forwarded-Uri` |
//! | nginx and others, by convention | `X-Original-Method`, `X-Original-URI` or `X-Original-URL` |
//! | Envoy | the method, and the path below the mount |
//!
//! A proxy passes on what it does not set, so a client can write the header that another proxy would set. If two of them
//! disagree, the gateway cannot tell which one is the proxy's, and refuses.

use http::{HeaderMap, HeaderName, HeaderValue, Method, request::Parts};

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
    /// The method; none if the proxy does not tell.
    pub(super) method: Option<Method>,
}

/// The proxy's word cannot be understood, or there are two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

impl<'a> Original<'a> {
    /// What a trusted proxy says. `below` is what its own path has behind the mount.
    pub(super) fn told(question: &'a Parts, below: &'a str) -> Result<Self, Unclear> {
        let by_path = !below.is_empty();
        let path = agreed(&question.headers, &URIS, path)?;
        let method = agreed(&question.headers, &METHODS, |text| Method::from_bytes(text.as_bytes()).ok())?;
        let is_by_path = path.is_none() && by_path;
        Ok(Self {
            path: path.unwrap_or(if by_path { below } else { question.uri.path() }),
            method: method.or_else(|| is_by_path.then(|| question.method.clone())),
        })
    }

    /// The question itself, of a peer whose word does not count.
    pub(super) fn itself(question: &'a Parts) -> Self {
        Self { path: question.uri.path(), method: Some(question.method.clone()) }
    }

    /// Makes a policy's headers tell of this request: `X-Forwarded-Method` has the method or is not there, and no other header of the
    /// kind is.
    pub(super) fn correct(&self, headers: &mut HeaderMap) {
        for name in METHODS.iter().chain(&URIS) {
            headers.remove(name);
        }
        let method = self.method.as_ref();
        if let Some(method) = method.and_then(|method| HeaderValue::from_str(method.as_str()).ok()) {
            headers.insert(X_FORWARDED_METHOD, method);
        }
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

/// The path of a URL or of a request's target.
fn path(text: &str) -> Option<&str> {
    let target = match text.split_once("://") {
        // A path may hold the URL of another site.
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            rest.find('/').map_or("/", |slash| rest.get(slash..).unwrap_or("/"))
        }
        _ => text,
    };
    let path = target.split(['?', '#']).next()?;
    path.starts_with('/').then_some(path)
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
        for (below, headers, path, method) in [
            (
                "",
                &[("x-forwarded-uri", "/a/b?c=d"), ("x-forwarded-method", "POST")][..],
                "/a/b",
                Some("POST"),
            ),
            ("", &[("x-original-uri", "/a//b%2F#c"), ("x-original-method", "GET")], "/a//b%2F", Some("GET")),
            ("", &[("x-original-url", "https://a.example/x?y")], "/x", None),
            ("", &[("x-original-url", "https://a.example")], "/", None),
            ("", &[("x-original-uri", "/go?to=https://b.example/c")], "/go", None),
            ("", &[("x-original-uri", "/go/https://b.example/c")], "/go/https://b.example/c", None),
            ("/a/b", &[], "/a/b", Some("PUT")),
            ("/", &[], "/", Some("PUT")),
            ("/a", &[("x-forwarded-uri", "/b")], "/b", None),
            ("", &[("x-forwarded-uri", "/a"), ("x-original-url", "http://c/a?d")], "/a", None),
            ("", &[], "/auth", None),
        ] {
            let question = question("/auth", headers);
            let told = Original::told(&question, below).unwrap();
            let method = method.map(|method| Method::from_bytes(method.as_bytes()).unwrap());
            assert_eq!(told, Original { path, method }, "{headers:?}");
        }
    }

    #[test]
    fn two_different_words_and_nonsense_are_refused() {
        for headers in [
            &[("x-forwarded-uri", "/admin"), ("x-original-uri", "/public")][..],
            &[("x-forwarded-uri", "/admin"), ("x-forwarded-uri", "/public")],
            &[("x-forwarded-method", "GET"), ("x-original-method", "DELETE")],
            &[("x-forwarded-uri", "admin")],
            &[("x-forwarded-uri", "")],
            &[("x-forwarded-method", "G E T")],
        ] {
            assert_eq!(Original::told(&question("/auth", headers), ""), Err(Unclear), "{headers:?}");
        }
    }

    #[test]
    fn a_policy_is_shown_the_method_and_no_word_that_may_be_a_clients() {
        let headers = [("x-original-method", "DELETE"), ("x-forwarded-uri", "/a"), ("accept", "*/*")];
        let question = question("/auth", &headers);
        let mut shown = question.headers.clone();
        Original::told(&question, "").unwrap().correct(&mut shown);
        assert_eq!(shown.get(X_FORWARDED_METHOD).unwrap(), "DELETE");
        assert_eq!(shown.len(), 2, "{shown:?}");
        Original::itself(&question).correct(&mut shown);
        assert_eq!(shown.get(X_FORWARDED_METHOD).unwrap(), "PUT");
    }
}
