//! What a transport serves at which path, and its limits for requests.

mod forward_auth;
mod http;
mod proxied;
mod terms;
mod tree;

use std::time::Duration;

pub use self::{
    forward_auth::ForwardAuthOptions,
    http::{AddressOptions, HttpOptions, TrustedProxy},
    proxied::{OnwardOptions, PassedOptions, ProxiedOptions},
    terms::{IdentityHeaders, Requirement, ServicePlace, Terms},
    tree::{ConsoleOptions, PathTree, StaticOptions, TargetOptions},
};
use crate::{
    assertion::Signer, handshake::AllowedHosts, remote::Login, service::ServiceOptions, upstream::Among,
};

/// The HTTP side of a transport.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdgeOptions {
    /// The transport's `id`, or its place in the list as text: for logs.
    pub id: String,
    /// Limits and switches for requests.
    pub http: HttpOptions,
    /// What one address may have.
    pub per_address: AddressOptions,
    /// By which names browsers may reach what is no WebSocket, beside the names of the WebSocket services here.
    pub hosts: AllowedHosts,
    /// What is served where. A `websocket` transport has its WebSocket service at `/` and below, a `rawsocket` transport nothing.
    pub root: PathTree,
    /// RawSocket. None: its clients get no further.
    pub raw_socket: Option<RawSocketOptions>,
}

/// RawSocket on a transport.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSocketOptions {
    /// The service for its clients. Nothing of it that concerns HTTP counts.
    pub service: Box<ServiceOptions>,
    /// How long its handshake may take. None: as long as a head of HTTP.
    pub handshake_timeout: Option<Duration>,
}

impl EdgeOptions {
    /// What stands in the place of a path where there is none.
    pub const RAW_SOCKET: &str = "rawsocket";

    /// Every service that speaks WAMP with its path, parents first.
    pub fn services(&self) -> impl Iterator<Item = (String, &ServiceOptions)> {
        let raw_socket = self.raw_socket.iter().map(|raw| (Self::RAW_SOCKET.to_owned(), &*raw.service));
        self.root.services().chain(raw_socket)
    }

    /// Everything that signs here, for upstreams, proxies and routers.
    pub(crate) fn signers(&self) -> Vec<Signer> {
        let targets = self.root.targets().into_iter().filter_map(|(_, target)| match target {
            TargetOptions::Proxied(options) => options.headers.assertion.as_deref(),
            TargetOptions::ForwardAuth(options) => options.headers.assertion.as_deref(),
            _ => None,
        });
        let behind = self.services().filter_map(|(_, service)| service.upstream.as_deref());
        let routers = behind.flat_map(Among::all);
        let tickets = routers.filter_map(|router| match &router.login {
            Login::Token(token) => Some(&token.signer),
            _ => None,
        });
        targets.map(|assertion| &assertion.signer).chain(tickets).cloned().collect()
    }

    /// The place of the service for RawSocket of a transport.
    pub(super) fn raw_socket_place(transport: &str) -> ServicePlace {
        ServicePlace { transport: transport.to_owned(), path: Self::RAW_SOCKET.to_owned() }
    }
}
