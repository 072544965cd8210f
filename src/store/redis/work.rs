//! What the store does in Redis for each call of the trait.
//!
//! A change reads the record, applies the same rules as every other store, and writes the outcome if the record still is
//! what it has read; otherwise it begins again. So a script knows one key and no rules, and runs on Valkey and behind
//! proxies that spread keys over servers.

mod principals;
mod record;
mod replace;
mod walk;

use std::{sync::Arc, time::Instant};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tracing::debug;

pub(super) use self::walk::Place;
use super::{
    durable::Barrier,
    fault,
    layout::{self, Digest},
    link::Link,
    startup,
    state::State,
};
use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord, StoreError, rules},
    time::Timestamp,
};

/// How often a change begins again because others change the same record.
const MAX_ATTEMPTS: usize = 16;

/// How many changes of different IDs run at once at least; those of one ID run one after the other.
const LANES: usize = 256;

/// How many records one question asks for.
const BATCH: usize = 500;

/// Does the work, on the store's thread.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) state: Arc<State>,
    pub(super) link: Arc<Link>,
    /// Where changes wait until they are kept; none: they count when Redis has acknowledged them.
    barrier: Option<Barrier>,
    lanes: Vec<RwLock<()>>,
}

impl Worker {
    pub(super) fn new(state: Arc<State>, link: Arc<Link>, barrier: Option<Barrier>) -> Self {
        Self { state, link, barrier, lanes: (0..LANES).map(|_| RwLock::new(())).collect() }
    }

    pub(super) async fn look_up(
        &self,
        id: &TrackingId,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Option<CookieRecord>, StoreError> {
        let _lane = self.reading(&digest).await?;
        let (asked, began) = (self.state.cache.generation(), Instant::now());
        let mut redis = self.link.connection()?;
        let Some((_, record)) = self.read(&mut redis, id, &digest, now).await? else { return Ok(None) };
        self.state.cache.keep(digest, &record, asked, began);
        Ok(Some(record))
    }

    pub(super) async fn create(
        &self,
        id: &TrackingId,
        digest: Digest,
        record: &CookieRecord,
    ) -> Result<(), StoreError> {
        let _lane = self.writing(&digest).await?;
        let mut redis = self.link.connection()?;
        if let Some(login) = record.authentication.as_deref() {
            self.note(&mut redis, digest, login, record).await?;
        }
        self.add(&mut redis, id, &digest, record).await?;
        self.keep().await?;
        self.state.tally.created.inc();
        Ok(())
    }

    pub(super) async fn authenticate(
        &self,
        id: &TrackingId,
        digest: Digest,
        authentication: Option<Arc<Authentication>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = |record: &CookieRecord| rules::authenticated(record, authentication.as_ref(), now);
        self.change(id, digest, now, change).await?;
        self.keep().await
    }

    pub(super) async fn see(
        &self,
        id: &TrackingId,
        digest: Digest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(id, digest, now, |record| rules::seen(record, now)).await
    }

    /// Removes a record, and its note under its principal.
    pub(super) async fn revoke(&self, digest: Digest) -> Result<(), StoreError> {
        let _lane = self.writing(&digest).await?;
        let mut redis = self.link.connection()?;
        let key = self.state.names.record(&digest);
        let removed: Option<Vec<u8>> = self.ask(&mut redis, redis::cmd("GETDEL").arg(key)).await?;
        self.state.cache.forget(&digest);
        self.state.recent.add(digest, self.state.is_up());
        if removed.is_some() {
            self.state.tally.revoked.inc();
        }
        let record = removed.and_then(|bytes| layout::read_any(&digest, &bytes));
        if let Some(login) = record.and_then(|(_, record)| record.authentication) {
            let key = self.state.names.of_login(&login);
            let _: usize = self.ask(&mut redis, redis::cmd("ZREM").arg(key).arg(&digest[..])).await?;
        }
        self.keep().await
    }

    /// Waits until what was changed is as durable as the configuration demands.
    async fn keep(&self) -> Result<(), StoreError> {
        self.is_kept().await.map_err(|why| self.link.unreachable(&why))
    }

    /// The same, with the reason alone if it is not.
    pub(super) async fn is_kept(&self) -> Result<(), String> {
        match &self.barrier {
            Some(barrier) => barrier.pass().await,
            None => Ok(()),
        }
    }

    /// Puts back what all gateways agree on, if the server has lost it.
    pub(super) async fn restore(&self) {
        let Ok(mut redis) = self.link.connection() else { return };
        if let Err(error) = startup::restore(&mut redis, &self.state).await {
            debug!(
                error = fault::explain(&error),
                "the version and the key could not be compared with those in Redis"
            );
        }
    }

    /// Sends a message to all that listen on a channel.
    pub(super) async fn publish(&self, channel: &str, message: &str) -> Result<(), StoreError> {
        let mut redis = self.link.connection()?;
        // How many have got it proves nothing: a gateway behind a cut cable counts for a while.
        let _: usize = self.ask(&mut redis, redis::cmd("PUBLISH").arg(channel).arg(message)).await?;
        Ok(())
    }

    async fn change(
        &self,
        id: &TrackingId,
        digest: Digest,
        now: Timestamp,
        change: impl Fn(&CookieRecord) -> Option<CookieRecord>,
    ) -> Result<(), StoreError> {
        let _lane = self.writing(&digest).await?;
        let mut redis = self.link.connection()?;
        for _ in 0..MAX_ATTEMPTS {
            let Some((bytes, record)) = self.read(&mut redis, id, &digest, now).await? else { return Ok(()) };
            let Some(changed) = change(&record) else { return Ok(()) };
            // The note comes before the login: a logout of the principal rather finds too many records than too few.
            if let Some(login) = changed.authentication.as_deref()
                && !record.authentication.as_deref().is_some_and(|before| principals::is_same(before, login))
            {
                self.note(&mut redis, digest, login, &changed).await?;
            }
            let value = layout::write(id, &changed, &self.state.key);
            let is_done = self.swap(&mut redis, &digest, &bytes, &value, None).await?;
            self.state.cache.forget(&digest);
            if is_done {
                return Ok(());
            }
        }
        Err(contended())
    }

    async fn reading(&self, digest: &Digest) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        let turn = self.lane(digest)?.read();
        tokio::time::timeout(self.state.options.timeout, turn).await.map_err(|_| self.link.late())
    }

    async fn writing(&self, digest: &Digest) -> Result<RwLockWriteGuard<'_, ()>, StoreError> {
        let turn = self.lane(digest)?.write();
        tokio::time::timeout(self.state.options.timeout, turn).await.map_err(|_| self.link.late())
    }

    /// Calls on one ID run in the order in which they were made: the lock is fair.
    fn lane(&self, digest: &Digest) -> Result<&RwLock<()>, StoreError> {
        let first = digest.first().copied().unwrap_or_default();
        self.lanes.get(usize::from(first)).ok_or_else(contended)
    }
}

fn contended() -> StoreError {
    StoreError::Io("a record in Redis changes faster than the gateway can follow".into())
}
