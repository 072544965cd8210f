//! Realms, their roles, and what each role may do.

use std::time::Duration;

use schemars::json_schema;

use super::{
    AuthorizerOptions, HistoryOptions, Pattern, Permission, ProcedureOptions, RealmOptions, RoleOptions,
    Roles, SessionLimits, UriMatch,
    policy::RawPolicy,
    reader::{
        Anything, Called, Json, Located, Raw, Size, Walk, Whole, checked_text, choice, inline_schema, object,
        quoted, words,
    },
};
use crate::{
    identity::Name,
    wamp::{Uri, uri::MAX_URI_LENGTH},
};

/// The realm of a configuration without `realms`.
pub(super) const DEFAULT_REALM: &str = "realm1";

object! {
    /// A realm: a space of topics and procedures of its own.
    struct RawRealm {
        /// The realm's name, a WAMP URI.
        name: required Located<Uri>,
        /// The roles that sessions may have in the realm.
        roles: required Vec<RawRole>,
        /// What one session may hold.
        per_session: optional RawPerSession,
        /// Which events the gateway records for `wamp.subscription.get_events`: an object such as
        /// {"type": "memory", "event-history": [{"uri": "com.example.log"}]}.
        store: optional RawEventStore,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "options" => "leave a realm's options out",
        "schemas" => "the gateway does not validate payloads, leave `schemas` out",
        "inventory" => "the gateway does not validate payloads, leave `inventory` out",
        "rlinks" => "the gateway links no realms, let a client of both routers pass messages on",
        "stats" => "the gateway publishes no statistics, use a path of type \"metrics\"",
    }
    ignores {
        "trace": Anything => "the gateway keeps no trace of messages",
    }
}

choice! {
    /// Where the gateway records events.
    enum RawEventStore {
        Memory(RawEventMemory) = "memory",
    }
}

object! {
    /// Events in memory, which are gone when the gateway stops.
    struct RawEventMemory {
        /// How many events the gateway remembers of each entry without a `limit` of its own, the latest ones. Default 1,000.
        limit: optional Whole<1, 10_000>,
        /// The topics whose events the gateway records.
        event_history: required Vec<Located<RawHistory>> = "event-history",
    }
    refuses {
        "call-queue" => "calls wait in the queue of a registration with `concurrency`, leave `call-queue` out",
    }
}

object! {
    /// Topics whose events the gateway records.
    struct RawHistory {
        /// The topic, or the pattern of topics that `match` says.
        uri: required String,
        /// How the gateway compares `uri`: `exact` (the default), `prefix`, or `wildcard` (empty components match anything).
        matching: optional UriMatch = "match",
        /// How many events the gateway remembers, the latest ones, up to 16 MiB of them.
        limit: optional Whole<1, 10_000>,
        /// How long the gateway remembers an event, in seconds. Default: until later ones take its place.
        max_age: optional Whole<1, 31_536_000>,
    }
}

object! {
    /// What one session may hold in the realm. What exceeds it gets ERROR `wamp.error.unavailable`.
    struct RawPerSession {
        /// How many subscriptions. Default 10,000.
        max_subscriptions: optional Whole<1, 10_000>,
        /// How many registrations. Default 10,000.
        max_registrations: optional Whole<1, 10_000>,
        /// How many calls may wait for their answers. Default 10,000.
        max_pending_calls: optional Whole<1, 10_000>,
        /// The size of the URIs of all subscriptions and registrations together. Default 4 MiB.
        uri_space: optional Size<1024, { 1 << 30 }>,
    }
}

object! {
    /// A role and what it may do. The gateway denies what no permission allows.
    struct RawRole {
        /// The role's name.
        name: required Located<Name>,
        /// What the role may do; the most specific permission that matches a URI counts: the exact one, otherwise the longest prefix, otherwise a wildcard.
        permissions: optional Vec<Located<RawPermission>>,
        /// The component that decides what the role may do, in place of `permissions`; or the URI of a procedure, which a client of the
        /// realm has registered and the gateway calls with `(session, uri, action, options)`.
        authorizer: optional Located<RawAuthorizer>,
        /// A name for Crossbar's management; unused.
        id: optional Name,
    }
    refuses {
        "allow-by-default" => "list what the role may do in `permissions`; {\"uri\": \"\", \"match\": \"prefix\", \"allow\": {…}} is about all URIs",
    }
}

/// What decides what a role may do: a component, or a procedure by its URI.
#[derive(Debug)]
pub(super) enum RawAuthorizer {
    Component(Box<RawPolicy>),
    Procedure(Uri),
}

impl Raw for RawAuthorizer {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::Object(_) => RawPolicy::read(json, walk).map(|policy| Self::Component(Box::new(policy))),
            Json::Text(_) => Uri::read(json, walk).map(Self::Procedure),
            _ => {
                walk.wrong_kind("a component or the URI of a procedure", json);
                None
            }
        }
    }
}

inline_schema!(RawAuthorizer, "Authorizer", |generator| {
    let component = generator.subschema_for::<RawPolicy>();
    json_schema!({ "anyOf": [{ "type": "string" }, component] })
});

/// Crossbar's format before version 2 had the rights beside the URI.
const OLD_FORM: &str =
    "this is the form of Crossbar's version 1: write it inside `allow`, as in \"allow\": {\"call\": true}";

object! {
    /// What a role may do with the URIs that match.
    struct RawPermission {
        /// The URI, or the pattern that `match` says. Without `match`, `*` at the end makes it a prefix, and `*` for
        /// whole components a wildcard.
        uri: required String,
        /// How the gateway compares `uri`: `exact` (the default), `prefix`, or `wildcard` (empty components match anything).
        matching: optional UriMatch = "match",
        /// What the role may do.
        allow: optional RawAllow,
        /// Who sees whom.
        disclose: optional RawDisclose,
        /// Crossbar's switch for remembering the outcome, which is the same either way.
        cache: optional bool,
    }
    refuses {
        "validate" => "the gateway does not validate payloads, leave `validate` out",
    }
    misplaced {
        "call" => OLD_FORM,
        "register" => OLD_FORM,
        "publish" => OLD_FORM,
        "subscribe" => OLD_FORM,
    }
}

object! {
    /// What the role may do; the gateway denies the rest.
    struct RawAllow {
        /// Calling the procedure.
        call: optional bool,
        /// Registering the procedure.
        register: optional bool,
        /// Publishing to the topic.
        publish: optional bool,
        /// Subscribing to the topic.
        subscribe: optional bool,
    }
}

object! {
    /// Who sees whom. By default, clients do not see each other.
    struct RawDisclose {
        /// Whether callees see who called.
        caller: optional bool,
        /// Whether subscribers see who published.
        publisher: optional bool,
    }
}

words! {
    UriMatch as "UriMatch" {
        "exact" => Self::Exact,
        "prefix" => Self::Prefix,
        "wildcard" => Self::Wildcard,
    }
}

impl Raw for Name {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, Self::RULE, walk, |text| Self::parse(text).ok())
    }
}

inline_schema!(Name, "Name", |_generator| json_schema!({
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
}));

/// What to use instead of a URI or a pattern that is too long.
const TOO_LONG: &str = "a WAMP URI of at most 1024 bytes";

impl Raw for Uri {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = match json {
            Json::Text(text) if text.len() > MAX_URI_LENGTH => TOO_LONG,
            _ => "a WAMP URI: components without white space and `#`, joined by single dots",
        };
        checked_text(json, hint, walk, |text| Self::parse(text).ok())
    }
}

inline_schema!(Uri, "Uri", |_generator| json_schema!({
    "type": "string",
    "pattern": r"^([^\s.#]+\.)*[^\s.#]+$",
    "maxLength": 1024,
}));

/// Checks all realms of a configuration. Without `realms` it has the default realm, which is open.
pub(super) fn realms(raw: Option<Vec<RawRealm>>, walk: &mut Walk<'_>) -> Vec<RealmOptions> {
    let Some(raw) = raw else {
        return vec![RealmOptions {
            name: Uri::known(DEFAULT_REALM),
            roles: Roles::Open,
            per_session: SessionLimits::default(),
            histories: Vec::new(),
        }];
    };
    let mut realms: Vec<RealmOptions> = Vec::new();
    for realm in raw {
        let name = realm.name.as_ref().map(|name| &name.value);
        let roles = roles(realm.roles.unwrap_or_default(), name, walk);
        let per_session = realm.per_session.map(RawPerSession::check).unwrap_or_default();
        let histories = realm.store.map(|store| histories(store, walk)).unwrap_or_default();
        let Some(name) = realm.name else { continue };
        if realms.iter().any(|other| other.name == name.value) {
            walk.fault_at(
                name.path,
                format!("there is a realm {} already, use another name", quoted(name.value.as_str())),
            );
        }
        realms.push(RealmOptions { name: name.value, roles: Roles::Listed(roles), per_session, histories });
    }
    realms
}

fn histories(store: RawEventStore, walk: &mut Walk<'_>) -> Vec<HistoryOptions> {
    let RawEventStore::Memory(store) = store;
    let RawEventMemory { limit: common, event_history } = *store;
    let mut histories: Vec<HistoryOptions> = Vec::new();
    for Located { path, value } in event_history.unwrap_or_default() {
        let RawHistory { uri, matching, limit, max_age } = value;
        let Some(uri) = uri else { continue };
        let pattern = match Pattern::parse(&uri, matching.unwrap_or_default()) {
            Ok(pattern) => pattern,
            Err(fault) => {
                walk.fault_at(format!("{path}.uri"), format!("{} is not valid: {fault}", quoted(&uri)));
                continue;
            }
        };
        if pattern.is_reserved() {
            walk.fault_at(
                format!("{path}.uri"),
                "the gateway records events of clients, not its own ones that begin with wamp., use topics of yours",
            );
        }
        if histories.iter().any(|other| other.pattern == pattern) {
            walk.fault_at(path, "there is another entry for the same topics, join the two");
        }
        histories.push(HistoryOptions {
            pattern,
            limit: limit.or(common).map_or(HistoryOptions::DEFAULT_LIMIT, Whole::get),
            max_age: max_age.map(|seconds| Duration::from_secs(seconds.0)),
        });
    }
    histories
}

impl RawPerSession {
    fn check(self) -> SessionLimits {
        let default = SessionLimits::default();
        SessionLimits {
            max_subscriptions: self.max_subscriptions.map_or(default.max_subscriptions, Whole::get),
            max_registrations: self.max_registrations.map_or(default.max_registrations, Whole::get),
            max_pending_calls: self.max_pending_calls.map_or(default.max_pending_calls, Whole::get),
            uri_space: self.uri_space.map_or(default.uri_space, |size| size.0),
        }
    }
}

fn roles(raw: Vec<RawRole>, realm: Option<&Uri>, walk: &mut Walk<'_>) -> Vec<RoleOptions> {
    let mut roles: Vec<RoleOptions> = Vec::new();
    for role in raw {
        if let (Some(_), Some(Located { path, .. })) = (&role.permissions, &role.authorizer) {
            walk.fault_at(
                path,
                "stands beside `permissions`, of which it would take the place: keep one of them",
            );
        }
        let permissions = permissions(role.permissions.unwrap_or_default(), walk);
        let authorizer = role.authorizer.and_then(|Located { path, value }| {
            let component = match value {
                RawAuthorizer::Component(component) => component,
                RawAuthorizer::Procedure(procedure) => {
                    if procedure.is_reserved() {
                        let rule = "URIs that begin with wamp. belong to the protocol, use one of your own";
                        walk.fault_at(&path, rule);
                    }
                    let (realm, called) = (realm.cloned(), procedure.clone());
                    walk.called.push(Called {
                        path,
                        procedure: called,
                        realm,
                        decides: "what others may do",
                    });
                    return Some(AuthorizerOptions::Procedure(ProcedureOptions::new(procedure)));
                }
            };
            let file = component.check(walk)?;
            if !file.options.headers.is_empty() {
                walk.fault_at(
                    format!("{path}.headers"),
                    "an authorizer is asked about messages, which have no headers: leave it out",
                );
            }
            Some(AuthorizerOptions::Component(file))
        });
        let Some(Located { path, value: name }) = role.name else { continue };
        if roles.iter().any(|other| other.name == name) {
            walk.fault_at(path, format!("this realm has a role {} already, use another name", quoted(&name)));
        }
        roles.push(RoleOptions { name, permissions, authorizer });
    }
    roles
}

fn permissions(raw: Vec<Located<RawPermission>>, walk: &mut Walk<'_>) -> Vec<Permission> {
    let mut permissions: Vec<Permission> = Vec::new();
    for Located { path, value } in raw {
        let Some(permission) = permission(&path, value, walk) else { continue };
        let same = |other: &Permission| other.uri == permission.uri && other.matching == permission.matching;
        if permissions.iter().any(same) {
            walk.fault_at(path, "this role has another permission for the same URIs, join the two");
        }
        permissions.push(permission);
    }
    permissions
}

fn permission(path: &str, raw: RawPermission, walk: &mut Walk<'_>) -> Option<Permission> {
    let (uri, matching) = match (raw.uri?, raw.matching) {
        (uri, Some(matching)) => (uri, matching),
        (uri, None) => starred(&uri),
    };
    let hint = match matching {
        _ if uri.len() > MAX_URI_LENGTH => Some(TOO_LONG),
        UriMatch::Exact if uri.strip_suffix('.').is_some_and(|start| Uri::parse(start).is_ok()) => {
            Some("a whole WAMP URI; for all URIs that begin so, add \"match\": \"prefix\"")
        }
        UriMatch::Exact if Uri::parse(&uri).is_err() => {
            Some("a WAMP URI; for all URIs write \"uri\": \"\" with \"match\": \"prefix\"")
        }
        UriMatch::Prefix if !uri.is_empty() && Uri::parse(uri.strip_suffix('.').unwrap_or(&uri)).is_err() => {
            Some("the beginning of a WAMP URI")
        }
        UriMatch::Wildcard if uri.chars().any(|c| c.is_whitespace() || c == '#') => {
            Some("WAMP URI components, empty ones for anything")
        }
        _ => None,
    };
    if let Some(hint) = hint {
        walk.fault_at(format!("{path}.uri"), format!("{} is not valid, use {hint}", quoted(&uri)));
    }
    let allow = raw.allow.unwrap_or(RawAllow { call: None, register: None, publish: None, subscribe: None });
    let disclose = raw.disclose.unwrap_or(RawDisclose { caller: None, publisher: None });
    Some(Permission {
        uri,
        matching,
        call: allow.call.unwrap_or(false),
        register: allow.register.unwrap_or(false),
        publish: allow.publish.unwrap_or(false),
        subscribe: allow.subscribe.unwrap_or(false),
        disclose_caller: disclose.caller.unwrap_or(false),
        disclose_publisher: disclose.publisher.unwrap_or(false),
    })
}

/// Crossbar's short form for a permission without `match`: `com.app.*` is a prefix, `com.*.created` a wildcard.
fn starred(uri: &str) -> (String, UriMatch) {
    match uri.strip_suffix('*') {
        _ if !uri.contains('*') => (uri.to_owned(), UriMatch::Exact),
        Some(prefix) if !prefix.contains('*') => (prefix.to_owned(), UriMatch::Prefix),
        _ => (uri.replace('*', ""), UriMatch::Wildcard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starred_uris_choose_their_match() {
        let cases = [
            ("com.app.create", "com.app.create", UriMatch::Exact),
            ("com.app.*", "com.app.", UriMatch::Prefix),
            ("*", "", UriMatch::Prefix),
            ("com.*.created", "com..created", UriMatch::Wildcard),
            ("com.*.created.*", "com..created.", UriMatch::Wildcard),
        ];
        for (written, uri, matching) in cases {
            assert_eq!(starred(written), (uri.to_owned(), matching), "{written}");
        }
    }
}
