//! Authentication methods, and the roles that they hand out.

use std::collections::BTreeMap;

use super::{
    AnonymousConfig, AuthConfig, RealmConfig, Roles, Secret, TicketConfig, TicketPrincipal,
    macros::{object, words},
    realm::Label,
    value::Table,
    walk::{Located, Walk, alternatives, quoted},
};
use crate::wamp::Uri;

/// The role of clients that bring no credentials.
pub(super) const ANONYMOUS: &str = "anonymous";

const NOT_YET: &str = "use `anonymous` or `ticket`";

object! {
    /// The authentication methods on offer. Without `auth`, every client joins as `anonymous`.
    struct RawAuth {
        /// Clients without credentials.
        anonymous: optional RawAnonymous,
        /// Clients with a shared secret.
        ticket: optional RawTicket,
    }
    refuses {
        "wampcra" => NOT_YET,
        "scram" => NOT_YET,
        "cryptosign" => NOT_YET,
        "tls" => NOT_YET,
        "cookie" => "use `anonymous` or `ticket`; clients are tracked without it",
        "anonymous-proxy" => "use `anonymous`",
        "cryptosign-proxy" => "use `anonymous` or `ticket`",
    }
}

object! {
    /// Joining without credentials.
    struct RawAnonymous {
        /// Where the role comes from: `static`, from this file.
        kind: required Static = "type",
        /// The role of the clients. Default `anonymous`.
        role: optional Located<Label>,
    }
    refuses {
        "authid" => "the authid comes from cookie tracking, or is drawn at random; a policy can set another one",
        "realm" => "clients join the realm that they ask for",
        "authenticator" => "use \"type\": \"static\" with a `role`, or a policy",
        "create" => "use \"type\": \"static\" with a `role`, or a policy",
    }
}

object! {
    /// Joining with a shared secret.
    struct RawTicket {
        /// Where the principals come from: `static`, from this file.
        kind: required Static = "type",
        /// The principals by authid.
        principals: required Located<Table<RawPrincipal>>,
    }
    refuses {
        "authenticator" => "use \"type\": \"static\" with `principals`",
        "create" => "use \"type\": \"static\" with `principals`",
    }
}

object! {
    /// A principal of the ticket method.
    struct RawPrincipal {
        /// The shared secret: text, `"$NAME"` for an environment variable, or {"file": …}.
        ticket: required Secret,
        /// The role that the principal gets.
        role: required Located<Label>,
        /// The realm that the principal belongs to. Default: whichever it asks for.
        realm: optional Located<Uri>,
    }
}

/// Where principals come from.
#[derive(Debug)]
pub(super) struct Static;

words! {
    Static as "Static" { "static" => Self }
    refuses {
        "dynamic" => "no procedure is asked, use \"static\", or a policy",
        "function" => "no function is called, use \"static\", or a policy",
    }
}

impl RawAuth {
    /// Checks the methods, and that the roles and realms that they name exist. `path` is where they stand.
    pub(super) fn check(self, path: &str, realms: &[RealmConfig], walk: &mut Walk<'_>) -> AuthConfig {
        if self.anonymous.is_none() && self.ticket.is_none() && !walk.has_fault_below(path) {
            walk.fault_at(
                path,
                "names no method, so nobody could join: name `anonymous` or `ticket`, or leave `auth` out",
            );
        }
        AuthConfig {
            anonymous: self.anonymous.map(|method| {
                // The default role has to exist like any other, but stands nowhere.
                let role = method.role.unwrap_or_else(|| Located {
                    path: format!("{path}.anonymous.role"),
                    value: Label(ANONYMOUS.to_owned()),
                });
                let role = checked_role(role, None, realms, walk);
                AnonymousConfig { role }
            }),
            ticket: self.ticket.map(|method| method.check(realms, walk)),
            ..AuthConfig::default()
        }
    }
}

impl RawTicket {
    fn check(self, realms: &[RealmConfig], walk: &mut Walk<'_>) -> TicketConfig {
        let mut principals = BTreeMap::new();
        if let Some(Located { path, value: Table(entries) }) = self.principals {
            if entries.is_empty() && !walk.has_fault_below(&path) {
                walk.fault_at(
                    &path,
                    "names nobody, so nobody could join: name a principal, or leave `ticket` out",
                );
            }
            for (authid, Located { path, value }) in entries {
                if Label::parse(&authid).is_none() {
                    walk.fault_at(&path, format!("the authid is not valid, use {}", Label::HINT));
                }
                principals.extend(value.check(realms, walk).map(|principal| (authid, principal)));
            }
        }
        TicketConfig { principals }
    }
}

impl RawPrincipal {
    fn check(self, realms: &[RealmConfig], walk: &mut Walk<'_>) -> Option<TicketPrincipal> {
        let realm = self.realm.and_then(|realm| {
            let exists = realms.iter().any(|known| known.name == realm.value);
            if !exists {
                let names: Vec<&Uri> = realms.iter().map(|known| &known.name).collect();
                let unknown = quoted(realm.value.as_str());
                walk.fault_at(realm.path, format!("{unknown} is no realm, use {}", alternatives(&names)));
            }
            exists.then_some(realm.value)
        });
        let role = self.role.map(|role| checked_role(role, realm.as_ref(), realms, walk));
        Some(TicketPrincipal { ticket: self.ticket?, role: role?, realm })
    }
}

/// Whether a session can have a role in the given realm, or in any.
pub(super) fn role_exists(role: &str, realm: Option<&Uri>, realms: &[RealmConfig]) -> bool {
    realms.iter().filter(|known| realm.is_none_or(|name| known.name == *name)).any(|known| {
        match &known.roles {
            Roles::Open => true,
            Roles::Listed(roles) => roles.iter().any(|known| known.name == role),
        }
    })
}

fn checked_role(
    role: Located<Label>,
    realm: Option<&Uri>,
    realms: &[RealmConfig],
    walk: &mut Walk<'_>,
) -> String {
    let Located { path, value: Label(name) } = role;
    if !role_exists(&name, realm, realms) {
        let place = realm.map_or("any realm".to_owned(), |realm| format!("the realm `{realm}`"));
        walk.fault_at(path, format!("{} is no role of {place}, add it to a realm's `roles`", quoted(&name)));
    }
    name
}
