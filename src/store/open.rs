//! Opening the store that a configuration names.

use std::sync::Arc;

use super::{
    CookieStore, FileStore, LmdbStore, LocalRevocations, MemoryStore, Revocations, StoreOpenError,
    StoreOptions, StoreTally,
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
    open_counting(options, now, StoreTally::default())
}

/// Opens a store. Services that name the same [place](StoreOptions::place) must share one: a second one is refused.
///
/// May block for as long as it takes to read the file: a second or two for a million records.
pub fn open_counting(
    options: &StoreOptions,
    now: Timestamp,
    tally: StoreTally,
) -> Result<OpenedStore, StoreOpenError> {
    Ok(match options {
        StoreOptions::Memory { max_cookies } => OpenedStore::local(Arc::new(MemoryStore::new(*max_cookies))),
        StoreOptions::File { path, max_cookies, sync } => {
            let file = Arc::new(FileStore::open_counting(path, *max_cookies, *sync, now, tally)?);
            OpenedStore { file: Some(Arc::clone(&file)), ..OpenedStore::local(file) }
        }
        StoreOptions::Lmdb { path, max_size, sync } => {
            OpenedStore::local(Arc::new(LmdbStore::open_counting(path, *max_size, *sync, now, tally)?))
        }
    })
}
