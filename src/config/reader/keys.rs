//! The keys of an object: which ones the gateway knows, and what it says of others.

use std::collections::HashSet;

use super::{Json, Walk};
use crate::shown::{cut, listed};

/// How similar a known key must be to an unknown one before a message suggests it. By experience, less only confuses.
const SIMILAR: f64 = 0.75;

/// An object's entries, each key once.
pub(crate) type Entries<'j> = Vec<(&'j str, &'j Json)>;

/// The key of a comment, which any object may have: JSON has no comments of its own. The name is that of JSON Schema.
pub(crate) const COMMENT: &str = "$comment";

/// Words with what to do instead.
pub(crate) type Refused = [(&'static str, &'static str)];

/// The keys of an object that the gateway knows.
pub(crate) struct Known<'k> {
    /// Keys that have a meaning.
    pub(crate) keys: &'k [&'static str],
    /// The key that chose the object.
    pub(crate) tag: Option<&'static str>,
    /// Keys of Crossbar's that have no effect.
    pub(crate) ignored: &'k [&'static str],
    /// Keys that Crossbar has, or had, and the gateway does not support.
    pub(crate) refused: &'k Refused,
    /// Keys that belong elsewhere.
    pub(crate) misplaced: &'k Refused,
}

impl Known<'_> {
    /// Whether a key has a place in the object, or a message of its own.
    fn has(&self, key: &str) -> bool {
        key == COMMENT
            || self.keys.contains(&key)
            || self.tag == Some(key)
            || self.ignored.contains(&key)
            || instead_of(key, self.refused).is_some()
            || instead_of(key, self.misplaced).is_some()
    }

    /// The entries whose unknown key is most similar to `key`.
    pub(crate) fn misspelt<'e, 'j>(
        &'e self,
        entries: &'e Entries<'j>,
        key: &'e str,
    ) -> impl Iterator<Item = (&'j str, &'j Json)> + use<'e, 'j> {
        let is_it = move |(written, _): &&(&str, &Json)| {
            !self.has(written) && nearest(written, self.keys.iter().copied().chain(self.tag)) == Some(key)
        };
        entries.iter().filter(is_it).copied()
    }
}

impl Walk<'_> {
    /// An object's entries. Reports a value that is not an object, and keys that stand twice.
    pub(crate) fn entries<'j>(&mut self, json: &'j Json) -> Option<Entries<'j>> {
        let Json::Object(pairs) = json else {
            self.wrong_kind("an object", json);
            return None;
        };
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if seen.insert(key.as_str()) {
                entries.push((key.as_str(), value));
            } else {
                self.at_key(key, |walk| walk.fault("this key stands in its object more than once, keep one"));
            }
        }
        Some(entries)
    }

    /// Reports the entries whose key has no place in the object.
    pub(crate) fn unknown_keys(&mut self, entries: &Entries<'_>, known: &Known<'_>) {
        for (key, _) in entries {
            if *key == COMMENT
                || known.keys.contains(key)
                || known.tag == Some(*key)
                || known.ignored.contains(key)
            {
                continue;
            }
            let message = if let Some(instead) = instead_of(key, known.refused) {
                format!("Crossbar's `{key}` is not supported: {instead}")
            } else if let Some(instead) = instead_of(key, known.misplaced) {
                instead.to_owned()
            } else {
                format!("unknown key, {}", suggest(key, known.keys.iter().copied().chain(known.tag)))
            };
            self.at_key(key, |walk| walk.fault(message));
        }
    }

    /// Checks that a comment is text, so that no part of the configuration is lost in it by mistake.
    pub(crate) fn comment(&mut self, entries: &Entries<'_>) {
        match entry(entries, COMMENT) {
            None | Some(Json::Text(_)) => {}
            Some(other) => self.at_key(COMMENT, |walk| walk.wrong_kind("a comment as text", other)),
        }
    }
}

/// The value of a key.
pub(crate) fn entry<'j>(entries: &Entries<'j>, key: &str) -> Option<&'j Json> {
    entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// What to do instead of using a word.
pub(crate) fn instead_of(word: &str, refused: &Refused) -> Option<&'static str> {
    refused.iter().find(|(name, _)| *name == word).map(|(_, instead)| *instead)
}

/// "did you mean …?" if a known word is similar, or else all known words.
pub(crate) fn suggest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(unknown, known.iter().copied()) {
        Some(name) => format!("did you mean `{}`?", cut(name)),
        _ if known.is_empty() => "nothing is known here".to_owned(),
        _ => format!("use {}", alternatives(&known)),
    }
}

/// The known word that is most similar, if it is similar enough.
fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let unknown = unknown.to_ascii_lowercase();
    let similar = known.map(|name| (strsim::jaro_winkler(&unknown, name), name));
    let (similarity, name) = similar.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (similarity >= SIMILAR).then_some(name)
}

/// `a`, `b` or `c`; of very many names only the first ones.
pub(crate) fn alternatives<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", cut(name.as_ref()))).collect();
    listed(&names, "or")
}
