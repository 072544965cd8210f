//! Bringing an environment of the first layout into this one: it has no ranks and no checksums.

use heed::{MdbError, RwTxn};

use super::{ranks, record, tables::Tables};
use crate::{cookie::TrackingId, store::CookieRecord};

/// How many records are copied before they are written.
const STEP: usize = 1000;

/// Makes the ranks and the checksums, in one transaction. `map_size` is the size of the map.
pub(super) fn rank(tables: &Tables, map_size: usize) -> heed::Result<()> {
    let rank = || {
        let mut txn = tables.env.write_txn()?;
        build(tables, &mut txn)?;
        tables.touch(&mut txn)?;
        txn.commit()
    };
    match rank() {
        Err(heed::Error::Mdb(MdbError::MapFull)) => {
            #[allow(unsafe_code, reason = "a map that is full of records has no room for their ranks")]
            // SAFETY: no transaction is open. The environment has just been opened, and only this thread has it.
            unsafe {
                tables.env.resize(map_size.saturating_mul(2))?;
            }
            rank()?;
        }
        outcome => outcome?,
    }
    tracing::info!(path = %tables.path(), "the cookie store was brought into the layout of this version");
    Ok(())
}

fn build(tables: &Tables, txn: &mut RwTxn<'_>) -> heed::Result<()> {
    tables.ranks.clear(txn)?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut records: Vec<(TrackingId, CookieRecord)> = Vec::new();
        let mut last = None;
        for entry in tables.behind(txn, after.as_deref())?.take(STEP) {
            let (key, value) = entry?;
            last = Some(key.to_owned());
            records.extend(record::parse_id(key).zip(record::decode(key, value)));
        }
        for (id, record) in &records {
            let key = id.expose().as_bytes();
            tables.records.put(txn, key, &record::encode(key, record))?;
            ranks::update(tables.ranks, txn, key, None, Some(record))?;
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
