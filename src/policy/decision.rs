//! What a policy decided, checked: the gateway may act on it.

use std::fmt;

use serde_json::{Map, Value};

use crate::{identity::Name, wamp::Uri};

/// What a policy decided. [`RawDecision::check`](super::RawDecision::check) makes it of an answer that keeps to the contract.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Join without credentials, under this identity.
    Anonymous(AnonymousIdentity),
    /// The policy assigns nothing: join without credentials, under an authid that the gateway draws.
    None,
    /// This authentication method decides; it is configured, and the client has offered it.
    Defer(String),
    /// The same, and the client joins with this role in place of its principal's.
    DeferAs {
        /// The method.
        method: String,
        /// The role.
        authrole: Name,
    },
    /// Refuse.
    Deny(Denial),
}

/// The identity of [`Decision::Anonymous`].
///
/// `Debug` does not show the authid: it may be the tracking ID.
#[derive(Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct AnonymousIdentity {
    /// Absent: drawn at random.
    pub authid: Option<Name>,
    /// Absent: the role that the configuration gives to anonymous clients.
    pub authrole: Option<Name>,
    pub authextra: Option<Map<String, Value>>,
}

/// Why a policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The ABORT's reason.
    pub reason: Uri,
    /// Shown to the client.
    pub message: String,
}

impl Decision {
    /// Its name in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous(_) => "anonymous",
            Self::None => "none",
            Self::Defer(_) | Self::DeferAs { .. } => "defer",
            Self::Deny(_) => "deny",
        }
    }
}

impl fmt::Debug for AnonymousIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnonymousIdentity")
            .field("authid", &self.authid.as_ref().map(|_| format_args!("..")))
            .field("authrole", &self.authrole)
            .finish_non_exhaustive()
    }
}
