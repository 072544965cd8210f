//! `auth.wampcra`: principals that sign a challenge with a shared secret.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Realms, dynamic::RawDynamic, file::RawPrincipalFile, principals};
use crate::{
    config::{
        AskedOptions, Salting, Secret, WampCraOptions, WampCraPrincipal,
        policy::RawPolicy,
        reader::{Located, Table, Walk, Whole, choice, object},
    },
    identity::Name,
    wamp::Uri,
};

/// From how many bytes on a value in base64 is more likely to be a key than a password.
const SHORTEST_KEY: usize = 16;

/// How many iterations the gateway makes to derive a key when it reads the configuration: a fraction of a second.
const MOST_ITERATIONS: u32 = 100_000;

choice! {
    /// Joins clients that sign a challenge with a shared secret (WAMP-CRA).
    enum RawWampCra {
        Static(RawStaticWampCra) = "static",
        File(RawPrincipalFile) = "file",
        Component(RawPolicy) = "component",
        Dynamic(RawDynamic) = "dynamic",
    }
    refuses {
        "function" => "the gateway calls no function, use \"static\", \"file\", \"component\" or \"dynamic\"",
    }
}

object! {
    /// Joins clients that sign a challenge with a shared secret (WAMP-CRA). The principals stand in this file.
    struct RawStaticWampCra {
        /// The principals by authid.
        users: optional Located<Table<RawUser>>,
        /// Another name for `users`, which the other methods use.
        principals: optional Located<Table<RawUser>>,
    }
    refuses {
        "authenticator" => "write \"type\": \"dynamic\" to have it called",
        "create" => "use \"type\": \"static\" with `users`",
        "authenticator-realm" => "it goes with \"type\": \"dynamic\"",
        "authenticator-role" => "it goes with \"type\": \"dynamic\"",
        "expose_controller" => "use \"type\": \"static\" with `users`",
        "config" => "it goes with \"type\": \"dynamic\"",
    }
}

object! {
    /// A principal of WAMP-CRA.
    struct RawUser {
        /// The shared secret; with `salt` the key derived from the password, or the password itself: text, `"${NAME}"` for an
        /// environment variable, or {"file": …}.
        secret: required Located<Secret>,
        /// The role that the principal gets.
        role: required Located<Name>,
        /// The realm that the principal belongs to. Default: any realm.
        realm: optional Located<Uri>,
        /// The salt with which the client derives the key from its password. Default: the client has the secret itself.
        salt: optional Name,
        /// How often the derivation hashes. Default 1000.
        iterations: optional Located<Whole<1, 10_000_000>>,
        /// The size of the derived key in bytes. Default 32.
        keylen: optional Located<Whole<1, 64>>,
    }
    misplaced {
        "ticket" => "the shared secret of this method is called `secret`",
    }
}

impl RawWampCra {
    /// Checks the method; what it is asked goes into `asked`.
    pub(super) fn options(
        self,
        path: &str,
        asked: &mut Option<AskedOptions>,
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> Option<WampCraOptions> {
        match self {
            Self::Static(method) => return Some(method.check(path, realms, walk)),
            Self::File(file) => {
                return Some(WampCraOptions { file: file.open(realms, walk), ..WampCraOptions::default() });
            }
            Self::Component(component) => *asked = component.check(walk).map(AskedOptions::Component),
            Self::Dynamic(dynamic) => *asked = dynamic.check(realms, walk),
        }
        None
    }
}

impl RawStaticWampCra {
    /// Checks the method, which stands at `path`.
    pub(super) fn check(self, path: &str, realms: Realms<'_>, walk: &mut Walk<'_>) -> WampCraOptions {
        match (&self.users, &self.principals) {
            (Some(_), Some(Located { path, .. })) => {
                walk.fault_at(path, "stands beside `users`, which means the same: keep one of them");
            }
            (None, None) if !walk.has_fault_below(path) => {
                walk.fault_at(format!("{path}.users"), "missing, but required: the principals by authid");
            }
            _ => {}
        }
        let users = self.users.or(self.principals);
        let principals = principals(users, "wampcra", walk, |user, walk| user.check(realms, walk));
        WampCraOptions { principals, file: None }
    }
}

impl RawUser {
    fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> Option<WampCraPrincipal> {
        let place = realms.place(self.role, self.realm, walk);
        let Located { path, value: mut key } = self.secret?;
        let salting = if let Some(salt) = self.salt.map(|salt| salt.to_string()) {
            let iterations =
                self.iterations.map_or(Salting::DEFAULT_ITERATIONS, |located| located.value.get());
            let key_length = self.keylen.map_or(Salting::DEFAULT_KEY_LENGTH, |located| located.value.get());
            let salting = Salting { salt, iterations, key_length };
            // A client signs with the base64 text of the derived bytes. What is none is a password, as in Crossbar.io.
            let size = BASE64_STANDARD.decode(key.expose()).map_or(0, |bytes| bytes.len());
            let is_derived = size == usize::from(key_length);
            if !is_derived && walk.judges_secret(&path) {
                if size >= SHORTEST_KEY {
                    walk.warn_at(&path, format!("is taken for a password: a key that was derived from one would have {key_length} bytes (`keylen`) in base64, not {size}"));
                }
                if iterations > MOST_ITERATIONS {
                    walk.fault_at(&path, format!("is taken for a password, and to derive the key takes too long with more than {MOST_ITERATIONS} iterations: use the key that `wampgate principals hash` prints"));
                } else {
                    key = salting.derive(key.expose());
                }
            }
            Some(salting)
        } else {
            let idle = [self.iterations.map(|it| it.path), self.keylen.map(|it| it.path)];
            for path in idle.into_iter().flatten() {
                walk.warn_at(path, "has no effect without `salt`: leave it out, or add the salt");
            }
            None
        };
        let (role, realm) = place?;
        Some(WampCraPrincipal { key, salting, role, realm })
    }
}
