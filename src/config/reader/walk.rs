//! The walk through a configuration: where it is, what it has reported, and what it may look up outside.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{ConfigFault, ConfigWarning, FaultPlace, Json, fault::MAX_FAULTS};
use crate::{
    shown::{MAX_QUOTED, printable, quoted},
    wamp::Uri,
};

/// What a configuration can refer to outside itself.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The folder to which relative paths are joined.
    pub(crate) node_dir: &'a Path,
    /// The configuration's own file, if it comes from one.
    pub(crate) file: Option<&'a Path>,
    /// The value of an environment variable.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// What the caller wants otherwise than the file.
    pub(crate) options: LoadOptions,
}

/// What the caller of [`load_by`](crate::config::load_by) wants otherwise than the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The port of the only TCP transport.
    pub port: Option<u16>,
    /// The interface of the only TCP transport.
    pub interface: Option<IpAddr>,
    /// A secret that is not there is only a warning, and so is a folder that is not there or not writable: for a check in a place
    /// without secrets, where the gateway does not run. No gateway may run with the result, in which a known text stands for the secret.
    pub allow_missing_secrets: bool,
    /// What is in the files that the configuration names does not count, nor what stands where the gateway makes its own: keys,
    /// certificates, secrets and principals may be absent or wrong. For a command that asks a running gateway, which goes on with what
    /// these files held before. No gateway may run with the result.
    pub without_files: bool,
}

impl LoadOptions {
    /// Whether something else may stand for what is not there.
    const fn may_miss(&self) -> bool {
        self.allow_missing_secrets || self.without_files
    }
}

/// A value that can be read from JSON, and described as JSON Schema.
///
/// `read` reports what is wrong to the walk, so that one pass finds every fault. It returns `None` for a value that
/// cannot be used, and only after it has reported the fault.
pub(crate) trait Raw: JsonSchema + Sized {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self>;
}

/// The state of the walk: where it is, and what it has reported.
pub(crate) struct Walk<'a> {
    pub(crate) surroundings: Surroundings<'a>,
    pub(crate) faults: Vec<ConfigFault>,
    pub(crate) omitted: usize,
    pub(crate) warnings: Vec<ConfigWarning>,
    /// The paths of secrets that are not there, each with what is the matter.
    missing_secrets: Vec<(String, String)>,
    /// What the gateway has for itself.
    pub(crate) protected: Vec<Protected>,
    /// The folders that clients may read, each with the path at which it is configured.
    pub(crate) served: Vec<(String, PathBuf)>,
    /// The procedures that decide.
    pub(crate) called: Vec<Called>,
    /// The keys that are misspelt, the outer ones first: the path at which each would stand, and the one at which it stands.
    misspelt: Vec<(String, String)>,
    /// The paths of `faults`, as they would be if no key were misspelt.
    meant: Vec<String>,
    path: String,
}

/// A procedure that the configuration has decide.
#[derive(Debug)]
pub(crate) struct Called {
    /// Where it is named.
    pub(crate) path: String,
    pub(crate) procedure: Uri,
    /// The realm where it is registered; none: each realm.
    pub(crate) realm: Option<Uri>,
    /// What the client decides that registers it.
    pub(crate) decides: &'static str,
}

/// A file or a folder that the gateway has for itself: no client may read it, and nothing else may stand there.
#[derive(Debug)]
pub(crate) struct Protected {
    pub(crate) what: Own,
    pub(crate) place: PathBuf,
    /// The path at which it is configured; empty: it lies in the node directory.
    pub(crate) path: String,
}

/// What the gateway has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    Configuration,
    Secret,
    PrivateKey,
    TokenKeys,
    Principals,
    FileStore,
    LmdbStore,
    Socket,
    AdminSocket,
    Key,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(surroundings: Surroundings<'a>) -> Self {
        Self {
            surroundings,
            faults: Vec::new(),
            omitted: 0,
            warnings: Vec::new(),
            missing_secrets: Vec::new(),
            protected: Vec::new(),
            served: Vec::new(),
            called: Vec::new(),
            misspelt: Vec::new(),
            meant: Vec::new(),
            path: String::new(),
        }
    }

    /// Where the walk is.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Steps to the value of a key.
    pub(crate) fn at_key<R>(&mut self, key: &str, visit: impl FnOnce(&mut Self) -> R) -> R {
        let plain = !key.is_empty()
            && key.len() <= MAX_QUOTED
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
        let step = match (plain, self.path.is_empty()) {
            (true, true) => key.to_owned(),
            (true, false) => format!(".{key}"),
            (false, _) => format!("[{}]", quoted(key)),
        };
        self.step(&step, visit)
    }

    /// Steps to an item of a list.
    pub(crate) fn at_index<R>(&mut self, index: usize, visit: impl FnOnce(&mut Self) -> R) -> R {
        self.step(&format!("[{index}]"), visit)
    }

    fn step<R>(&mut self, step: &str, visit: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(step);
        let result = visit(self);
        self.path.truncate(length);
        result
    }

    /// Reports a fault of the value where the walk is.
    pub(crate) fn fault(&mut self, message: impl Into<String>) {
        self.fault_at(self.path.clone(), message);
    }

    /// Reports a fault of a value that the walk has left.
    pub(crate) fn fault_at(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            let (path, message) = (path.into(), printable(message.into()));
            self.meant.push(self.meant(&path));
            self.faults.push(ConfigFault { place: FaultPlace::Path(path), message });
        } else {
            self.omitted += 1;
        }
    }

    /// Reports something unwise about the value where the walk is.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warn_at(self.path.clone(), message);
    }

    /// Reports something unwise about a value that the walk has left.
    pub(crate) fn warn_at(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.warnings.len() < MAX_FAULTS {
            self.warnings.push(ConfigWarning { path: path.into(), message: printable(message.into()) });
        }
    }

    /// Reports a secret that is not there: a fault, unless the operator allows it.
    pub(crate) fn missing_secret(&mut self, message: impl Into<String>) {
        let message = message.into();
        if self.surroundings.options.may_miss() {
            self.missing_secrets.push((self.path.clone(), printable(message.clone())));
            self.warn(message);
        } else {
            self.fault(message);
        }
    }

    /// Reports a secret that cannot be used: a fault, unless the caller wants nothing of any file.
    pub(crate) fn unusable_secret(&mut self, message: impl Into<String>) {
        if self.surroundings.options.without_files {
            self.missing_secret(message);
        } else {
            self.fault(message);
        }
    }

    /// Whether the secret at a path is not there, so that nothing can be said of its form.
    pub(crate) fn is_missing_secret(&self, path: &str) -> bool {
        self.why_missing(path).is_some()
    }

    /// What is the matter with the secret at a path, if it is not there.
    pub(crate) fn why_missing(&self, path: &str) -> Option<&str> {
        let is_it = |missing: &str| missing.strip_suffix(".file").unwrap_or(missing) == path;
        self.missing_secrets.iter().find(|(missing, _)| is_it(missing)).map(|(_, why)| why.as_str())
    }

    /// Whether the text of the secret at a path matters: whether it is long enough, or of the right form. It does not where another text may
    /// stand for it.
    pub(crate) fn judges_secret(&self, path: &str) -> bool {
        !self.surroundings.options.without_files && !self.is_missing_secret(path)
    }

    /// Reports what this machine lacks and the gateway's machine may have: a fault, unless the operator only checks the rest.
    pub(crate) fn missing_at(&mut self, path: &str, message: impl Into<String>) {
        if self.surroundings.options.may_miss() {
            self.warn_at(path, message);
        } else {
            self.fault_at(path, message);
        }
    }

    /// Whether a file is to be left alone: the caller wants nothing of any file, or it is not there and may be absent.
    pub(crate) fn leaves_alone(&self, file: &Path) -> bool {
        let options = &self.surroundings.options;
        options.without_files || options.allow_missing_secrets && !file.exists()
    }

    /// Notes a file or a folder that the gateway has for itself.
    pub(crate) fn protect(&mut self, what: Own, place: &Path, path: impl Into<String>) {
        self.protected.push(Protected { what, place: place.to_owned(), path: path.into() });
    }

    /// Notes that a key of the object where the walk is stands for another one. Checks that come later ask for faults of the key that is meant.
    pub(crate) fn note_misspelt(&mut self, meant: &str, written: &str) {
        // Faults that come after so many are not kept, and so nobody finds them.
        if self.faults.len() < MAX_FAULTS {
            let meant = self.at_key(meant, |walk| walk.path.clone());
            let written = self.at_key(written, |walk| walk.path.clone());
            self.misspelt.push((meant, written));
        }
    }

    /// A path as it would be if no key were misspelt.
    fn meant(&self, path: &str) -> String {
        // The inner ones first: the outer part of their paths is the one that is written.
        self.misspelt.iter().rev().fold(path.to_owned(), |path, (meant, written)| {
            inside(&path, written).map(|rest| format!("{meant}{rest}")).unwrap_or(path)
        })
    }

    /// Whether a fault has been reported for a value or for anything inside it, misspelt or not.
    pub(crate) fn has_fault_below(&self, path: &str) -> bool {
        let path = self.meant(path);
        self.meant.iter().any(|place| inside(place, &path).is_some())
    }

    /// Whether a fault has been reported for a value itself, whatever is inside it.
    pub(crate) fn has_fault_at(&self, path: &str) -> bool {
        let path = self.meant(path);
        self.meant.contains(&path)
    }

    /// The paths of all faults, as they would be if no key were misspelt.
    pub(crate) fn fault_paths(&self) -> impl Iterator<Item = &str> {
        self.meant.iter().map(String::as_str)
    }

    /// Reports a value of the wrong kind. The message does not repeat the value, which may be a secret.
    pub(crate) fn wrong_kind(&mut self, expected: &str, found: &Json) {
        self.fault(format!("expected {expected}, found {}", found.kind()));
    }

    /// Takes a value as it is; another part knows what it means. The walk reports only keys that stand twice.
    pub(crate) fn free_form(&mut self, json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::Text(value) => Value::String(value.clone()),
            Json::List(list) => {
                let items = list.iter().enumerate();
                items.map(|(index, item)| self.at_index(index, |walk| walk.free_form(item))).collect()
            }
            Json::Object(_) => {
                let entries = self.entries(json).unwrap_or_default().into_iter();
                let pairs = entries
                    .map(|(key, value)| (key.to_owned(), self.at_key(key, |walk| walk.free_form(value))));
                Value::Object(pairs.collect())
            }
        }
    }
}

/// What of a path lies inside the value at another one, if it does: nothing for the value itself.
fn inside<'p>(path: &'p str, outer: &str) -> Option<&'p str> {
    path.strip_prefix(outer).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A value with its path, for checks that come after the walk.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) path: String,
    pub(crate) value: T,
}

impl<T: Raw> Raw for Located<T> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        Some(Self { value: T::read(json, walk)?, path: walk.path().to_owned() })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
