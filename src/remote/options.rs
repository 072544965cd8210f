//! What the configuration says of a router behind a `websocket` path.

use std::time::Duration;

use http::HeaderValue;

use crate::{
    assertion::Signer,
    auth::Secret,
    identity::Name,
    realm::Roles,
    upstream::UpstreamOptions,
    wamp::{Serializer, Uri},
    wire::WireOptions,
};

/// The deepest nesting that the gateway can be told to let pass. What a router passes on comes from clients that others may let nest more.
const MAX_DEPTH: usize = 1024;

/// A WAMP router that the clients of a path join.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteOptions {
    /// Where it is.
    pub upstream: UpstreamOptions,
    /// The realms that clients may join.
    pub realms: Vec<RemoteRealm>,
    /// How the gateway joins for a client.
    pub login: Login,
    /// What the gateway speaks with the router, the preferred serializer first. A client's own one comes before it. Default: all.
    pub serializers: Vec<Serializer>,
    /// How long the router may take from HELLO to WELCOME. Default 5 s.
    pub join_timeout: Duration,
    /// What stands in `Host`; none: the host of the address.
    pub host: Option<HeaderValue>,
    /// Limits and pings of the connections to it.
    pub wire: WireOptions,
}

impl RemoteOptions {
    /// The largest message that a router may send, in bytes: 16 MiB, the most that RawSocket has. A larger one ends the session that it is
    /// for, so that this is more than what clients may send.
    const MAX_MESSAGE_SIZE: usize = 16 << 20;

    /// A router at these addresses, with the defaults.
    pub fn new(upstream: UpstreamOptions, realms: Vec<RemoteRealm>, login: Login) -> Self {
        Self {
            upstream,
            realms,
            login,
            serializers: vec![Serializer::Cbor, Serializer::MsgPack, Serializer::Json],
            join_timeout: Duration::from_secs(5),
            host: None,
            wire: WireOptions {
                max_message_size: Self::MAX_MESSAGE_SIZE,
                max_nesting_depth: MAX_DEPTH,
                ..WireOptions::default()
            },
        }
    }
}

/// A realm of a router.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteRealm {
    /// What clients call it.
    pub realm: Uri,
    /// What the router calls it.
    pub name: Uri,
    /// The roles that clients may have.
    pub roles: Roles,
}

/// How the gateway joins for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// With the client's authid and a ticket that the router takes for every authid.
    Ticket(Secret),
    /// With one account for all clients.
    Account(Account),
    /// With the client's authid and a ticket that the gateway signs for it.
    Token(TokenLogin),
    /// By Crossbar.io's `anonymous-proxy`: the router takes the gateway's word.
    Proxy,
}

/// How the gateway signs tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLogin {
    /// Keys, issuer, and how long a ticket counts.
    pub signer: Signer,
}

impl TokenLogin {
    /// How long a ticket counts: a join takes less, and the clocks of two machines may differ a little.
    pub const LIFETIME: Duration = Duration::from_secs(30);
}

/// An account of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its authid.
    pub authid: Name,
    /// How the gateway proves that it is its own.
    pub proof: Proof,
}

/// What proves an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The method `ticket`.
    Ticket(Secret),
    /// The method `wampcra`.
    WampCra(Secret),
}
