//! A session, as its realm's owner knows it, and all sessions of a realm.

mod members;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use self::members::Members;

use super::permissions::{RoleId, Ruling};
use crate::{
    identity::Identity,
    wamp::{ClientFeatures, Serializer, SessionId, message::Disclosed},
    wire::Outbox,
};

/// A session. There is one for each idle connection, so it is kept small: about 40 bytes, to which broker and dealer
/// add something only for those sessions that use them.
pub(super) struct Member {
    /// Tells two sessions apart that were given the same identifier.
    pub(super) number: u64,
    pub(super) identity: Arc<Identity>,
    pub(super) outbox: Arc<Outbox>,
    /// The identity's role, looked up in the realm's permissions.
    pub(super) role: RoleId,
    /// How its client came, and what that can do.
    pub(super) client: Client,
}

/// The session that a message comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor<'a> {
    pub(super) session: SessionId,
    pub(super) identity: &'a Identity,
    /// The identity's role, looked up in this realm's permissions.
    pub(super) role: RoleId,
    /// What the role's authorizer has said about the message, where it has one.
    pub(super) ruling: Option<Ruling>,
}

impl Actor<'_> {
    /// What other sessions learn of this one where it is disclosed.
    pub(super) fn disclosed(&self) -> Disclosed {
        let Identity { authid, authrole, .. } = self.identity;
        Disclosed { session: self.session, authid: authid.shared_public(), authrole: authrole.clone().into() }
    }
}

/// What a realm is told of the client behind a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client {
    /// What its connection came in by.
    pub channel: Channel,
    /// What it speaks there.
    pub transport: Transport,
    /// What it has announced in its HELLO.
    pub features: ClientFeatures,
    /// Whether its connection asks the authorizer of its role before each message.
    pub asks: bool,
    /// The service that let it in, by the number that the gateway gave it.
    pub service: u32,
}

/// A transport of WAMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// WebSocket.
    #[default]
    WebSocket,
    /// RawSocket.
    RawSocket,
}

impl Transport {
    /// Its name in session details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::RawSocket => "rawsocket",
        }
    }
}

/// What a connection comes in by, as far as others may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channel {
    /// TCP.
    #[default]
    Tcp,
    /// A Unix socket.
    Unix,
    /// Nothing: the session is the gateway's own.
    None,
}

impl Client {
    /// Whether there is none: the session is the gateway's own.
    pub const fn is_gateway(self) -> bool {
        matches!(self.channel, Channel::None)
    }
}

impl Channel {
    /// Its name in session details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::None => "none",
        }
    }
}

impl Member {
    /// The session as the author of a message, with what the authorizer of its role has said.
    pub(super) fn actor(&self, session: SessionId, ruling: Option<Ruling>) -> Actor<'_> {
        Actor { session, identity: &self.identity, role: self.role, ruling }
    }

    /// What any other session may know of this one: the details of `wamp.session.get` and `on_join`.
    ///
    /// No more than these keys, each of them public: authextra may hold what its client or its policy keeps for
    /// itself, and headers and cookies are credentials.
    pub(super) fn details(&self, session: SessionId) -> Value {
        let Identity { authid, authrole, authmethod, authprovider, authextra: _, lease: _, standing: _ } =
            &*self.identity;
        let serializer = match self.outbox.serializer() {
            Serializer::Json => "json",
            Serializer::MsgPack => "msgpack",
            Serializer::Cbor => "cbor",
        };
        json!({
            "session": session.0,
            "authid": authid.public(),
            "authrole": &**authrole,
            "authmethod": authmethod,
            "authprovider": authprovider,
            "transport": {
                "type": self.client.transport.name(),
                "channel": self.client.channel.name(),
                "serializer": serializer,
            },
        })
    }
}
