//! The stores of a gateway, shared by everything that looks after them. A reload adds stores, and retires those that no service has any
//! more: they stay open until their last connection has left.

use std::sync::{Arc, PoisonError, RwLock};

use super::{ManagedStore, ONLY_REDIS};
use crate::store::StoreOptions;

/// The stores of a gateway. Cheap to clone; clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManagedStores(Arc<RwLock<Vec<Listed>>>);

#[derive(Debug)]
struct Listed {
    store: ManagedStore,
    /// No service has the store any more.
    is_retired: bool,
}

impl ManagedStores {
    /// The store of this name.
    pub(crate) fn find(&self, name: &str) -> Option<ManagedStore> {
        let stores = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if name == ONLY_REDIS {
            let is_redis = |listed: &&Listed| matches!(listed.store.options, StoreOptions::Redis(_));
            let mut found = stores.iter().filter(is_redis);
            let first = found.next()?;
            return found.next().is_none().then(|| first.store.clone());
        }
        stores.iter().find(|listed| listed.store.name == name).map(|listed| listed.store.clone())
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<ManagedStore> {
        let stores = self.0.read().unwrap_or_else(PoisonError::into_inner);
        stores.iter().map(|listed| listed.store.clone()).collect()
    }

    /// The services have these stores from now on.
    pub(crate) fn serve(&self, serving: Vec<ManagedStore>) {
        let mut stores = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for listed in stores.iter_mut() {
            listed.is_retired = !serving.iter().any(|store| store.name == listed.store.name);
        }
        for store in serving {
            if !stores.iter().any(|listed| listed.store.name == store.name) {
                stores.push(Listed { store, is_retired: false });
            }
        }
    }

    /// Closes the retired stores that no connection holds. May wait for a disk.
    pub(crate) fn close_unused(&self) {
        let mut stores = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (kept, closed) = stores.drain(..).partition(|listed| !listed.is_retired || listed.is_held());
        *stores = kept;
        // What a store still has to write is not waited for under the lock.
        drop(stores);
        for Listed { store, .. } in closed {
            tracing::info!(store = store.name(), "a store that no service uses any more is closed");
        }
    }
}

impl Listed {
    /// Whether a connection, a service or a command has the store.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.store.clients.connections) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cookie::PublicIdKey, store::open, time::Timestamp};

    fn store(name: &str) -> ManagedStore {
        let options = StoreOptions::Memory { max_cookies: 1, max_per_principal: 0 };
        let opened = open(&options, Timestamp::now()).unwrap();
        ManagedStore::new(name.to_owned(), &options, &opened, Arc::new(PublicIdKey::random().unwrap()))
    }

    #[test]
    fn a_retired_store_stays_until_its_last_holder_has_left() {
        let stores = ManagedStores::default();
        stores.serve(vec![store("a"), store("b")]);
        let held = stores.find("a");
        stores.serve(vec![store("b")]);
        stores.close_unused();
        assert!(stores.find("a").is_some(), "a connection may still use it");
        drop(held);
        stores.close_unused();
        assert!(stores.find("a").is_none());
        assert_eq!(stores.all().len(), 1);
    }

    #[test]
    fn a_store_that_comes_back_is_the_one_that_was_there() {
        let stores = ManagedStores::default();
        stores.serve(vec![store("a")]);
        let first = stores.find("a").unwrap();
        stores.serve(Vec::new());
        stores.serve(vec![store("a")]);
        assert!(stores.find("a").unwrap().clients.is_same(&first.clients));
    }
}
