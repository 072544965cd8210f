//! Names, and the identity under which a session joins.

mod lease;
mod name;
mod standing;

use std::sync::Arc;

pub(crate) use self::name::is_printable;
pub use self::{
    lease::{HeldLease, Lapse, Lease, Leases, Vouched, Voucher},
    name::{Name, NameError},
    standing::{Standing, Standings},
};
use crate::cookie::TrackingId;

/// The method that verifies nothing, and the role of its clients if no other is configured.
pub const ANONYMOUS: &str = "anonymous";
/// The method of a client that its cookie remembers. A request without a HELLO can use it.
pub const COOKIE: &str = "cookie";

/// The identity under which a session joins: what WELCOME tells its client, and what others may see.
///
/// The tracking ID is a credential. A realm that discloses authids would hand it to other clients wherever the cookie ID is
/// the authid. So an identity has two names: [`AuthId::own`] for its own client, and [`AuthId::public`] for all others. They
/// differ only where the authid *is* the ID.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The name that WELCOME tells the client.
    pub authid: AuthId,
    /// The role that the realm's permissions are looked up by.
    pub authrole: Name,
    /// The method that vouched: `anonymous`, `ticket`, ….
    pub authmethod: &'static str,
    /// Where the principal was found: `static`, `cookie`, `policy`, ….
    pub authprovider: &'static str,
    /// Further details for WELCOME, a JSON object, or none.
    pub authextra: Option<serde_json::Map<String, serde_json::Value>>,
    /// What ends the session early, if anything does.
    pub lease: Lease,
    /// What the session stands on; none: on nothing that a reload could take away.
    pub standing: Option<Standing>,
}

/// An authid, with the name that others see instead of it when it is a credential.
#[derive(Clone, PartialEq, Eq)]
pub enum AuthId {
    /// A name that other clients may see.
    Open(Name),
    /// The tracking ID itself; other clients see the record's public ID.
    Tracking {
        /// The credential, told only to the client that presented it.
        id: TrackingId,
        /// What other clients see.
        public: Arc<str>,
    },
}

impl AuthId {
    /// The authid as its own client sees it.
    pub fn own(&self) -> &str {
        match self {
            Self::Open(name) => name,
            Self::Tracking { id, .. } => id.expose(),
        }
    }

    /// The authid as other clients and the log may see it.
    pub fn public(&self) -> &str {
        match self {
            Self::Open(name) => name,
            Self::Tracking { public, .. } => public,
        }
    }

    /// [`public`](Self::public), to be kept: a share of the text, not a copy.
    pub(crate) fn shared_public(&self) -> Arc<str> {
        match self {
            Self::Open(name) => name.clone().into(),
            Self::Tracking { public, .. } => Arc::clone(public),
        }
    }
}

impl std::fmt::Debug for AuthId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.public())
    }
}
