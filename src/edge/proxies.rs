//! Who a client is behind a proxy that speaks for many: the address that a trusted proxy gives.
//!
//! A proxy appends to `X-Forwarded-For` the address from which it was reached. What stands before that came from the other side
//! and may be made up. So the gateway reads the list from its end, for as long as it trusts the writer of the entry.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, uri::Authority};

use super::TrustedProxy;
use crate::stream::PeerAddr;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client behind a peer: the peer itself, unless it is a trusted proxy that gives another address. Proxies do not give the
/// port, which is then 0.
pub(super) fn client(peer: PeerAddr, headers: &HeaderMap, trusted: &[TrustedProxy]) -> PeerAddr {
    let mut client = peer;
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut given = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while is_trusted(client, trusted) {
        // If there is no address, or nonsense in its place, the writer of the entry is the last one that is known.
        let Some(address) = given.next().and_then(address) else { break };
        client = PeerAddr::Tcp(SocketAddr::new(address, 0));
    }
    client
}

/// The `Host` that a client has asked for, by the word of a trusted proxy that asks for another one.
///
/// Proxies replace `X-Forwarded-Host` or append to it; what stands before the last entry may be the client's own invention.
pub(super) fn host(peer: PeerAddr, headers: &HeaderMap, trusted: &[TrustedProxy]) -> Option<HeaderValue> {
    if !is_trusted(peer, trusted) {
        return None;
    }
    let line = headers.get_all(X_FORWARDED_HOST).iter().next_back()?;
    let last = line.to_str().ok()?.rsplit(',').next()?.trim();
    let is_host = is_authority(last.as_bytes());
    if is_host { HeaderValue::from_str(last).ok() } else { None }
}

/// Whether this is a host, perhaps with a port: what `Host` may hold (RFC 9112, 3.2).
pub(super) fn is_authority(text: &[u8]) -> bool {
    !text.contains(&b'@') && Authority::try_from(text).is_ok()
}

/// Whether the gateway believes what a peer says of its clients.
pub(super) fn is_trusted(peer: PeerAddr, trusted: &[TrustedProxy]) -> bool {
    trusted.iter().any(|proxy| match (proxy, peer) {
        (TrustedProxy::Network(network), PeerAddr::Tcp(address)) => {
            network.contains(&address.ip().to_canonical())
        }
        (TrustedProxy::Unix, PeerAddr::Unix) => true,
        _ => false,
    })
}

/// An address as proxies write it: some add the port, and some the brackets of a URL.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bare).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{PeerAddr, TrustedProxy, client};

    fn tcp(address: &str) -> PeerAddr {
        PeerAddr::Tcp(address.parse().unwrap())
    }

    fn behind(peer: PeerAddr, lines: &[&str], trusted: &[TrustedProxy]) -> PeerAddr {
        let line = |line: &&str| (super::X_FORWARDED_FOR, line.parse().unwrap());
        client(peer, &lines.iter().map(line).collect(), trusted)
    }

    #[test]
    fn a_trusted_proxy_tells_the_host_and_no_other_peer() {
        let host = |peer, lines: &[&str], trusted: &[TrustedProxy]| {
            let line = |line: &&str| (super::X_FORWARDED_HOST, line.parse().unwrap());
            super::host(peer, &lines.iter().map(line).collect(), trusted)
        };
        let proxy = [TrustedProxy::Network("10.0.0.0/8".parse().unwrap())];
        for (peer, lines, expected) in [
            ("10.0.0.1:1", &["app.example"][..], Some("app.example")),
            ("10.0.0.1:1", &["app.example:8443"], Some("app.example:8443")),
            // What the client has made up stands before what the proxy has appended.
            ("10.0.0.1:1", &["evil.example, app.example"], Some("app.example")),
            ("10.0.0.1:1", &["evil.example", "app.example"], Some("app.example")),
            ("10.0.0.1:1", &["user@app.example"], None),
            ("10.0.0.1:1", &[""], None),
            ("10.0.0.1:1", &[], None),
            ("192.0.2.1:1", &["evil.example"], None),
        ] {
            let found = host(tcp(peer), lines, &proxy);
            assert_eq!(found.as_ref().map(|host| host.to_str().unwrap()), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_no_other_peer() {
        let proxies = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"];
        let proxies = proxies.map(|network| TrustedProxy::Network(network.parse().unwrap()));
        let (proxy, stranger) = (tcp("127.0.0.1:40000"), tcp("203.0.113.9:40000"));
        for (peer, lines, expected) in [
            (proxy, &["198.51.100.7"][..], "198.51.100.7:0"),
            // What the client has made up stands before what the proxy has appended.
            (proxy, &["192.0.2.1, 198.51.100.7"], "198.51.100.7:0"),
            (proxy, &["192.0.2.1", "198.51.100.7"], "198.51.100.7:0"),
            // Two proxies, one behind the other.
            (proxy, &["192.0.2.1, 198.51.100.7, 10.1.2.3"], "198.51.100.7:0"),
            (tcp("[2001:db8::1]:1"), &["[2001:db8::2]:9, 198.51.100.7:123"], "198.51.100.7:0"),
            (tcp("[::ffff:127.0.0.1]:1"), &["::ffff:198.51.100.7"], "198.51.100.7:0"),
            (proxy, &[], "127.0.0.1:40000"),
            (proxy, &[""], "127.0.0.1:40000"),
            (proxy, &["198.51.100.7, unknown"], "127.0.0.1:40000"),
            (proxy, &["nonsense, 10.1.2.3"], "10.1.2.3:0"),
            (stranger, &["198.51.100.7"], "203.0.113.9:40000"),
        ] {
            assert_eq!(behind(peer, lines, &proxies), tcp(expected), "{peer} {lines:?}");
        }
        assert_eq!(behind(PeerAddr::Unix, &["198.51.100.7"], &proxies), PeerAddr::Unix);
        assert_eq!(behind(PeerAddr::Unix, &["198.51.100.7"], &[TrustedProxy::Unix]), tcp("198.51.100.7:0"));
        assert_eq!(behind(proxy, &["198.51.100.7"], &[]), proxy);
    }
}
