//! `allowed_hosts`: by which names browsers may reach a service, or a transport's pages and files.
//!
//! That a page is of the service's own origin is told by comparing its `Origin` with the request's `Host`, and both come from
//! the name that the browser was given. The owner of `evil.example` can let that name lead to 127.0.0.1 (DNS rebinding):
//! then its page and the request agree. So the own origin counts only by a name that is known to be the service's. A request for
//! anything but a WebSocket has no `Origin` to compare, and the page reads the answer: there the name alone decides.

use super::origin::{self, Authority, split};
use super::pattern::is_loopback;

/// By which names a service may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowedHosts {
    /// Not configured, and the listener can be reached from elsewhere: any name may be the service's.
    #[default]
    Any,
    /// Not configured, and the listener is on loopback: names of this machine alone make a page the service's own. Handshakes
    /// that come from no page may name any host, since a proxy may stand in front.
    Loopback,
    /// `allowed_hosts`: every request must name one of these.
    Listed(Vec<String>),
}

impl AllowedHosts {
    /// Whether a request with this `Host` may come at all.
    pub(super) fn admit(&self, host: &str) -> bool {
        match self {
            Self::Any | Self::Loopback => true,
            Self::Listed(patterns) => {
                let Some(asked) = split(host).filter(|asked| asked.scheme.is_none()) else { return false };
                !host.contains('*') && patterns.iter().any(|pattern| matches(pattern, &asked))
            }
        }
    }

    /// Whether a page that is loaded from this `Host` is the service's own.
    pub fn is_own(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => split(host).is_some_and(|asked| is_loopback(asked.host)),
            Self::Listed(_) => self.admit(host),
        }
    }
}

/// A pattern without a port stands for every port: a rebound name cannot choose what it does not lead to.
fn matches(pattern: &str, asked: &Authority<'_>) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(wanted) = split(pattern) else { return false };
    let port_fits = wanted.port.is_none_or(|port| {
        // The scheme, and so the default port, is not known here: a Host without a port is one of the two.
        match asked.port {
            Some(asked) => origin::glob(port.as_bytes(), asked.as_bytes()),
            None => ["80", "443"].iter().any(|default| origin::glob(port.as_bytes(), default.as_bytes())),
        }
    });
    port_fits && origin::host_matches(wanted.host, asked.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_host_may_come_and_no_other() {
        for (pattern, host, expected) in [
            ("*", "anything.example:1", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com:8443", true),
            ("example.com", "a.example.com", false),
            ("example.com", "example.com.evil.example", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("example.com:8080", "example.com:8080", true),
            ("example.com:8080", "example.com", false),
            ("example.com:443", "example.com", true),
            ("localhost:*", "localhost:3000", true),
            ("[::1]", "[::1]:8080", true),
            ("example.com", "", false),
            ("example.com", "http://example.com", false),
            ("*.com", "*.com", false),
            ("example.com", "example.com@evil.example", false),
        ] {
            let hosts = AllowedHosts::Listed(vec![pattern.to_owned()]);
            assert_eq!((hosts.admit(host), hosts.is_own(host)), (expected, expected), "{pattern} {host}");
        }
    }

    #[test]
    fn on_loopback_only_names_of_the_machine_make_a_page_its_own() {
        let hosts = AllowedHosts::Loopback;
        assert!(hosts.admit("example.com") && !hosts.is_own("example.com"));
        for own in ["localhost:8080", "127.0.0.1", "[::1]:8080", "app.localhost"] {
            assert!(hosts.is_own(own), "{own}");
        }
        assert!(AllowedHosts::Any.is_own("example.com"));
    }
}
