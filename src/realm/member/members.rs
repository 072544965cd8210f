//! The sessions of a realm, found by identifier, by role and by authid.
//!
//! Clients ask for the sessions of a role or of an authid in a few bytes. So the owner has both at hand: no such question
//! makes it look at sessions that are not part of the answer.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use rustc_hash::FxHashMap;

use super::Member;
use crate::{realm::rules::Rules, wamp::SessionId};

/// The sessions of a realm.
#[derive(Default)]
pub(in crate::realm) struct Members {
    // The gateway draws the identifiers itself, so a fast hash without a secret will do. Clients may choose names.
    placed: FxHashMap<SessionId, Placed>,
    by_role: HashMap<Arc<str>, Vec<SessionId>>,
    by_authid: HashMap<Arc<str>, Vec<SessionId>>,
    /// The gateway's own, which no list and no count has.
    own: FxHashMap<SessionId, Member>,
}

/// A session and where it stands in the lists.
struct Placed {
    member: Member,
    in_role: usize,
    in_authid: usize,
}

impl Members {
    /// How many sessions there are.
    pub(in crate::realm) fn len(&self) -> usize {
        self.placed.len()
    }

    /// A session.
    pub(in crate::realm) fn get(&self, session: SessionId) -> Option<&Member> {
        match self.placed.get(&session) {
            Some(placed) => Some(&placed.member),
            None => self.own.get(&session),
        }
    }

    /// A session that a client has: what other clients and the operator may know of.
    pub(in crate::realm) fn of_client(&self, session: SessionId) -> Option<&Member> {
        self.placed.get(&session).map(|placed| &placed.member)
    }

    /// The sessions that have a role.
    pub(in crate::realm) fn with_role(&self, role: &str) -> &[SessionId] {
        self.by_role.get(role).map_or(&[], Vec::as_slice)
    }

    /// The sessions that others see under an authid.
    pub(in crate::realm) fn with_authid(&self, authid: &str) -> &[SessionId] {
        self.by_authid.get(authid).map_or(&[], Vec::as_slice)
    }

    /// Every session with what is known of it.
    pub(in crate::realm) fn all(&self) -> impl Iterator<Item = (SessionId, &Member)> {
        self.placed.iter().map(|(session, placed)| (*session, &placed.member))
    }

    /// Every session.
    pub(in crate::realm) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_role.values().flatten().copied()
    }

    /// Adds a session; a session that has its identifier already stays, and the new one comes back.
    pub(in crate::realm) fn insert(&mut self, session: SessionId, member: Member) -> Result<(), Member> {
        if self.own.contains_key(&session) {
            return Err(member);
        }
        if member.client.is_gateway() {
            if self.placed.contains_key(&session) {
                return Err(member);
            }
            self.own.insert(session, member);
            return Ok(());
        }
        let hash_map::Entry::Vacant(vacant) = self.placed.entry(session) else { return Err(member) };
        let in_role = append(&mut self.by_role, member.identity.authrole.clone().into(), session);
        let in_authid = append(&mut self.by_authid, member.identity.authid.shared_public(), session);
        vacant.insert(Placed { member, in_role, in_authid });
        Ok(())
    }

    /// Looks a session's role up in other rules. False: the session may not stay.
    pub(in crate::realm) fn judge(&mut self, session: SessionId, rules: &Rules) -> bool {
        let Some(Placed { member, .. }) = self.placed.get_mut(&session) else { return true };
        member.role = rules.permissions.role(&member.identity.authrole);
        rules.admit(&member.identity)
    }

    /// Removes a session.
    pub(in crate::realm) fn remove(&mut self, session: SessionId) -> Option<Member> {
        let Some(Placed { member, in_role, in_authid }) = self.placed.remove(&session) else {
            return self.own.remove(&session);
        };
        if let Some(moved) = take_out(&mut self.by_role, &member.identity.authrole, in_role)
            && let Some(placed) = self.placed.get_mut(&moved)
        {
            placed.in_role = in_role;
        }
        if let Some(moved) = take_out(&mut self.by_authid, member.identity.authid.public(), in_authid)
            && let Some(placed) = self.placed.get_mut(&moved)
        {
            placed.in_authid = in_authid;
        }
        Some(member)
    }

    /// Removes all sessions.
    pub(in crate::realm) fn drain(&mut self) -> impl Iterator<Item = Member> {
        self.by_role.clear();
        self.by_authid.clear();
        let own = std::mem::take(&mut self.own);
        self.placed.drain().map(|(_, placed)| placed.member).chain(own.into_values())
    }
}

/// Adds a session at the end of a list, and says where that is.
fn append(lists: &mut HashMap<Arc<str>, Vec<SessionId>>, name: Arc<str>, session: SessionId) -> usize {
    // Most authids have one session: a list of one has room for one.
    let list = lists.entry(name).or_insert_with(|| Vec::with_capacity(1));
    list.push(session);
    list.len() - 1
}

/// Takes a session out of a list, and says which one stands in its place now.
fn take_out(lists: &mut HashMap<Arc<str>, Vec<SessionId>>, name: &str, place: usize) -> Option<SessionId> {
    let list = lists.get_mut(name)?;
    if place < list.len() {
        list.swap_remove(place);
    }
    let moved = list.get(place).copied();
    if list.is_empty() {
        lists.remove(name);
    }
    moved
}

#[cfg(test)]
mod tests;
