//! The WebSocket services of a configuration: who may come in, by which cookies, and what stands behind them.

use std::{sync::Arc, thread, time::Duration};

use http::HeaderName;
use tracing::info;

use super::{Assembly, Place};
use crate::{
    admin::{self, ManagedStore},
    admission::Admission,
    auth::{self, AuthOptions},
    backend::{Backend, Backends},
    config::ServiceOptions,
    cookie::PublicIdKey,
    edge::EdgeOptions,
    gateway::StartError,
    identity::Standing,
    metrics::Stage,
    remote::{Remote, RemoteOptions, Router},
    service::{Slot, WebSocketService},
    store::{self, OpenedStore, StoreOpenError, StoreOptions, StorePlace, StoreTally},
    time::Timestamp,
    tracking::{LoginOptions, Tracker, TrackingOptions},
    upstream::{Among, UpstreamError, place_of},
};

/// How often a gateway that waits for another one looks again.
const TAKE_OVER_STEP: Duration = Duration::from_millis(50);

impl Assembly<'_> {
    pub(super) fn service(
        &mut self,
        options: &ServiceOptions,
        place: Place<'_>,
    ) -> Result<Arc<WebSocketService>, StartError> {
        let foundation = self.foundation;
        let store = options.cookie.as_ref().map(|cookie| &cookie.store);
        let key = match store {
            // The key comes with a store that several gateways share.
            Some(store) if matches!(store.place(), StorePlace::Shared { .. }) => {
                let name = admin::store_name(store, &place.transport.edge.id, place.path);
                self.store(store, name, None)?.clients.key
            }
            _ => foundation.public_id_key(store)?,
        };
        let logins = options.auth.as_ref().and_then(|auth| auth.cookie);
        let tracker = match &options.cookie {
            Some(cookie) => {
                let name = admin::store_name(&cookie.store, &place.transport.edge.id, place.path);
                Some(self.tracker(cookie, name, &key, logins)?)
            }
            None => None,
        };
        let policy = match &options.policy {
            Some(policy) => foundation.policies.load(policy)?,
            None => foundation.default_policy()?,
        };
        self.logins.extend(options.auth.iter().flat_map(AuthOptions::login_files));
        let standing = place.standing.of("path", place.path, &());
        auth::standings(standing, options.auth.as_ref(), &mut self.standings);
        let (slot, line) = self.slot(options, place);
        let shown = options.policy.iter().flat_map(|policy| &policy.options.headers).cloned().collect();
        let admission = Admission::new(policy, shown, options.auth.clone(), tracker, key).at(standing);
        let admission = admission.counting(foundation.login_metrics.clone(), Arc::clone(&foundation.guesses));
        let admission = match options.auth.as_ref().and_then(|auth| auth.asked.as_ref()) {
            Some(methods) => admission.asking(self.authenticators(methods, standing)?),
            None => admission,
        };
        let metrics = &foundation.wire_metrics;
        let traffic = if place.path == EdgeOptions::RAW_SOCKET {
            metrics.of_raw_socket(&place.transport.edge.id)
        } else {
            metrics.of(&place.transport.edge.id)
        };
        let backends = match &options.upstream {
            Some(routers) => self.behind(routers, standing, place),
            None => Arc::clone(&self.backends),
        };
        Ok(Arc::new(WebSocketService::new(options, admission, backends, traffic, slot, line)))
    }

    /// The realms of the router behind a service, or of those of which its policy chooses.
    fn behind(
        &mut self,
        options: &Among<RemoteOptions>,
        standing: Standing,
        place: Place<'_>,
    ) -> Arc<Backends> {
        let refusals = &self.foundation.refusals;
        refusals.expect(Stage::Join, UpstreamError::REASONS);
        refusals.expect(Stage::Join, Remote::JOIN_REASONS);
        refusals.expect(Stage::Session, Remote::SESSION_REASONS);
        let metrics = self.foundation.edge_metrics.upstreams();
        let transport = &place.transport.edge.id;
        let routers = options.map(|name, options| {
            Arc::new(Router::new(options, metrics, transport, &place_of(place.path, name)))
        });
        let before = self.before.map(|state| state.remotes.as_slice()).unwrap_or_default();
        let remotes = Remote::all(&routers, standing, before);
        self.remotes.extend(remotes.iter().cloned());
        Arc::new(remotes.into_iter().map(Backend::Remote).collect())
    }

    /// Where connections of a service find it, and whether those that are there may go on with it.
    fn slot(&self, options: &ServiceOptions, place: Place<'_>) -> (Arc<Slot>, u64) {
        let known = place.before.and_then(|before| {
            let (slot, line) = before.slots.get(place.path)?;
            Some((slot, *line, before.config.edge.services().find(|(path, _)| path == place.path)?.1))
        });
        match known {
            Some((slot, line, before)) if makes_the_same_of_a_handshake(before, options) => {
                (Arc::clone(slot), line)
            }
            Some((slot, ..)) => (Arc::clone(slot), self.foundation.number()),
            None => (Arc::new(Slot::new(self.foundation.refusals.clone())), self.foundation.number()),
        }
    }

    fn tracker(
        &mut self,
        config: &TrackingOptions,
        name: String,
        key: &Arc<PublicIdKey>,
        logins: Option<LoginOptions>,
    ) -> Result<Arc<Tracker>, StartError> {
        let clients = self.store(&config.store, name, Some(key))?.clients;
        let tracker = Arc::new(Tracker::new(config.cookie.clone(), clients).with_logins(logins));
        if !self.trackers.iter().any(|other| other.shares_store_with(&tracker)) {
            self.trackers.push(Arc::clone(&tracker));
        }
        Ok(tracker)
    }

    /// Opens a store, or finds the one that is open already at the same place.
    fn store(
        &mut self,
        options: &StoreOptions,
        name: String,
        key: Option<&Arc<PublicIdKey>>,
    ) -> Result<ManagedStore, StartError> {
        if let Some(found) = self.stores.iter().find(|store| store.name() == name) {
            return Ok(found.clone());
        }
        let store = if let Some(known) = self.foundation.stores.find(&name) {
            if known.options() != options {
                self.needs_restart.push(format!("the options of the store {name}"));
            }
            known
        } else {
            let tally = match options.place() {
                StorePlace::Shared { .. } => self.foundation.store_metrics.of_shared(&name),
                _ => self.foundation.store_metrics.of(&name),
            };
            let opened = self.open_store(options, &tally)?;
            let key = match opened.key.as_ref().or(key) {
                Some(key) => Arc::clone(key),
                None => Arc::new(PublicIdKey::random()?),
            };
            if let (Some(attempts), Some(key)) = (&opened.attempts, &opened.key) {
                self.foundation.guesses.share(key, attempts);
            }
            ManagedStore::new(name, options, &opened, key).counting(tally)
        };
        self.stores.push(store.clone());
        Ok(store)
    }

    /// Opens a store, once another gateway that is about to end has let go of it.
    fn open_store(&self, options: &StoreOptions, tally: &StoreTally) -> Result<OpenedStore, StoreOpenError> {
        let mut has_told = false;
        loop {
            match store::open_counting(options, Timestamp::now(), tally) {
                Err(StoreOpenError::InUse { path }) if self.may_wait.is_some_and(|may_wait| may_wait()) => {
                    if !has_told {
                        info!(path = %path.display(), "waiting for another process to let go of the cookie store");
                    }
                    has_told = true;
                    thread::sleep(TAKE_OVER_STEP);
                }
                opened => return opened,
            }
        }
    }
}

/// Whether a service would have made of a handshake what the one before it has made of it.
fn makes_the_same_of_a_handshake(before: &ServiceOptions, now: &ServiceOptions) -> bool {
    let cookie =
        |options: &ServiceOptions| options.cookie.as_ref().map(|it| (it.cookie.clone(), it.store.place()));
    let logins = |options: &ServiceOptions| options.auth.as_ref().and_then(|auth| auth.cookie);
    // The handshake keeps what any of the service's components may see.
    let headers = |options: &ServiceOptions| -> Vec<HeaderName> {
        let methods = options.auth.iter().flat_map(|auth| &auth.asked);
        let authenticators = methods.flat_map(|methods| methods.all()).flat_map(|(_, asked)| asked.headers());
        let policy = options.policy.iter().flat_map(|file| &file.options.headers);
        policy.chain(authenticators).cloned().collect()
    };
    cookie(before) == cookie(now) && logins(before) == logins(now) && headers(before) == headers(now)
}
