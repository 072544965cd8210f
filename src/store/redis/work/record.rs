//! Reading and writing of one record, as Redis has it.

use std::{sync::LazyLock, time::Instant};

use redis::{FromRedisValue, Script, aio::ConnectionLike};

use super::{MAX_ATTEMPTS, Worker, contended};
use crate::{
    cookie::TrackingId,
    store::{
        CookieRecord, StoreError,
        redis::{
            connect::Servers,
            layout::{self, Digest},
        },
    },
    time::Timestamp,
};

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

impl Worker {
    /// Adds a record where there is none, or one whose time is over.
    pub(super) async fn add(
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

    pub(super) async fn put_new(
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
    pub(super) async fn swap(
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
    pub(super) async fn read(
        &self,
        redis: &mut Servers,
        id: &TrackingId,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(Vec<u8>, CookieRecord)>, StoreError> {
        Ok(self.read_raw(redis, id, digest).await?.filter(|(_, record)| !record.is_expired(now)))
    }

    pub(super) async fn read_raw(
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

    pub(super) async fn read_all(
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

    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        redis: &mut impl ConnectionLike,
        command: &redis::Cmd,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        self.link.told(command.query_async(redis).await, began)
    }

    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        redis: &mut Servers,
        pipeline: &redis::Pipeline,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        self.link.told(pipeline.query_async(redis).await, began)
    }
}

/// How long Redis keeps a record, in milliseconds: by its own clock, so that a gateway with a wrong one loses no record, and
/// a little longer than it counts, since the clocks of gateways differ. The gateway itself judges by the record whether it
/// counts.
pub(super) fn lifetime(record: &CookieRecord) -> u64 {
    const MARGIN: u64 = 60;
    (u64::from(record.max_age.as_seconds()) + MARGIN) * 1000
}
