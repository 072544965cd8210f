//! What the store does in Redis for each call of the trait.
//!
//! A change reads the record, applies the same rules as every other store, and writes the outcome if the record still is
//! what it has read; otherwise it begins again. So a script knows one key and no rules, and runs on Valkey and behind
//! proxies that spread keys over servers.

mod principals;

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use redis::{FromRedisValue, Script, aio::ConnectionLike};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tracing::debug;

use super::{
    connect::Servers,
    durable::Barrier,
    fault,
    layout::{self, Digest},
    link::Link,
    startup,
    state::State,
};
use crate::{
    cookie::TrackingId,
    store::{Authentication, CookieRecord, Replacement, StoreError, rules},
    time::Timestamp,
};

/// How often a change begins again because others change the same record.
const MAX_ATTEMPTS: usize = 16;

/// How many changes of different IDs run at once at least; those of one ID run one after the other.
const LANES: usize = 256;

/// How many IDs of one line are followed in each direction.
const MAX_LINE: usize = 512;

/// How many records one question asks for.
const BATCH: usize = 500;

/// Writes a value in place of the one that was read. Without a new lifetime the key keeps the one it has; an empty value
/// removes it.
static CHANGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        if ARGV[2] == '' then redis.call('DEL', KEYS[1])
        elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
        else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
        return 1",
    )
});

/// Where a walk over all records has come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The place of the server among all of them.
    server: usize,
    /// What that server has given for the next step; 0 at the beginning.
    cursor: u64,
}

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

    pub(super) async fn replace(
        &self,
        id: &TrackingId,
        digest: Digest,
        next: &Replacement,
        next_digest: Digest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _lane = self.writing(&digest).await?;
        let mut redis = self.link.connection()?;
        let mut made = None;
        let outcome = self.replace_by(&mut redis, (id, digest), (next, next_digest), now, &mut made).await;
        self.state.cache.forget(&digest);
        // What another gateway has completed is in use.
        let is_in_use = match &outcome {
            Ok(()) => {
                self.state.tally.created.inc();
                true
            }
            Err(StoreError::Replaced { by }) => *by == next.id,
            // Redis may have marked the record before it, or may do so later: then this one must be there.
            Err(error) => error.is_outage(),
        };
        if !matches!(&outcome, Err(error) if error.is_outage()) && is_in_use {
            self.keep().await?;
        }
        if let (Some(made), false) = (made, is_in_use) {
            // Nothing leads to it, so that it only takes place until it expires.
            drop(self.swap(&mut redis, &next_digest, &made, &[], None).await);
        }
        outcome
    }

    async fn replace_by(
        &self,
        redis: &mut Servers,
        (id, digest): (&TrackingId, Digest),
        (next, next_digest): (&Replacement, Digest),
        now: Timestamp,
        made: &mut Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let found = self.read(redis, id, &digest, now).await?;
            let (bytes, record) = found.ok_or(StoreError::Outdated)?;
            let replacing = rules::replaced(id, &record, next, now)?;
            if made.is_none() {
                if let Some(login) = replacing.next.authentication.as_deref() {
                    self.note(redis, next_digest, login, &replacing.next).await?;
                }
                let value = layout::write(&next.id, &replacing.next, &self.state.key);
                if self.put_new(redis, &next_digest, &value, &replacing.next).await? {
                    *made = Some(value);
                } else {
                    match self.read_raw(redis, &next.id, &next_digest).await? {
                        // Another gateway is about to do the same: the mark below decides which of them is first.
                        Some((_, found)) if !found.is_expired(now) && replacing.is_half_done(&found) => {}
                        Some((_, found)) if !found.is_expired(now) => return Err(StoreError::Exists),
                        Some((old, _)) => {
                            let lifetime = Some(&replacing.next);
                            if !self.swap(redis, &next_digest, &old, &value, lifetime).await? {
                                continue;
                            }
                            *made = Some(value);
                        }
                        None => continue,
                    }
                }
            }
            let Some(before) = replacing.before else { return Ok(()) };
            let marked = layout::write(id, &before, &self.state.key);
            if self.swap(redis, &digest, &bytes, &marked, None).await? {
                return Ok(());
            }
        }
        Err(contended())
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

    /// A digest and all others of its line that have a record, and the next one that has none yet; each before those that
    /// came after it.
    pub(super) async fn line(&self, digest: Digest) -> Result<Vec<Digest>, StoreError> {
        let mut line = vec![digest];
        let mut next = self.neighbors(&digest).await?.0;
        while let Some(digest) = next.filter(|next| line.len() < MAX_LINE && !line.contains(next)) {
            next = self.neighbors(&digest).await?.0;
            line.push(digest);
        }
        line.reverse();
        let limit = line.len() + MAX_LINE;
        let mut next = self.neighbors(&digest).await?.1;
        while let Some(digest) = next.filter(|next| line.len() < limit && !line.contains(next)) {
            next = self.neighbors(&digest).await?.1;
            line.push(digest);
        }
        Ok(line)
    }

    /// The digests right before and right after one in its line.
    async fn neighbors(&self, digest: &Digest) -> Result<(Option<Digest>, Option<Digest>), StoreError> {
        let mut redis = self.link.connection()?;
        let found = self.read_all(&mut redis, std::slice::from_ref(digest)).await?;
        let Some((_, record)) = found.first() else { return Ok((None, None)) };
        let before = record.lineage.as_ref().and_then(|lineage| layout::digest(&lineage.predecessor));
        Ok((before, record.succession().and_then(|next| layout::digest(&next.id))))
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

    /// Some of all records, and where to go on; nowhere at the end.
    pub(super) async fn page(
        &self,
        Place { server, cursor }: Place,
    ) -> Result<(Option<Place>, Vec<(TrackingId, CookieRecord)>), StoreError> {
        let mut redis = self.link.connection()?;
        let servers = redis.each();
        let Some(mut walked) = servers.get(server).cloned() else { return Ok((None, Vec::new())) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(self.state.names.records()).arg("COUNT").arg(BATCH);
        let (next, keys): (u64, Vec<String>) = self.ask(&mut walked, &scan).await?;
        let next = match next {
            0 if server + 1 < servers.len() => Some(Place { server: server + 1, cursor: 0 }),
            0 => None,
            cursor => Some(Place { server, cursor }),
        };
        let digests: Vec<Digest> = keys.iter().filter_map(|key| self.state.names.digest_of(key)).collect();
        Ok((next, self.read_all(&mut redis, &digests).await?))
    }

    /// Which of these have no record any more.
    pub(super) async fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let mut redis = self.link.connection()?;
        let mut missing = Vec::new();
        for batch in digests.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for digest in batch {
                pipeline.exists(self.state.names.record(digest));
            }
            let found: Vec<bool> = self.ask_all(&mut redis, &pipeline).await?;
            missing.extend(batch.iter().zip(found).filter(|(_, is_there)| !is_there).map(|(d, _)| *d));
        }
        Ok(missing)
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

    /// Adds a record where there is none, or one whose time is over.
    async fn add(
        &self,
        redis: &mut Servers,
        id: &TrackingId,
        digest: &Digest,
        record: &CookieRecord,
    ) -> Result<(), StoreError> {
        let value = layout::write(id, record, &self.state.key);
        for _ in 0..MAX_ATTEMPTS {
            if self.put_new(redis, digest, &value, record).await? {
                return Ok(());
            }
            match self.read_raw(redis, id, digest).await? {
                Some((_, found)) if !found.is_expired(record.created) => return Err(StoreError::Exists),
                Some((old, _)) if self.swap(redis, digest, &old, &value, Some(record)).await? => {
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(contended())
    }

    async fn put_new(
        &self,
        redis: &mut Servers,
        digest: &Digest,
        value: &[u8],
        record: &CookieRecord,
    ) -> Result<bool, StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.state.names.record(digest)).arg(value).arg("NX").arg("PX").arg(lifetime(record));
        let set: Option<String> = self.ask(redis, &set).await?;
        Ok(set.is_some())
    }

    /// Puts a value in place of another one, if that is still there.
    async fn swap(
        &self,
        redis: &mut Servers,
        digest: &Digest,
        old: &[u8],
        new: &[u8],
        anew: Option<&CookieRecord>,
    ) -> Result<bool, StoreError> {
        let mut change = CHANGE.key(self.state.names.record(digest));
        change.arg(old).arg(new).arg(anew.map(|record| lifetime(record).to_string()).unwrap_or_default());
        let began = Instant::now();
        self.link.told(change.invoke_async(redis).await, began)
    }

    /// The live record of an ID, with what Redis has.
    async fn read(
        &self,
        redis: &mut Servers,
        id: &TrackingId,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(Vec<u8>, CookieRecord)>, StoreError> {
        Ok(self.read_raw(redis, id, digest).await?.filter(|(_, record)| !record.is_expired(now)))
    }

    async fn read_raw(
        &self,
        redis: &mut Servers,
        id: &TrackingId,
        digest: &Digest,
    ) -> Result<Option<(Vec<u8>, CookieRecord)>, StoreError> {
        let key = self.state.names.record(digest);
        let bytes: Option<Vec<u8>> = self.ask(redis, redis::cmd("GET").arg(key)).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        // A record that cannot be read is refused rather than taken for none, which would be written over.
        let record = layout::read(id, &bytes).ok_or_else(|| {
            StoreError::Io("a record in Redis is damaged, or another program has written it".into())
        })?;
        Ok(Some((bytes, record)))
    }

    async fn read_all(
        &self,
        redis: &mut Servers,
        digests: &[Digest],
    ) -> Result<Vec<(TrackingId, CookieRecord)>, StoreError> {
        let mut pipeline = redis::pipe();
        for digest in digests {
            pipeline.cmd("GET").arg(self.state.names.record(digest));
        }
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let values: Vec<Option<Vec<u8>>> = self.ask_all(redis, &pipeline).await?;
        let found = digests.iter().zip(values);
        Ok(found.filter_map(|(digest, bytes)| layout::read_any(digest, &bytes?)).collect())
    }

    async fn ask<T: FromRedisValue>(
        &self,
        redis: &mut impl ConnectionLike,
        command: &redis::Cmd,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        self.link.told(command.query_async(redis).await, began)
    }

    async fn ask_all<T: FromRedisValue>(
        &self,
        redis: &mut Servers,
        pipeline: &redis::Pipeline,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        self.link.told(pipeline.query_async(redis).await, began)
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

/// How long Redis keeps a record, in milliseconds: by its own clock, so that a gateway with a wrong one loses no record, and
/// a little longer than it counts, since the clocks of gateways differ. The gateway itself judges by the record whether it
/// counts.
fn lifetime(record: &CookieRecord) -> u64 {
    const MARGIN: u64 = 60;
    (u64::from(record.max_age.as_seconds()) + MARGIN) * 1000
}

fn contended() -> StoreError {
    StoreError::Io("a record in Redis changes faster than the gateway can follow".into())
}
