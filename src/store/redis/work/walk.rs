//! Questions about many records: a line of IDs, all records in pages, which of them are gone.

use super::{BATCH, Worker};
use crate::{
    cookie::TrackingId,
    store::{
        CookieRecord, StoreError,
        redis::layout::{self, Digest},
    },
};

/// How many IDs of one line are followed in each direction.
const MAX_LINE: usize = 512;

/// Where a walk over all records has come to.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::store::redis) struct Place {
    /// The place of the server among all of them.
    server: usize,
    /// What that server has given for the next step; 0 at the beginning.
    cursor: u64,
}

impl Worker {
    /// A digest and all others of its line that have a record, and the next one that has none yet; each before those that
    /// came after it.
    pub(in crate::store::redis) async fn line(&self, digest: Digest) -> Result<Vec<Digest>, StoreError> {
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

    /// Some of all records, and where to go on; nowhere at the end.
    pub(in crate::store::redis) async fn page(
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
    pub(in crate::store::redis) async fn missing(
        &self,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, StoreError> {
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
}
