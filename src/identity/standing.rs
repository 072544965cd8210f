//! By what a session has joined, so that a reload of the configuration finds the sessions whose ground is gone.

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, RandomState},
    sync::LazyLock,
};

use rustc_hash::FxHashSet;

/// Drawn once for each process: a client that could see a standing could not find out what is in it.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What a session stands on: the place of its service, and the principal there with everything that the configuration says about it.
/// The configuration has the same principal at the same place if and only if it has the same standing.
///
/// It is a hash of 64 bits by a key that no client knows, so that one of two standings that meet cannot be made up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing(u64);

/// Every standing that a configuration has.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Standings(FxHashSet<Standing>);

impl Standing {
    /// The standing of a place: where the service listens, and its path.
    pub fn of_place(place: impl Hash) -> Self {
        Self(KEY.hash_one(place))
    }

    /// The standing of what a place has: a principal under its name, or none. `kind` tells the methods apart.
    pub fn of(self, kind: &str, name: &str, what: &impl Hash) -> Self {
        Self(KEY.hash_one((self, kind, name, what)))
    }
}

impl Standings {
    /// Whether the configuration has it.
    pub fn have(&self, standing: Standing) -> bool {
        self.0.contains(&standing)
    }
}

impl Extend<Standing> for Standings {
    fn extend<I: IntoIterator<Item = Standing>>(&mut self, standings: I) {
        self.0.extend(standings);
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing(..)")
    }
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standings({})", self.0.len())
    }
}
