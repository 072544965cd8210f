//! The commands themselves, on a store that this process has open. All of it blocks.

use std::{
    collections::HashSet,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    AdminRequest, Command, CookieEntry, IdArgument, ManagedStore, Reply, Selection, Summary, open::OpenCounts,
};
use crate::{
    cookie::{PublicIdKey, TrackingId},
    store::{CookieRecord, OpenConnections as _, Parting, Reach, StoreError, StoreTextError, block_on},
    time::Timestamp,
};

/// How many changes are handed to the store before the first is waited for: they share their writes.
const BATCH: usize = 512;

/// For how long records are handed again to a store that takes none of them, and how often.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);

/// How many expired records are dropped between two reports.
const PURGE_STEP: usize = 10_000;

/// How many records are shown between two reports.
const LIST_STEP: u64 = 10_000;

/// Why a command was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No record has the ID that was asked for.
    #[error("no cookie has this ID: give a tracking ID or a public ID, `wampgate cookies ls` lists them")]
    NoSuchCookie,
    /// The store is of a kind that needs no compaction.
    #[error("only a store of type \"file\" can be compacted: the others use again what has become free")]
    NotCompactable,
    /// The store does not answer, and the gateway has done what it can without it.
    #[error(
        "{cause}. Connections that were closed on this gateway: {connections}. Revoke again when the store answers: only then \
         the gateway finds all cookies that are meant"
    )]
    Unreachable {
        /// What the store says.
        cause: StoreError,
        /// How many connections were closed.
        connections: u64,
    },
    /// The store has failed while a revocation was under way.
    #[error(
        "{cause}. {done} of {total} cookies were revoked before, and {connections} connections closed on this gateway: revoke again"
    )]
    Interrupted {
        /// What the store says.
        cause: StoreError,
        /// How many cookies were revoked.
        done: u64,
        /// How many were to be revoked.
        total: u64,
        /// How many connections were closed.
        connections: u64,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record to be imported cannot be read.
    #[error("import: {0}")]
    Unreadable(#[from] StoreTextError),
    /// The program that asked is gone.
    #[error("the answer cannot be written: {0}")]
    Gone(#[from] io::Error),
}

/// Where replies go.
type Sink<'a> = dyn FnMut(Reply) -> io::Result<()> + 'a;

/// Records to be imported.
type Records<'a> = dyn Iterator<Item = Result<(TrackingId, CookieRecord), Failure>> + 'a;

/// Does what a request asks for. Replies are records and progress; the outcome is the caller's to report.
pub fn perform(
    store: &ManagedStore,
    request: &AdminRequest,
    records: &mut Records<'_>,
    now: Timestamp,
    reply: &mut Sink<'_>,
) -> Result<Summary, Failure> {
    perform_for(store, request, records, now, reply, &mut None)
}

/// The same; of a revocation by an ID also whose it was, by the public ID, for the log: a tracking ID must not stand there.
pub(crate) fn perform_for(
    store: &ManagedStore,
    request: &AdminRequest,
    records: &mut Records<'_>,
    now: Timestamp,
    reply: &mut Sink<'_>,
    client: &mut Option<String>,
) -> Result<Summary, Failure> {
    let job = Job { store, now, reveal: request.reveal, open: OpenCounts::of(store) };
    match &request.command {
        Command::List { authid, limit } => job.list(authid.as_deref(), *limit, reply),
        Command::Show(id) => job.show(id, reply),
        Command::Revoke(selection) => job.revoke(selection, reply, client),
        Command::CountRevoked(selection) => job.count_revoked(selection),
        Command::Purge => job.purge(reply),
        Command::Compact => job.compact(),
        Command::Import { total } => job.import(records, *total, reply),
    }
}

struct Job<'a> {
    store: &'a ManagedStore,
    now: Timestamp,
    reveal: bool,
    open: OpenCounts<'a>,
}

/// What a selection takes.
struct Selected {
    /// The tracking IDs.
    ids: Vec<TrackingId>,
    /// How many of them have a record.
    records: u64,
    /// The public ID of the first of these; none also where all are selected.
    first: Option<Arc<str>>,
}

impl Job<'_> {
    fn list(
        &self,
        authid: Option<&str>,
        limit: Option<u64>,
        reply: &mut Sink<'_>,
    ) -> Result<Summary, Failure> {
        let mut records = 0;
        let mut outcome = Ok(());
        self.store.clients.store.scan(self.now, &mut |id, record| {
            if outcome.is_err() || !authid.is_none_or(|authid| is_authenticated_as(record, authid)) {
                return;
            }
            records += 1;
            if limit.is_none_or(|limit| records <= limit) {
                outcome = reply(Reply::Record(Box::new(self.entry(id, record))));
            }
            if outcome.is_ok() && records % LIST_STEP == 0 {
                outcome = reply(Reply::Progress { done: records, total: None });
            }
        })?;
        outcome?;
        Ok(Summary::Listed { records })
    }

    fn entry(&self, id: &TrackingId, record: &CookieRecord) -> CookieEntry {
        CookieEntry::new(self.store, id, record, self.open.count(id), self.reveal)
    }

    fn show(&self, wanted: &IdArgument, reply: &mut Sink<'_>) -> Result<Summary, Failure> {
        let id = self.ids_of(wanted)?.into_iter().next().ok_or(Failure::NoSuchCookie)?;
        let record = self.look_up(&id)?.ok_or(Failure::NoSuchCookie)?;
        reply(Reply::Record(Box::new(self.entry(&id, &record))))?;
        Ok(Summary::Listed { records: 1 })
    }

    /// The ID itself if that is a tracking ID, or all IDs of the client whose public ID it is.
    fn ids_of(&self, wanted: &IdArgument) -> Result<Vec<TrackingId>, StoreError> {
        if let Ok(id) = TrackingId::parse(&wanted.0)
            && self.look_up(&id)?.is_some()
        {
            return Ok(vec![id]);
        }
        // A public ID does not tell its tracking IDs, so this takes a walk; a text of any other form is none.
        if !PublicIdKey::may_have_made(&wanted.0) {
            return Ok(Vec::new());
        }
        let clients = &self.store.clients;
        clients.find(self.now, |id, record| *clients.public_id(id, record) == *wanted.0)
    }

    fn look_up(&self, id: &TrackingId) -> Result<Option<CookieRecord>, StoreError> {
        self.store.clients.store.look_up(id, self.now).wait()
    }

    fn selected(&self, selection: &Selection) -> Result<Selected, Failure> {
        let clients = &self.store.clients;
        let mut ids = match selection {
            Selection::Id(wanted) => self.ids_of(wanted)?,
            Selection::Authid(authid) => {
                clients.find(self.now, |_, record| is_authenticated_as(record, authid))?
            }
            Selection::All => clients.find(self.now, |_, _| true)?,
        };
        if ids.is_empty() && matches!(selection, Selection::Id(_)) {
            return Err(Failure::NoSuchCookie);
        }
        let mut records = ids.len() as u64;
        let mut first = None;
        if !matches!(selection, Selection::All) {
            // As at a logout: a client that is left with another ID of the line would come back with it.
            ids = block_on(clients.lines(&ids, self.now));
            records = 0;
            block_on(clients.each_live(&ids, self.now, |id, record| {
                let Some(record) = record else { return };
                records += 1;
                first.get_or_insert_with(|| clients.public_id(id, &record));
            }));
        }
        Ok(Selected { ids, records, first })
    }

    fn count_revoked(&self, selection: &Selection) -> Result<Summary, Failure> {
        let Selected { ids, records, .. } = self.selected(selection)?;
        let connections = ids.iter().map(|id| u64::from(self.open.count(id))).sum();
        Ok(Summary::Revocable { records, connections })
    }

    fn revoke(
        &self,
        selection: &Selection,
        reply: &mut Sink<'_>,
        client: &mut Option<String>,
    ) -> Result<Summary, Failure> {
        let clients = &self.store.clients;
        let Selected { ids, records, first } = match self.selected(selection) {
            Err(Failure::Store(cause)) if cause.is_outage() => return Err(self.revoke_here(selection, cause)),
            selected => selected?,
        };
        if matches!(selection, Selection::Id(_)) {
            *client = first.map(|name| name.to_string());
        }
        let total = ids.len() as u64;
        let (mut done, mut connections) = (0, 0);
        for batch in ids.chunks(BATCH) {
            let ended = block_on(clients.revoke(batch.to_vec(), Parting::Killed, Reach::All, self.now))
                .map_err(|cause| Failure::Interrupted { cause, done, total, connections })?;
            connections += ended as u64;
            done += batch.len() as u64;
            reply(Reply::Progress { done, total: Some(total) })?;
        }
        Ok(Summary::Revoked { records, connections })
    }

    /// Revokes what this gateway knows by its open connections, while the store does not answer. The store owes the removal
    /// of these cookies, and of their lines.
    fn revoke_here(&self, selection: &Selection, cause: StoreError) -> Failure {
        let clients = &self.store.clients;
        let open = |is_wanted: &dyn Fn(&TrackingId) -> bool| {
            let mut ids = clients.connections.open(&|_| true);
            ids.retain(|id| is_wanted(id));
            ids
        };
        let ids = match selection {
            Selection::Id(wanted) => {
                let id = TrackingId::parse(&wanted.0).ok();
                let mut ids = clients.families.logins_of(&wanted.0, id.as_ref());
                if PublicIdKey::may_have_made(&wanted.0) {
                    ids.extend(open(&|id| *clients.key.public_id(id) == *wanted.0));
                }
                ids.extend(id);
                ids
            }
            Selection::Authid(authid) => clients.connected_as(authid),
            Selection::All => open(&|_| true),
        };
        let ids: Vec<TrackingId> = ids.into_iter().collect::<HashSet<_>>().into_iter().collect();
        // The store may take its time, or answer by now.
        let ended = clients.end_here(&ids, Parting::Killed, Reach::All);
        let others = block_on(clients.revoke(ids, Parting::Killed, Reach::All, self.now)).unwrap_or(0);
        Failure::Unreachable { cause, connections: (ended + others) as u64 }
    }

    fn purge(&self, reply: &mut Sink<'_>) -> Result<Summary, Failure> {
        let mut records = 0;
        loop {
            let dropped = self.store.clients.store.purge(self.now, PURGE_STEP)?;
            records += dropped as u64;
            if dropped < PURGE_STEP {
                return Ok(Summary::Purged { records });
            }
            reply(Reply::Progress { done: records, total: None })?;
        }
    }

    fn compact(&self) -> Result<Summary, Failure> {
        let compacted = self.store.file.as_ref().ok_or(Failure::NotCompactable)?.compact()?;
        Ok(Summary::Compacted {
            lines_before: compacted.lines_before,
            lines_after: compacted.lines_after,
            bytes_before: compacted.bytes_before,
            bytes_after: compacted.bytes_after,
        })
    }

    fn import(
        &self,
        records: &mut Records<'_>,
        total: u64,
        reply: &mut Sink<'_>,
    ) -> Result<Summary, Failure> {
        let (mut added, mut existing, mut expired, mut unfit) = (0, 0, 0, 0);
        let mut done = 0;
        loop {
            let mut fit = Vec::with_capacity(BATCH);
            let batch: Vec<_> = records.take(BATCH).collect();
            let is_last = batch.len() < BATCH;
            done += batch.len() as u64;
            for record in batch {
                let (id, record) = record?;
                if record.is_expired(self.now) {
                    expired += 1;
                } else if record.authentication.as_ref().is_some_and(|a| a.check().is_err()) {
                    unfit += 1;
                } else {
                    fit.push((id, record));
                }
            }
            let count = fit.len() as u64;
            let added_now = self.add(fit)?;
            added += added_now;
            existing += count - added_now;
            if is_last {
                return Ok(Summary::Imported { added, existing, expired, unfit });
            }
            reply(Reply::Progress { done, total: Some(total) })?;
        }
    }
}

impl Job<'_> {
    /// Adds records; how many were not there yet. While a store elsewhere does not answer, the gateway tries again.
    fn add(&self, mut records: Vec<(TrackingId, CookieRecord)>) -> Result<u64, StoreError> {
        let store = &self.store.clients.store;
        let mut added = 0;
        let mut latest = Instant::now();
        loop {
            let count = records.len();
            let commits: Vec<_> =
                records.iter().map(|(id, record)| store.create(id, record.clone())).collect();
            let mut outage = None;
            let mut left = Vec::new();
            for (record, commit) in records.into_iter().zip(commits) {
                match commit.wait() {
                    Ok(()) => added += 1,
                    Err(StoreError::Exists) => {}
                    Err(error) if error.is_outage() => {
                        outage = Some(error);
                        left.push(record);
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(error) = outage else { return Ok(added) };
            if left.len() < count {
                latest = Instant::now();
            }
            if latest.elapsed() > PATIENCE {
                return Err(error);
            }
            thread::sleep(PAUSE);
            records = left;
        }
    }
}

fn is_authenticated_as(record: &CookieRecord, authid: &str) -> bool {
    record.authentication.as_ref().is_some_and(|authentication| authentication.authid == authid)
}
