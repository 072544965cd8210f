//! `auth.cryptosign`: principals that sign a challenge with an Ed25519 key.

use ed25519_dalek::VerifyingKey;

use super::{Hex, Realms, dynamic::RawDynamic, file::RawPrincipalFile, principals};
use crate::{
    config::{
        AskedOptions, CryptosignOptions, CryptosignPrincipal,
        policy::RawPolicy,
        reader::{Located, Table, Walk, choice, object},
    },
    identity::Name,
    wamp::Uri,
};

choice! {
    /// Joins clients that sign a challenge with an Ed25519 key (cryptosign).
    enum RawCryptosign {
        Static(RawStaticCryptosign) = "static",
        File(RawPrincipalFile) = "file",
        Component(RawPolicy) = "component",
        Dynamic(RawDynamic) = "dynamic",
    }
    refuses {
        "function" => "the gateway calls no function, use \"static\", \"file\", \"component\" or \"dynamic\"",
    }
}

object! {
    /// Joins clients that sign a challenge with an Ed25519 key (cryptosign). The principals stand in this file.
    struct RawStaticCryptosign {
        /// The principals by authid.
        principals: required Located<Table<RawCryptosignPrincipal>>,
    }
    refuses {
        "authenticator" => "write \"type\": \"dynamic\" to have it called",
        "create" => "use \"type\": \"static\" with `principals`",
        "authenticator-realm" => "it goes with \"type\": \"dynamic\"",
        "authenticator-role" => "it goes with \"type\": \"dynamic\"",
        "expose_controller" => "use \"type\": \"static\" with `principals`",
        "config" => "it goes with \"type\": \"dynamic\"",
        "trustroots" => "the gateway follows no certificates, use \"type\": \"static\" with `principals`",
    }
}

object! {
    /// A principal of cryptosign.
    struct RawCryptosignPrincipal {
        /// The public keys of the principal, each in 64 hexadecimal digits. The client needs one of them.
        authorized_keys: required Located<Vec<Located<Hex<32, 32>>>>,
        /// The role that the principal gets.
        role: required Located<Name>,
        /// The realm that the principal belongs to. Default: any realm.
        realm: optional Located<Uri>,
    }
    misplaced {
        "pubkey" => "the public keys are a list and called `authorized_keys`",
        "authorized_key" => "the public keys are a list and called `authorized_keys`",
    }
}

impl RawCryptosign {
    /// Checks the method; what it is asked goes into `asked`.
    pub(super) fn options(
        self,
        asked: &mut Option<AskedOptions>,
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> Option<CryptosignOptions> {
        match self {
            Self::Static(method) => return Some(method.check(realms, walk)),
            Self::File(file) => {
                return Some(CryptosignOptions {
                    file: file.open(realms, walk),
                    ..CryptosignOptions::default()
                });
            }
            Self::Component(component) => *asked = component.check(walk).map(AskedOptions::Component),
            Self::Dynamic(dynamic) => *asked = dynamic.check(realms, walk),
        }
        None
    }
}

impl RawStaticCryptosign {
    pub(super) fn check(self, realms: Realms<'_>, walk: &mut Walk<'_>) -> CryptosignOptions {
        let mut owned: Vec<([u8; 32], String)> = Vec::new();
        let principals = principals(self.principals, "cryptosign", walk, |principal, walk| {
            principal.check(realms, &mut owned, walk)
        });
        CryptosignOptions { principals, file: None }
    }
}

impl RawCryptosignPrincipal {
    fn check(
        self,
        realms: Realms<'_>,
        owned: &mut Vec<([u8; 32], String)>,
        walk: &mut Walk<'_>,
    ) -> Option<CryptosignPrincipal> {
        let place = realms.place(self.role, self.realm, walk);
        let Located { path, value: written } = self.authorized_keys?;
        if written.is_empty() && !walk.has_fault_below(&path) {
            walk.fault_at(path, "names no key, so the principal could never join: add its public key");
        }
        let mut keys = Vec::new();
        for Located { path, value: Hex(bytes) } in written {
            let Ok(bytes) = <[u8; 32]>::try_from(bytes) else { continue };
            // RFC 8032 permits keys of small order, for which anyone can make signatures.
            match VerifyingKey::from_bytes(&bytes) {
                Ok(key) if !key.is_weak() => {}
                _ => walk.fault_at(
                    path.as_str(),
                    "is no public key of Ed25519: use the key that the client's tool prints as public",
                ),
            }
            match owned.iter().find(|(key, _)| *key == bytes) {
                Some((_, first)) => walk.warn_at(path, format!("stands at {first} as well, so that a client with this key has to tell its authid: give each principal its own")),
                None => owned.push((bytes, path)),
            }
            keys.push(bytes);
        }
        let (role, realm) = place?;
        Some(CryptosignPrincipal { keys, role, realm })
    }
}
