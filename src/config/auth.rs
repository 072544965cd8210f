//! Authentication methods, and the roles that they give.

pub(super) mod cookie;

mod cryptosign;
mod dynamic;
pub(super) mod file;
pub(super) mod hex;
mod scram;
mod token;
mod wampcra;

use std::{collections::BTreeMap, sync::Arc};

use hex::{Hex, HexSecret};

use self::{
    cookie::{Beside, RawCookieAuth},
    cryptosign::RawCryptosign,
    dynamic::RawDynamic,
    file::RawPrincipalFile,
    scram::RawScram,
    token::RawJwt,
    wampcra::RawWampCra,
};
use super::{
    AnonymousOptions, AskedMethods, AskedOptions, AuthOptions, GuessingOptions, RealmOptions, Roles, Secret,
    TicketOptions, TicketPrincipal, TrackingOptions,
    policy::RawPolicy,
    reader::{Located, Table, Walk, Whole, choice, object, quoted},
};
use crate::{identity::Name, wamp::Uri};

object! {
    /// The authentication methods that the service offers. Without `auth`, every client joins as `anonymous`.
    struct RawAuth {
        /// Clients without credentials.
        anonymous: optional Located<RawAnonymous>,
        /// Clients that send a shared secret, or a token.
        ticket: optional Located<RawTicket>,
        /// Clients that sign a challenge with a shared secret.
        wampcra: optional Located<RawWampCra>,
        /// Clients that prove to know a password.
        scram: optional RawScram,
        /// Clients that sign a challenge with an Ed25519 key.
        cryptosign: optional RawCryptosign,
        /// Clients that have authenticated before by one of the other methods, and whose cookie remembers it.
        cookie: optional Located<RawCookieAuth>,
        /// How many wrong secrets in a row one address may send for one principal before it has to wait; 0: as many as it likes.
        /// Default 10.
        max_failures: optional Whole<0, 1000>,
    }
    refuses {
        "tls" => "ask for certificates with `ca_certificates` of the endpoint's `tls`, and let a policy decide by them",
        "anonymous-proxy" => "use `anonymous`",
        "cryptosign-proxy" => "use `cryptosign`",
    }
}

choice! {
    /// Joining without credentials.
    enum RawAnonymous {
        Static(RawStaticAnonymous) = "static",
        Component(RawPolicy) = "component",
        Dynamic(RawDynamic) = "dynamic",
    }
    refuses {
        "function" => "the gateway calls no function, use \"static\", \"component\", \"dynamic\" or a policy",
    }
}

object! {
    /// Joins clients without credentials, under a role that stands in this file.
    struct RawStaticAnonymous {
        /// The role of the clients. Default `anonymous`.
        role: optional Located<Name>,
    }
    refuses {
        "authid" => "the authid comes from cookie tracking or is random; a policy can set another one",
        "realm" => "clients join the realm that they ask for",
        "authenticator" => "write \"type\": \"dynamic\" to have it called",
        "create" => "use \"type\": \"static\" with a `role`, or a policy",
        "authenticator-realm" => "it goes with \"type\": \"dynamic\"",
        "authenticator-role" => "it goes with \"type\": \"dynamic\"",
        "expose_controller" => "use \"type\": \"static\" with a `role`, or a policy",
        "config" => "it goes with \"type\": \"dynamic\"",
    }
}

object! {
    /// Joins clients that send a shared secret; the principals stand in this file.
    struct RawStaticTicket {
        /// The principals by authid.
        principals: required Located<Table<RawPrincipal>>,
    }
    refuses {
        "authenticator" => "write \"type\": \"dynamic\" to have it called",
        "create" => "use \"type\": \"static\" with `principals`",
        "authenticator-realm" => "it goes with \"type\": \"dynamic\"",
        "authenticator-role" => "it goes with \"type\": \"dynamic\"",
        "expose_controller" => "use \"type\": \"static\" with `principals`",
        "config" => "it goes with \"type\": \"dynamic\"",
    }
}

object! {
    /// A principal of the ticket method.
    struct RawPrincipal {
        /// The shared secret: text, `"${NAME}"` for an environment variable, or {"file": …}.
        ticket: required Secret,
        /// The role that the principal gets.
        role: required Located<Name>,
        /// The realm that the principal belongs to. Default: any realm.
        realm: optional Located<Uri>,
    }
}

choice! {
    /// Joining with a shared secret or a token.
    enum RawTicket {
        Static(RawStaticTicket) = "static",
        File(RawPrincipalFile) = "file",
        Jwt(RawJwt) = "jwt",
        Component(RawPolicy) = "component",
        Dynamic(RawDynamic) = "dynamic",
    }
    refuses {
        "function" => "the gateway calls no function, use \"static\", \"file\", \"jwt\", \"component\" or \"dynamic\"",
    }
}

/// The cookie tracking of the service whose methods are checked.
#[derive(Clone, Copy)]
pub(super) enum Tracking<'a> {
    Off,
    /// On, but for its faults.
    Faulty,
    On(&'a TrackingOptions),
}

/// The realms that roles and principals are checked against.
#[derive(Clone, Copy)]
pub(super) struct Realms<'a> {
    /// Those that clients join.
    pub(super) joined: &'a [RealmOptions],
    /// The gateway's own, in which procedures are called: others than those where a router stands behind the path.
    pub(super) own: &'a [RealmOptions],
    /// Whether clients can join no others than those: nothing is said to be missing otherwise.
    pub(super) are_all: bool,
}

impl RawAuth {
    /// Checks the methods, and that the roles and realms that they name exist. `path` is where they stand.
    pub(super) fn check(
        self,
        path: &str,
        tracking: Tracking<'_>,
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> AuthOptions {
        let names = ["ticket", "wampcra", "scram", "cryptosign"];
        let is_there =
            [self.ticket.is_some(), self.wampcra.is_some(), self.scram.is_some(), self.cryptosign.is_some()];
        // A method that is there counts even if its declaration is faulty.
        let is_faulty = |name: &&str| walk.has_fault_below(&format!("{path}.{name}"));
        let has_verifier = is_there.contains(&true) || names.iter().any(is_faulty);
        if !has_verifier && self.anonymous.is_none() && self.cookie.is_none() && !walk.has_fault_below(path) {
            walk.fault_at(
                path,
                "names no method, so no client could join: name one such as `anonymous` or `ticket`, or leave `auth` out",
            );
        }
        let beside = Beside {
            tracking: if let Tracking::On(config) = tracking { Some(config) } else { None },
            is_tracked: !matches!(tracking, Tracking::Off),
            has_verifier,
            has_anonymous: self.anonymous.is_some(),
        };
        let stands_on_cookies = self.cookie.is_some() || walk.has_fault_below(&format!("{path}.cookie"));
        let mut asked = AskedMethods::default();
        let anonymous = match self.anonymous.map(|located| located.value) {
            Some(RawAnonymous::Static(method)) => {
                // The default role must exist like any other, and has no place of its own in the file.
                let role = method.role.unwrap_or_else(|| Located {
                    path: format!("{path}.anonymous.role"),
                    value: AnonymousOptions::default().role,
                });
                Some(AnonymousOptions { role: realms.role(role, None, walk) })
            }
            Some(RawAnonymous::Component(component)) => {
                asked.anonymous = component.check(walk).map(AskedOptions::Component);
                None
            }
            Some(RawAnonymous::Dynamic(dynamic)) => {
                asked.anonymous = dynamic.check(realms, walk);
                None
            }
            None => None,
        };
        let (ticket, token) = match self.ticket {
            Some(Located { value: RawTicket::Static(method), .. }) => {
                (Some(method.check(realms, walk)), None)
            }
            Some(Located { value: RawTicket::File(file), .. }) => {
                let file = file.open(realms, walk);
                (file.map(|file| TicketOptions { file: Some(file), ..TicketOptions::default() }), None)
            }
            Some(Located { path, value: RawTicket::Jwt(method) }) => {
                (None, method.check(&path, (&beside, stands_on_cookies), realms, walk).map(Arc::new))
            }
            Some(Located { value: RawTicket::Component(component), .. }) => {
                asked.ticket = component.check(walk).map(AskedOptions::Component);
                (None, None)
            }
            Some(Located { value: RawTicket::Dynamic(dynamic), .. }) => {
                asked.ticket = dynamic.check(realms, walk);
                (None, None)
            }
            None => (None, None),
        };
        let wampcra = self
            .wampcra
            .and_then(|Located { path, value }| value.options(&path, &mut asked.wampcra, realms, walk));
        let scram = self.scram.and_then(|method| method.options(&mut asked.scram, realms, walk));
        let cryptosign =
            self.cryptosign.and_then(|method| method.options(&mut asked.cryptosign, realms, walk));
        AuthOptions {
            asked: Some(asked).filter(|found| found.all().next().is_some()).map(Box::new),
            anonymous,
            ticket,
            token,
            wampcra,
            scram,
            cryptosign,
            cookie: self.cookie.map(|Located { path, value }| value.check(&path, &beside, walk)),
            guessing: GuessingOptions {
                max_failures: self
                    .max_failures
                    .and_then(|Whole(most)| u32::try_from(most).ok())
                    .unwrap_or(GuessingOptions::default().max_failures),
            },
        }
    }
}

impl RawStaticTicket {
    fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> TicketOptions {
        let check = |principal: RawPrincipal, walk: &mut Walk<'_>| {
            let place = realms.place(principal.role, principal.realm, walk);
            let (ticket, (role, realm)) = (principal.ticket?, place?);
            Some(TicketPrincipal { ticket, role, realm })
        };
        let principals = principals(self.principals, "ticket", walk, check);
        TicketOptions { principals, file: None }
    }
}

/// Checks the principals of a method, one by one.
fn principals<R, P>(
    table: Option<Located<Table<R>>>,
    method: &str,
    walk: &mut Walk<'_>,
    mut check: impl FnMut(R, &mut Walk<'_>) -> Option<P>,
) -> BTreeMap<Name, P> {
    let mut principals = BTreeMap::new();
    let Some(Located { path, value: Table(entries) }) = table else { return principals };
    if entries.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(
            &path,
            format!("names no principal, so no client could join: name one, or leave `{method}` out"),
        );
    }
    for (authid, Located { path, value }) in entries {
        let name = Name::parse(&authid);
        if let Err(error) = &name {
            walk.fault_at(&path, format!("the authid is not valid ({error}), use {}", Name::RULE));
        }
        principals.extend(name.ok().zip(check(value, walk)));
    }
    principals
}

impl Realms<'_> {
    /// Checks a principal's role, and its realm if it has one.
    fn place(
        self,
        role: Option<Located<Name>>,
        realm: Option<Located<Uri>>,
        walk: &mut Walk<'_>,
    ) -> Option<(Name, Option<Uri>)> {
        let realm = realm.and_then(|realm| self.existing(realm, walk));
        let role = role.map(|role| self.role(role, realm.as_ref(), walk));
        Some((role?, realm))
    }

    pub(super) fn role(self, role: Located<Name>, realm: Option<&Uri>, walk: &mut Walk<'_>) -> Name {
        let Located { path, value: name } = role;
        if self.are_all && !role_exists(&name, realm, self.joined) {
            let role = quoted(&name);
            walk.fault_at(
                path,
                match realm {
                    Some(realm) => {
                        let realm = quoted(realm.as_str());
                        format!("the realm {realm} has no role {role}, add it to its `roles`")
                    }
                    None => format!("no realm has a role {role}, add it to a realm's `roles`"),
                },
            );
        }
        name
    }
}

/// Whether a session can have a role in the given realm, or in any.
pub(super) fn role_exists(role: &str, realm: Option<&Uri>, realms: &[RealmOptions]) -> bool {
    realms.iter().filter(|known| realm.is_none_or(|name| known.name == *name)).any(|known| {
        match &known.roles {
            Roles::Open => true,
            Roles::Listed(roles) => roles.iter().any(|known| known.name.as_str() == role),
        }
    })
}
