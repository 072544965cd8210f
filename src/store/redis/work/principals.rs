//! Which records have a login of a principal: an index in Redis, which is written before the record.
//!
//! So the index has rather too many records than too few, and a reader looks at the records themselves.

use std::{sync::LazyLock, time::Instant};

use redis::Script;

use super::{BATCH, MAX_ATTEMPTS, Worker, contended, record::lifetime};
use crate::{
    cookie::TrackingId,
    store::{
        Authentication, CookieRecord, StoreError,
        redis::{
            connect::Servers,
            layout::{self, Digest},
        },
    },
    time::Timestamp,
};

/// How many logins of a principal end at most when another one is noted. If a smaller bound was configured, the next ones end
/// more.
const MAX_ENDED: usize = 16;

/// Notes a record under its principal, drops the notes of expired ones, and tells those that are too many.
static NOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
        redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
        if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
        local limit = tonumber(ARGV[5])
        local count = redis.call('ZCARD', KEYS[1])
        if limit == 0 or count <= limit then return {} end
        return redis.call('ZRANGE', KEYS[1], 0, math.min(count - limit, tonumber(ARGV[6])))",
    )
});

impl Worker {
    /// The live records with a login of this principal.
    pub(in crate::store::redis) async fn of_principal(
        &self,
        realm: &str,
        authid: &str,
        now: Timestamp,
    ) -> Result<Vec<TrackingId>, StoreError> {
        let mut redis = self.link.connection()?;
        let key = self.state.names.principal(realm, authid);
        let members: Vec<Vec<u8>> =
            self.ask(&mut redis, redis::cmd("ZRANGE").arg(key).arg(0).arg(-1)).await?;
        let digests: Vec<Digest> = members.into_iter().filter_map(|bytes| bytes.try_into().ok()).collect();
        let mut ids = Vec::new();
        for batch in digests.chunks(BATCH) {
            for (id, record) in self.read_all(&mut redis, batch).await? {
                let login = record.authentication.as_deref();
                if !record.is_expired(now)
                    && login.is_some_and(|login| login.authid == authid && login.authrealm == realm)
                {
                    ids.push(id);
                }
            }
        }
        Ok(ids)
    }

    /// Notes a record under the principal of its login, and ends the login on those that this makes too many.
    pub(super) async fn note(
        &self,
        redis: &mut Servers,
        digest: Digest,
        login: &Authentication,
        record: &CookieRecord,
    ) -> Result<(), StoreError> {
        /// Notes are dropped only when a wrong clock is put right before they are missed.
        const LEAP: u64 = 30 * 86_400_000;
        let key = self.state.names.of_login(login);
        let limit = self.state.options.max_per_principal;
        let mut note = NOTE.key(&key);
        note.arg(&digest[..])
            .arg(record.expires().as_millis())
            .arg(lifetime(record))
            .arg(record.last_seen.as_millis().saturating_sub(LEAP))
            .arg(limit)
            .arg(MAX_ENDED);
        let began = Instant::now();
        let over: Vec<Vec<u8>> = self.link.told(note.invoke_async(redis).await, began)?;
        // One more than are too many, in case that this record is among them: it is not to go for itself.
        let others = over.iter().filter_map(|bytes| Digest::try_from(&bytes[..]).ok());
        for other in others.filter(|other| *other != digest).take(over.len().saturating_sub(1)) {
            self.end_login(redis, &other, login).await?;
            let _: usize = self.ask(redis, redis::cmd("ZREM").arg(&key).arg(&other[..])).await?;
        }
        Ok(())
    }

    /// Takes the login of a principal off a record.
    async fn end_login(
        &self,
        redis: &mut Servers,
        digest: &Digest,
        of: &Authentication,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let key = self.state.names.record(digest);
            let bytes: Option<Vec<u8>> = self.ask(redis, redis::cmd("GET").arg(key)).await?;
            let Some(bytes) = bytes else { return Ok(()) };
            let Some(left) = layout::without_login(&bytes, of) else { return Ok(()) };
            if self.swap(redis, digest, &bytes, &left, None).await? {
                self.state.cache.forget(digest);
                self.state.tally.evicted_of_principal.inc();
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Whether two logins are of one principal.
pub(super) fn is_same(one: &Authentication, other: &Authentication) -> bool {
    (&one.authid, &one.authrealm) == (&other.authid, &other.authrealm)
}
