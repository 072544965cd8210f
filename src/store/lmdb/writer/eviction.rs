//! Room for new records: what goes when the map is full, or when a principal has too many.

use std::time::{Duration, Instant};

use heed::RwTxn;

use super::{
    super::{
        ranks::{self, Principal},
        record,
        tables::{Tables, pages},
    },
    LmdbWriter,
};
use crate::{
    store::{Authentication, CookieRecord},
    time::Timestamp,
};

/// The share of the map that new records leave free: 1 / 8, or [`MIN_RESERVE`]. Each change of a page takes a copy of it, a deletion as well,
/// and LMDB lists pages that are free again in pages.
const RESERVE: u64 = 8;

/// What new records leave free at least, in bytes: the pages that some changes in one transaction take copies of.
const MIN_RESERVE: u64 = 384 * 1024;

/// How many of a principal's records with an open connection are passed over in search of one that may go.
const MAX_PASSED_OVER: usize = 1024;

/// How many records go for one that comes.
const EVICTED_EACH: usize = 2;

/// How long the writer remembers which records it has passed over because they had a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How many expired records make room for one new one in a full map: enough that pages become free.
const ROOM: usize = 256;

/// Up to where all records that could go had a connection.
#[derive(Debug)]
pub(super) struct PassedOver {
    key: Vec<u8>,
    since: Instant,
}

impl LmdbWriter {
    /// Makes room for a record that comes, if it must; whether there is room.
    pub(super) fn make_room(&self, txn: &mut RwTxn<'_>, settled: Timestamp) -> heed::Result<bool> {
        if !self.is_full(txn)? {
            return Ok(true);
        }
        let expired = self.tables.expired(txn, settled, ROOM)?;
        let dropped = self.tables.drop_records(txn, &expired, settled)?;
        self.count(|changes| changes.expired += dropped);
        for key in &expired {
            self.tables.expiry.delete(txn, key)?;
        }
        Ok(!expired.is_empty() || self.evict(txn)?)
    }

    /// Drops the records without an authentication that were seen longest ago; whether there were any. Those with an open
    /// connection stay.
    ///
    /// Where records are gone, pages are less full than before, and only rarely free. So this drops two for one that comes:
    /// then the number of pages falls, and never more go than it takes.
    fn evict(&self, txn: &mut RwTxn<'_>) -> heed::Result<bool> {
        let passed = self.passed_over.take().filter(|passed| passed.since.elapsed() < LOOK_AGAIN);
        let begin = passed.as_ref().map_or(&ranks::BEGIN[..], |passed| &passed.key);
        let look =
            |from: &[u8]| ranks::search(self.tables.ranks, txn, from, |id| self.is_open(id), EVICTED_EACH);
        let mut search = look(begin)?;
        if search.found.is_empty() && begin != ranks::BEGIN {
            // Some may have left meanwhile.
            search = look(&ranks::BEGIN)?;
        }
        let since = passed.map_or_else(Instant::now, |passed| passed.since);
        if let Some(key) = search.passed {
            self.passed_over.replace(Some(PassedOver { key, since }));
        }
        for key in &search.found {
            let id = ranks::id_in(key);
            let found = self.tables.get_by_key(txn, id)?;
            self.tables.remove(txn, id, found.as_ref())?;
            // Usually gone with the record.
            self.tables.ranks.delete(txn, key)?;
            self.limits.tally.evicted_for_room.inc();
        }
        Ok(!search.found.is_empty())
    }

    /// Makes room for one more record of a principal: its record that was seen longest ago goes. If all have open
    /// connections, the records stay, and the oldest login goes.
    pub(super) fn make_room_for_login(
        &self,
        txn: &mut RwTxn<'_>,
        login: Option<&Authentication>,
        now: Timestamp,
    ) -> heed::Result<()> {
        let (Some(login), limit) = (login, self.limits.per_principal) else { return Ok(()) };
        let principal = Principal::of(Some(login));
        let count = ranks::records_of(self.tables.ranks, txn, principal)? as usize;
        if limit == 0 || count < limit {
            return Ok(());
        }
        // More than one where the bound has been lowered.
        let mut too_many = (count - limit).saturating_add(1);
        let mut oldest = None;
        let keys = ranks::longest_unseen(self.tables.ranks, txn, principal, count.min(MAX_PASSED_OVER))?;
        for key in &keys {
            let id = ranks::id_in(key);
            let Some(found) = self.tables.get_by_key(txn, id)? else { continue };
            if self.is_open(id) {
                oldest = oldest.or(Some((id, found)));
                continue;
            }
            self.limits.tally.evicted_of_principal.inc();
            self.tables.remove(txn, id, Some(&found))?;
            too_many -= 1;
            if too_many == 0 {
                return Ok(());
            }
        }
        let Some((id, found)) = oldest else { return Ok(()) };
        self.limits.tally.evicted_of_principal.inc();
        let left = CookieRecord { authentication: None, last_seen: now, ..found.clone() };
        self.tables.put(txn, id, Some(&found), &left)
    }

    fn is_open(&self, id: &[u8]) -> bool {
        record::parse_id(id).is_some_and(|id| self.limits.open.is_open(&id))
    }

    /// Whether the pages in use leave no more than the reserve. Pages that are free again do not count.
    fn is_full(&self, txn: &RwTxn<'_>) -> heed::Result<bool> {
        let Tables { records, expiry, ranks, .. } = &self.tables;
        let used = pages(*records, txn)? + pages(*expiry, txn)? + pages(*ranks, txn)?;
        let max_size = self.max_size as u64;
        let reserve = (max_size / RESERVE).max(MIN_RESERVE).min(max_size / 2);
        Ok(used > max_size - reserve)
    }
}
