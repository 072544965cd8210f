//! `auth.scram`: principals whose passwords the gateway does not know; it keeps what verifies them.

use super::{Hex, HexSecret, Realms, dynamic::RawDynamic, file::RawPrincipalFile, principals};
use crate::{
    config::{
        AskedOptions, Kdf, ScramOptions, ScramPrincipal,
        policy::RawPolicy,
        reader::{Located, Table, Walk, Whole, choice, object, words},
    },
    identity::Name,
    wamp::Uri,
};

choice! {
    /// Joins clients that prove to know a password (SCRAM).
    enum RawScram {
        Static(RawStaticScram) = "static",
        File(RawPrincipalFile) = "file",
        Component(RawPolicy) = "component",
        Dynamic(RawDynamic) = "dynamic",
    }
    refuses {
        "function" => "the gateway calls no function, use \"static\", \"file\", \"component\" or \"dynamic\"",
    }
}

object! {
    /// Joins clients that prove to know a password (SCRAM). The principals stand in this file.
    struct RawStaticScram {
        /// The principals by authid.
        principals: required Located<Table<RawScramPrincipal>>,
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
    /// A principal of SCRAM.
    struct RawScramPrincipal {
        /// How the client derives its keys from its password: `argon2id-13` or `pbkdf2`.
        kdf: required RawKdf,
        /// How often the derivation passes over its memory, or hashes.
        iterations: required Located<Whole<1, 10_000_000>>,
        /// How much memory the derivation uses, in KiB; only for `argon2id-13`.
        memory: optional Located<Whole<8, 4_194_304>>,
        /// The salt: 8 to 32 bytes in hexadecimal digits.
        salt: required Hex<8, 32>,
        /// The SHA-256 of the client's key, in 64 hexadecimal digits; also `"${NAME}"` for an environment variable, or
        /// {"file": …}.
        stored_key: required HexSecret = "stored-key",
        /// The key with which the gateway proves itself to the client, in 64 hexadecimal digits; also `"${NAME}"` for an
        /// environment variable, or {"file": …}.
        server_key: required HexSecret = "server-key",
        /// The role that the principal gets.
        role: required Located<Name>,
        /// The realm that the principal belongs to. Default: any realm.
        realm: optional Located<Uri>,
    }
    misplaced {
        "stored_key" => "write `stored-key`",
        "server_key" => "write `server-key`",
        "password" => "the gateway keeps no passwords: derive `stored-key` and `server-key` from it",
        "secret" => "the gateway keeps no passwords: derive `stored-key` and `server-key` from it",
    }
}

/// A key derivation function without its parameters.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum RawKdf {
    Argon2id13,
    Pbkdf2,
}

words! {
    RawKdf as "Kdf" {
        "argon2id-13" => Self::Argon2id13,
        "argon2id13" => Self::Argon2id13,
        "pbkdf2" => Self::Pbkdf2,
    }
}

/// RFC 7677, 4: the least that `SCRAM-SHA-256` should have.
const MIN_PBKDF2_ITERATIONS: u32 = 4096;

impl RawScram {
    /// Checks the method; what it is asked goes into `asked`.
    pub(super) fn options(
        self,
        asked: &mut Option<AskedOptions>,
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> Option<ScramOptions> {
        match self {
            Self::Static(method) => return Some(method.check(realms, walk)),
            Self::File(file) => {
                return Some(ScramOptions { file: file.open(realms, walk), ..ScramOptions::default() });
            }
            Self::Component(component) => *asked = component.check(walk).map(AskedOptions::Component),
            Self::Dynamic(dynamic) => *asked = dynamic.check(realms, walk),
        }
        None
    }
}

impl RawStaticScram {
    pub(super) fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> ScramOptions {
        let check = |principal: RawScramPrincipal, walk: &mut Walk<'_>| principal.check(realms, walk);
        let principals = principals(self.principals, "scram", walk, check);
        ScramOptions { principals, file: None }
    }
}

impl RawScramPrincipal {
    fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> Option<ScramPrincipal> {
        let place = realms.place(self.role, self.realm, walk);
        let Located { path, value: iterations } = self.iterations?;
        let iterations = iterations.get();
        let kdf = match (self.kdf?, self.memory) {
            (RawKdf::Argon2id13, Some(memory)) => Kdf::Argon2id13 { iterations, memory: memory.value.get() },
            (RawKdf::Argon2id13, None) => {
                let parent = path.strip_suffix(".iterations").unwrap_or(&path);
                walk.fault_at(
                    format!("{parent}.memory"),
                    "missing, but required for `argon2id-13`: how much memory the derivation uses, in KiB",
                );
                return None;
            }
            // Crossbar requires `memory` for PBKDF2 as well, where it has no meaning.
            (RawKdf::Pbkdf2, _) => {
                if iterations < MIN_PBKDF2_ITERATIONS {
                    walk.warn_at(path, format!("makes passwords easy to find for a reader of this file: use at least {MIN_PBKDF2_ITERATIONS}, and derive the keys anew"));
                }
                Kdf::Pbkdf2 { iterations }
            }
        };
        let (role, realm) = place?;
        Some(ScramPrincipal {
            kdf,
            salt: self.salt?.0,
            stored_key: self.stored_key?.0,
            server_key: self.server_key?.0,
            role,
            realm,
        })
    }
}
