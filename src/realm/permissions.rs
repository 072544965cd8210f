//! Who may do what: a realm's roles, compiled once for fast look-up.
//!
//! The most specific rule that matches a URI counts, and it alone: rules are not added up.
//!
//! 1. A rule for exactly this URI.
//! 2. Otherwise the longest matching prefix. A prefix is compared character by character, as Crossbar does it:
//!    `com.app` covers `com.application` too, `com.app.` does not; the empty prefix covers everything.
//! 3. Otherwise the matching wildcard pattern with the most literal components; among equals, the one whose
//!    first difference has the literal component rather than the empty one.
//!
//! Of two rules with the same pattern the first one configured counts. Where no rule matches, nothing is allowed.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::options::{Permission, RoleOptions, Roles, UriMatch};

/// What a session wants to do with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants carry the specification's own names")]
pub(super) enum Action {
    Call,
    Register,
    Publish,
    Subscribe,
}

/// A role of one realm's [`Permissions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoleId(Option<u32>);

/// An action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Whether the other side learns who acted, also if the client did not ask for that.
    pub(super) disclose: bool,
}

/// The permissions of all roles of a realm.
#[derive(Debug)]
pub(super) enum Permissions {
    /// Any role may do anything and is disclosed doing it.
    Open,
    /// Roles by name, in the configuration's order. Few, so that a scan finds one faster than a hash would.
    Listed(Vec<(Box<str>, Rules)>),
}

/// The rules of one role.
#[derive(Debug, Default)]
pub(super) struct Rules {
    // The keys are the operator's, so a hash that a client could aim at collides with nothing of the client's.
    exact: FxHashMap<Box<str>, Rights>,
    prefixes: Vec<Prefix>,
    wildcards: Vec<Wildcard>,
}

/// A prefix rule. They are sorted by text.
#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    rights: Rights,
    /// The place of the longest other rule that is a prefix of this one.
    parent: Option<usize>,
}

/// A wildcard rule. They are sorted by how specific they are.
#[derive(Debug)]
struct Wildcard {
    /// An empty component matches any.
    components: Vec<Box<str>>,
    rights: Rights,
}

/// What a rule allows, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rights(u8);

// === impl Permissions ===

impl Permissions {
    /// Compiles a realm's roles.
    pub(super) fn new(roles: &Roles) -> Self {
        match roles {
            Roles::Open => Self::Open,
            Roles::Listed(roles) => Self::Listed(
                roles.iter().map(|role| (Box::from(role.name.as_str()), Rules::new(role))).collect(),
            ),
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
        roles.iter().map(|(name, _)| &**name)
    }

    /// Looks a role up, once per session. One that the realm does not have may do nothing.
    pub(super) fn role(&self, name: &str) -> RoleId {
        match self {
            Self::Open => RoleId(None),
            Self::Listed(roles) => {
                let place = roles.iter().position(|(role, _)| **role == *name);
                RoleId(place.and_then(|place| u32::try_from(place).ok()))
            }
        }
    }

    /// Decides about an action; `None` denies it.
    pub(super) fn check(&self, role: RoleId, action: Action, uri: &str) -> Option<Grant> {
        match self {
            Self::Open => Some(Grant { disclose: true }),
            Self::Listed(roles) => {
                let (_, rules) = roles.get(usize::try_from(role.0?).ok()?)?;
                rules.most_specific(uri)?.grant(action)
            }
        }
    }

    /// Whether the rule that counts for this URI names the protocol's own URIs, rather than covering them among others.
    pub(super) fn names_protocol(&self, role: RoleId, uri: &str) -> bool {
        let Self::Listed(roles) = self else { return false };
        let rules = role.0.and_then(|place| roles.get(usize::try_from(place).ok()?));
        rules.and_then(|(_, rules)| rules.most_specific(uri)).is_some_and(Rights::names_protocol)
    }
}

// === impl Rules ===

impl Rules {
    fn new(role: &RoleOptions) -> Self {
        let mut rules = Self::default();
        for permission in &role.permissions {
            let rights = Rights::new(permission);
            match permission.matching {
                UriMatch::Exact => {
                    rules.exact.entry(Box::from(permission.uri.as_str())).or_insert(rights);
                }
                UriMatch::Prefix => {
                    rules.prefixes.push(Prefix {
                        text: Box::from(permission.uri.as_str()),
                        rights,
                        parent: None,
                    });
                }
                UriMatch::Wildcard => {
                    let components = permission.uri.split('.').map(Box::from).collect();
                    rules.wildcards.push(Wildcard { components, rights });
                }
            }
        }
        rules.prefixes.sort_by(|a, b| a.text.cmp(&b.text));
        rules.prefixes.dedup_by(|later, first| later.text == first.text);
        link_parents(&mut rules.prefixes);
        rules.wildcards.sort_by_cached_key(Wildcard::specificity);
        rules
    }

    fn most_specific(&self, uri: &str) -> Option<Rights> {
        self.exact
            .get(uri)
            .copied()
            .or_else(|| self.longest_prefix(uri))
            .or_else(|| self.wildcards.iter().find(|rule| rule.matches(uri)).map(|rule| rule.rights))
    }

    /// Every prefix of `uri` that is sorted at or before some text at or before `uri` is a prefix of that text
    /// too. So the nearest rule at or before `uri` and its chain of parents have all that match, longest first.
    fn longest_prefix(&self, uri: &str) -> Option<Rights> {
        let mut place = self.prefixes.partition_point(|rule| *rule.text <= *uri).checked_sub(1)?;
        loop {
            let rule = self.prefixes.get(place)?;
            if uri.starts_with(&*rule.text) {
                return Some(rule.rights);
            }
            place = rule.parent?;
        }
    }
}

fn link_parents(sorted: &mut [Prefix]) {
    // The rules that are prefixes of the one before, shortest first.
    let mut open: Vec<(usize, Box<str>)> = Vec::new();
    for (place, rule) in sorted.iter_mut().enumerate() {
        while open.pop_if(|(_, text)| !rule.text.starts_with(&**text)).is_some() {}
        rule.parent = open.last().map(|(parent, _)| *parent);
        open.push((place, rule.text.clone()));
    }
}

impl Wildcard {
    /// Sorts the most specific pattern first.
    fn specificity(&self) -> (Reverse<usize>, Vec<bool>) {
        let empty: Vec<bool> = self.components.iter().map(|component| component.is_empty()).collect();
        (Reverse(empty.iter().filter(|empty| !**empty).count()), empty)
    }

    fn matches(&self, uri: &str) -> bool {
        let mut others = uri.split('.');
        let all = self.components.iter().all(|component| {
            others.next().is_some_and(|other| component.is_empty() || **component == *other)
        });
        all && others.next().is_none()
    }
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
