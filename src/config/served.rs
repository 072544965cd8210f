//! No folder that the gateway serves may hold what no client may read: stores, keys, secrets, sockets, the configuration.

use std::path::PathBuf;

use super::{
    places::{Place, resolve},
    reader::{Walk, quoted},
};
use crate::edge;

/// How many of the files in one folder a message names.
const MAX_NAMED: usize = 4;

/// Reports every served folder in which something lies that the walk has met, or that the gateway will make.
pub(super) fn check(places: &[Place], walk: &mut Walk<'_>) {
    for (path, folder) in walk.served.clone() {
        let root = resolve(&folder);
        let mut found: Vec<(&PathBuf, &str)> = Vec::new();
        for Place { real: place, what, .. } in places {
            if edge::is_below(&root, place) && !found.iter().any(|(known, _)| *known == place) {
                found.push((place, what.name()));
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
