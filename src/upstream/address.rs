//! Where an upstream is: `ws://10.0.0.5:3000/socket`, `wss://app.example`, `unix:/run/app.sock:/socket`; and for WAMP routers
//! `rs://10.0.0.5:8080`, `rss://router.example:8443`, `rs+unix:/run/router.sock`.

use std::{fmt, path::PathBuf};

use http::{Uri, uri::Authority};
use percent_encoding::percent_decode_str;

/// An address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAddress {
    /// What to connect to.
    pub place: UpstreamPlace,
    /// Whether it speaks TLS.
    pub has_tls: bool,
    /// What is spoken there.
    pub speaks: Speaks,
    /// What takes the place of the mount in the paths of requests: nothing, or a path without a slash at its end.
    pub path: String,
}

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// WebSocket, written as `ws`, `wss` or `unix`.
    WebSocket,
    /// The same, written as `http` or `https`.
    Http,
    /// RawSocket: `rs`, `rss` or `rs+unix`.
    RawSocket,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamPlace {
    /// A name or an IP address, without brackets, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressFault {
    /// It begins with another scheme, or none.
    #[error(
        "begins with none of ws://, wss://, http://, https:// and unix:, nor with rs://, rss:// or rs+unix: for a WAMP router"
    )]
    Scheme,
    /// It is no URL.
    #[error("is no URL such as \"ws://127.0.0.1:3000/socket\"")]
    Url,
    /// It is no URL, and begins as one of HTTP.
    #[error("is no URL such as \"http://127.0.0.1:3000\"")]
    HttpUrl,
    /// It is no address of RawSocket.
    #[error("is no address of RawSocket such as \"rs://127.0.0.1:8080\", with a port and without a path")]
    RawUrl,
    /// Its path is read in more than one way.
    #[error(
        "has a path with `.`, `..` or a percent sign that begins no escape, which servers read in several ways"
    )]
    Path,
    /// It has a query or a fragment.
    #[error("has a query or a fragment: those come from the client's request")]
    Query,
    /// It has a user or a password.
    #[error("has a user or a password, which an upstream is not told")]
    User,
    /// It is a Unix socket without a path of its own.
    #[error("names no socket, as \"unix:/run/app.sock\" does")]
    Socket,
}

impl UpstreamAddress {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.contains(['?', '#']) {
            return Err(AddressFault::Query);
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            let (socket, path) = rest.split_once(':').unwrap_or((rest, ""));
            let socket = socket.strip_prefix("//").unwrap_or(socket);
            if socket.is_empty() {
                return Err(AddressFault::Socket);
            }
            let place = UpstreamPlace::Unix(PathBuf::from(socket));
            return Ok(Self { place, has_tls: false, speaks: Speaks::WebSocket, path: base(path)? });
        }
        if let Some(rest) = text.strip_prefix("rs+unix:") {
            let socket = rest.strip_prefix("//").unwrap_or(rest);
            if socket.is_empty() {
                return Err(AddressFault::Socket);
            }
            let place = UpstreamPlace::Unix(PathBuf::from(socket));
            return Ok(Self { place, has_tls: false, speaks: Speaks::RawSocket, path: String::new() });
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressFault::Scheme)?;
        let (has_tls, speaks) = match scheme {
            "ws" => (false, Speaks::WebSocket),
            "http" => (false, Speaks::Http),
            "rs" => (false, Speaks::RawSocket),
            "wss" => (true, Speaks::WebSocket),
            "https" => (true, Speaks::Http),
            "rss" => (true, Speaks::RawSocket),
            _ => return Err(AddressFault::Scheme),
        };
        Self::parse_url(rest, has_tls, speaks).map_err(|fault| match (fault, speaks) {
            (AddressFault::Url, Speaks::Http) => AddressFault::HttpUrl,
            (AddressFault::Url | AddressFault::Path, Speaks::RawSocket) => AddressFault::RawUrl,
            (fault, _) => fault,
        })
    }

    /// Reads what stands behind the scheme.
    fn parse_url(rest: &str, has_tls: bool, speaks: Speaks) -> Result<Self, AddressFault> {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressFault::User);
        }
        let authority = Authority::try_from(authority).map_err(|_| AddressFault::Url)?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A port that is there and is none, such as `:` or `:99999`, is a mistake.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port @ 1..) => port,
            // RawSocket has no port of its own.
            None if !has_port && speaks != Speaks::RawSocket => {
                if has_tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(AddressFault::Url),
        };
        if host.is_empty() {
            return Err(AddressFault::Url);
        }
        let place = UpstreamPlace::Tcp(host.to_owned(), port);
        let path = base(path)?;
        if speaks == Speaks::RawSocket && !path.is_empty() {
            return Err(AddressFault::Url);
        }
        Ok(Self { place, has_tls, speaks, path })
    }

    /// Whether both lead to the same place, however they are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.place, self.has_tls, self.is_raw(), &self.path)
            == (&other.place, other.has_tls, other.is_raw(), &other.path)
    }

    /// Whether RawSocket is spoken there.
    pub(crate) const fn is_raw(&self) -> bool {
        matches!(self.speaks, Speaks::RawSocket)
    }

    /// The same text for all that is the [same](Self::is_same), and for nothing else.
    pub(super) fn key(&self) -> String {
        let tls = if self.has_tls { "tls" } else { "" };
        let raw = if self.is_raw() { "rawsocket " } else { "" };
        match &self.place {
            UpstreamPlace::Tcp(host, port) => format!("{raw}tcp {host} {port} {tls} {}", self.path),
            UpstreamPlace::Unix(path) => format!("{raw}unix {} {tls} {}", path.display(), self.path),
        }
    }

    /// What stands in `Host` if not what the client has asked for.
    pub fn host(&self) -> String {
        match &self.place {
            UpstreamPlace::Tcp(host, port) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                if *port == if self.has_tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
            }
            UpstreamPlace::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// A path without a slash at its end.
fn base(path: &str) -> Result<String, AddressFault> {
    let path = path.trim_end_matches('/');
    let is_path = path.is_empty()
        || (path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && path.parse::<Uri>().is_ok());
    if !is_path {
        return Err(AddressFault::Url);
    }
    if path.split('/').all(has_one_reading) { Ok(path.to_owned()) } else { Err(AddressFault::Path) }
}

/// Whether a component of a path is the same for every server.
fn has_one_reading(component: &str) -> bool {
    let mut escapes = component.split('%').skip(1);
    let is_escape = |rest: &str| {
        rest.as_bytes().first_chunk::<2>().is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    };
    let decoded = percent_decode_str(component).collect::<Vec<u8>>();
    escapes.all(is_escape) && !matches!(&*decoded, b"." | b"..")
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.speaks, self.has_tls) {
            (Speaks::WebSocket, false) => "ws",
            (Speaks::WebSocket, true) => "wss",
            (Speaks::Http, false) => "http",
            (Speaks::Http, true) => "https",
            (Speaks::RawSocket, false) => "rs",
            (Speaks::RawSocket, true) => "rss",
        };
        match &self.place {
            UpstreamPlace::Tcp(host, port) if host.contains(':') => write!(f, "{scheme}://[{host}]:{port}"),
            UpstreamPlace::Tcp(host, port) => write!(f, "{scheme}://{host}:{port}"),
            UpstreamPlace::Unix(path) if self.is_raw() => write!(f, "rs+unix:{}", path.display()),
            UpstreamPlace::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_a_socket() {
        for (text, place, has_tls, path, host) in [
            ("ws://10.0.0.5:3000/socket", "10.0.0.5 3000", false, "/socket", "10.0.0.5:3000"),
            ("http://app", "app 80", false, "", "app"),
            ("wss://app.example/", "app.example 443", true, "", "app.example"),
            ("https://app.example:8443/a/b/", "app.example 8443", true, "/a/b", "app.example:8443"),
            ("ws://[::1]:9000", "::1 9000", false, "", "[::1]:9000"),
            ("rs://10.0.0.5:8080", "10.0.0.5 8080", false, "", "10.0.0.5:8080"),
            ("rss://[::1]:8443/", "::1 8443", true, "", "[::1]:8443"),
        ] {
            let address = UpstreamAddress::parse(text).unwrap();
            let UpstreamPlace::Tcp(name, port) = &address.place else { panic!("{text}") };
            assert_eq!(format!("{name} {port}"), place, "{text}");
            assert_eq!((address.has_tls, &*address.path, &*address.host()), (has_tls, path, host), "{text}");
            assert_eq!(address.to_string().split(':').next(), text.split(':').next(), "{text}");
            assert_eq!(address.is_raw(), text.starts_with("rs"), "{text}");
        }
        for (text, socket, path) in [
            ("unix:/run/app.sock", "/run/app.sock", ""),
            ("unix:/run/app.sock:/socket/", "/run/app.sock", "/socket"),
            ("unix:///run/app.sock:/", "/run/app.sock", ""),
            ("unix:app.sock", "app.sock", ""),
            ("rs+unix:/run/router.sock", "/run/router.sock", ""),
            ("rs+unix:///run/router.sock", "/run/router.sock", ""),
        ] {
            let address = UpstreamAddress::parse(text).unwrap();
            assert_eq!(address.place, UpstreamPlace::Unix(PathBuf::from(socket)), "{text}");
            assert_eq!((address.has_tls, &*address.path), (false, path), "{text}");
        }
    }

    #[test]
    fn anything_else_is_told_what_is_wrong_with_it() {
        for (text, fault) in [
            ("", AddressFault::Scheme),
            ("10.0.0.5:3000", AddressFault::Scheme),
            ("tcp://10.0.0.5:3000", AddressFault::Scheme),
            ("ws://", AddressFault::Url),
            ("ws://:80", AddressFault::Url),
            ("ws://a:99999", AddressFault::Url),
            ("ws://a:0", AddressFault::Url),
            ("ws://a b/", AddressFault::Url),
            ("ws://a/b c", AddressFault::Url),
            ("ws://a/\r\nX: y", AddressFault::Url),
            ("ws://a/?b", AddressFault::Query),
            ("ws://a/#b", AddressFault::Query),
            ("ws://joe:secret@a/", AddressFault::User),
            ("unix:", AddressFault::Socket),
            ("unix:/a:b", AddressFault::Url),
            ("rs://a", AddressFault::RawUrl),
            ("rss://a", AddressFault::RawUrl),
            ("rs://a:1/b", AddressFault::RawUrl),
            ("rs://a:1/..", AddressFault::RawUrl),
            ("rs://a:1?b", AddressFault::Query),
            ("rs+unix:", AddressFault::Socket),
            ("http://a:99999", AddressFault::HttpUrl),
            ("https://", AddressFault::HttpUrl),
            ("http://a/b/../c", AddressFault::Path),
            ("http://a/.", AddressFault::Path),
            ("ws://a/%2E%2e/b", AddressFault::Path),
            ("http://a/%zz", AddressFault::Path),
            ("unix:/run/app.sock:/b%4", AddressFault::Path),
        ] {
            assert_eq!(UpstreamAddress::parse(text), Err(fault), "{text}");
        }
    }
}
