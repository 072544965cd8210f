//! From one configuration to the next, while clients are connected.
//!
//! Everything that can fail comes first: stores, keys, policies, certificates, sockets. Then nothing fails any more, and the order is
//! that of trust: the realms forget what is gone before any client meets what is new.

use std::sync::Arc;

use super::{ReloadError, Running, RunningTransport, State, assembly::Assembly, changes};
use crate::{admin::ReloadReport, config::Config, memory, realm::Realm};

impl Running {
    pub(super) fn reconfigure(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        let mut state = self.state();
        let foundation = &self.foundation;
        let assembled = Assembly::new(&config, foundation, Some(&state)).map_err(ReloadError::from).and_then(
            |mut assembly| {
                assembly.transports(&config, state.is_bound).map(|assembled| (assembly, assembled))
            },
        );
        let (mut assembly, assembled) = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                // What was loaded for the new configuration alone is of no use.
                foundation.policies.keep(&state.config.policies());
                return Err(error);
            }
        };
        foundation.posts.spread_end(config.drain);
        memory::set_limit(config.max_memory.unwrap_or_else(memory::half_of_the_machine));
        let left = assembly.left(&assembled);
        assembly.authorize();
        let mut ended = Vec::new();
        let standings = Arc::new(std::mem::take(&mut assembly.standings));
        let known = |realm: &Realm| state.realms.iter().any(|old| old.is(realm));
        for (realm, options) in assembly.realms.iter().zip(&config.realms).filter(|(realm, _)| known(realm)) {
            ended.push(realm.reconfigure(options, Arc::clone(&standings)));
        }
        for realm in state.realms.iter().filter(|old| !assembly.realms.iter().any(|new| new.is(old))) {
            ended.push(realm.close());
        }
        for remote in &assembly.remotes {
            remote.take_effect(&standings);
        }
        for old in &state.remotes {
            if !assembly.remotes.iter().any(|new| new.succeeds(old)) {
                old.close();
            }
        }
        vacate(&state, &assembled.iter().map(|new| &new.transport).collect::<Vec<_>>());
        let transports = assembly.take_effect(&config, assembled);
        for transport in left {
            transport.post.close();
        }
        let mut report = ReloadReport {
            changed: changes::between(&state.config, &config),
            needs_restart: std::mem::take(&mut assembly.needs_restart),
            ..ReloadReport::default()
        };
        let realms = std::mem::take(&mut assembly.realms);
        let remotes = std::mem::take(&mut assembly.remotes);
        drop(assembly);
        let mut config = config;
        state.keep_what_stays(&mut config);
        *state = State { config, realms, remotes, transports, is_bound: state.is_bound };
        drop(state);
        // A realm that has ended meanwhile has no sessions.
        report.ended = ended.into_iter().map(|ended| ended.blocking_recv().unwrap_or_default()).sum();
        Ok(report)
    }
}

impl State {
    /// What needs a restart is still what it was, so that the next reload says so again.
    fn keep_what_stays(&self, config: &mut Config) {
        for options in &mut config.realms {
            if let Some((_, old)) = self.realm(options.name.as_str()) {
                options.histories.clone_from(&old.histories);
            }
        }
    }
}

/// Connections to a path that is gone go no further.
fn vacate(state: &State, now: &[&RunningTransport]) {
    let stays = |slot| now.iter().any(|new| new.slots.values().any(|(other, _)| Arc::ptr_eq(slot, other)));
    for (slot, _) in state.transports.iter().flat_map(|old| old.slots.values()) {
        if !stays(slot) {
            slot.vacate();
        }
    }
}
