//! Methods whose principals a procedure knows, in the form of Crossbar.io's: `"type": "dynamic"`.

use super::{Realms, role_exists};
use crate::{
    config::{
        AskedOptions, ProcedureOptions, own_realms,
        policy::{PolicyHeader, PolicyObject, checked_headers},
        reader::{Called, Located, Time, Walk, Whole, alternatives, object, quoted},
    },
    identity::Name,
    policy::procedure::TIMEOUTS,
    shown::cut,
    wamp::Uri,
};

object! {
    /// A procedure that knows the method's principals: a client of a realm has registered it, and the gateway calls it with
    /// `(realm, authid, details)`.
    struct RawDynamic {
        /// The procedure's URI.
        authenticator: required Located<Uri>,
        /// The realm where it is registered. Default: the realm that the client joins.
        realm: optional Located<Uri> = "authenticator-realm",
        /// The role under which the gateway calls it, which needs the permission. Default: the gateway needs no permission.
        role: optional Located<Name> = "authenticator-role",
        /// What the procedure is told besides, as `config` of the details. Default nothing.
        config: optional PolicyObject,
        /// The request headers that the procedure is told beside `host` and `origin`. Default none.
        headers: optional Located<Vec<PolicyHeader>>,
        /// How long an answer may take: "5s", "500ms", or a number of milliseconds; 100 ms to 60 s. Default 5 s.
        timeout: optional Time<{ *TIMEOUTS.start() }, { *TIMEOUTS.end() }>,
        /// How many calls may wait for their answers at once; a quarter of them may be for clients of one address. Default 64.
        max_concurrent: optional Whole<1, 1024>,
    }
    refuses {
        "create" => "the gateway calls no function, name the `authenticator` to call",
        "expose_controller" => "the gateway has no controller",
        "default-role" => "have the procedure return a `role`",
    }
    misplaced {
        "authenticator_realm" => "it is called `authenticator-realm`",
        "authenticator_role" => "it is called `authenticator-role`",
    }
}

/// The role of Crossbar.io's own sessions.
const TRUSTED: &str = "trusted";

impl RawDynamic {
    pub(super) fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> Option<AskedOptions> {
        let headers = self.headers.map(|headers| checked_headers(headers, walk)).unwrap_or_default();
        let Located { path, value: procedure } = self.authenticator?;
        if procedure.is_reserved() {
            walk.fault_at(&path, "URIs that begin with wamp. belong to the protocol, use one of your own");
        }
        let is_behind = realms.joined != realms.own;
        let realms = Realms { joined: realms.own, own: realms.own, are_all: own_realms::are_named(walk) };
        if is_behind && self.realm.is_none() {
            walk.fault_at(
                &path,
                "is called in a realm of the gateway, and clients join those of a router here: write an `authenticator-realm`",
            );
        }
        let realm = self.realm.and_then(|realm| realms.existing(realm, walk));
        // Crossbar.io's own role, which may do everything, and the only one under which it calls.
        let is_built_in = |role: &Located<Name>| {
            role.value.as_str() == TRUSTED && !role_exists(TRUSTED, realm.as_ref(), realms.joined)
        };
        let role = self.role.filter(|role| !is_built_in(role)).map(|role| {
            let place = role.path.clone();
            let before = walk.faults.len();
            let role = realms.role(role, realm.as_ref(), walk);
            let mut within =
                realms.joined.iter().filter(|known| realm.as_ref().is_none_or(|name| known.name == *name));
            let is_known = walk.faults.len() == before && own_realms::are_permissions_known(walk);
            if is_known && !within.any(|known| known.may_call(&role, &procedure)) {
                walk.fault_at(
                    place,
                    format!(
                        "the role {} may not call `{}`, give it a permission, or leave the role out",
                        quoted(&role),
                        cut(procedure.as_str())
                    ),
                );
            }
            role
        });
        walk.called.push(Called {
            path,
            procedure: procedure.clone(),
            realm: realm.clone(),
            decides: "who clients are",
        });
        let options = ProcedureOptions::new(procedure);
        Some(AskedOptions::Procedure(ProcedureOptions {
            realm,
            role,
            config: self.config.map(|config| config.0),
            headers,
            timeout: self.timeout.map_or(options.timeout, |timeout| timeout.0),
            max_concurrent: self.max_concurrent.map_or(options.max_concurrent, Whole::get),
            ..options
        }))
    }
}

impl Realms<'_> {
    /// A realm, if it exists.
    pub(super) fn existing(self, realm: Located<Uri>, walk: &mut Walk<'_>) -> Option<Uri> {
        let exists = !self.are_all || self.joined.iter().any(|known| known.name == realm.value);
        if !exists {
            let names: Vec<&str> = self.joined.iter().map(|known| known.name.as_str()).collect();
            let unknown = quoted(realm.value.as_str());
            walk.fault_at(realm.path, format!("there is no realm {unknown}, use {}", alternatives(&names)));
        }
        exists.then_some(realm.value)
    }
}
