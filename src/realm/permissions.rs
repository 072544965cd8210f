//! Who may do what: a realm's roles, compiled once for fast look-up.
//!
//! The most specific rule that matches a URI counts (see [`pattern`](crate::wamp::pattern)), and it alone: rules are not
//! added up. Of two rules with the same pattern the first one configured counts. Where no rule matches, nothing is
//! allowed.

use std::num::NonZeroU32;

use super::options::{AuthorizerOptions, Permission, RealmOptions, RoleOptions, Roles};
use crate::wamp::{Uri, pattern::Patterns};

/// What a session wants to do with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants carry the specification's own names")]
pub(super) enum Action {
    Call,
    Register,
    Publish,
    Subscribe,
}

/// A role of one realm's [`Permissions`]: its place among them, counted from 1, so that a session has four bytes for it and not eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoleId(Option<NonZeroU32>);

impl RoleId {
    fn at(place: usize) -> Self {
        Self(u32::try_from(place).ok().and_then(|place| NonZeroU32::MIN.checked_add(place)))
    }

    fn place(self) -> Option<usize> {
        usize::try_from(self.0?.get() - 1).ok()
    }
}

/// An action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Whether the other side learns which session acted, even if that session did not ask for it.
    pub(super) disclose: bool,
}

/// What the authorizer of a session's role has said about one message. Without one, it denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The session may do this with the message's URI, and is disclosed or not.
    Allowed { action: Action, disclose: bool },
    /// It could not say.
    Failed,
    /// The gateway itself calls, which needs no permission.
    Gateway,
}

/// The permissions of all roles of a realm.
#[derive(Debug)]
pub(super) enum Permissions {
    /// Sessions may have any role and do everything. They are disclosed if they ask for it.
    Open,
    /// Roles by name, in the configuration's order. Few, so that a scan finds one faster than a hash would.
    Listed(Vec<(Box<str>, Rules, Option<Box<AuthorizerOptions>>)>),
}

/// The rules of one role.
pub(super) type Rules = Patterns<Rights>;

/// What a rule allows, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights(u8);

// === impl Permissions ===

impl Permissions {
    /// Compiles a realm's roles.
    pub(super) fn new(roles: &Roles) -> Self {
        match roles {
            Roles::Open => Self::Open,
            Roles::Listed(roles) => {
                let compiled = roles.iter().map(|role| {
                    // The rules of a role that has an authorizer are none, so that nothing is allowed by them.
                    (Box::from(role.name.as_str()), rules(role), role.authorizer.clone().map(Box::new))
                });
                Self::Listed(compiled.collect())
            }
        }
    }

    /// Whether sessions may have this role.
    pub(super) fn has_role(&self, name: &str) -> bool {
        matches!(self, Self::Open) || self.role(name).0.is_some()
    }

    /// The names of the roles; none where sessions may have any.
    pub(super) fn role_names(&self) -> impl Iterator<Item = &str> {
        let roles = match self {
            Self::Open => &[][..],
            Self::Listed(roles) => roles,
        };
        roles.iter().map(|(name, ..)| &**name)
    }

    /// Looks a role up, once per session. A role that the realm does not have may do nothing.
    pub(super) fn role(&self, name: &str) -> RoleId {
        match self {
            Self::Open => RoleId(None),
            Self::Listed(roles) => {
                roles.iter().position(|(role, ..)| **role == *name).map_or(RoleId(None), RoleId::at)
            }
        }
    }

    /// Decides about an action; `None` denies it.
    pub(super) fn check(&self, role: RoleId, action: Action, uri: &str) -> Option<Grant> {
        match self {
            Self::Open => Some(Grant { disclose: false }),
            Self::Listed(roles) => {
                let (_, rules, _) = roles.get(role.place()?)?;
                rules.most_specific(uri)?.grant(action)
            }
        }
    }

    /// Whether an authorizer decides about a role.
    pub(super) fn is_asked(&self, role: RoleId) -> bool {
        let Self::Listed(roles) = self else { return false };
        let role = role.place().and_then(|place| roles.get(place));
        role.is_some_and(|(.., authorizer)| authorizer.is_some())
    }

    /// Whether an authorizer decides about any role.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Self::Listed(roles) if roles.iter().any(|(.., authorizer)| authorizer.is_some()))
    }

    /// The authorizer that decides about a role.
    pub(super) fn authorizer(&self, name: &str) -> Option<&AuthorizerOptions> {
        let Self::Listed(roles) = self else { return None };
        roles.iter().find(|(role, ..)| **role == *name)?.2.as_deref()
    }

    /// Whether the rule that counts for this URI names the protocol's own URIs, rather than covering them among others.
    pub(super) fn names_protocol(&self, role: RoleId, uri: &str) -> bool {
        let Self::Listed(roles) = self else { return false };
        let rules = role.place().and_then(|place| roles.get(place));
        rules.and_then(|(_, rules, _)| rules.most_specific(uri)).is_some_and(|rights| rights.names_protocol())
    }
}

impl RealmOptions {
    /// Whether sessions of a role could register a procedure. A component that decides about the role may let them; the procedure itself
    /// cannot, since it would have to be there first.
    pub fn may_register(&self, role: &str, procedure: &Uri) -> bool {
        let permissions = Permissions::new(&self.roles);
        match permissions.authorizer(role) {
            Some(AuthorizerOptions::Component(_)) => true,
            Some(AuthorizerOptions::Procedure(authorizer)) => authorizer.procedure != *procedure,
            None => permissions.check(permissions.role(role), Action::Register, procedure.as_str()).is_some(),
        }
    }

    /// Whether the permissions of a role let it call a procedure.
    pub fn may_call(&self, role: &str, procedure: &Uri) -> bool {
        let permissions = Permissions::new(&self.roles);
        permissions.check(permissions.role(role), Action::Call, procedure.as_str()).is_some()
    }
}

fn rules(role: &RoleOptions) -> Rules {
    let rules = role.permissions.iter();
    rules.map(|rule| (rule.matching, rule.uri.as_str(), Rights::new(rule))).collect()
}

// === impl Rights ===

impl Rights {
    const DISCLOSE_CALLER: u8 = 1 << 4;
    const DISCLOSE_PUBLISHER: u8 = 1 << 5;
    /// The rule's own URI begins with `wamp.`.
    const NAMES_PROTOCOL: u8 = 1 << 6;

    fn new(permission: &Permission) -> Self {
        let bits = [
            (permission.call, Self::bit(Action::Call)),
            (permission.register, Self::bit(Action::Register)),
            (permission.publish, Self::bit(Action::Publish)),
            (permission.subscribe, Self::bit(Action::Subscribe)),
            (permission.disclose_caller, Self::DISCLOSE_CALLER),
            (permission.disclose_publisher, Self::DISCLOSE_PUBLISHER),
            (permission.uri.starts_with("wamp."), Self::NAMES_PROTOCOL),
        ];
        Self(bits.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit))
    }

    const fn bit(action: Action) -> u8 {
        match action {
            Action::Call => 1 << 0,
            Action::Register => 1 << 1,
            Action::Publish => 1 << 2,
            Action::Subscribe => 1 << 3,
        }
    }

    const fn names_protocol(self) -> bool {
        self.0 & Self::NAMES_PROTOCOL != 0
    }

    fn grant(self, action: Action) -> Option<Grant> {
        let disclosing = match action {
            Action::Call => Self::DISCLOSE_CALLER,
            Action::Publish => Self::DISCLOSE_PUBLISHER,
            Action::Register | Action::Subscribe => 0,
        };
        (self.0 & Self::bit(action) != 0).then_some(Grant { disclose: self.0 & disclosing != 0 })
    }
}

#[cfg(test)]
mod tests;
