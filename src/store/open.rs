//! Opening the store that a configuration names.

use std::sync::Arc;

use super::{
    CookieStore, FileStore, LmdbStore, LocalRevocations, MemoryStore, OnError, RedisStore, Revocations,
    SharedAttempts, StoreOpenError, StoreOptions, StoreTally, index::Limits, redis,
};
use crate::{cookie::PublicIdKey, time::Timestamp};

/// A store with what belongs to it.
#[derive(Debug, Clone)]
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn CookieStore>,
    /// Where its revocations are told.
    pub revocations: Arc<dyn Revocations>,
    /// The same store, if it is a file: that one can be compacted. LMDB and memory use what is free again.
    pub file: Option<Arc<FileStore>>,
    /// The key of public IDs that comes with a store that several gateways share; none: the node's own.
    pub(crate) key: Option<Arc<PublicIdKey>>,
    /// The way to tell other gateways of attempts to log in, if several share the store.
    pub(crate) attempts: Option<Arc<dyn SharedAttempts>>,
    /// Whether clients without a cookie get an identity that is not recorded while the store does not answer.
    pub(crate) is_ephemeral: bool,
}

impl OpenedStore {
    /// A store that no other process has.
    pub fn local(store: Arc<dyn CookieStore>) -> Self {
        Self {
            store,
            revocations: Arc::new(LocalRevocations::default()),
            file: None,
            key: None,
            attempts: None,
            is_ephemeral: false,
        }
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
    let opened = |store| OpenedStore {
        store,
        revocations: Arc::clone(&revocations) as _,
        file: None,
        key: None,
        attempts: None,
        is_ephemeral: false,
    };
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
        StoreOptions::Redis(options) => {
            let redis::Opened { store, revocations, attempts, key } = RedisStore::open(options, tally)?;
            OpenedStore {
                store: Arc::new(store),
                revocations: Arc::new(revocations),
                file: None,
                key: Some(key),
                attempts: Some(Arc::new(attempts)),
                is_ephemeral: options.on_error == OnError::Ephemeral,
            }
        }
    })
}
