//! The outermost level: a list of transports, or a Crossbar node with its workers.

use super::{
    Config,
    auth::cookie::warn_of_shared_ids,
    cookie::Stores,
    policy::{Policies, RawPolicy},
    reader::{Located, Table, Walk, Whole, choice, object},
    realm::{RawRealm, realms},
    transport::{RawTransport, transports},
    websocket::Shared,
};
use crate::identity::Name;

object! {
    /// A wampgate configuration: `transports`, with `realms` where roles matter; or a Crossbar node configuration with
    /// router `workers`.
    struct RawNode {
        /// The schema that an editor checks this file against.
        schema: optional String = "$schema",
        /// The version of Crossbar's format: 2.
        version: optional Whole<2, 2>,
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
    }
    refuses {
        "components" => "the gateway runs no components, start them separately as clients",
        "connections" => "the gateway connects to no databases, leave them out",
        "manhole" => "the gateway has no manhole, leave it out",
    }
}

object! {
    /// Crossbar's controller. The gateway has none, so that there is nothing to set.
    struct RawController {
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "options" => "the gateway has no controller, leave them out",
        "manhole" => "the gateway has no manhole, leave it out",
        "connections" => "the gateway connects to no databases, leave them out",
        "keyring" => "the gateway has no node key, leave it out",
        "fabric" => "the gateway uses no management service, leave it out",
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
        "websocket-testee" => "the gateway is not a test peer, use a \"router\" worker",
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
    }
    refuses {
        "options" => "the gateway has no Python processes to set up, leave them out",
        "manhole" => "the gateway has no manhole, leave it out",
        "components" => "the gateway runs no components, start them separately as clients",
        "connections" => "the gateway connects to no databases, leave them out",
    }
}

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
        let mut shared = Shared { realms, policies, stores: Stores::default(), ids: Vec::new() };
        let transports = transports(raw_transports.unwrap_or_default(), &mut shared, walk);
        shared.policies.warn_of_unused(walk);
        warn_of_shared_ids(&shared.ids, walk);
        Config { node_dir: walk.surroundings.node_dir.to_owned(), realms: shared.realms, transports }
    }
}
