//! What a realm goes by at a time: who may do what, and on what a session may stand. A reload of the configuration replaces it.

use std::sync::Arc;

use super::{options::Roles, permissions::Permissions};
use crate::identity::{Identity, Standings};

/// The rules of a realm.
#[derive(Debug)]
pub struct Rules {
    pub(super) permissions: Permissions,
    /// What sessions may stand on; none: on everything, since nothing was taken away yet.
    pub(super) standings: Option<Arc<Standings>>,
}

impl Rules {
    /// The rules before anything was taken away.
    pub(super) const fn new(permissions: Permissions) -> Self {
        Self { permissions, standings: None }
    }

    /// The rules of a realm that is none of the gateway's own: which of these roles sessions may have, and on what they may stand.
    pub fn of(roles: &Roles, standings: Option<Arc<Standings>>) -> Self {
        Self { permissions: Permissions::new(roles), standings }
    }

    /// Whether sessions may have this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.permissions.has_role(role)
    }

    /// The names of the roles that sessions may have; none where they may have any.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.permissions.role_names()
    }

    /// Whether a session may be there: its role exists, and so does what it stands on.
    pub fn admit(&self, identity: &Identity) -> bool {
        self.has_role(&identity.authrole) && self.has_ground(identity)
    }

    /// Whether an authorizer decides about any role.
    pub fn asks(&self) -> bool {
        self.permissions.asks()
    }

    /// Whether what a session stands on exists.
    pub(super) fn has_ground(&self, identity: &Identity) -> bool {
        let have =
            |standings: &Arc<Standings>| identity.standing.is_some_and(|standing| standings.have(standing));
        self.standings.as_ref().is_none_or(have)
    }
}
