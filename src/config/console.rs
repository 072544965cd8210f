//! The operator's page: who may open it.
//!
//! Without a token every program that reaches the page may end sessions and revoke cookies. So that is only for a listener that this
//! machine alone reaches, and nothing that is meant for clients may stand there: a proxy that serves them from elsewhere would carry
//! the page along.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    ConsoleOptions, Endpoint, HttpOptions, PathTree, Secret, TargetOptions,
    endpoint::Entrance,
    reader::{Located, Walk, object},
};
use crate::handshake::AllowedHosts;

/// The port of the page's own listener.
const PORT: u16 = 9091;

/// The shortest token. Its characters are at least hexadecimal digits: 64 bits.
const SHORTEST: usize = 16;

object! {
    /// The operator's page: what runs now; ends sessions and revokes cookies.
    struct RawConsole {
        /// What the page's user has to know, at least 16 characters. The page needs it wherever it can be reached from beyond this machine, and
        /// beside services for clients. Default none.
        token: optional Located<Secret>,
    }
}

/// How a transport can be reached, and what is served there.
pub(super) struct Reach<'a> {
    pub(super) endpoint: &'a Located<Endpoint>,
    pub(super) entrance: &'a Entrance,
    pub(super) http: &'a HttpOptions,
    pub(super) hosts: &'a AllowedHosts,
    pub(super) root: &'a PathTree,
    pub(super) has_raw_socket: bool,
}

/// Where the page's own listener is.
pub(super) const fn default_endpoint() -> Endpoint {
    Endpoint::Tcp {
        interface: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: PORT,
        backlog: Endpoint::DEFAULT_BACKLOG,
        shared: false,
    }
}

/// A page with this token.
pub(super) fn checked(token: Option<Located<Secret>>, walk: &mut Walk<'_>) -> ConsoleOptions {
    if let Some(Located { path, value }) = &token
        && value.expose().len() < SHORTEST
        && walk.judges_secret(path)
    {
        let message = format!(
            "a token needs at least {SHORTEST} characters that are hard to guess, such as those that `openssl rand -hex 16` prints"
        );
        walk.fault_at(path, message);
    }
    ConsoleOptions { token: token.map(|token| token.value) }
}

/// Reports a page that is open to more than it should be.
pub(super) fn check(reach: &Reach<'_>, walk: &mut Walk<'_>) {
    let Reach { endpoint, entrance, http, root, .. } = reach;
    for (path, target) in root.targets() {
        let TargetOptions::Console(ConsoleOptions { token }) = target else { continue };
        if token.is_none()
            && let Some(why) = beyond(reach)
        {
            let message = format!(
                "{why}, so that the operator's page at {path} needs a `token`; or give the page a transport of its own: {{\"type\": \"admin\"}} \
                 listens at 127.0.0.1 alone"
            );
            walk.fault_at(&endpoint.path, message);
        }
        let is_remote = matches!(endpoint.value, Endpoint::Tcp { interface, .. } if !interface.is_loopback());
        if token.is_some() && is_remote && !entrance.wants_tls && http.trusted_proxies.is_empty() {
            walk.warn_at(
                &endpoint.path,
                format!("the token of the operator's page at {path} comes over the network as it is: use TLS, here or at a proxy"),
            );
        }
    }
}

/// Why requests from beyond this machine may come in.
fn beyond(reach: &Reach<'_>) -> Option<&'static str> {
    let Reach { endpoint, entrance, http, hosts, root, has_raw_socket } = reach;
    match &endpoint.value {
        Endpoint::Unix { .. } => return Some("a proxy may stand before a Unix socket"),
        Endpoint::Tcp { interface, .. } if !interface.is_loopback() => {
            return Some("other machines reach this endpoint");
        }
        Endpoint::Tcp { .. } => {}
    }
    if entrance.proxy_protocol.is_some() || !http.trusted_proxies.is_empty() {
        return Some("a proxy may connect here");
    }
    if **hosts != AllowedHosts::Loopback {
        return Some("`allowed_hosts` lets requests come by other names than this machine's own");
    }
    let is_beside = *has_raw_socket || root.targets().iter().any(|(_, target)| !target.is_for_the_operator());
    is_beside.then_some("services for clients stand beside it")
}
