//! The order to log clients out: what a realm asks of the gateway when it ends sessions with the reason
//! `wamp.close.logout`.
//!
//! A realm knows sessions and names, not cookies. So the order carries identifiers of sessions, and the part of the
//! gateway that knows whose cookie each connection came with carries it out.

use std::{fmt, sync::Arc};

use crate::wamp::{SessionId, Uri};

/// Clients that are to be logged out on the order of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// Their sessions in the realm.
    pub sessions: Vec<SessionId>,
    /// A realm and an authid: also the clients that are authenticated under this name, or have it as their public ID,
    /// and are not connected.
    pub principal: Option<(Uri, String)>,
    /// The session whose client stays logged in: the one that has given the order.
    pub spared: Option<SessionId>,
}

/// Too many orders wait to be carried out: this one was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logouts are under way: try again in a moment")]
pub struct TooManyLogouts;

/// Where a realm leaves its orders.
///
/// A call, and not a queue: the realm ends the sessions right after it, and a session whose connection is gone leads to
/// no cookie any more. So the receiver finds out which cookies are meant before it returns; it must not wait, and does
/// the rest elsewhere.
#[derive(Clone)]
pub struct Logouts(Arc<dyn Fn(Logout) -> Result<(), TooManyLogouts> + Send + Sync>);

impl Logouts {
    /// Orders go to `receiver`.
    pub fn to(receiver: impl Fn(Logout) -> Result<(), TooManyLogouts> + Send + Sync + 'static) -> Self {
        Self(Arc::new(receiver))
    }

    /// Gives an order.
    pub(super) fn order(&self, logout: Logout) -> Result<(), TooManyLogouts> {
        (self.0)(logout)
    }
}

impl fmt::Debug for Logouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logouts(..)")
    }
}
