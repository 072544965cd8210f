//! For how long an identity holds, where that is not as long as its session.
//!
//! A session that begins [opens](Vouched::open) a lease first and then looks whether its principal is still there. Whatever holds the
//! principals does it the other way round: it changes them first and then [ends](Leases::sweep) the leases that no longer hold. So one of
//! the two always meets the other.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Name;
use crate::time::Timestamp;

/// What ends an identity's session before its client or the gateway does. Nothing, for most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lease {
    /// The first moment at which the identity no longer holds; none: it has no end of its own.
    pub until: Option<Timestamp>,
    /// The principal that may go meanwhile; none: it stays as long as the gateway.
    pub vouched: Option<Vouched>,
}

/// Why an identity no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The token that it came with has expired.
    Expired,
    /// Its principal was removed, or has another secret, role or realm.
    Removed,
}

/// What holds principals that may change while their sessions are open.
pub trait Voucher: fmt::Debug + Send + Sync {
    /// Whether a principal is still there as it was when its mark was made.
    fn holds(&self, authid: &str, mark: u64) -> bool;

    /// The leases of its principals.
    fn leases(&self) -> &Leases;
}

/// A principal of a [`Voucher`].
#[derive(Debug, Clone)]
pub struct Vouched {
    by: Arc<dyn Voucher>,
    authid: Name,
    /// Stands for everything that the principal consists of.
    mark: u64,
}

/// The leases of sessions that have begun. Each takes some 100 bytes, so that the listeners' limits bound the whole.
#[derive(Default)]
pub struct Leases(Mutex<Open>);

#[derive(Default)]
struct Open {
    leases: HashMap<u64, OpenLease>,
    last: u64,
}

struct OpenLease {
    authid: Name,
    mark: u64,
    end: Box<dyn FnOnce() + Send>,
}

/// A session that is told when its principal goes; dropping it ends that.
#[derive(Debug)]
#[must_use = "a session is told only while its lease is held"]
pub struct HeldLease {
    by: Arc<dyn Voucher>,
    id: u64,
}

impl Lapse {
    /// In words, for the client and the log.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired: authenticate with a new one",
            Self::Removed => "the principal was removed or changed: authenticate again",
        }
    }
}

impl Lease {
    /// Why the identity holds no longer; none: it holds. The clock is asked only where the lease has an end.
    pub fn lapsed(&self, now: impl FnOnce() -> Timestamp) -> Option<Lapse> {
        if self.until.is_some_and(|until| now() >= until) {
            return Some(Lapse::Expired);
        }
        self.vouched.as_ref().filter(|vouched| !vouched.holds()).map(|_| Lapse::Removed)
    }
}

impl Vouched {
    /// A principal with its mark.
    pub const fn new(by: Arc<dyn Voucher>, authid: Name, mark: u64) -> Self {
        Self { by, authid, mark }
    }

    /// Whether the principal is still there as it was.
    fn holds(&self) -> bool {
        self.by.holds(&self.authid, self.mark)
    }

    /// Has `end` called once the principal goes: at once, if it has gone already.
    pub fn open(&self, end: impl FnOnce() + Send + 'static) -> HeldLease {
        let leases = self.by.leases();
        let id = leases.add(OpenLease { authid: self.authid.clone(), mark: self.mark, end: Box::new(end) });
        if !self.holds()
            && let Some(lease) = leases.remove(id)
        {
            (lease.end)();
        }
        HeldLease { by: Arc::clone(&self.by), id }
    }
}

impl PartialEq for Vouched {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.by, &other.by) && self.authid == other.authid && self.mark == other.mark
    }
}

impl Leases {
    /// Ends the leases that no longer hold; how many. Takes a look at all of them.
    pub fn sweep(&self, holds: impl Fn(&str, u64) -> bool) -> usize {
        let ended: Vec<OpenLease> = {
            let mut open = self.lock();
            open.leases
                .extract_if(|_, lease| !holds(&lease.authid, lease.mark))
                .map(|(_, lease)| lease)
                .collect()
        };
        let count = ended.len();
        // Not under the lock: what ends a session drops its lease.
        for lease in ended {
            (lease.end)();
        }
        count
    }

    fn add(&self, lease: OpenLease) -> u64 {
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.leases.insert(id, lease);
        id
    }

    fn remove(&self, id: u64) -> Option<OpenLease> {
        self.lock().leases.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leases({})", self.lock().leases.len())
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        drop(self.by.leases().remove(self.id));
    }
}
