//! Principals in a file of their own: `"type": "file"` of each method.

use std::sync::Arc;

use super::Realms;
use crate::{
    auth::{
        CryptosignPrincipal, ScramPrincipal, TicketPrincipal, WampCraPrincipal,
        file::{Faults, FilePrincipal, KnownRealm, PrincipalFile, Table},
    },
    config::{
        Roles,
        reader::{Located, NodePath, Own, Walk, object},
    },
    file::missing,
};

object! {
    /// Principals in a file of their own, which the gateway reads anew when it changes. `wampgate principals` writes it.
    struct RawPrincipalFile {
        /// The file, absolute or relative to the node directory: an object of principals by authid, each in the form that it has here.
        /// Users other than its owner and its group must not have access to it.
        filename: required Located<NodePath>,
    }
    misplaced {
        "file" => "write `filename`",
        "principals" => "stand in the file; for principals in the configuration use \"type\": \"static\"",
        "users" => "stand in the file; for principals in the configuration use \"type\": \"static\"",
    }
}

/// Whether a gateway whose methods share a file of principals takes this text, if it has the roles and realms that stand there. The faults
/// hold no secret.
pub fn check_principals(text: &[u8]) -> Result<(), Faults> {
    fn fault<P: FilePrincipal>(text: &[u8]) -> Option<Faults> {
        Table::<P>::parse(text, None).err()
    }
    let faults = [
        fault::<TicketPrincipal>(text),
        fault::<WampCraPrincipal>(text),
        fault::<ScramPrincipal>(text),
        fault::<CryptosignPrincipal>(text),
    ];
    Faults::of_all(faults.into_iter().flatten())
}

impl RawPrincipalFile {
    pub(super) fn open<P: FilePrincipal>(
        self,
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> Option<Arc<PrincipalFile<P>>> {
        let Located { path, value: NodePath { path: place, .. } } = self.filename?;
        walk.protect(Own::Principals, &place, path.as_str());
        if walk.leaves_alone(&place) {
            walk.missing_at(&path, missing(&place));
            return Some(Arc::new(PrincipalFile::absent(&place)));
        }
        match PrincipalFile::open(&place, realms.known()) {
            Ok(file) => {
                if file.current().is_empty() {
                    let method = P::CREDENTIAL.method();
                    walk.warn_at(path, format!("has no principal of `{method}` yet, so no client can join by it: add one with `wampgate principals add`"));
                }
                Some(file)
            }
            Err(faults) => {
                faults.iter().for_each(|fault| walk.fault_at(path.as_str(), fault));
                None
            }
        }
    }
}

impl Realms<'_> {
    /// The realms with their roles, to check principals by that come later; none: others may be in what is faulty.
    fn known(self) -> Option<Vec<KnownRealm>> {
        let roles = |roles: &Roles| match roles {
            Roles::Open => None,
            Roles::Listed(roles) => Some(roles.iter().map(|role| role.name.clone()).collect()),
        };
        let known = self.joined.iter().map(|realm| (realm.name.clone(), roles(&realm.roles)));
        self.are_all.then(|| known.collect())
    }
}
