//! Principals in a file of their own (`"type": "file"`), which the gateway reads anew when it changes.
//!
//! The file is a JSON object of principals by authid, each in the form that it has in the configuration. Methods may share a file: each
//! takes the principals that have its credential. [`Entry`] is one of them as it is written, [`Table`] all of them, and
//! [`PrincipalFile`] what a service has: the newest table that was right, and the sessions of its principals.

mod entry;
pub(crate) mod hex;
mod table;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher as _, Hash},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

pub(super) use self::entry::secret;
pub use self::entry::{Credential, Entry, Number, Text, Texts};
pub use self::table::{Faults, Table};
use super::watch::{AS_BEFORE, LoginFile, Reread};
use crate::{
    file,
    identity::{Leases, Name, Vouched, Voucher},
    wamp::Uri,
};

/// The files that are open in this process.
static OPEN: Mutex<Vec<Weak<dyn Any + Send + Sync>>> = Mutex::new(Vec::new());

/// The largest file: a million principals of SCRAM take a third of it.
const MAX_FILE: u64 = 1 << 30;

/// A principal that a file may hold.
pub trait FilePrincipal: Hash + Sized + fmt::Debug + Send + Sync + 'static {
    /// What tells that an entry is one.
    const CREDENTIAL: Credential;

    /// Reads an entry with this credential. The message of a fault repeats nothing of it.
    fn read(entry: &Entry<'_>, role: Name, realm: Option<Uri>) -> Result<Self, String>;

    /// The public keys by which a client may be known that does not tell its authid.
    fn keys(&self) -> &[[u8; 32]] {
        &[]
    }
}

/// A realm of the configuration, with its roles; none: any role.
pub type KnownRealm = (Uri, Option<Vec<Name>>);

/// The principals of one method of one service, in a file.
pub struct PrincipalFile<P> {
    file: PathBuf,
    /// Those that the principals' roles and realms must be among; none: it is not known which ones there are.
    realms: Option<Vec<KnownRealm>>,
    table: Reread<Table<P>>,
    /// Makes the marks of principals: random, so that a mark tells nothing.
    marks: RandomState,
    leases: Leases,
}

impl<P: FilePrincipal> PrincipalFile<P> {
    /// Reads a file. Roles and realms of the principals must be among `realms`, if it is known which ones there are.
    ///
    /// A file that is open already, for another service or since before a reload of the configuration, stays what it is, so that the
    /// sessions of its principals go on and still hear of changes.
    pub fn open(file: &Path, realms: Option<Vec<KnownRealm>>) -> Result<Arc<Self>, Faults> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| other.strong_count() > 0);
        let others = open.iter().filter_map(Weak::upgrade).filter_map(|other| other.downcast::<Self>().ok());
        if let Some(same) = others.into_iter().find(|other| other.file == file && other.realms == realms) {
            return match same.reload() {
                Some(Err(fault)) => Err(Faults::one(fault)),
                _ => Ok(same),
            };
        }
        let table = Reread::begin(read(file), |bytes| Table::parse(bytes, realms.as_deref()))?;
        let opened = Arc::new(Self::new(file, realms, table));
        open.push(Arc::downgrade(&opened) as Weak<dyn Any + Send + Sync>);
        Ok(opened)
    }

    /// What the sessions of the file's principals stand on.
    pub(super) fn ground(&self) -> impl Hash + '_ {
        let realms = self.realms.iter().flatten().map(|(realm, roles)| (realm.as_str(), roles));
        (self.file.as_path(), realms.collect::<Vec<_>>())
    }

    /// No principals, where only the rest of a configuration is checked.
    pub fn absent(file: &Path) -> Self {
        Self::new(file, None, Reread::of(Table::default()))
    }

    fn new(file: &Path, realms: Option<Vec<KnownRealm>>, table: Reread<Table<P>>) -> Self {
        Self { file: file.to_owned(), realms, table, marks: RandomState::new(), leases: Leases::default() }
    }

    /// The principals that count now.
    pub fn current(&self) -> Arc<Table<P>> {
        self.table.current()
    }

    /// The claim on a principal, which lapses when the principal goes or changes.
    pub(super) fn vouch(self: &Arc<Self>, authid: &Name, principal: &P) -> Vouched {
        Vouched::new(Arc::clone(self) as Arc<dyn Voucher>, authid.clone(), self.marks.hash_one(principal))
    }
}

impl<P: FilePrincipal> Voucher for PrincipalFile<P> {
    fn holds(&self, authid: &str, mark: u64) -> bool {
        self.table.load().get(authid).is_some_and(|(_, principal)| self.marks.hash_one(principal) == mark)
    }

    fn leases(&self) -> &Leases {
        &self.leases
    }
}

impl<P: FilePrincipal> LoginFile for PrincipalFile<P> {
    fn file(&self) -> Option<&PathBuf> {
        Some(&self.file)
    }

    fn method(&self) -> Option<&'static str> {
        Some(P::CREDENTIAL.method())
    }

    fn reload(&self) -> Option<Result<String, String>> {
        let read =
            self.table.reload(|| read(&self.file), |bytes| Table::parse(bytes, self.realms.as_deref()))?;
        let replaced = read.map(|renewed| {
            if renewed.is_as_before {
                return AS_BEFORE.to_owned();
            }
            let table = renewed.value;
            let ended = self.leases.sweep(|authid, mark| self.holds(authid, mark));
            let (method, count) = (P::CREDENTIAL.method(), table.len());
            format!(
                "the principals of {method} were reloaded: there are {count} now; ended sessions of those that are gone or have changed: {ended}"
            )
        });
        Some(replaced.map_err(|faults| faults.to_string()))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Faults> {
    file::read_private(file, MAX_FILE).map_err(|error| Faults::one(error.told(file)))
}

/// Two services with the same file have the same principals.
impl<P> PartialEq for PrincipalFile<P> {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.realms == other.realms
    }
}

impl<P> Eq for PrincipalFile<P> {}

impl<P> fmt::Debug for PrincipalFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalFile").field("file", &self.file).finish_non_exhaustive()
    }
}
