//! Changes a file of principals as a whole: the gateway sees the old file or the new one, never half of one.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};
use wampgate::config::{Faults, Name, check_principals};

/// A new file is for its owner alone.
const MODE: u32 = 0o600;

/// A file that is being changed. Others that use this command wait until it is dropped.
#[derive(Debug)]
pub(super) struct Edit {
    /// Where the file is, links followed.
    place: PathBuf,
    folder: File,
    /// The principals by authid.
    pub(super) principals: Map<String, Value>,
}

impl Edit {
    /// Reads a file, or begins a new one.
    pub(super) fn begin(file: &Path) -> anyhow::Result<Self> {
        let place = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = File::open(folder)
            .with_context(|| format!("the folder {} cannot be opened", folder.display()))?;
        // Two commands at once would each write what it has read. A lock on the folder leaves no file behind.
        folder.lock().context("the folder of the file cannot be locked")?;
        let principals = read(&place)?.unwrap_or_default();
        Ok(Self { place, folder, principals })
    }

    /// What a gateway would refuse in the new file.
    pub(super) fn check(&self) -> anyhow::Result<Result<(), Faults>> {
        Ok(check_principals(&self.text()?))
    }

    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(&self.principals)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Puts the new file in the place of the old one.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let beside = self.beside();
        let written = self.write(&beside);
        if written.is_err() {
            // What is left of it is this command's own.
            drop(fs::remove_file(&beside));
        }
        written.with_context(|| format!("{} cannot be written, and stays as it was", self.place.display()))
    }

    fn write(&self, beside: &Path) -> io::Result<()> {
        let text = self.text()?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(beside)?;
        self.keep_owner(&file)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(beside, &self.place)?;
        self.folder.sync_all()
    }

    /// The gateway must be able to read the new file as well as the old one: the owner and the mode stay. A new file gets the owner of its
    /// folder if this user may give it away.
    fn keep_owner(&self, file: &File) -> io::Result<()> {
        let made = file.metadata()?;
        let (owner, mode) = match fs::metadata(&self.place) {
            Ok(old) => (old.clone(), old.permissions().mode() & 0o770),
            Err(_) => (self.folder.metadata()?, MODE),
        };
        let is_new = !self.place.exists();
        if (made.uid(), made.gid()) != (owner.uid(), owner.gid()) {
            let given = fchown(file, Some(owner.uid()), Some(owner.gid()));
            if !is_new {
                given?;
            }
        }
        file.set_permissions(fs::Permissions::from_mode(mode))
    }

    fn beside(&self) -> PathBuf {
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        self.place.with_file_name(format!(".{name}.{:016x}", rand::random::<u64>()))
    }
}

/// The principals of a file; none: there is no such file.
pub(super) fn read(file: &Path) -> anyhow::Result<Option<Map<String, Value>>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let Members(entries) = match serde_json::from_slice::<Members<Entry>>(&text) {
        Ok(members) => members,
        Err(error) if error.is_data() => {
            bail!("{} is no file of principals: it must be a JSON object", file.display())
        }
        // Where, but not what: it holds secrets.
        Err(error) => {
            bail!("{} is no JSON: line {}, column {}", file.display(), error.line(), error.column())
        }
    };
    let mut principals = Map::new();
    for (authid, entry) in entries {
        let place = principals.len() + 1;
        let named = match Name::parse(&authid) {
            Ok(name) => format!("`{name}`"),
            Err(_) => format!("{place} of the file"),
        };
        let value = match entry {
            Entry::Principal(members) => members.once().map(Value::Object),
            Entry::Other(value) => Some(value),
        };
        let Some(value) = value else {
            bail!("{}: a member of principal {named} stands twice: keep one of them", file.display());
        };
        if principals.insert(authid, value).is_some() {
            bail!("{}: principal {named} stands twice: keep one of them", file.display());
        }
    }
    Ok(Some(principals))
}

/// The members of an object, as often as they stand there.
struct Members<V>(Vec<(String, V)>);

/// What stands in a file by authid.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Principal(Members<Value>),
    /// A comment, or what the gateway refuses.
    Other(Value),
}

impl Members<Value> {
    /// The object, if each of its members stands there once.
    fn once(self) -> Option<Map<String, Value>> {
        let count = self.0.len();
        let once: Map<String, Value> = self.0.into_iter().collect();
        (once.len() == count).then_some(once)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading<V>(Members<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Reading<V> {
            type Value = Members<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Members<V>, A::Error> {
                while let Some(member) = members.next_entry()? {
                    self.0.0.push(member);
                }
                Ok(self.0)
            }
        }

        deserializer.deserialize_map(Reading(Self(Vec::new())))
    }
}
