//! The outermost level: a list of transports, or a Crossbar node with its workers.

use std::time::Duration;

use schemars::json_schema;

use super::{
    Config,
    auth::cookie::warn_of_shared_ids,
    cookie::Stores,
    places,
    policy::{Policies, RawPolicy},
    procedure,
    reader::{
        Anything, COMMENT, Json, Located, Raw, Size, Table, Walk, Whole, choice, comment, entry,
        inline_schema, object, whole,
    },
    realm::{RawRealm, realms},
    served,
    signing::Signing,
    transport::{RawTransport, transports},
    websocket::Shared,
};
use crate::{handshake::AllowedHosts, identity::Name, memory};

object! {
    /// A wampgate configuration: `transports`, with `realms` where roles matter; or a Crossbar node configuration with
    /// router `workers`.
    struct RawNode {
        /// The schema that an editor checks this file against.
        schema: optional String = "$schema",
        /// The version of Crossbar's format: 2.
        version: optional Version,
        /// The realms. Default: one realm `realm1` where every role may do everything.
        realms: optional Vec<RawRealm>,
        /// Where the gateway listens, and what it serves there.
        transports: optional Vec<RawTransport>,
        /// Crossbar's workers. They must be routers; the gateway joins their realms and transports.
        workers: optional Located<Vec<RawWorker>>,
        /// Crossbar's controller. The gateway has none, so that there is nothing to set.
        controller: optional RawController,
        /// Policies by name, to which services refer.
        policies: optional Table<RawPolicy>,
        /// How much memory clients may make the gateway hold in all. Default: half of what the machine or the control group has.
        max_memory: optional Size<{ 1 << 20 }, { 1 << 40 }>,
        /// Seconds over which the gateway tells its clients, in random order, that it ends, so that they do not come back all at
        /// once. Default: 0, all at once.
        drain_seconds: optional Whole<0, 3600>,
    }
    refuses {
        "components" => "the gateway runs no components, start them separately as clients",
        "connections" => "the gateway connects to no databases, leave them out",
        "processes" => "this is the format of Crossbar before its first release: write `workers`, or `realms` and `transports`",
    }
    ignores {
        "manhole": Anything => "the gateway has no manhole",
    }
}

object! {
    /// Crossbar's controller. The gateway has none, so that there is nothing to set.
    struct RawController {
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "connections" => "the gateway connects to no databases, leave them out",
    }
    ignores {
        "options": Anything => "the gateway has no controller to set up",
        "title": String => "the name of the gateway's process stays as it is",
        "manhole": Anything => "the gateway has no manhole",
        "keyring": Anything => "the gateway has no node key",
        "fabric": Anything => "the gateway uses no management service",
        "fabric-center": Anything => "the gateway uses no management service",
        "enable_docker": bool => "the gateway controls no containers",
        "ipfs": Anything => "the gateway runs no IPFS node",
        "blockchain": Anything => "the gateway talks to no blockchain",
    }
}

choice! {
    /// A worker of a Crossbar node.
    enum RawWorker {
        Router(RawRouter) = "router",
    }
    refuses {
        "container" => "the gateway runs no components, start them separately as clients",
        "guest" => "the gateway runs no other programs, start them separately",
        "proxy" => "use a \"router\" worker",
        "websocket-testee" => "use a \"router\" worker, with a path of that type on a \"web\" transport",
        "hostmonitor" => "the gateway does not monitor hosts, leave this worker out",
        "marketplace" => "the gateway has no market maker, leave this worker out",
        "xbrmm" => "the gateway has no market maker, leave this worker out",
    }
}

object! {
    /// A router: realms, and the transports that lead to them.
    struct RawRouter {
        /// The router's realms.
        realms: optional Vec<RawRealm>,
        /// The router's transports.
        transports: optional Vec<RawTransport>,
        /// A name for Crossbar's management; unused.
        id: optional Name,
        /// Crossbar's settings for the process of a worker. Only `disabled` matters, which must not be set.
        options: optional RawWorkerOptions,
    }
    refuses {
        "components" => "the gateway runs no components, start them separately as clients",
        "connections" => "the gateway connects to no databases, leave them out",
    }
    ignores {
        "title": String => "the name of the gateway's process stays as it is",
        "manhole": Anything => "the gateway has no manhole",
    }
}

/// Settings for the process of a worker, which the gateway does not have.
#[derive(Debug)]
pub(super) struct RawWorkerOptions;

/// The version of Crossbar's format.
#[derive(Debug)]
pub(super) struct Version;

impl Raw for RawWorkerOptions {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let entries = walk.entries(json)?;
        walk.free_form(json);
        walk.comment(&entries);
        let is_off = |json: &Json| match json {
            Json::Bool(is_disabled) => !is_disabled,
            Json::Text(text) => text.is_empty(),
            Json::Null => true,
            _ => false,
        };
        // Crossbar does not start such a worker, so that its transports must stay closed.
        if entry(&entries, "disabled").is_some_and(|disabled| !is_off(disabled)) {
            walk.at_key("disabled", |walk| {
                walk.fault("Crossbar does not start this worker: leave the worker out, or `disabled`");
            });
        }
        if entries.iter().any(|(key, _)| !["disabled", COMMENT].contains(key)) {
            walk.warn(
                "has no effect: the gateway is one process without Python, which needs no such settings",
            );
        }
        Some(Self)
    }
}

inline_schema!(RawWorkerOptions, "WorkerOptions", |_generator| json_schema!({
    "type": "object",
    "properties": {
        "disabled": {
            "enum": [false, "", null],
            "description": "Whether Crossbar leaves the worker out. Leave such a worker out here, too.",
        },
        (COMMENT): comment(),
    },
}));

impl Raw for Version {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        if matches!(json, Json::Number(number) if number.as_u64() == Some(1)) {
            walk.fault("1 is Crossbar's old format, in which permissions have another form: convert the file with `crossbar upgrade`, or check it by hand and write 2");
            return None;
        }
        whole(json, |version| version == 2, "2", walk).map(|_| Self)
    }
}

inline_schema!(Version, "Version", |_generator| json_schema!({ "const": 2 }));

impl RawNode {
    /// Checks what a single value cannot tell.
    pub(super) fn check(self, walk: &mut Walk<'_>) -> Config {
        let (mut raw_realms, mut raw_transports) = (self.realms, self.transports);
        if let Some(Located { path, value: workers }) = self.workers {
            if raw_realms.is_some() || raw_transports.is_some() {
                walk.fault_at(
                    &path,
                    "stands beside `realms` or `transports`: write all of them inside `workers`, or none",
                );
            }
            if workers.len() > 1 {
                // A Crossbar worker's transports lead to its own realms only.
                walk.warn_at(path, "every transport leads to the realms of all workers; if that is too much, run one gateway for each worker");
            }
            for RawWorker::Router(router) in workers {
                if let Some(more) = router.realms {
                    raw_realms.get_or_insert_default().extend(more);
                }
                raw_transports.get_or_insert_default().extend(router.transports.unwrap_or_default());
            }
        }
        if raw_transports.as_ref().is_none_or(Vec::is_empty)
            && !["transports", "workers"].iter().any(|path| walk.has_fault_below(path))
        {
            let transport = "\"transports\": [{\"type\": \"web\", …}]";
            walk.fault_at("transports", format!("the gateway would listen nowhere, write {transport}"));
        }
        let realms = realms(raw_realms, walk);
        if realms.is_empty() && !["realms", "workers"].iter().any(|path| walk.has_fault_below(path)) {
            walk.fault_at(
                "realms",
                "the list is empty, so no client could join: name a realm, or leave `realms` out",
            );
        }
        let policies = self.policies.map(|table| Policies::new(table, walk)).unwrap_or_default();
        let mut shared = Shared {
            realms,
            policies,
            stores: Stores::default(),
            ids: Vec::new(),
            hosts: AllowedHosts::Any,
            services: Vec::new(),
            upstreams: Vec::new(),
            signing: Signing::default(),
            transport: String::new(),
            trusts_proxies: false,
            has_tls: false,
        };
        let transports = transports(raw_transports.unwrap_or_default(), &mut shared, walk);
        shared.policies.warn_of_unused(walk);
        shared.signing.check(walk);
        warn_of_shared_ids(&shared.ids, walk);
        let config = Config {
            node_dir: walk.surroundings.node_dir.to_owned(),
            realms: shared.realms,
            transports,
            max_memory: self.max_memory.map(|size| size.0),
            drain: Duration::from_secs(self.drain_seconds.map_or(0, |seconds| seconds.0)),
        };
        warn_of_little_memory(&config, walk);
        procedure::warn(&config, walk);
        if !walk.surroundings.options.without_files {
            let places = places::check(walk);
            served::check(&places, walk);
        }
        config
    }
}

/// Numbers that do not fit each other, if both are the operator's.
fn warn_of_little_memory(config: &Config, walk: &mut Walk<'_>) {
    let Some(most) = config.max_memory else { return };
    let wanted: usize =
        config.transports.iter().filter_map(|transport| transport.listener.max_connections).sum();
    let possible = most / memory::CONNECTION;
    if wanted > possible {
        let each = memory::CONNECTION / 1024;
        walk.warn_at(
            "max_memory",
            format!("is enough for {possible} clients at {each} KiB each, and `max_connections` allows {wanted}: raise it, or lower them"),
        );
    }
}
