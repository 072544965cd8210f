//! For how long an identity holds, where that is not as long as its session.

use crate::time::Timestamp;

/// What ends an identity's session before its client or the gateway does. Nothing, for most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lease {
    /// The first moment at which the identity no longer holds; none: it has no end of its own.
    pub until: Option<Timestamp>,
}

/// Why an identity no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The token that it came with has expired.
    Expired,
}

impl Lapse {
    /// In words, for the client and the log.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired: authenticate with a new one",
        }
    }
}
