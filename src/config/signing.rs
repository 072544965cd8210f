//! The keys that a configuration signs with: of each `assertion`, and of the tickets for WAMP routers.

use std::{path::Path, sync::Arc};

use super::{
    SigningKeys,
    reader::{Located, NodePath, Own, Walk},
};
use crate::{assertion::KeyFile, file::missing};

/// What a configuration signs with.
#[derive(Debug, Default)]
pub(super) struct Signing {
    /// Each file once.
    files: Vec<Arc<KeyFile>>,
    /// Whether anything signs, and be it by a faulty key, of which the operator hears anyway.
    pub(super) is_wanted: bool,
    /// Where the first assertion stands.
    pub(super) assertion: Option<String>,
    /// Where the public keys are served.
    pub(super) published: Vec<String>,
}

impl Signing {
    /// The keys in files, of which the first signs.
    pub(super) fn keys(
        &mut self,
        Located { path, value: named }: Located<Vec<Located<NodePath>>>,
        walk: &mut Walk<'_>,
    ) -> Option<SigningKeys> {
        if named.is_empty() && !walk.has_fault_below(&path) {
            walk.fault_at(
                &path,
                "the list is empty, so nothing could be signed: name the file of a private key",
            );
        }
        let mut files: Vec<Arc<KeyFile>> = Vec::new();
        let mut is_sound = !named.is_empty();
        for Located { path, value } in named {
            walk.protect(Own::PrivateKey, &value.path, &*path);
            let file = match self.file(&value.path, walk.leaves_alone(&value.path)) {
                Ok(file) => file,
                Err(what) => {
                    walk.fault_at(path, what);
                    is_sound = false;
                    continue;
                }
            };
            let kid = file.kid();
            if kid.is_none() {
                walk.missing_at(&path, missing(&value.path));
            } else if files.iter().any(|other| other.kid() == kid) {
                walk.fault_at(path, "holds a key that stands in the list already, keep one");
            }
            files.push(file);
        }
        is_sound.then(|| SigningKeys::of_files(files))
    }

    /// A file, which two paths may name.
    fn file(&mut self, path: &Path, is_left_alone: bool) -> Result<Arc<KeyFile>, String> {
        if let Some(known) = self.files.iter().find(|known| known.path() == path) {
            return Ok(Arc::clone(known));
        }
        let file = if is_left_alone { KeyFile::absent(path) } else { KeyFile::read(path)? };
        let file = Arc::new(file);
        self.files.push(Arc::clone(&file));
        Ok(file)
    }

    /// Public keys are served where there are keys.
    pub(super) fn check(&self, walk: &mut Walk<'_>) {
        if let (Some(path), []) = (&self.assertion, &*self.published) {
            walk.warn_at(
                path,
                "no path of \"type\": \"jwks\" serves the public key: add one, unless servers have the key by another way",
            );
        }
        if !self.is_wanted {
            for path in &self.published {
                walk.warn_at(
                    path,
                    "serves no key: no path has an `assertion`, and no `upstream` signs tickets",
                );
            }
        }
    }
}
