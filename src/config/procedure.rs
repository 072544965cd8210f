//! Procedures that decide: who could register them.

use super::{
    AuthOptions, Config, RealmOptions, Roles, own_realms,
    reader::{Called, Walk},
};
use crate::{
    identity::{ANONYMOUS, Name},
    shown::cut,
};

/// Warns of procedures that no client can register, or that clients could register which have proved nothing.
pub(super) fn warn(config: &Config, walk: &mut Walk<'_>) {
    let services = config.transports.iter().flat_map(|transport| transport.edge.services());
    let unproved: Vec<Name> =
        services.filter_map(|(_, service)| unproved_role(service.auth.as_ref())).collect();
    for Called { path, procedure: uri, realm, decides } in std::mem::take(&mut walk.called) {
        let procedure = cut(uri.as_str());
        let is_meant = |known: &&RealmOptions| realm.as_ref().is_none_or(|name| known.name == *name);
        let mut can_be_there = false;
        for known in config.realms.iter().filter(is_meant) {
            let name = cut(known.name.as_str());
            let Roles::Listed(roles) = &known.roles else {
                can_be_there = true;
                walk.warn_at(
                    &path,
                    format!("the realm `{name}` has no `roles`, so that any client may register `{procedure}` and decide {decides}: list the roles"),
                );
                continue;
            };
            let registrars: Vec<&Name> =
                roles.iter().map(|role| &role.name).filter(|role| known.may_register(role, &uri)).collect();
            can_be_there |= !registrars.is_empty();
            if let Some(role) = registrars.into_iter().find(|role| unproved.contains(role)) {
                walk.warn_at(
                    &path,
                    format!("clients without credentials get the role `{}`, which may register `{procedure}` in the realm `{name}` and decide {decides}: leave this to a role that has to log in", cut(role)),
                );
            }
        }
        // A permission may be in what is faulty.
        if !can_be_there && own_realms::are_permissions_known(walk) {
            walk.warn_at(
                &path,
                format!("no role may register `{procedure}`, so that the gateway refuses whatever it should decide: give a role the permission"),
            );
        }
    }
}

/// The role of a service's clients that prove nothing, as far as the configuration tells.
fn unproved_role(auth: Option<&AuthOptions>) -> Option<Name> {
    match auth {
        None => Some(Name::known(ANONYMOUS)),
        Some(auth) => auth.anonymous.as_ref().map(|anonymous| anonymous.role.clone()),
    }
}
