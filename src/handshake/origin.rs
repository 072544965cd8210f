//! `allowed_origins`: which web pages may open a WebSocket.
//!
//! A pattern is `*` (any origin) or `scheme://host:port`. It is compared part by part, so that no `*` reaches from
//! one part into the next:
//!
//! | part | `*` stands for | left out |
//! |---|---|---|
//! | scheme | any scheme | any scheme |
//! | host | as its whole first label: one or more labels; elsewhere: characters of one label | – |
//! | port | digits | the scheme's default port |
//!
//! So `https://*.example.com` lets `https://a.example.com` and `https://a.b.example.com` in, but neither
//! `https://example.com`, nor `https://evilexample.com`, nor `https://a.example.com.evil.example`. Case does not count.
//!
//! Where no patterns are configured, only pages of the service's own origin may come: [`is_same`].

/// A service's `allowed_origins`, compiled.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    any: bool,
    patterns: Vec<OriginPattern>,
}

#[derive(Debug, Clone)]
struct OriginPattern {
    /// `*` where left out.
    scheme: String,
    host: String,
    port: Option<String>,
}

/// An origin, or a pattern for origins, in its parts.
pub(super) struct Authority<'a> {
    pub(super) scheme: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<&'a str>,
}

impl Origins {
    /// Compiles the patterns. A pattern that no origin can match lets no page in by accident.
    pub(super) fn new(patterns: &[String]) -> Self {
        let any = patterns.iter().any(|pattern| pattern.trim() == "*");
        let patterns = patterns
            .iter()
            .filter_map(|pattern| split(pattern.trim().trim_end_matches('/')))
            .map(|parts| OriginPattern {
                scheme: parts.scheme.unwrap_or("*").to_owned(),
                host: parts.host.to_owned(),
                port: parts.port.map(str::to_owned),
            })
            .collect();
        Self { any, patterns }
    }

    /// Whether a page of this origin may connect; for everything but `null`, which has an option of its own.
    pub(super) fn allow(&self, origin: &str) -> bool {
        if self.any {
            return true;
        }
        let Some(Authority { scheme: Some(scheme), host, port }) = split(origin) else { return false };
        if origin.contains('*') {
            return false;
        }
        let port = port.or_else(|| default_port(scheme));
        self.patterns.iter().any(|pattern| pattern.matches(scheme, host, port))
    }
}

/// Whether a page of this origin came from the server to which its request goes, by the request's `Host`.
///
/// The schemes are not compared: behind a proxy that ends TLS the page came by `https`, and the request arrives
/// here in the clear. Cookies do not tell the two apart either, unless they are `Secure`.
pub(super) fn is_same(origin: &str, host: &str) -> bool {
    let Some(Authority { scheme: Some(scheme), host: name, port }) = split(origin) else { return false };
    let Some(Authority { scheme: None, host: asked, port: asked_port }) = split(host) else { return false };
    // Other schemes have no authority that a Host header could name.
    let Some(default) = default_port(scheme) else { return false };
    let has_star = origin.contains('*') || host.contains('*');
    !has_star && name.eq_ignore_ascii_case(asked) && port.unwrap_or(default) == asked_port.unwrap_or(default)
}

impl OriginPattern {
    fn matches(&self, scheme: &str, host: &str, port: Option<&str>) -> bool {
        let port_fits = match (self.port.as_deref(), port) {
            (Some(pattern), Some(port)) => glob(pattern.as_bytes(), port.as_bytes()),
            (None, port) => port == default_port(scheme),
            // A scheme without a default port, in an origin without a port.
            (Some(pattern), None) => pattern == "*",
        };
        port_fits && glob(self.scheme.as_bytes(), scheme.as_bytes()) && host_matches(&self.host, host)
    }
}

/// Takes an origin or a pattern apart; nothing if it has no host or something behind its port.
pub(super) fn split(text: &str) -> Option<Authority<'_>> {
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, text),
    };
    // The colons of an IPv6 address stand in brackets.
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (address, rest) = authority.split_at_checked(host_end)?;
    let (host, port) = match rest.split_once(':') {
        Some((name, port)) if address.is_empty() => (name, Some(port)),
        Some(("", port)) => (address, Some(port)),
        Some(_) => return None,
        None => (authority, None),
    };
    let sound = !host.is_empty()
        && !authority.contains(['/', '@', '?', '#', ' '])
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit() || b == b'*'));
    sound.then_some(Authority { scheme, host, port })
}

/// What browsers leave out of an Origin header.
pub(super) fn default_port(scheme: &str) -> Option<&'static str> {
    if scheme.eq_ignore_ascii_case("https") {
        Some("443")
    } else if scheme.eq_ignore_ascii_case("http") {
        Some("80")
    } else {
        None
    }
}

pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Some(parent) = pattern.strip_prefix("*.") {
        // One or more labels may stand for the star: try every dot of the host as the end of them.
        return host
            .match_indices('.')
            .any(|(dot, _)| dot > 0 && host.get(dot + 1..).is_some_and(|rest| labels_match(parent, rest)));
    }
    labels_match(pattern, host)
}

fn labels_match(pattern: &str, host: &str) -> bool {
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some(pattern), Some(label)) if glob(pattern.as_bytes(), label.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// Compares a text with a pattern in which `*` stands for any characters, in linear space and without recursion.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the rest does not fit: behind the last star, which then takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, taken)) = retry else { return false };
                (p, t) = (star, taken + 1);
                retry = Some((star, t));
            }
        }
    }
    pattern.iter().skip(p).all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, origin: &str) -> bool {
        Origins::new(&[pattern.to_owned()]).allow(origin)
    }

    #[test]
    fn origins_are_compared_part_by_part() {
        for (pattern, origin, expected) in [
            ("*", "http://anything.example:1234", true),
            ("*", "no origin at all", true),
            // The documented form, with the default port filled in on both sides.
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.example.com:443", true),
            ("https://*.example.com:443", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("HTTPS://*.Example.com", "https://A.example.COM", true),
            ("https://*.example.com/", "https://a.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.example", false),
            ("https://*.example.com", "https://evil.example#.example.com", false),
            ("https://*.example.com", "https://evil.example/.example.com", false),
            ("https://*.example.com", "https://user@a.example.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            // Ports.
            ("http://localhost:*", "http://localhost", true),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "https://localhost:3000", false),
            ("http://localhost:80*", "http://localhost:8080", true),
            ("http://localhost:80*", "http://localhost:9080", false),
            ("http://localhost", "http://localhost:80", true),
            ("http://localhost", "http://localhost:8080", false),
            ("http://localhost:*", "http://localhost:80@evil.example", false),
            // A star elsewhere stays inside its label.
            ("https://app-*.example.com", "https://app-1.example.com", true),
            ("https://app-*.example.com", "https://app-1.evil.example.com", false),
            ("https://example.*", "https://example.org", true),
            ("https://example.*", "https://example.evil.example", false),
            ("http://192.168.0.*", "http://192.168.0.17", true),
            ("http://192.168.0.*", "http://192.168.0.17.evil.example", false),
            // Schemes.
            ("*://example.com", "http://example.com", true),
            ("*://example.com", "https://example.com", true),
            ("example.com", "https://example.com", true),
            ("example.com", "https://example.com:444", false),
            ("*.example.com:443", "https://a.example.com", true),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
            ("chrome-extension://*", "chrome-extension://abcdef", true),
            // IPv6.
            ("http://[::1]:*", "http://[::1]:8080", true),
            ("http://[::1]", "http://[::1]", true),
            ("http://[::1]", "http://[::2]", false),
            ("http://[::1]:*", "http://[::1]evil.example:80", false),
            // No origins.
            ("https://example.com", "", false),
            ("https://example.com", "example.com", false),
            ("https://example.com", "https://", false),
            ("https://*.example.com", "https://*.example.com", false),
            ("https://example.com", "https://example.com https://evil.example", false),
        ] {
            assert_eq!(allows(pattern, origin), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_page_is_of_the_same_origin_if_its_host_and_port_are_those_of_the_request() {
        for (origin, host, expected) in [
            ("http://example.com", "example.com", true),
            ("http://example.com", "example.com:80", true),
            ("http://example.com:80", "example.com", true),
            ("https://Example.com", "example.COM", true),
            ("https://example.com", "example.com:443", true),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("https://example.com", "example.com:80", false),
            ("http://example.com:8080", "example.com", false),
            ("http://example.com", "example.com:8080", false),
            ("http://example.com", "a.example.com", false),
            ("http://a.example.com", "example.com", false),
            ("http://example.com.evil.example", "example.com", false),
            ("http://evil.example", "example.com", false),
            ("http://evil.example#example.com", "example.com", false),
            ("http://example.com@evil.example", "example.com", false),
            ("http://*", "*", false),
            ("chrome-extension://abcdef", "abcdef", false),
            ("example.com", "example.com", false),
            ("http://", "", false),
            ("", "", false),
            ("http://example.com", "http://example.com", false),
        ] {
            assert_eq!(is_same(origin, host), expected, "{origin} {host}");
        }
    }

    #[test]
    fn an_empty_list_lets_no_origin_in() {
        assert!(!Origins::new(&[]).allow("https://example.com"));
    }

    #[test]
    fn one_of_several_patterns_is_enough() {
        let origins = Origins::new(&["https://a.example".to_owned(), "https://b.example".to_owned()]);
        assert!(origins.allow("https://b.example"));
        assert!(!origins.allow("https://c.example"));
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = format!("https://{}b", "*a".repeat(64));
        assert!(!allows(&pattern, &format!("https://{}", "a".repeat(4096))));
    }
}
