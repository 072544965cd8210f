//! Which patterns of `allowed_origins` and `allowed_hosts` can match at all.
//!
//! A pattern that nothing can match lets no page in, and its author finds out from users. So the configuration's check judges
//! each pattern by what browsers send. They send an origin as RFC 6454, 6.2 and the URL standard write it: the scheme of the
//! *page* (`http`, `https`, an extension's), a host in its one canonical form, and a port only where it is not the scheme's
//! own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::origin::{Authority, default_port, glob, split};

/// The longest label and name in DNS (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

/// Why a pattern can never match, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// It is no pattern for origins.
    #[error(
        "is not valid, use an origin such as \"https://example.com\" or \"https://*.example.com\" (no path), or \"*\""
    )]
    NoOrigin,
    /// It is no pattern for hosts.
    #[error(
        "is not valid, use a host such as \"example.com\", \"*.example.com\" or \"localhost:8080\", or \"*\""
    )]
    NoHost,
    /// A WebSocket's own scheme.
    #[error("matches nothing: browsers send the origin of the page, not of the WebSocket, so use `{0}://`")]
    WebSocketScheme(&'static str),
    /// Pages of this scheme have the origin `null`.
    #[error("matches nothing: browsers send \"null\" for such pages, which `allow_null_origin` lets in")]
    Opaque,
    /// No port has this number, or none is written like this.
    #[error("matches nothing: its port must match some number from 1 to 65535, without zeros in front")]
    Port,
    /// No browser sends this host.
    #[error("matches nothing: no browser sends this host{}", .0.as_ref().map(|host| format!(", it sends \"{host}\"")).unwrap_or_default())]
    Host(Option<String>),
}

/// Judges a pattern of `allowed_origins`.
pub fn judge_origin(pattern: &str) -> Result<(), PatternFault> {
    if pattern == "*" {
        return Ok(());
    }
    if pattern.eq_ignore_ascii_case("null") {
        return Err(PatternFault::Opaque);
    }
    let is_plain = pattern.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(parts) = split(pattern).filter(|_| is_plain) else {
        let scheme = pattern.split_once(':').map_or("", |(scheme, _)| scheme);
        return Err(if is_opaque(scheme) { PatternFault::Opaque } else { PatternFault::NoOrigin });
    };
    match parts.scheme {
        Some(scheme) => judge_scheme(scheme)?,
        None if pattern.starts_with('*') => {}
        None => return Err(PatternFault::NoOrigin),
    }
    judge_authority(&parts)
}

/// Judges a pattern of `allowed_hosts`.
pub fn judge_host(pattern: &str) -> Result<(), PatternFault> {
    if pattern == "*" {
        return Ok(());
    }
    let is_plain = pattern.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = split(pattern).filter(|parts| is_plain && parts.scheme.is_none());
    judge_authority(&parts.ok_or(PatternFault::NoHost)?)
}

fn judge_scheme(scheme: &str) -> Result<(), PatternFault> {
    let matches = |name: &str| glob(scheme.as_bytes(), name.as_bytes());
    let is_sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic() || c == '*')
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'*'));
    match () {
        () if !is_sound => Err(PatternFault::NoOrigin),
        () if matches("http") || matches("https") => Ok(()),
        () if matches("wss") => Err(PatternFault::WebSocketScheme("https")),
        () if matches("ws") => Err(PatternFault::WebSocketScheme("http")),
        () if is_opaque(scheme) => Err(PatternFault::Opaque),
        () => Ok(()),
    }
}

/// Whether pages of this scheme have no origin of their own (HTML, 7.1.1: an opaque origin).
fn is_opaque(scheme: &str) -> bool {
    ["file", "data", "about", "blob", "javascript", "filesystem"]
        .iter()
        .any(|opaque| scheme.eq_ignore_ascii_case(opaque))
}

fn judge_authority(parts: &Authority<'_>) -> Result<(), PatternFault> {
    if let Some(port) = parts.port {
        let is_default = parts.scheme.and_then(default_port).is_some_and(|default| default == port);
        let mut ports = (1..=u16::MAX).map(|number| number.to_string());
        if !is_default && !ports.any(|number| glob(port.as_bytes(), number.as_bytes())) {
            return Err(PatternFault::Port);
        }
    }
    judge_name(parts.host)
}

fn judge_name(host: &str) -> Result<(), PatternFault> {
    if let Some(inner) = host.strip_prefix('[') {
        return judge_ipv6(inner.strip_suffix(']').ok_or(PatternFault::Host(None))?);
    }
    // The URL standard's "forbidden domain code points".
    let is_forbidden = |c: char| "#/:<>?@[\\]^|%".contains(c) || c.is_ascii_control();
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let fixed = |text: &str| text.bytes().filter(|byte| *byte != b'*').count();
    if host.contains(is_forbidden)
        || labels.iter().any(|label| label.is_empty() || fixed(label) > MAX_LABEL)
        || fixed(host) > MAX_NAME
    {
        return Err(PatternFault::Host(None));
    }
    // The URL standard takes a host for an IPv4 address if its last label is a number.
    if labels.last().is_some_and(|last| is_number(last)) { judge_ipv4(host, &labels) } else { Ok(()) }
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn judge_ipv4(host: &str, labels: &[&str]) -> Result<(), PatternFault> {
    let matches_byte =
        |label: &&str| (0..=u8::MAX).any(|byte| glob(label.as_bytes(), byte.to_string().as_bytes()));
    // A star as the first label stands for one or more of them.
    let has_four = labels.len() == 4 || (labels.len() < 4 && labels.first() == Some(&"*"));
    if has_four && !host.ends_with('.') && labels.iter().all(matches_byte) {
        return Ok(());
    }
    let meant = host.trim_end_matches('.').parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    Err(PatternFault::Host(meant))
}

fn judge_ipv6(inner: &str) -> Result<(), PatternFault> {
    if inner.contains('*') {
        let is_sound = inner.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'*'));
        return if is_sound { Ok(()) } else { Err(PatternFault::Host(None)) };
    }
    let address: Ipv6Addr = inner.parse().map_err(|_| PatternFault::Host(None))?;
    let canonical = match address.to_ipv4_mapped() {
        // The URL standard writes the last 32 bits of every address in hexadecimal.
        Some(_) => {
            let [.., high, low] = address.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        None => address.to_string(),
    };
    if inner.eq_ignore_ascii_case(&canonical) {
        return Ok(());
    }
    Err(PatternFault::Host(Some(format!("[{canonical}]"))))
}

/// Whether a host names the machine itself and nothing else, whatever a name server says: `localhost`, a name below it
/// (RFC 6761, 6.3), or a loopback address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = address.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_an_origin_can_match_are_sound() {
        for pattern in [
            "*",
            "https://example.com",
            "HTTPS://Example.COM",
            "https://*.example.com",
            "https://*.example.com:443",
            "http://localhost:*",
            "http://localhost:80*",
            "http*://example.com",
            "*://example.com",
            "*s://example.com",
            "*.example.com",
            "*.example.com:8443",
            "*:8443",
            "https://app-*.example.com",
            "https://example.*",
            "https://a_b.example",
            "https://example.com.",
            "http://192.168.0.*",
            "http://192.168.*.1",
            "http://*.0.1",
            "http://127.0.0.1:8080",
            "http://[::1]:*",
            "http://[fe80::*]",
            "http://[::ffff:7f00:1]",
            "chrome-extension://abcdef",
            "capacitor://localhost",
        ] {
            assert_eq!(judge_origin(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_no_origin_can_match_are_faults() {
        use PatternFault::{Host, NoOrigin, Opaque, Port, WebSocketScheme};
        let meant = |host: &str| Host(Some(host.to_owned()));
        for (pattern, fault) in [
            ("ws://*", WebSocketScheme("http")),
            ("WS://example.com", WebSocketScheme("http")),
            ("wss://example.com", WebSocketScheme("https")),
            ("ws*://example.com", WebSocketScheme("https")),
            ("null", Opaque),
            ("file://", Opaque),
            ("file://*", Opaque),
            ("file:///home", Opaque),
            ("data://x", Opaque),
            ("about:blank", Opaque),
            ("", NoOrigin),
            ("example.com", NoOrigin),
            ("https://", NoOrigin),
            ("https://*/", NoOrigin),
            ("https://example.com/app", NoOrigin),
            ("https://user@example.com", NoOrigin),
            ("https://example.com?x", NoOrigin),
            ("https://example.com:", NoOrigin),
            ("https://example.com:http", NoOrigin),
            ("1http://example.com", NoOrigin),
            ("ht_tp://example.com", NoOrigin),
            ("https://exämple.com", NoOrigin),
            ("https://a b.example", NoOrigin),
            ("https://example.com:0", Port),
            ("https://example.com:0443", Port),
            ("https://example.com:0*", Port),
            ("https://example.com:65536", Port),
            ("https://example.com:123456*", Port),
            ("https://a..example.com", Host(None)),
            ("https://.example.com", Host(None)),
            ("https://a%20b.example", Host(None)),
            ("https://a|b.example", Host(None)),
            ("http://127.1", Host(None)),
            ("http://127.0.0.256", Host(None)),
            ("http://127.0.0.01", Host(None)),
            ("http://2130706433", Host(None)),
            ("http://127.0.0.1.", meant("127.0.0.1")),
            ("http://300.168.*.1", Host(None)),
            ("http://1.2.*.4.5", Host(None)),
            ("http://[::1", NoOrigin),
            ("http://[::1%25eth0]", Host(None)),
            ("http://[0:0:0:0:0:0:0:1]", meant("[::1]")),
            ("http://[::ffff:127.0.0.1]", meant("[::ffff:7f00:1]")),
            ("http://[example]", Host(None)),
        ] {
            assert_eq!(judge_origin(pattern), Err(fault), "{pattern}");
        }
        assert!(judge_origin(&format!("https://{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn patterns_for_hosts_have_no_scheme() {
        for pattern in
            ["*", "example.com", "*.example.com", "example.com:8080", "localhost:*", "[::1]", "10.0.0.7"]
        {
            assert_eq!(judge_host(pattern), Ok(()), "{pattern}");
        }
        for pattern in ["", "https://example.com", "example.com/ws", "a b", "example.com:x", "exämple.com"] {
            assert_eq!(judge_host(pattern), Err(PatternFault::NoHost), "{pattern}");
        }
        assert_eq!(judge_host("example.com:70000"), Err(PatternFault::Port));
        assert_eq!(judge_host("127.1"), Err(PatternFault::Host(None)));
    }

    #[test]
    fn loopback_names_name_this_machine_only() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "[::ffff:7f00:1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "127.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
