//! Attempts to log in, as gateways that share a store tell each other of them: so a client has no more guesses on many gateways
//! than on one.

use std::{fmt, sync::Weak};

use serde::{Deserialize, Serialize};

/// An attempt to log in as a principal. Where it came from and as whom, only marks tell, which gateways with one key make alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The mark of the address and the principal together.
    pub pair: u64,
    /// The mark of the address.
    pub address: u64,
    /// The mark of the principal.
    pub principal: u64,
    /// Whether the secret was right.
    pub is_right: bool,
}

/// The way to other gateways.
///
/// *Blocking*: no call waits for it. *Delivery*: none is promised. What is lost counts on this gateway alone.
pub trait SharedAttempts: Send + Sync + fmt::Debug {
    /// Tells other gateways of an attempt on this one.
    fn tell(&self, attempt: Attempt);

    /// Adds one that is told of attempts on other gateways, for as long as it is there.
    fn subscribe(&self, listener: Weak<dyn HearsAttempts>);

    /// Whether the way has ended for good, with its store.
    fn is_over(&self) -> bool;
}

/// Hears of attempts on other gateways.
pub trait HearsAttempts: Send + Sync {
    /// These were made a moment ago.
    fn hear(&self, attempts: &[Attempt]);
}
