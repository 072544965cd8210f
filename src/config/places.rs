//! The files and folders that the gateway has for itself: whether it can use them, and whether two of its parts want the same one.
//!
//! A configuration that passes the check must start. The gateway therefore looks, before it makes anything, at what the start will
//! open or make: what stands there, and whether it may be read, written and made. What it finds may change until the start, which
//! then says so itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::{
    ADMIN_SOCKET,
    reader::{Own, Protected, Walk, quoted},
};
use crate::{
    cookie::{PUBLIC_ID_KEY_FILE, PublicIdKey, PublicIdKeyError},
    file, socket_file,
};

/// How many symbolic links may lead from one to the next, as on Linux.
const MAX_LINKS: usize = 40;

/// A place without the symbolic links that lead to it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) what: Own,
    pub(super) real: PathBuf,
}

/// Why the gateway cannot use a place.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// Another thing stands there, here and on any other machine that has it.
    Taken(String),
    /// This machine, or this user, lacks something.
    Lacking(String),
}

impl Own {
    /// As messages call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "the configuration",
            Self::Secret => "the file of a secret",
            Self::PrivateKey => "a private key",
            Self::TokenKeys => "the keys of tokens",
            Self::Principals => "a file of principals",
            Self::FileStore | Self::LmdbStore => "a cookie store",
            Self::Socket => "a socket",
            Self::AdminSocket => "the socket for commands",
            Self::Key => "the key of the public IDs",
        }
    }
}

/// Reports every place that the gateway could not use, and gives all places.
pub(super) fn check(walk: &mut Walk<'_>) -> Vec<Place> {
    let configured = std::mem::take(&mut walk.protected);
    let is_durable = |own: &&Protected| matches!(own.what, Own::FileStore | Own::LmdbStore);
    // The key follows from the stores, so that the first of them answers for it.
    let store = configured.iter().find(is_durable).map(|store| store.path.clone());
    let mut places: Vec<Place> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let of_node = of_node(store.is_some(), walk);
    let last = of_node.len();
    // The gateway's own come first: where two want one place, it is the operator's that has to go.
    for Protected { what, place, path } in of_node.into_iter().chain(configured) {
        let looked = {
            let place = place.clone();
            file::within(file::PATIENCE, move || (resolve(&place), look(what, &place)))
        };
        let (real, unfit) = match looked {
            Ok((real, unfit)) => (real, unfit.err()),
            Err(hangs) => (place, Some(Unfit::Lacking(format!("cannot be looked at: {hangs}")))),
        };
        let path = if path.is_empty() { store.clone().unwrap_or_default() } else { path };
        let other = places.iter().find(|other| other.real == real && other.what != what);
        match (other, unfit) {
            (Some(other), _) => {
                let message = format!("that is the place of {}, use another path", other.what.name());
                walk.fault_at(path, message);
            }
            (None, Some(Unfit::Taken(message))) => walk.fault_at(path, message),
            // A store and the key may lack the same folder.
            (None, Some(Unfit::Lacking(message))) if told.contains(&message) => {}
            (None, Some(Unfit::Lacking(message))) => {
                walk.missing_at(&path, &*message);
                told.push(message);
            }
            (None, None) => {}
        }
        places.push(Place { what, real });
    }
    // The operator's come first in messages.
    places.rotate_left(last);
    places
}

/// What lies in the node directory beside what the configuration names.
fn of_node(is_durable: bool, walk: &Walk<'_>) -> Vec<Protected> {
    let node_dir = walk.surroundings.node_dir;
    [
        walk.surroundings.file.map(|file| (Own::Configuration, file.to_owned())),
        Some((Own::AdminSocket, node_dir.join(ADMIN_SOCKET))),
        is_durable.then(|| (Own::Key, node_dir.join(PUBLIC_ID_KEY_FILE))),
    ]
    .into_iter()
    .flatten()
    .map(|(what, place)| Protected { what, place, path: String::new() })
    .collect()
}

/// Whether the start will find at a place what it needs.
fn look(what: Own, place: &Path) -> Result<(), Unfit> {
    match what {
        // The walk has read them. Without the socket for commands the gateway runs as well.
        Own::Configuration
        | Own::Secret
        | Own::PrivateKey
        | Own::TokenKeys
        | Own::Principals
        | Own::AdminSocket => Ok(()),
        Own::FileStore => match fs::metadata(place) {
            Ok(_) => {
                file::check_place(place).map_err(|error| Unfit::Taken(error.to_string()))?;
                may(place, Access::READ_OK | Access::WRITE_OK, "read and write it")
            }
            Err(error) => new(place, &error),
        },
        Own::LmdbStore => match fs::metadata(place) {
            Ok(found) if found.is_dir() => {
                may(place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, "read and write it")
            }
            Ok(_) => Err(Unfit::Taken("it is a file, name a folder".to_owned())),
            Err(error) => new(place, &error),
        },
        Own::Socket => match (fs::symlink_metadata(place), socket_file::occupant(place)) {
            (_, Some(occupant)) => Err(Unfit::Taken(format!(
                "{occupant} stands there, which the gateway does not remove, use another path"
            ))),
            // Another gateway's, a dead one, or one that the service manager hands over.
            (Ok(_), None) => Ok(()),
            (Err(error), None) => new(place, &error),
        },
        Own::Key => match PublicIdKey::look(place) {
            Ok(true) => Ok(()),
            Ok(false) => new(place, &io::ErrorKind::NotFound.into()),
            Err(error @ PublicIdKeyError::File { .. }) => Err(Unfit::Lacking(error.to_string())),
            Err(error) => Err(Unfit::Taken(error.to_string())),
        },
    }
}

/// Whether the gateway can make something at a place, where looking for it has failed.
fn new(place: &Path, error: &io::Error) -> Result<(), Unfit> {
    if error.kind() != io::ErrorKind::NotFound {
        return Err(Unfit::Lacking(format!("cannot be looked at: {error}")));
    }
    let real = resolve(place);
    let Some(folder) = real.parent() else { return Ok(()) };
    let shown = quoted(&folder.to_string_lossy());
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => may(folder, Access::WRITE_OK | Access::EXEC_OK, "make files in it")
            .map_err(|_| {
                Unfit::Lacking(format!(
                    "this user may not make files in the folder {shown}, change its owner or its mode"
                ))
            }),
        Ok(_) => Err(Unfit::Taken(format!("{shown} is no folder, use another path"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Unfit::Lacking(format!("there is no folder {shown}, make it first")))
        }
        Err(error) => Err(Unfit::Lacking(format!("the folder {shown} cannot be looked at: {error}"))),
    }
}

/// Whether the gateway's user may do something with what is there.
fn may(place: &Path, access: Access, what: &str) -> Result<(), Unfit> {
    accessat(CWD, place, access, AtFlags::EACCESS).map_err(|error| {
        let error = io::Error::from(error);
        Unfit::Lacking(format!("this user may not {what} ({error}), change its owner or its mode"))
    })
}

/// The path without symbolic links, also of what does not exist yet: where the gateway will make it.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        // A link to what is not there yet leads to where it will be.
        match (fs::read_link(&path), path.parent()) {
            (Ok(target), Some(folder)) => path = folder.join(target),
            (Err(_), Some(folder)) => {
                let folder = resolve(folder);
                return match path.file_name() {
                    Some(name) => folder.join(name),
                    // It ends in `..`.
                    None => folder.parent().map_or(folder.clone(), Path::to_owned),
                };
            }
            (_, None) => return path,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::resolve;

    #[test]
    fn a_path_leads_to_where_its_file_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("web")).unwrap();
        fs::create_dir(root.join("data")).unwrap();
        symlink("web", root.join("www")).unwrap();
        symlink("../web/cookies.dat", root.join("data/cookies.dat")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for (path, real) in [
            ("web/x", "web/x"),
            ("www/x/y", "web/x/y"),
            ("data/cookies.dat", "web/cookies.dat"),
            ("data/../www/x", "web/x"),
            ("none/../web/x", "web/x"),
        ] {
            assert_eq!(resolve(&root.join(path)), root.join(real), "{path}");
        }
        assert!(resolve(&root.join("loop")).starts_with(&root));
        assert_eq!(resolve(Path::new("/")), Path::new("/"));
    }
}
