//! Dropping expired records from LMDB without holding up other calls.
//!
//! IDs are random, so expired records lie all over the pages of `records`, and LMDB copies and writes every page that a
//! transaction touches. So the purge sorts a window of the expiry index by ID and drops its records from `records` in
//! that order, in which neighbors share pages. Then it drops the keys from `expiry` in the order of time, in which
//! *they* share pages. Each step is a small transaction that shares its commit with the changes that wait. A purge that
//! is interrupted between the two leaves keys without records, which the next purge drops.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{
    record,
    tables::Tables,
    writer::{Done, LmdbWriter, Work},
};
use crate::{
    store::{StoreError, group::Group},
    time::Timestamp,
};

/// How many keys are sorted at a time: some 5 MB.
const WINDOW: usize = 65_536;

/// How many records go in one transaction: a few milliseconds of work, so that handshakes wait little longer
/// than for their own fsync.
const RECORDS: usize = 2_000;

/// How many keys of the expiry index go in one transaction. They lie side by side, so that more of them fit
/// in that time.
const KEYS: usize = 8_000;

/// How long a purge waits for the commit of one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drops up to `limit` expired records; how many.
pub(super) fn purge(
    tables: &Tables,
    group: &Group<LmdbWriter>,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let settled = tables.settle(now);
    let mut total = 0;
    while total < limit {
        let window = window(tables, settled, WINDOW.min(limit - total))
            .map_err(|error| StoreError::Io(tables.failure(&error)))?;
        if window.is_empty() {
            break;
        }
        total += window.len();
        let mut by_id = window.clone();
        by_id.sort_unstable_by(|one, other| id_of(one).cmp(id_of(other)));
        for keys in by_id.chunks(RECORDS) {
            step(group, |done| Work::DropRecords { keys: keys.to_vec(), settled, done })?;
        }
        for keys in window.chunks(KEYS) {
            step(group, |done| Work::DropKeys { keys: keys.to_vec(), done })?;
        }
    }
    Ok(total)
}

fn window(tables: &Tables, settled: Timestamp, limit: usize) -> heed::Result<Vec<Vec<u8>>> {
    tables.check_mapped()?;
    let txn = tables.env.read_txn()?;
    tables.expired(&txn, settled, limit)
}

fn id_of(key: &[u8]) -> &[u8] {
    record::parse_expiry_key(key).map_or(&[], |(_, id)| id)
}

fn step(group: &Group<LmdbWriter>, work: impl FnOnce(Done) -> Work) -> Result<(), StoreError> {
    let (done, finished) = mpsc::sync_channel(1);
    // Its outcome comes through the channel, on which a thread can wait outside of any runtime.
    drop(group.push(work(done)).map_err(|rejected| rejected.error)?);
    finished.recv_timeout(PATIENCE).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => StoreError::Stalled,
        mpsc::RecvTimeoutError::Disconnected => StoreError::Io(Arc::from("its writer has stopped")),
    })
}
