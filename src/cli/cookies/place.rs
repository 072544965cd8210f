//! Which store is meant, and whether a gateway has it open.

use std::{
    collections::HashMap,
    io, iter,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::StoreArgs;
use wampgate::{
    admin::{
        self, AdminClient, AdminRequest, ClientError, Command, Failure, ManagedStore, ONLY_REDIS, Reply,
        SOCKET, Summary, VERSION,
    },
    config::{self, Config, LoadOptions, LoadedConfig},
    store::{CookieRecord, StoreOptions, Timestamp, TrackingId},
};

/// A store of a configuration.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) store: StoreOptions,
    name: String,
    node_dir: PathBuf,
    /// Whether it is a configuration of the operator.
    is_found: bool,
    /// Whether only one that exists will do.
    may_create: bool,
}

/// A store that can be asked.
pub(super) enum StoreAccess {
    /// By the gateway that has it.
    Running(AdminClient, Chosen),
    /// By this process.
    Here(Box<ManagedStore>),
}

/// A service with cookies.
struct Candidate<'a> {
    transport: &'a str,
    path: String,
    store: &'a StoreOptions,
    name: String,
}

/// Finds the store that the arguments mean.
pub(super) fn choose(args: &StoreArgs) -> anyhow::Result<Chosen> {
    // Only the place of the store matters here: the command may run where other files are not, and a gateway that runs goes on where they
    // have become wrong.
    let options = LoadOptions { without_files: true, ..LoadOptions::default() };
    let LoadedConfig { config, file, .. } = config::load_by(&args.source.source(), &options)?;
    let all = candidates(&config);
    let matching: Vec<&Candidate<'_>> = all
        .iter()
        .filter(|candidate| args.path.as_ref().is_none_or(|path| *path == candidate.path))
        .filter(|candidate| args.transport.as_ref().is_none_or(|id| *id == candidate.transport))
        .collect();
    let Some(first) = matching.first() else {
        if all.is_empty() {
            bail!("no service of this configuration tracks cookies");
        }
        bail!("no service with cookies is there; those of this configuration are\n{}", list(&all));
    };
    if matching.iter().any(|other| other.name != first.name) {
        bail!(
            "this configuration has several cookie stores, choose one with --path (and --transport):\n{}",
            list(&all)
        );
    }
    // The gateway that runs knows the URL, and may have no other store on a Redis.
    let name = if first.store.why_unknown().is_some() { ONLY_REDIS.to_owned() } else { first.name.clone() };
    let store = first.store.clone();
    Ok(Chosen { store, name, node_dir: config.node_dir, is_found: file.is_some(), may_create: false })
}

fn candidates(config: &Config) -> Vec<Candidate<'_>> {
    let services = config.transports.iter().flat_map(|transport| {
        transport.edge.root.services().map(|(path, service)| (&*transport.edge.id, path, service))
    });
    services
        .filter_map(|(transport, path, service)| {
            let store = &service.cookie.as_ref()?.store;
            let name = admin::store_name(store, transport, &path);
            Some(Candidate { transport, path, store, name })
        })
        .collect()
}

fn list(candidates: &[Candidate<'_>]) -> String {
    let lines = candidates.iter().map(|candidate| {
        format!("  --path {} --transport {}: {}", candidate.path, candidate.transport, candidate.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Fails for a store that does not exist yet: opening it would make it.
pub(super) fn must_exist(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    bail!(
        "the cookie store {} does not exist yet: a gateway makes it when it first starts, as does `wampgate cookies import`",
        path.display()
    )
}

impl StoreAccess {
    /// Connects to the gateway of the node directory, or else opens the store.
    pub(super) fn reach(chosen: Chosen, may_create: bool) -> anyhow::Result<Self> {
        let chosen = Chosen { may_create, ..chosen };
        let client = AdminClient::connect(&chosen.node_dir).with_context(|| {
            format!("cannot reach the gateway at {}", chosen.node_dir.join(SOCKET).display())
        })?;
        match client {
            Some(client) => Ok(Self::Running(client, chosen)),
            None => chosen.open(),
        }
    }

    /// Carries a command out. `records` are those of an import.
    pub(super) fn perform(
        self,
        command: Command,
        reveal: bool,
        records: Option<&HashMap<TrackingId, CookieRecord>>,
        each: &mut dyn FnMut(Reply) -> io::Result<()>,
    ) -> anyhow::Result<Summary> {
        match self {
            Self::Running(client, chosen) => {
                let request = AdminRequest { v: VERSION, store: chosen.name.clone(), reveal, command };
                match client.ask(&request, records, each) {
                    // Started by another configuration, it leaves the store to us.
                    Err(ClientError::NoSuchStore) => {
                        chosen.open()?.perform(request.command, reveal, records, each)
                    }
                    outcome => Ok(outcome?),
                }
            }
            Self::Here(store) => {
                let request = AdminRequest { v: VERSION, store: store.name().to_owned(), reveal, command };
                let mut records: Box<dyn Iterator<Item = Result<_, Failure>>> = match records {
                    Some(records) => {
                        Box::new(records.iter().map(|(id, record)| Ok((id.clone(), record.clone()))))
                    }
                    None => Box::new(iter::empty()),
                };
                Ok(admin::perform(&store, &request, &mut *records, Timestamp::now(), each)?)
            }
        }
    }
}

impl Chosen {
    fn open(self) -> anyhow::Result<StoreAccess> {
        if let Some(why) = self.store.why_unknown() {
            bail!(
                "this command finds a store on Redis by its URL, which cannot be read: {why}. Give the command the URL as the gateway has \
                 it; it needs none only while a gateway runs on {} that has this store and no other on a Redis",
                self.node_dir.display()
            );
        }
        let place = self.store.place();
        if !place.is_durable() {
            let hint = if self.is_found {
                String::new()
            } else {
                format!("; {}", super::super::WHERE_CONFIGURATIONS_ARE)
            };
            bail!(
                "this cookie store is in memory, and no gateway runs on {}: there are no cookies{hint}",
                self.node_dir.display()
            );
        }
        if let Some(path) = place.path().filter(|_| !self.may_create) {
            must_exist(path)?;
        }
        let store = ManagedStore::open(self.name, &self.store, &self.node_dir)?;
        Ok(StoreAccess::Here(Box::new(store)))
    }
}
