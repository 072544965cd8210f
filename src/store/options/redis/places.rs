//! Where several servers are: `HOST:PORT,HOST:PORT`.

use redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisResult};

/// Most servers that a URL may name.
pub(super) const MOST: usize = 16;

/// The places in a list, each with its port.
pub(super) fn read(hosts: &str, port: &str) -> Vec<String> {
    let with_port = |place: &str| {
        // The colons of an IPv6 address stand in brackets.
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        if has_port { place.to_owned() } else { format!("{place}:{port}") }
    };
    hosts.split(',').map(with_port).collect()
}

/// Account, with `@` behind, and hosts of an authority.
pub(super) fn account_of(authority: &str) -> (String, &str) {
    match authority.rsplit_once('@') {
        Some((account, hosts)) => (format!("{account}@"), hosts),
        None => (String::new(), authority),
    }
}

/// One server of a host and a port that others name. What divides the parts of a URL has no place in them.
pub(super) fn server(
    scheme: &str,
    account: &str,
    (host, port): (&str, &str),
    db: u32,
) -> RedisResult<ConnectionInfo> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if !(host.chars().all(is_fit) && port.chars().all(|c| c.is_ascii_digit())) {
        return Err((ErrorKind::InvalidClientConfig, "address").into());
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{scheme}://{account}{host}:{port}/{db}").into_connection_info()
}

/// Whether all of them are on this machine.
pub(super) fn are_here(places: &[String]) -> bool {
    let is_here =
        |place: &String| ["localhost:", "127.0.0.1:", "[::1]:"].iter().any(|here| place.starts_with(here));
    places.iter().all(is_here)
}
