//! Opening the store that a configuration names.

use std::sync::Arc;

use super::{
    CookieStore, FileStore, LmdbStore, LocalRevocations, MemoryStore, Revocations, StoreOpenError,
    StoreOptions, StoreTally, index::Limits,
};
use crate::time::Timestamp;

/// A store with what belongs to it.
#[derive(Debug, Clone)]
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn CookieStore>,
    /// Where its revocations are told.
    pub revocations: Arc<dyn Revocations>,
    /// The same store, if it is a file: that one can be compacted. LMDB and memory use what is free again.
    pub file: Option<Arc<FileStore>>,
}

impl OpenedStore {
    /// A store that no other process has.
    pub fn local(store: Arc<dyn CookieStore>) -> Self {
        Self { store, revocations: Arc::new(LocalRevocations::default()), file: None }
    }
}

/// Opens a store without metrics, as [`open_counting`] does with them.
pub fn open(options: &StoreOptions, now: Timestamp) -> Result<OpenedStore, StoreOpenError> {
    open_counting(options, now, &StoreTally::default())
}

/// Opens a store. Services that name the same [place](StoreOptions::place) must share one: a second one is refused.
///
/// May block for as long as it takes to read the file: a second or two for a million records.
pub fn open_counting(
    options: &StoreOptions,
    now: Timestamp,
    tally: &StoreTally,
) -> Result<OpenedStore, StoreOpenError> {
    let revocations = Arc::<LocalRevocations>::default();
    let limits = |records, per_principal| Limits {
        records,
        per_principal,
        open: Arc::clone(&revocations),
        tally: tally.clone(),
        ..Limits::default()
    };
    let opened = |store| OpenedStore { store, revocations: Arc::clone(&revocations) as _, file: None };
    Ok(match options {
        StoreOptions::Memory { max_cookies, max_per_principal } => {
            opened(Arc::new(MemoryStore::with_limits(limits(*max_cookies, *max_per_principal))))
        }
        StoreOptions::File { path, max_cookies, max_per_principal, sync } => {
            let limits = limits(*max_cookies, *max_per_principal);
            let file = Arc::new(FileStore::open_with(path, limits, *sync, now)?);
            OpenedStore { file: Some(Arc::clone(&file)), ..opened(file) }
        }
        StoreOptions::Lmdb { path, max_size, max_per_principal, sync } => {
            let limits = limits(0, *max_per_principal);
            opened(Arc::new(LmdbStore::open_with(path, *max_size, limits, *sync, now)?))
        }
    })
}
