//! The outermost level: a list of transports, or a Crossbar node with its workers.

use super::{
    Config,
    auth::cookie::warn_of_shared_ids,
    cookie::Stores,
    policy::{Policies, RawPolicy},
    reader::{Located, Table, Walk, Whole, choice, object},
    realm::{Label, RawRealm, realms},
    transport::{RawTransport, transports},
    websocket::Shared,
};

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
        /// Crossbar's workers: routers, whose realms and transports are taken together.
        workers: optional Located<Vec<RawWorker>>,
        /// Crossbar's controller, which has nothing to set here.
        controller: optional RawController,
        /// Policies by name, for services to refer to.
        policies: optional Table<RawPolicy>,
    }
    refuses {
        "components" => "application components are clients of their own, start them separately",
        "connections" => "connections to databases do not exist here, leave them out",
        "manhole" => "there is no manhole, leave it out",
    }
}

object! {
    /// Crossbar's controller, which has nothing to set here.
    struct RawController {
        /// A name for Crossbar's management; unused.
        id: optional Label,
    }
    refuses {
        "options" => "there is no controller to set up, leave them out",
        "manhole" => "there is no manhole, leave it out",
        "connections" => "connections to databases do not exist here, leave them out",
        "keyring" => "there is no node key, leave it out",
        "fabric" => "there is no management service, leave it out",
    }
}

choice! {
    /// A worker of a Crossbar node.
    enum RawWorker {
        Router(RawRouter) = "router",
    }
    refuses {
        "container" => "application components are clients of their own, start them separately",
        "guest" => "other programs are not run from here, start them separately",
        "proxy" => "use a \"router\" worker",
        "websocket-testee" => "this is no test peer, use a \"router\" worker",
        "hostmonitor" => "hosts are not monitored from here, leave this worker out",
        "marketplace" => "there is no market maker, leave this worker out",
        "xbrmm" => "there is no market maker, leave this worker out",
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
        id: optional Label,
    }
    refuses {
        "options" => "there are no Python processes to set up, leave them out",
        "manhole" => "there is no manhole, leave it out",
        "components" => "application components are clients of their own, start them separately",
        "connections" => "connections to databases do not exist here, leave them out",
    }
}

impl RawNode {
    /// Checks everything that goes beyond a single value.
    pub(super) fn check(self, walk: &mut Walk<'_>) -> Config {
        let (mut raw_realms, mut raw_transports) = (self.realms, self.transports);
        if let Some(Located { path, value: workers }) = self.workers {
            if raw_realms.is_some() || raw_transports.is_some() {
                walk.fault_at(
                    &path,
                    "stands beside `realms` or `transports`: write everything inside `workers`, or nothing",
                );
            }
            if workers.len() > 1 {
                // A Crossbar worker's transports lead to its own realms only.
                walk.warn_at(path, "every transport leads to the realms of all workers; where that is too much, run one gateway for each");
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
                "an empty list leaves nothing to join: name a realm, or leave `realms` out",
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
