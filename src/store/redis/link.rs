//! The connections for commands.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::Notify;

use super::{connect::Servers, durable::Keeper, fault::explain, state::State};
use crate::store::StoreError;

/// Where the connection is, while there is one.
#[derive(Debug)]
pub(super) struct Link {
    state: Arc<State>,
    current: Mutex<Option<Current>>,
    /// Why there was no connection the last time that the gateway tried.
    why: Mutex<Option<String>>,
    /// The connection has ended: find another one.
    pub(super) is_broken: Notify,
}

/// What there is while Redis can be reached.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) commands: Servers,
    /// Says whether changes are kept; none: they count when Redis has acknowledged them.
    pub(super) keeper: Option<Keeper>,
}

impl Link {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, current: Mutex::default(), why: Mutex::default(), is_broken: Notify::new() }
    }

    /// The connection, if Redis answers on it.
    pub(super) fn connection(&self) -> Result<Servers, StoreError> {
        if !self.state.is_up() {
            let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(self.unreachable(why.as_deref().unwrap_or("it does not answer")));
        }
        let commands = self.lock().as_ref().map(|current| current.commands.clone());
        commands.ok_or_else(|| self.unreachable("there is no connection"))
    }

    pub(super) fn keeper(&self) -> Option<Keeper> {
        self.lock().as_ref()?.keeper.clone()
    }

    /// There is no connection, and why; none: there is one again.
    pub(super) fn fails(&self, why: Option<&str>) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why.map(str::to_owned);
    }

    pub(super) fn set(&self, current: Option<Current>) {
        *self.lock() = current;
    }

    /// An answer of Redis, which was asked at a moment.
    pub(super) fn told<T>(&self, answer: RedisResult<T>, asked: Instant) -> Result<T, StoreError> {
        self.state.tally.answered(asked.elapsed());
        answer.map_err(|error| {
            self.heed(&error);
            if error.is_timeout() {
                return self.late();
            }
            self.unreachable(&explain(&error))
        })
    }

    /// Finds another connection if an error says that this one is of no use any more.
    pub(super) fn heed(&self, error: &RedisError) {
        // A cluster that leads to a primary that is not known has changed. One with a slot on the way has not changed yet.
        let has_changed = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
        if error.is_connection_dropped() || error.is_unrecoverable_error() || has_changed {
            self.is_broken.notify_one();
        }
    }

    /// Redis took too long.
    pub(super) fn late(&self) -> StoreError {
        let millis = self.state.options.timeout.as_millis();
        self.unreachable(&format!(
            "no answer within {millis} ms, which is `timeout`: find out what slows down Redis or the network"
        ))
    }

    pub(super) fn unreachable(&self, what: &str) -> StoreError {
        StoreError::Unreachable(format!("{}: {what}", self.state.options.url).into())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
