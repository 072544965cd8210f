//! No folder that the gateway serves may hold what no client may read: stores, keys, secrets, sockets, the configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ADMIN_SOCKET, Config,
    reader::{Protected, Walk, quoted},
};
use crate::{cookie::PUBLIC_ID_KEY_FILE, edge};

/// How many of the files in one folder a message names.
const MAX_NAMED: usize = 4;

/// How many symbolic links may lead from one to the next, as on Linux.
const MAX_LINKS: usize = 40;

/// Reports every served folder in which something lies that the walk has met, or that the gateway will make.
pub(super) fn check(config: &Config, walk: &mut Walk<'_>) {
    protect_node(config, walk);
    let protected: Vec<(PathBuf, &'static str)> =
        walk.protected.iter().map(|Protected { what, place }| (resolve(place), *what)).collect();
    for (path, folder) in walk.served.clone() {
        let root = resolve(&folder);
        let mut found: Vec<(&PathBuf, &str)> = Vec::new();
        for (place, what) in &protected {
            if edge::is_below(&root, place) && !found.iter().any(|(known, _)| *known == place) {
                found.push((place, what));
            }
        }
        if found.is_empty() {
            continue;
        }
        let named = found.iter().take(MAX_NAMED).map(|(place, what)| {
            let name = place.strip_prefix(&root).unwrap_or(place);
            let name = if name.as_os_str().is_empty() { place.as_path() } else { name };
            format!("{} ({what})", quoted(&name.to_string_lossy()))
        });
        let mut list = named.collect::<Vec<_>>().join(", ");
        if found.len() > MAX_NAMED {
            list.push_str(" and more");
        }
        let message =
            format!("clients could read {list} in it: serve a folder that holds nothing but what is public");
        walk.fault_at(path, message);
    }
}

/// What lies in the node directory beside what the configuration names.
fn protect_node(config: &Config, walk: &mut Walk<'_>) {
    if let Some(file) = walk.surroundings.file {
        walk.protect("the configuration", file);
    }
    let services = config.transports.iter().flat_map(|transport| transport.edge.root.services());
    let stores: Vec<bool> = services
        .filter_map(|(_, service)| service.cookie.as_ref())
        .map(|cookie| cookie.store.place().is_durable())
        .collect();
    let node_dir = walk.surroundings.node_dir;
    if !stores.is_empty() {
        walk.protect("the socket for commands", &node_dir.join(ADMIN_SOCKET));
    }
    if stores.contains(&true) {
        walk.protect("the key of the public IDs", &node_dir.join(PUBLIC_ID_KEY_FILE));
    }
}

/// The path without symbolic links, also of what does not exist yet: where the gateway will make it.
fn resolve(path: &Path) -> PathBuf {
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
