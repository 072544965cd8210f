//! How a configuration is put together: each part once, shared by the services that name it. What the gateway has already is taken
//! over, and nothing that clients meet changes before the whole stands.

mod asked;
mod services;

use std::{collections::BTreeMap, sync::Arc};

use super::{ReloadError, RunningTransport, StartError, State, changes::successions, foundation::Foundation};
use crate::{
    admin::ManagedStore,
    assertion::{KeyFile, Signer},
    auth::LoginFile,
    backend::{Backend, Backends},
    config::{Config, TransportConfig},
    edge::{Edge, ServicePlace, TargetOptions},
    handshake::raw_socket::RawSocketError,
    identity::{Standing, Standings},
    metrics::Stage,
    realm::{Authorizers, Realm},
    remote::Remote,
    server::{self, Entrance, Post, Serving, Site},
    service::{Slot, WebSocketService},
    time::Timestamp,
    tls::{self, Acceptor, TlsOptions},
    tracking::Tracker,
};

/// A configuration that is being put together.
pub(super) struct Assembly<'a> {
    foundation: &'a Foundation,
    /// What runs now.
    before: Option<&'a State>,
    backends: Arc<Backends>,
    /// The realms in the order of the configuration.
    pub(super) realms: Vec<Realm>,
    /// The realms of routers behind the gateway.
    pub(super) remotes: Vec<Remote>,
    /// What decides about roles, realm by realm in the same order.
    pub(super) authorizers: Vec<Authorizers>,
    /// One tracker for each store.
    pub(super) trackers: Vec<Arc<Tracker>>,
    pub(super) stores: Vec<ManagedStore>,
    /// Whether another gateway still has time to let go of a store; none: it must have done so.
    pub(super) may_wait: Option<&'a dyn Fn() -> bool>,
    pub(super) acceptors: Vec<Arc<Acceptor>>,
    logins: Vec<Arc<dyn LoginFile>>,
    /// The WebSocket services of all transports, each with its place.
    pub(super) services: Vec<(ServicePlace, Arc<WebSocketService>)>,
    pub(super) standings: Standings,
    /// What stays as it is until the gateway is started again.
    pub(super) needs_restart: Vec<String>,
}

/// A transport that was put together.
pub(super) struct Assembled {
    pub(super) transport: RunningTransport,
    /// What its post serves from now on; none: it is new and serves that already.
    pub(super) serving: Option<Serving>,
    /// The socket of a new one.
    pub(super) site: Option<Site>,
}

/// What a transport and its services keep through reloads.
pub(super) struct Grounds {
    standing: Standing,
    slots: BTreeMap<String, (Arc<Slot>, u64)>,
}

/// A WebSocket service's place.
#[derive(Clone, Copy)]
struct Place<'a> {
    transport: &'a TransportConfig,
    path: &'a str,
    standing: Standing,
    before: Option<&'a RunningTransport>,
}

impl<'a> Assembly<'a> {
    /// Starts the realms that are not there yet.
    pub(super) fn new(
        config: &Config,
        foundation: &'a Foundation,
        before: Option<&'a State>,
    ) -> Result<Self, StartError> {
        let mut realms = Vec::new();
        let mut needs_restart = Vec::new();
        for options in &config.realms {
            let known = before.and_then(|state| state.realm(options.name.as_str()));
            if known.is_some_and(|(_, old)| old.histories != options.histories) {
                needs_restart.push(format!("the `store` of the realm {}", options.name));
            }
            realms.push(known.map_or_else(
                || Realm::start(options.clone(), Some(foundation.orders.clone()), &foundation.realm_metrics),
                |(realm, _)| realm.clone(),
            ));
        }
        // Those of realms that run already take effect with everything else.
        let authorizers = config
            .realms
            .iter()
            .zip(&realms)
            .map(|(options, realm)| asked::authorizers(options, realm, foundation));
        let authorizers: Vec<_> = authorizers.collect::<Result<_, _>>()?;
        Ok(Self {
            foundation,
            before,
            backends: Arc::new(realms.iter().cloned().map(Backend::Realm).collect()),
            realms,
            remotes: Vec::new(),
            authorizers,
            trackers: Vec::new(),
            stores: Vec::new(),
            may_wait: None,
            acceptors: Vec::new(),
            logins: Vec::new(),
            services: Vec::new(),
            standings: Standings::default(),
            needs_restart,
        })
    }

    /// The transports of the configuration, each with the socket that it takes over, or a new one if `binds`.
    pub(super) fn transports(&mut self, config: &Config, binds: bool) -> Result<Vec<Assembled>, ReloadError> {
        let running = self.before.map(|state| state.transports.as_slice()).unwrap_or_default();
        let places: Vec<_> = running.iter().map(|old| &old.config.listener.endpoint).collect();
        let before: Vec<Option<&RunningTransport>> = successions(&places, &config.transports)
            .into_iter()
            .map(|place| place.and_then(|place| running.get(place)).map(Arc::as_ref))
            .collect();
        let both = || config.transports.iter().zip(&before);
        let grounds = both().map(|(config, before)| self.add_services(config, *before));
        let grounds: Vec<_> = grounds.collect::<Result<_, _>>()?;
        let transports = both().zip(grounds);
        transports
            .map(|((config, before), grounds)| self.transport(config, grounds, *before, binds))
            .collect()
    }

    /// Has the new authorizers decide.
    pub(super) fn authorize(&mut self) {
        for (realm, authorizers) in self.realms.iter().zip(self.authorizers.drain(..)) {
            realm.authorize_by(authorizers);
        }
    }

    /// From here on clients meet the new configuration. Nothing fails any more.
    pub(super) fn take_effect(
        &mut self,
        config: &Config,
        assembled: Vec<Assembled>,
    ) -> Vec<Arc<RunningTransport>> {
        let foundation = self.foundation;
        foundation.stores.serve(std::mem::take(&mut self.stores));
        let own = config.realms.iter().map(|realm| &realm.name);
        let realms: Vec<_> =
            own.chain(self.remotes.iter().map(Remote::uri)).map(ToString::to_string).collect();
        for store in foundation.stores.all() {
            store.clients.log_in_to(realms.clone());
        }
        foundation.logouts.start(std::mem::take(&mut self.trackers));
        foundation.policies.keep(&config.policies());
        for gate in foundation.gates() {
            if let Some(recorder) = foundation.recorder.get() {
                gate.record(recorder);
            }
        }
        foundation.watch();
        let signers: Vec<_> =
            config.transports.iter().flat_map(|transport| transport.edge.signers()).collect();
        self.logins.extend(signing_files(&signers));
        foundation.public_keys.are(signers, Timestamp::now());
        foundation.logins.are(std::mem::take(&mut self.logins));
        foundation.certificates.are(std::mem::take(&mut self.acceptors));
        for (_, service) in &self.services {
            service.take_place();
        }
        let mut transports = Vec::with_capacity(assembled.len());
        for Assembled { transport, serving, site } in assembled {
            if let Some(serving) = serving {
                transport.post.serve(serving);
            }
            if let Some(site) = site {
                site.open(&foundation.posts);
            }
            transports.push(Arc::new(transport));
        }
        foundation.probes.are(super::upstreams::probes(&transports, &self.remotes));
        transports
    }

    /// The WebSocket services of a transport. They come first: a path of any transport may name one.
    pub(super) fn add_services(
        &mut self,
        config: &TransportConfig,
        before: Option<&RunningTransport>,
    ) -> Result<Grounds, StartError> {
        let standing = before.map_or_else(|| self.foundation.new_place(), |before| before.standing);
        let mut slots = BTreeMap::new();
        for (path, options) in config.edge.services() {
            let place = Place { transport: config, path: &path, standing, before };
            let service = self.service(options, place)?;
            slots.insert(path.clone(), (Arc::clone(&service.slot), service.line));
            self.services.push((ServicePlace { transport: config.edge.id.clone(), path }, service));
        }
        Ok(Grounds { standing, slots })
    }

    /// A transport, which takes over from one that is there already. A new one is bound at once if `binds`.
    pub(super) fn transport(
        &mut self,
        config: &TransportConfig,
        Grounds { standing, slots }: Grounds,
        before: Option<&RunningTransport>,
        binds: bool,
    ) -> Result<Assembled, ReloadError> {
        let edge = self.edge(config)?;
        if config.edge.raw_socket.is_some() {
            self.foundation.refusals.expect(Stage::Handshake, RawSocketError::REASONS);
        }
        let acceptor = match &config.listener.tls {
            Some(options) => Some(self.acceptor(options, &config.edge.id, before)?),
            None => None,
        };
        let entrance = self.entrance(config, acceptor.clone());
        let Some(before) = before else {
            let serving = Serving::new(&config.listener, Arc::new(edge), entrance);
            let post = Arc::new(Post::new(serving));
            let site = binds.then(|| Site::bind(&config.listener.endpoint, Arc::clone(&post)));
            let transport = RunningTransport { config: config.clone(), post, slots, standing, acceptor };
            return Ok(Assembled { transport, serving: None, site: site.transpose()? });
        };
        if config.listener.endpoint != before.config.listener.endpoint {
            let (old, new) = (&before.config.listener.endpoint, &config.listener.endpoint);
            self.needs_restart.push(if old.is_at(new) {
                format!("the listener at {new}: its `backlog`, `shared`, `mode`, `owner` or `group`")
            } else {
                format!("the listener at {new}, which cannot be bound beside the one at {old}")
            });
        }
        let edge = edge.after(&before.post.serving().edge);
        let serving = Serving::new(&config.listener, Arc::new(edge), entrance);
        let mut config = config.clone();
        // What it listens at is what it was, until a restart.
        config.listener.endpoint.clone_from(&before.config.listener.endpoint);
        let post = Arc::clone(&before.post);
        let transport = RunningTransport { config, post, slots, standing, acceptor };
        Ok(Assembled { transport, serving: Some(serving), site: None })
    }

    /// The HTTP side of a transport.
    fn edge(&self, config: &TransportConfig) -> Result<Edge, StartError> {
        let (metrics, health) = (&self.foundation.edge_metrics, &self.foundation.health);
        let is_console = |(_, target): &(_, &TargetOptions)| matches!(target, TargetOptions::Console(_));
        if config.edge.root.targets().iter().any(is_console) {
            self.foundation.refusals.keep_recent();
        }
        let edge = Edge::new(&config.edge, metrics, health, &mut |place| {
            let found = self.services.iter().find(|(other, _)| other == place);
            found.map(|(_, service)| Arc::clone(service)).ok_or_else(|| StartError::NoService(place.clone()))
        })?;
        let edge = edge.with_console(Arc::clone(&self.foundation.console));
        Ok(edge.with_keys(Arc::clone(&self.foundation.public_keys)))
    }

    /// What connections of a transport pass before their first request.
    fn entrance(
        &self,
        transport: &TransportConfig,
        acceptor: Option<Arc<Acceptor>>,
    ) -> Option<Arc<Entrance>> {
        let TransportConfig { listener, edge } = transport;
        let header = listener.proxy_protocol.then_some(edge.http.head_timeout);
        if header.is_some() {
            self.foundation.refusals.expect(Stage::Connection, server::PROXY_REASONS);
        }
        Entrance::new(acceptor, header).map(Arc::new)
    }

    fn acceptor(
        &mut self,
        options: &TlsOptions,
        transport: &str,
        before: Option<&RunningTransport>,
    ) -> Result<Arc<Acceptor>, StartError> {
        // One that stays resumes the sessions of its clients.
        let known = before.and_then(|before| before.acceptor.as_ref());
        let known = known.filter(|known| known.options() == options && known.transport() == transport);
        let acceptor = if let Some(known) = known {
            Arc::clone(known)
        } else {
            self.foundation.refusals.expect(Stage::Tls, tls::REASONS);
            Arc::new(Acceptor::new(options, transport, self.foundation.tls_metrics())?)
        };
        self.acceptors.push(Arc::clone(&acceptor));
        Ok(acceptor)
    }

    /// The transports that run and have no successor among those that were put together.
    pub(super) fn left(&self, transports: &[Assembled]) -> Vec<Arc<RunningTransport>> {
        let before = self.before.map(|state| state.transports.as_slice()).unwrap_or_default();
        let has_successor = |old: &Arc<RunningTransport>| {
            transports.iter().any(|new| Arc::ptr_eq(&new.transport.post, &old.post))
        };
        before.iter().filter(|old| !has_successor(old)).cloned().collect()
    }
}

/// The files of signing keys, each of them once.
fn signing_files(signers: &[Signer]) -> Vec<Arc<dyn LoginFile>> {
    let mut files: Vec<Arc<KeyFile>> = Vec::new();
    for file in signers.iter().flat_map(|signer| signer.keys.files()) {
        if !files.iter().any(|other| Arc::ptr_eq(other, file)) {
            files.push(Arc::clone(file));
        }
    }
    files.into_iter().map(|file| file as _).collect()
}
