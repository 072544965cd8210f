//! The sessions of a realm as the operator sees them: the newest first, and no more than a person reads.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::member::{Client, Member, Members};
use crate::{identity::Identity, wamp::SessionId};

/// Some of a realm's sessions.
#[derive(Debug, Default)]
pub struct Listing {
    /// How many sessions the realm has.
    pub all: usize,
    /// How many of them were asked for.
    pub found: usize,
    /// The newest of those.
    pub newest: Vec<Listed>,
}

/// A session.
#[derive(Debug)]
pub struct Listed {
    /// Its number.
    pub session: SessionId,
    /// Who it is.
    pub identity: Arc<Identity>,
    /// How its client came.
    pub client: Client,
}

/// The newest sessions whose number, authid, role or method `wanted` is a part of; all of them if it is empty. `most` bounds how many.
///
/// It looks at each session once, and copies no more than it gives.
pub(super) fn newest(members: &Members, wanted: &str, most: usize) -> Listing {
    let mut found = 0;
    let mut newest = BinaryHeap::with_capacity(most + 1);
    for (session, member) in members.all().filter(|(session, member)| is_wanted(*session, member, wanted)) {
        found += 1;
        newest.push(Reverse((member.number, session)));
        if newest.len() > most {
            newest.pop();
        }
    }
    let listed = newest.into_sorted_vec().into_iter().filter_map(|Reverse((_, session))| {
        let member = members.get(session)?;
        Some(Listed { session, identity: Arc::clone(&member.identity), client: member.client })
    });
    Listing { all: members.len(), found, newest: listed.collect() }
}

fn is_wanted(session: SessionId, member: &Member, wanted: &str) -> bool {
    let Identity { authid, authrole, authmethod, .. } = &*member.identity;
    wanted.is_empty()
        || authid.public().contains(wanted)
        || authrole.contains(wanted)
        || *authmethod == wanted
        || wanted.parse() == Ok(session.0)
}
