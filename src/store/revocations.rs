//! Revocations: how the end of an ID reaches the connections that are open with it.

use std::{fmt, sync::Weak};

use super::subscribers::Subscribers;
use crate::cookie::{PrincipalMark, TrackingId};

/// Why the gateway ends the connections of an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The ID was revoked: `wamp.close.killed`.
    Killed,
    /// The client has logged out: `wamp.close.logout`.
    LoggedOut,
    /// The store could not say for too long whether the ID still counts: `wamp.error.unavailable`.
    Unverified,
}

/// IDs that count no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The IDs, in the order in which their records were removed.
    pub ids: Vec<TrackingId>,
    /// Why.
    pub why: Parting,
    /// Which connections of the IDs end.
    pub reach: Reach,
}

/// Which connections of revoked IDs end.
///
/// Two clients may have one ID: one of them may have planted it in the other one's browser. What the first does with it must
/// not end the second one's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    All,
    /// Those without a login, and those on which this principal has logged in. None: only those without a login.
    Principal(Option<PrincipalMark>),
}

impl Reach {
    /// Whether a connection with this principal ends.
    pub fn includes(self, principal: Option<PrincipalMark>) -> bool {
        match self {
            Self::All => true,
            Self::Principal(whose) => principal.is_none() || principal == whose,
        }
    }
}

/// Where revocations are told. It belongs to a store: everything that has the store has these in common.
///
/// *Order*: the publisher removes the records first, and publishes when that is as durable as the store promises (or has
/// failed: open connections end in any case). A connection does it the other way round: it is among those that a
/// subscriber knows before it looks its record up. So either the look-up finds nothing, or the revocation meets the
/// connection. A store that keeps copies of records drops a copy before it tells its subscribers.
///
/// *Delivery*: when [`publish`](Self::publish) returns, all subscribers of this process have been told. Where several
/// gateways share a store, the others are told as soon as the medium allows. It may lose what it carries, so such a
/// store compares what is [open](OpenConnections::open) with its records from time to time, and whenever it may have
/// missed something, and ends what has no record. Told twice is as good as told once.
///
/// *Blocking*: no call waits for the medium. What cannot be handed over at once counts as lost.
pub trait Revocations: Send + Sync + fmt::Debug {
    /// Tells all subscribers. How many connections of this process that has ended; of others nothing is known.
    fn publish(&self, revocation: &Revocation) -> usize;

    /// Adds the connections of this process to those that are told, for as long as they are there.
    fn subscribe(&self, connections: Weak<dyn OpenConnections>);
}

/// The open connections of a store's clients, as revocations need them.
pub trait OpenConnections: Send + Sync {
    /// Ends the connections of these IDs that the revocation reaches; how many. They go on counting until they are gone.
    fn end(&self, revocation: &Revocation) -> usize;

    /// Whether an ID has an open connection, or one in its handshake.
    fn is_open(&self, id: &TrackingId) -> bool;

    /// The IDs with an open connection that are wanted, each once.
    ///
    /// Takes a look at all of them: for a publisher that knows IDs only by a digest, and for one that has to compare
    /// connections with records. `is_wanted` must not call these connections.
    fn open(&self, is_wanted: &dyn Fn(&TrackingId) -> bool) -> Vec<TrackingId>;
}

/// Revocations that stay in the process: those of a store that no other gateway has.
#[derive(Debug, Default)]
pub struct LocalRevocations(Subscribers<dyn OpenConnections>);

impl Revocations for LocalRevocations {
    fn publish(&self, revocation: &Revocation) -> usize {
        self.0.all().iter().map(|connections| connections.end(revocation)).sum()
    }

    fn subscribe(&self, connections: Weak<dyn OpenConnections>) {
        self.0.add(connections);
    }
}

impl LocalRevocations {
    /// Whether an ID has an open connection in this process. Stores ask before they drop a record before its time.
    pub(super) fn is_open(&self, id: &TrackingId) -> bool {
        self.0.any(|connections| connections.is_open(id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Has one connection of each ID.
    struct OneEach(Vec<TrackingId>);

    impl OpenConnections for OneEach {
        fn end(&self, revocation: &Revocation) -> usize {
            self.0.iter().filter(|id| revocation.ids.contains(id)).count()
        }

        fn is_open(&self, id: &TrackingId) -> bool {
            self.0.contains(id)
        }

        fn open(&self, is_wanted: &dyn Fn(&TrackingId) -> bool) -> Vec<TrackingId> {
            self.0.iter().filter(|id| is_wanted(id)).cloned().collect()
        }
    }

    fn ids(numbers: &[usize]) -> Vec<TrackingId> {
        numbers.iter().map(|number| TrackingId::parse(&format!("client-{number}")).unwrap()).collect()
    }

    #[test]
    fn every_subscriber_that_is_still_there_is_told() {
        let revocations = LocalRevocations::default();
        let revocation = Revocation { ids: ids(&[1, 2]), why: Parting::Killed, reach: Reach::All };
        assert_eq!(revocations.publish(&revocation), 0, "no subscriber is there");
        let subscribers = [&[1, 3][..], &[1, 2]].map(|numbers| Arc::new(OneEach(ids(numbers))));
        for subscriber in &subscribers {
            let subscriber: Arc<dyn OpenConnections> = Arc::clone(subscriber) as _;
            revocations.subscribe(Arc::downgrade(&subscriber));
        }
        assert_eq!(revocations.publish(&revocation), 3);
        let [first, second] = subscribers;
        drop(second);
        assert_eq!(revocations.publish(&revocation), 1);
        drop(first);
        assert_eq!(revocations.publish(&revocation), 0);
    }
}
