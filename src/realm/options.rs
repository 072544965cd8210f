//! What an operator decides about a realm: its name, its roles, and what each role may do.

use std::time::Duration;

use crate::{
    identity::Name,
    policy::{PolicyFile, ProcedureOptions},
    wamp::{
        Uri,
        pattern::{Pattern, UriMatch},
    },
};

/// A realm and who may do what there.
#[derive(Debug, Clone, PartialEq)]
pub struct RealmOptions {
    /// The realm's name.
    pub name: Uri,
    /// The roles and their permissions.
    pub roles: Roles,
    /// What one session may hold.
    pub per_session: SessionLimits,
    /// The topics whose events are recorded; no pattern twice.
    pub histories: Vec<HistoryOptions>,
}

impl RealmOptions {
    /// The roles that have an authorizer, each with it.
    pub fn authorizers(&self) -> impl Iterator<Item = (&Name, &AuthorizerOptions)> {
        let roles = match &self.roles {
            Roles::Open => &[][..],
            Roles::Listed(roles) => roles,
        };
        roles.iter().filter_map(|role| Some((&role.name, role.authorizer.as_ref()?)))
    }
}

/// What decides about a role.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one for each role")]
pub enum AuthorizerOptions {
    /// A component.
    Component(PolicyFile),
    /// A procedure that a client has registered in the realm.
    Procedure(ProcedureOptions),
}

/// Topics whose events are recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryOptions {
    /// The topic, or the pattern of topics.
    pub pattern: Pattern,
    /// How many events, the latest ones; at most 10,000.
    pub limit: usize,
    /// How long an event is remembered; without it, until later ones take its place.
    pub max_age: Option<Duration>,
}

impl HistoryOptions {
    /// How many events are recorded if the operator does not say, which is Crossbar.io's number.
    pub const DEFAULT_LIMIT: usize = 1_000;
}

/// What one session may hold in a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Default and at most 10,000.
    pub max_subscriptions: usize,
    /// Default and at most 10,000.
    pub max_registrations: usize,
    /// Calls that wait for their answers. Default and at most 10,000.
    pub max_pending_calls: usize,
    /// The bytes of the URIs of all subscriptions and registrations together. Default 4 MiB.
    pub uri_space: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_subscriptions: 10_000,
            max_registrations: 10_000,
            max_pending_calls: 10_000,
            uri_space: 4 << 20,
        }
    }
}

/// The roles of a realm.
#[derive(Debug, Clone, PartialEq)]
pub enum Roles {
    /// The realm of a configuration that names no realms: sessions may have any role and do everything; publishers and
    /// callers are disclosed, by their public authid, if they ask for it.
    Open,
    /// The configured roles. What no permission allows is denied.
    Listed(Vec<RoleOptions>),
}

/// A role.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleOptions {
    /// The role's name.
    pub name: Name,
    /// Its permissions, in the order of the configuration. The most specific one that matches a URI counts.
    pub permissions: Vec<Permission>,
    /// The component that decides in place of permissions.
    pub authorizer: Option<AuthorizerOptions>,
}

/// One of a role's permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the configuration's own names")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub struct Permission {
    /// The pattern. For `prefix` it may be empty and may end in a dot; for `wildcard` components may be empty.
    pub uri: String,
    pub matching: UriMatch,
    pub call: bool,
    pub register: bool,
    pub publish: bool,
    pub subscribe: bool,
    /// Whether callees see who called.
    pub disclose_caller: bool,
    /// Whether subscribers see who published.
    pub disclose_publisher: bool,
}
