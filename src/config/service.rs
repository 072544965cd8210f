//! What a web transport serves at its paths.

mod values;

use std::collections::BTreeMap;

use schemars::json_schema;

use self::values::{CacheTimeout, FileName, MediaType, Url};
use super::{
    Among, PathTree, ServicePlace, StaticOptions, TargetOptions,
    among::{RawUpstreams, needs_policy},
    console::{self, RawConsole},
    forward_auth::RawForwardAuth,
    passed::RawPassed,
    proxied::RawProxied,
    reader::{
        Anything, COMMENT, Json, Located, NodePath, Raw, Table, Walk, Whole, choice, comment, inline_schema,
        object, quoted,
    },
    router::{self, RawRemote},
    websocket::{KnownService, RawTesteeOptions, ServiceKeys, Shared, checked_testee, websocket_object},
};
use crate::identity::Name;

/// Where https is spoken unless the configuration says otherwise.
pub(super) const HTTPS_PORT: u16 = 443;

/// Where programs look that know nothing else of a server (RFC 8615): authorities, when they issue a certificate.
const WELL_KNOWN: &str = ".well-known";

/// Services by path component; `/` is the place itself.
#[derive(Debug)]
pub(super) struct RawPaths(Vec<(String, Located<RawService>)>);

choice! {
    /// What is served at a path.
    enum RawService {
        WebSocket(RawWebSocketService) = "websocket",
        Testee(RawTestee) = "websocket-testee",
        Static(RawStatic) = "static",
        Path(RawPath) = "path",
        Json(RawJson) = "json",
        Redirect(RawRedirect) = "redirect",
        Page(RawPage) = "page",
        Metrics(RawMetrics) = "metrics",
        Health(RawHealth) = "health",
        Jwks(RawJwks) = "jwks",
        Admin(RawConsole) = "admin",
        ForwardAuth(RawForwardAuth) = "forward-auth",
        Proxied(RawProxied) = "websocket-proxy" | "websocket-reverseproxy",
        Passed(RawPassed) = "proxy" | "reverseproxy",
    }
    refuses {
        "resource" => "the gateway runs no Python, run the resource in a server of its own",
        "wsgi" => "the gateway runs no Python, run the application in a server of its own",
        "cgi" => "the gateway runs no programs, run them in a server of their own",
        "nodeinfo" => "the gateway has no such page, leave it out",
        "longpoll" => "the gateway does not speak HTTP long-polling, use \"websocket\"",
        "caller" => "the gateway has no HTTP bridge, leave it out",
        "publisher" => "the gateway has no HTTP bridge, leave it out",
        "webhook" => "the gateway has no HTTP bridge, leave it out",
        "upload" => "the gateway receives no files, leave it out",
        "archive" => "the gateway serves no archives, unpack it and use \"static\"",
        "wap" => "the gateway has no WAMP application pages, leave it out",
        "catalog" => "the gateway has no catalog, leave it out",
    }
}

websocket_object! {
    /// WAMP over WebSocket.
    struct RawWebSocketService {
        /// The WAMP router behind the gateway that clients join. Default: they join the realms of the gateway.
        upstream: optional Located<RawRemote>,
        /// In place of `upstream`: several, each with a name, and all with the same realms and roles. The path's policy chooses the one that a
        /// client joins, by its export `routing`. At most 64.
        upstreams: optional Located<RawUpstreams<RawRemote>>,
    }
    misplaced {
        "paths" => "a service with `paths` is of \"type\": \"path\"; a transport with `paths` is of \"type\": \"web\"",
    }
}

object! {
    /// A WebSocket that sends every message back, text as text and binary data as binary data, for any subprotocol or none. Suites such
    /// as Autobahn's check with it how the gateway speaks WebSocket. It tracks and authenticates no client.
    struct RawTestee {
        /// A name for Crossbar's management; unused.
        id: optional Name,
        /// Limits and switches.
        options: optional RawTesteeOptions,
    }
    refuses {
        "cookie" => "a service that echoes tracks no clients, leave it out",
        "auth" => "a service that echoes lets every client in, leave it out",
        "policy" => "a service that echoes asks no policy, leave it out",
    }
    ignores {
        "debug": bool => "the gateway logs more with `--log debug`",
    }
}

object! {
    /// Files of a directory.
    struct RawStatic {
        /// The directory, absolute or relative to the node directory.
        directory: required Located<NodePath>,
        /// How the gateway serves the files.
        options: optional RawStaticOptions,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "package" => "the gateway reads no Python packages, name a `directory`",
        "resource" => "the gateway reads no Python packages, name a `directory`",
    }
}

object! {
    /// How the gateway serves static files.
    struct RawStaticOptions {
        /// Whether the gateway lists a directory without a default file. Default false.
        enable_directory_listing: optional bool,
        /// Media types by file extension, before the built-in table: {".md": "text/markdown"}.
        mime_types: optional Table<MediaType>,
        /// How long browsers may keep a file, in seconds; null: no `Cache-Control`. Default 43,200 (12 hours).
        cache_timeout: optional CacheTimeout,
        /// The file that stands for its directory. Default `index.html`.
        default_file: optional FileName,
    }
}

object! {
    /// Further paths below this one.
    struct RawPath {
        /// The services below, by their next path component; `/` for the place itself.
        paths: required RawPaths,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
}

object! {
    /// A fixed JSON value.
    struct RawJson {
        /// The value.
        value: required Anything,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "options" => "leave the options of a JSON value out",
    }
}

object! {
    /// The public keys of what the gateway signs (a JWK Set): of each `assertion`, and of the tickets for WAMP routers.
    struct RawJwks {
        /// How long a server may keep them, in seconds. Default 300.
        max_age: optional Whole<0, 86_400>,
    }
    misplaced {
        "keys" => "the keys are those of each `assertion`, write them there",
    }
}

object! {
    /// A redirect.
    struct RawRedirect {
        /// Where to: a URL, or a path of this server. Default: the same host and path, by https.
        url: optional Url,
        /// The port of https, if there is no `url`. Default 443.
        https_port: optional Located<Whole<1, 65_535>>,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
}

object! {
    /// The page that is built in. It joins over `/ws` and shows the visitor's identity.
    struct RawPage {}
}

object! {
    /// Counters and gauges for monitoring, in the text format of Prometheus.
    struct RawMetrics {}
}

object! {
    /// Whether the gateway lives (`livez` below the path) and is ready for clients (`readyz`), with the reasons if not.
    struct RawHealth {}
}

impl Raw for RawPaths {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Table(entries) = Table::<RawService>::read(json, walk)?;
        if matches!(json, Json::Object(pairs) if pairs.iter().all(|(key, _)| key == COMMENT)) {
            walk.fault("the list is empty: write a service, such as \"ws\": {\"type\": \"websocket\"}");
        }
        for (component, _) in &entries {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if component != "/"
                && component != WELL_KNOWN
                && (component.is_empty() || !component.bytes().all(plain))
            {
                let message = format!(
                    "{} is not a path component, use letters, digits, `_` and `-`, or \"/\" for this path itself{}",
                    quoted(component),
                    if component.contains('/') {
                        "; for more components nest with \"type\": \"path\""
                    } else {
                        ""
                    },
                );
                walk.at_key(component, |walk| walk.fault(message));
            }
        }
        Some(Self(entries))
    }
}

inline_schema!(RawPaths, "Paths", |generator| {
    let service = generator.subschema_for::<RawService>();
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "properties": { (COMMENT): comment() },
        "patternProperties": { "^([a-z0-9A-Z_\\-]+|/|\\.well-known)$": service },
        "additionalProperties": false,
    })
});

/// The times that the WebSocket services of a tree ask their transport for.
pub(super) type HeadTimeouts = Vec<Located<std::time::Duration>>;

impl RawPaths {
    /// Collects the WebSocket services of a tree that stands at `at`, which is empty for the root.
    pub(super) fn collect(&self, transport: &str, at: &str, found: &mut Vec<KnownService>, walk: &Walk<'_>) {
        for (component, Located { path, value }) in &self.0 {
            let at = if component == "/" { at.to_owned() } else { format!("{at}/{component}") };
            match value {
                RawService::Path(nested) => {
                    if let Some(paths) = &nested.paths {
                        paths.collect(transport, &at, found, walk);
                    }
                }
                RawService::WebSocket(raw) => {
                    let at = if at.is_empty() { "/".to_owned() } else { at };
                    found.push(KnownService {
                        place: ServicePlace { transport: transport.to_owned(), path: at },
                        at: path.clone(),
                        has_cookie: raw.cookie.is_some(),
                        keeps_logins: raw.auth.as_ref().is_some_and(|auth| auth.value.cookie.is_some()),
                        has_policy: raw.policy.is_some(),
                        realms: router::realms(path, raw.upstream.as_ref(), raw.upstreams.as_ref(), walk),
                    });
                }
                _ => {}
            }
        }
    }

    /// Checks the services of a tree that stands at `at`, which is empty for the root.
    pub(super) fn check(
        self,
        at: &str,
        shared: &mut Shared,
        timeouts: &mut HeadTimeouts,
        walk: &mut Walk<'_>,
    ) -> PathTree {
        let mut tree = PathTree::default();
        for (component, Located { path, value }) in self.0 {
            let branch = match value {
                RawService::Path(nested) => match nested.paths {
                    Some(paths) => {
                        let below =
                            if component == "/" { at.to_owned() } else { format!("{at}/{component}") };
                        paths.check(&below, shared, timeouts, walk)
                    }
                    None => continue,
                },
                other => {
                    let served = if component == "/" { at.to_owned() } else { format!("{at}/{component}") };
                    let target = other.check(&path, &served, shared, timeouts, walk);
                    PathTree { target, children: BTreeMap::new() }
                }
            };
            if component == "/" {
                // `/` may itself be a `path`: its children are then this place's children, unless they stand here too.
                tree.target = branch.target;
                for (name, child) in branch.children {
                    if tree.children.insert(name.clone(), child).is_some() {
                        walk.fault_at(
                            &path,
                            format!("{} stands beside this path as well, keep one", quoted(&name)),
                        );
                    }
                }
            } else if tree.children.insert(component.clone(), branch).is_some() {
                walk.fault_at(
                    &path,
                    format!("{} stands in the path `/` beside it as well, keep one", quoted(&component)),
                );
            }
        }
        tree
    }
}

impl RawService {
    fn check(
        self,
        path: &str,
        served: &str,
        shared: &mut Shared,
        timeouts: &mut HeadTimeouts,
        walk: &mut Walk<'_>,
    ) -> Option<TargetOptions> {
        match self {
            Self::Proxied(raw) => {
                let checked = raw.check(path, place(served, shared), shared, walk);
                checked.map(|options| TargetOptions::Proxied(Box::new(options)))
            }
            Self::Passed(raw) => {
                let checked = raw.check(path, place(served, shared), shared, walk);
                checked.map(|options| TargetOptions::Proxied(Box::new(options)))
            }
            Self::WebSocket(mut raw) => {
                let (upstream, upstreams) = (raw.upstream.take(), raw.upstreams.take());
                let realms = router::realms(path, upstream.as_ref(), upstreams.as_ref(), walk);
                // A faulty one is one as well.
                let has_policy = raw.policy.is_some();
                let keys = ServiceKeys { realms, ..raw.service_keys() };
                let mut service = keys.check(path, shared, walk);
                let key = if upstreams.is_some() { "upstreams" } else { "upstream" };
                if let (Some(several), false) = (&upstreams, has_policy) {
                    needs_policy(path, &several.path, walk);
                }
                let routers = router::checked_routers(upstream, upstreams, shared, walk);
                for router in routers.iter().flat_map(Among::all) {
                    let addresses = router.upstream.addresses.iter().cloned();
                    shared.upstreams.extend(addresses.map(|address| (format!("{path}.{key}"), address)));
                }
                service.options.upstream = routers.map(Box::new);
                timeouts.extend(service.open_handshake_timeout);
                Some(TargetOptions::WebSocket(Box::new(service.options)))
            }
            Self::Testee(raw) => {
                Some(TargetOptions::Testee(Box::new(checked_testee(raw.options, shared, walk))))
            }
            Self::Static(raw) => raw.check(walk).map(TargetOptions::Static),
            Self::Json(raw) => raw.value.map(|value| TargetOptions::Json(value.0)),
            Self::Redirect(raw) => {
                if let (Some(_), Some(port)) = (&raw.url, &raw.https_port) {
                    walk.warn_at(&port.path, "has no effect beside `url`");
                }
                let port = raw.https_port.map_or(HTTPS_PORT, |port| port.value.get());
                Some(raw.url.map_or(TargetOptions::Https(port), |url| TargetOptions::Redirect(url.0)))
            }
            Self::Page(_) => Some(TargetOptions::Page),
            Self::Metrics(_) => Some(TargetOptions::Metrics),
            Self::Health(_) => Some(TargetOptions::Health),
            Self::Jwks(raw) => {
                shared.signing.published.push(path.to_owned());
                let max_age = raw.max_age.map_or(TargetOptions::JWKS_MAX_AGE, Whole::get);
                Some(TargetOptions::Jwks { max_age })
            }
            Self::Admin(raw) => Some(TargetOptions::Console(console::checked(raw.token, walk))),
            Self::ForwardAuth(raw) => {
                raw.check(path, shared, walk).map(|options| TargetOptions::ForwardAuth(Box::new(options)))
            }
            // Its children are taken before it comes to this.
            Self::Path(_) => None,
        }
    }
}

/// Where a path is served.
fn place(served: &str, shared: &Shared) -> ServicePlace {
    let path = if served.is_empty() { "/" } else { served };
    ServicePlace { transport: shared.transport.clone(), path: path.to_owned() }
}

impl RawStatic {
    fn check(self, walk: &mut Walk<'_>) -> Option<StaticOptions> {
        let Located { path, value: directory } = self.directory?;
        walk.served.push((path.clone(), directory.path.clone()));
        if !directory.path.is_dir() {
            let tried = directory.path.display();
            walk.warn_at(
                path,
                format!("there is no directory {tried} (yet), requests get 404 until there is"),
            );
        }
        let options = self.options.unwrap_or(RawStaticOptions {
            enable_directory_listing: None,
            mime_types: None,
            cache_timeout: None,
            default_file: None,
        });
        let mut media_types = BTreeMap::new();
        for (extension, media_type) in options.mime_types.map(|table| table.0).unwrap_or_default() {
            if !extension.starts_with('.') || extension.len() < 2 {
                walk.fault_at(
                    media_type.path,
                    "this is not a file extension, write it with its dot, such as \".md\"",
                );
            }
            media_types.insert(extension, media_type.value.0);
        }
        let default = StaticOptions::new(directory.path);
        Some(StaticOptions {
            listing: options.enable_directory_listing.unwrap_or(default.listing),
            index: options.default_file.map_or(default.index, |name| name.0),
            media_types,
            cache_timeout: options.cache_timeout.map_or(default.cache_timeout, |timeout| timeout.0),
            directory: default.directory,
        })
    }
}
