//! The order in which records may go before their time: a table beside the records.
//!
//! ```text
//! ranks     principal │ last_seen │ ID  ->  (nothing)      principal: 8 bytes, zeros for a record without an authentication
//!           principal                   ->  how many records it has, 4 bytes
//! ```
//!
//! A principal is known by a hash of its realm and authid. Two that share a hash share a bound, which harms neither.

use std::ops::Bound;

use heed::{Database, RwTxn, types::Bytes};
use sha2::{Digest, Sha256};

use crate::store::{Authentication, CookieRecord};

/// A table of LMDB.
pub(super) type ByteTable = Database<'static, Bytes, Bytes>;

/// A principal's hash, or [`NONE`](Self::NONE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Principal([u8; 8]);

impl Principal {
    /// That of records without an authentication.
    pub(super) const NONE: Self = Self([0; 8]);

    pub(super) fn of(login: Option<&Authentication>) -> Self {
        let Some(login) = login else { return Self::NONE };
        let mut hash = Sha256::new();
        hash.update((login.authrealm.len() as u64).to_be_bytes());
        hash.update(&login.authrealm);
        hash.update(&login.authid);
        let mut short = [0; 8];
        for (to, from) in short.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        // No principal has the key of those that have none.
        let [first, ..] = &mut short;
        *first |= 1;
        Self(short)
    }
}

/// The key of a record.
fn key(id: &[u8], record: &CookieRecord) -> Vec<u8> {
    let Principal(principal) = Principal::of(record.authentication.as_deref());
    [&principal, &record.last_seen.as_millis().to_be_bytes(), id].concat()
}

/// The ID in such a key.
pub(super) fn id_in(key: &[u8]) -> &[u8] {
    key.get(16..).unwrap_or_default()
}

/// Moves a record from where it was to where it belongs; nothing stands for a record that is not there.
pub(super) fn update(
    ranks: ByteTable,
    txn: &mut RwTxn<'_>,
    id: &[u8],
    before: Option<&CookieRecord>,
    after: Option<&CookieRecord>,
) -> heed::Result<()> {
    let keys = (before.map(|record| key(id, record)), after.map(|record| key(id, record)));
    if keys.0 == keys.1 {
        return Ok(());
    }
    let principal = |record: Option<&CookieRecord>| {
        record.map_or(Principal::NONE, |record| Principal::of(record.authentication.as_deref()))
    };
    let (from, to) = (principal(before), principal(after));
    if from != to {
        count(ranks, txn, from, |records| records.saturating_sub(1))?;
        count(ranks, txn, to, |records| records.saturating_add(1))?;
    }
    if let Some(key) = keys.0 {
        ranks.delete(txn, &key)?;
    }
    keys.1.map_or(Ok(()), |key| ranks.put(txn, &key, &[]))
}

fn count(
    ranks: ByteTable,
    txn: &mut RwTxn<'_>,
    principal: Principal,
    change: impl Fn(u32) -> u32,
) -> heed::Result<()> {
    if principal == Principal::NONE {
        return Ok(());
    }
    match change(records_of(ranks, txn, principal)?) {
        0 => ranks.delete(txn, &principal.0).map(drop),
        records => ranks.put(txn, &principal.0, &records.to_be_bytes()),
    }
}

/// How many records a principal has.
pub(super) fn records_of(ranks: ByteTable, txn: &RwTxn<'_>, principal: Principal) -> heed::Result<u32> {
    let found = ranks.get(txn, &principal.0)?;
    Ok(found.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes))
}

/// The keys of a principal's records, or of those without an authentication, from the one that was seen longest ago on.
pub(super) fn longest_unseen(
    ranks: ByteTable,
    txn: &RwTxn<'_>,
    principal: Principal,
    limit: usize,
) -> heed::Result<Vec<Vec<u8>>> {
    let mut keys = Vec::new();
    for entry in ranks.prefix_iter(txn, &principal.0)? {
        let (key, _) = entry?;
        // The shortest is the principal's number of records.
        if key.len() > principal.0.len() {
            keys.push(key.to_owned());
        }
        if keys.len() == limit {
            break;
        }
    }
    Ok(keys)
}

/// Before all records without an authentication.
pub(super) const BEGIN: [u8; 8] = Principal::NONE.0;

/// What a [`search`] has met.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The keys of records that may go.
    pub(super) found: Vec<Vec<u8>>,
    /// The last key before them of those that may not.
    pub(super) passed: Option<Vec<u8>>,
}

/// Looks for `limit` records without an authentication that may go, from the one that was seen longest ago on, behind a key.
pub(super) fn search(
    ranks: ByteTable,
    txn: &RwTxn<'_>,
    behind: &[u8],
    is_open: impl Fn(&[u8]) -> bool,
    limit: usize,
) -> heed::Result<Search> {
    /// How many are passed over in one search: some milliseconds. The next one goes on behind them.
    const MAX_PASSED_OVER: usize = 4096;
    // The first byte of a principal is odd.
    let end = [0, 0, 0, 0, 0, 0, 0, 1];
    let range = (Bound::Excluded(behind), Bound::Excluded(&end[..]));
    let mut search = Search { found: Vec::new(), passed: (behind != BEGIN).then(|| behind.to_owned()) };
    let mut last_passed = None;
    for entry in ranks.range(txn, &range)?.take(MAX_PASSED_OVER + limit) {
        let (key, _) = entry?;
        if is_open(id_in(key)) {
            last_passed = search.found.is_empty().then_some(key).or(last_passed);
            continue;
        }
        search.found.push(key.to_owned());
        if search.found.len() == limit {
            break;
        }
    }
    search.passed = last_passed.map(<[u8]>::to_owned).or(search.passed);
    Ok(search)
}
