//! A record whose ID is replaced by another one.
//!
//! The record of the next ID comes first, and then the mark on the one before it, which counts. So a gateway that ends between
//! them leaves a record to which nothing leads, and which expires; several gateways that do the same agree by the mark.

use super::{MAX_ATTEMPTS, Worker, contended};
use crate::{
    cookie::TrackingId,
    store::{
        Replacement, StoreError,
        redis::{
            connect::Servers,
            layout::{self, Digest},
        },
        rules,
    },
    time::Timestamp,
};

impl Worker {
    pub(in crate::store::redis) async fn replace(
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
}
