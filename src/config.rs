//! The configuration: what the file says, checked, with every default filled in.
//!
//! The types here are the result of checking: code that holds one may rely on its ranges and on its references.
//!
//! [`load()`] finds the file and `reader` walks through it, collecting every fault with its path. Each of the other modules
//! declares the keys of one part with their types and their documentation, from which `reader` makes both the loader and
//! the JSON [`schema()`]; the module then turns what was read into the types here.

mod load;
mod schema;

mod account;
mod among;
mod auth;
mod console;
mod cookie;
mod endpoint;
mod forward_auth;
mod identity_headers;
mod node;
mod own_realms;
mod passed;
mod places;
mod policy;
mod procedure;
mod proxied;
mod realm;
mod router;
mod secret;
mod served;
mod service;
mod signing;
mod tls;
mod transport;
mod upstream;
mod websocket;

mod reader;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

pub use auth::file::check_principals;
pub use load::{ConfigSource, LoadedConfig, load, load_by, load_with};
pub use reader::LoadOptions;
pub use reader::{ConfigError, ConfigFault, ConfigWarning, FaultPlace};
pub use schema::schema;

pub use crate::{
    assertion::{AssertionOptions, KeyFile, Signer, SigningKey, SigningKeys},
    auth::{
        AnonymousOptions, AskedMethods, AskedOptions, AuthOptions, CookieAuthOptions, CryptosignOptions,
        CryptosignPrincipal, GuessingOptions, Kdf, Salting, ScramOptions, ScramPrincipal, Secret, SecretKey,
        TicketOptions, TicketPrincipal, WampCraOptions, WampCraPrincipal,
        file::{
            Credential, Entry, Faults, FilePrincipal, KnownRealm, Number, PrincipalFile, Table, Text, Texts,
        },
        token::{Algorithm, ClaimNames, KeySet, KeySetError, TokenKeys, TokenOptions, TokenPlaces},
    },
    cookie::{CookieName, CookieOptions, CookiePrefix, IdLength, SameSite},
    edge::{
        AddressOptions, ConsoleOptions, EdgeOptions, ForwardAuthOptions, HttpOptions, IdentityHeaders,
        OnwardOptions, PassedOptions, PathTree, ProxiedOptions, RawSocketOptions, Requirement, ServicePlace,
        StaticOptions, TargetOptions, Terms, TrustedProxy,
    },
    handshake::{AllowedHosts, HandshakeOptions},
    identity::Name,
    policy::{ComponentKind, PolicyFile, PolicyOptions, ProcedureOptions},
    realm::{AuthorizerOptions, HistoryOptions, Permission, RealmOptions, RoleOptions, Roles, SessionLimits},
    remote::{Account, Login, Proof, RemoteOptions, RemoteRealm, TokenLogin},
    server::{Endpoint, ListenerOptions, SocketAccess},
    service::{ServiceOptions, TesteeOptions},
    store::{StoreOptions, SyncMode},
    tls::{CertificateFiles, ClientCertificates, TlsOptions},
    tracking::TrackingOptions,
    upstream::{Among, Choosing, ProbeOptions, Speaks, UpstreamAddress, UpstreamOptions, UpstreamPlace},
    wamp::{
        Serializer, Subprotocol,
        pattern::{Pattern, UriMatch},
    },
    wire::{PingOptions, WireOptions},
};

/// The socket in the node directory at which a running gateway takes commands.
pub const ADMIN_SOCKET: &str = "wampgate.sock";

/// Everything that a gateway runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The node directory; every path below is absolute or has been joined to it.
    pub node_dir: PathBuf,
    /// The realms; at least one.
    pub realms: Vec<RealmOptions>,
    /// Where the gateway listens; at least one.
    pub transports: Vec<TransportConfig>,
    /// How much memory clients may make the gateway hold in all, in bytes; none: half of what the machine or the control group has.
    pub max_memory: Option<usize>,
    /// How long the gateway takes to tell its clients, in random order, that it ends.
    pub drain: Duration,
}

/// One listening endpoint and what it serves.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportConfig {
    /// Where it listens.
    pub listener: ListenerOptions,
    /// What it serves there. A `websocket` transport has its WebSocket service at `/` and below.
    pub edge: EdgeOptions,
}

impl TransportConfig {
    /// Where a client on this machine reaches it by TCP, if the configuration says so: a Unix socket, and a port that the system
    /// chooses, have no such address.
    pub fn local_address(&self) -> Option<SocketAddr> {
        let Endpoint::Tcp { interface, port, .. } = self.listener.endpoint else { return None };
        let interface = match interface {
            IpAddr::V4(all) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(all) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            interface => interface,
        };
        (port != 0).then(|| SocketAddr::new(interface, port))
    }
}

impl Config {
    /// The components of all services and roles, each of them once.
    pub fn components(&self) -> Vec<(ComponentKind, &PolicyFile)> {
        let services = self.transports.iter().flat_map(|transport| transport.edge.services());
        let mut found = Vec::new();
        for (_, service) in services {
            let policy = service.policy.iter().map(|policy| (ComponentKind::Policy, policy));
            let methods = service.auth.iter().flat_map(|auth| &auth.asked);
            let authenticators = methods
                .flat_map(|methods| methods.components())
                .map(|file| (ComponentKind::Authenticator, file));
            for component in policy.chain(authenticators) {
                if !found.contains(&component) {
                    found.push(component);
                }
            }
        }
        for (_, authorizer) in self.realms.iter().flat_map(RealmOptions::authorizers) {
            let AuthorizerOptions::Component(file) = authorizer else { continue };
            let component = (ComponentKind::Authorizer, file);
            if !found.contains(&component) {
                found.push(component);
            }
        }
        found
    }

    /// The files of these components, with how each is run.
    pub fn policies(&self) -> Vec<&PolicyFile> {
        self.components().into_iter().map(|(_, file)| file).collect()
    }
}
