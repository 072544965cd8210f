//! What a new configuration changes: which transports go on, and in words for the operator what is different.

use crate::config::{Config, Endpoint, PathTree, TransportConfig};

/// A line for each part that is new, gone or different.
pub(super) fn between(before: &Config, now: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    for realm in &now.realms {
        match before.realms.iter().find(|old| old.name == realm.name) {
            None => changes.push(format!("the realm {} is new", realm.name)),
            Some(old) if old.roles != realm.roles => {
                changes.push(format!("the roles or permissions of the realm {}", realm.name));
            }
            Some(old) if old.per_session != realm.per_session => {
                changes.push(format!("the limits of the sessions of the realm {}", realm.name));
            }
            Some(_) => {}
        }
    }
    for realm in &before.realms {
        if !now.realms.iter().any(|new| new.name == realm.name) {
            changes.push(format!("the realm {} is gone", realm.name));
        }
    }
    let old: Vec<_> = before.transports.iter().map(|transport| &transport.listener.endpoint).collect();
    let found = successions(&old, &now.transports);
    for (transport, before_it) in now.transports.iter().zip(&found) {
        match before_it.and_then(|place| before.transports.get(place)) {
            None => changes.push(format!("the listener at {} is new", transport.listener.endpoint)),
            Some(old) => between_transports(old, transport, &mut changes),
        }
    }
    for (place, transport) in before.transports.iter().enumerate() {
        if !found.contains(&Some(place)) {
            changes.push(format!("the listener at {} is gone", transport.listener.endpoint));
        }
    }
    if before.max_memory != now.max_memory {
        changes.push("`max_memory`".to_owned());
    }
    changes
}

fn between_transports(before: &TransportConfig, now: &TransportConfig, changes: &mut Vec<String>) {
    let place = &before.listener.endpoint;
    let (old, new) = (&before.listener, &now.listener);
    if old.tls != new.tls {
        changes.push(format!("`tls` of the listener at {place}"));
    }
    if (old.max_connections, old.proxy_protocol) != (new.max_connections, new.proxy_protocol) {
        changes.push(format!("`max_connections` or `proxy_protocol` of the listener at {place}"));
    }
    let (old, new) = (&before.edge, &now.edge);
    if (&old.id, &old.http, &old.per_address, &old.hosts)
        != (&new.id, &new.http, &new.per_address, &new.hosts)
    {
        changes.push(format!("the limits or options of the listener at {place}"));
    }
    match (&old.raw_socket, &new.raw_socket) {
        (None, Some(_)) => changes.push(format!("RawSocket at {place} is new")),
        (Some(_), None) => changes.push(format!("RawSocket at {place} is gone")),
        (old, new) if old != new => changes.push(format!("RawSocket at {place}")),
        _ => {}
    }
    between_paths(&old.root, &new.root, &place.to_string(), changes);
}

fn between_paths(before: &PathTree, now: &PathTree, place: &str, changes: &mut Vec<String>) {
    let (old, new) = (before.targets(), now.targets());
    for (path, target) in &new {
        match old.iter().find(|(other, _)| other == path) {
            None => changes.push(format!("the path {path} at {place} is new")),
            Some((_, old)) if old != target => changes.push(format!("the path {path} at {place}")),
            Some(_) => {}
        }
    }
    for (path, _) in &old {
        if !new.iter().any(|(other, _)| other == path) {
            changes.push(format!("the path {path} at {place} is gone"));
        }
    }
}

/// Finds for each new transport the one that runs and whose socket it takes over, by place in both lists.
pub(super) fn successions(before: &[&Endpoint], now: &[TransportConfig]) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> = vec![None; now.len()];
    let rules: [fn(&Endpoint, &Endpoint) -> bool; 2] = [Endpoint::is_at, Endpoint::is_in_the_way_of];
    // Those that stay come first, so that one that moves takes no socket of theirs.
    for fits in rules {
        for (place, config) in now.iter().enumerate() {
            let fitting = before.iter().enumerate().find(|(candidate, old)| {
                !found.contains(&Some(*candidate)) && fits(old, &config.listener.endpoint)
            });
            let fitting = fitting.map(|(candidate, _)| candidate);
            if let Some(slot @ None) = found.get_mut(place) {
                *slot = fitting;
            }
        }
    }
    found
}
