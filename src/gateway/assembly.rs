//! How a configuration is put together: each part once, shared by the services that name it. What the gateway has already is taken
//! over, and nothing that clients meet changes before the whole stands.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderName;

use super::{ReloadError, RunningTransport, StartError, State, changes::successions, foundation::Foundation};
use crate::{
    admin::{self, ManagedStore},
    admission::{Admission, Authenticator, Authenticators, Knows},
    auth::{self, AskedMethods, AskedOptions, AuthOptions, LoginFile, component::Source},
    backend::{Backend, Backends},
    config::{Config, ServiceOptions, TransportConfig},
    cookie::PublicIdKey,
    edge::{Edge, EdgeOptions, ServicePlace, TargetOptions},
    handshake::raw_socket::RawSocketError,
    identity::{Standing, Standings},
    metrics::Stage,
    policy::{
        ProcedureOptions, authentication, authorization,
        procedure::{Callee, ProcedureGate},
    },
    realm::{AuthorizerOptions, Authorizers, Caller, Decider, Realm, RealmOptions, RoleAuthorizer},
    remote::{Remote, RemoteOptions, Router},
    server::{self, Entrance, Post, Serving, Site},
    service::{Slot, WebSocketService},
    store::{self, StoreOptions, StorePlace},
    time::Timestamp,
    tls::{self, Acceptor, TlsOptions},
    tracking::{LoginOptions, Tracker, TrackingOptions},
    upstream::UpstreamError,
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
        let authorizers =
            config.realms.iter().zip(&realms).map(|(options, realm)| authorizers(options, realm, foundation));
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
        for store in foundation.stores.all() {
            store.clients.log_in_to(config.realms.iter().map(|realm| realm.name.to_string()).collect());
        }
        foundation.logouts.start(std::mem::take(&mut self.trackers));
        foundation.policies.keep(&config.policies());
        for gate in foundation.gates() {
            if let Some(recorder) = foundation.recorder.get() {
                gate.record(recorder);
            }
        }
        foundation.watch();
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
        Ok(edge.with_console(Arc::clone(&self.foundation.console)))
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

    fn service(
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
            Some(router) => self.behind(router, standing, place),
            None => Arc::clone(&self.backends),
        };
        Ok(Arc::new(WebSocketService::new(options, admission, backends, traffic, slot, line)))
    }

    /// The realms of the router behind a service.
    fn behind(&mut self, options: &RemoteOptions, standing: Standing, place: Place<'_>) -> Arc<Backends> {
        let refusals = &self.foundation.refusals;
        refusals.expect(Stage::Join, UpstreamError::REASONS);
        refusals.expect(Stage::Join, Remote::JOIN_REASONS);
        refusals.expect(Stage::Session, Remote::SESSION_REASONS);
        let metrics = self.foundation.edge_metrics.upstreams();
        let router = Arc::new(Router::new(options, metrics, &place.transport.edge.id, place.path));
        let before = self.before.map(|state| state.remotes.as_slice()).unwrap_or_default();
        let remotes = Remote::all(&router, standing, before);
        self.remotes.extend(remotes.iter().cloned());
        Arc::new(remotes.into_iter().map(Backend::Remote).collect())
    }

    /// What knows the principals of a service's methods.
    fn authenticators(&self, methods: &AskedMethods, place: Standing) -> Result<Authenticators, StartError> {
        let load = |method: &str, asked: &Option<AskedOptions>| -> Result<_, StartError> {
            let Some(asked) = asked else { return Ok(None) };
            Ok(Some(Authenticator {
                knows: match asked {
                    AskedOptions::Component(file) => {
                        Knows::Component(self.foundation.policies.load_as(file)?)
                    }
                    AskedOptions::Procedure(options) => {
                        let answers = authentication::ANSWERS;
                        Knows::Procedure(Box::new(procedure(options, answers, &self.realms, self.foundation)))
                    }
                },
                shown: asked.headers().to_vec(),
                source: Source {
                    standing: auth::of_asked(place, method, asked),
                    provider: asked.provider(),
                    knows_passwords: matches!(asked, AskedOptions::Procedure(_)),
                },
            }))
        };
        Ok(Authenticators {
            anonymous: load("anonymous", &methods.anonymous)?,
            ticket: load("ticket", &methods.ticket)?,
            wampcra: load("wampcra", &methods.wampcra)?,
            scram: load("scram", &methods.scram)?,
            cryptosign: load("cryptosign", &methods.cryptosign)?,
        })
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
            let opened = store::open_counting(options, Timestamp::now(), &tally)?;
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

    /// The transports that run and have no successor among those that were put together.
    pub(super) fn left(&self, transports: &[Assembled]) -> Vec<Arc<RunningTransport>> {
        let before = self.before.map(|state| state.transports.as_slice()).unwrap_or_default();
        let has_successor = |old: &Arc<RunningTransport>| {
            transports.iter().any(|new| Arc::ptr_eq(&new.transport.post, &old.post))
        };
        before.iter().filter(|old| !has_successor(old)).cloned().collect()
    }
}

/// What decides about the roles of a realm.
fn authorizers(
    options: &RealmOptions,
    realm: &Realm,
    foundation: &Foundation,
) -> Result<Authorizers, StartError> {
    let loaded = options.authorizers().map(|(role, authorizer)| {
        let decides = match authorizer {
            AuthorizerOptions::Component(file) => Decider::Component(foundation.policies.load_as(file)?),
            AuthorizerOptions::Procedure(options) => {
                let realms = std::slice::from_ref(realm);
                Decider::Procedure(Box::new(procedure(options, authorization::ANSWERS, realms, foundation)))
            }
        };
        Ok((role.as_str().into(), Arc::new(RoleAuthorizer::new(decides))))
    });
    loaded.collect()
}

/// The way to a procedure, in its realm or in that of each client.
fn procedure(
    options: &ProcedureOptions,
    answers: &'static [&'static str],
    realms: &[Realm],
    foundation: &Foundation,
) -> ProcedureGate {
    let is_called = |realm: &&Realm| options.realm.as_ref().is_none_or(|name| name == realm.uri());
    let callees = realms
        .iter()
        .filter(is_called)
        .map(|realm| (realm.uri().as_str().into(), Arc::new(Caller::new(realm)) as Arc<dyn Callee>));
    let tally = foundation.tally(options.procedure.as_str(), answers);
    ProcedureGate::new(options.clone(), tally, callees.collect())
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
