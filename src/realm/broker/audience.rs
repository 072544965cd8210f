//! Which subscribers get an event (sections "Publisher Exclusion" and "Subscriber Black- and Whitelisting").

use rustc_hash::FxHashSet;

use crate::{
    identity::Identity,
    realm::member::Members,
    wamp::{SessionId, message::PublishLists},
};

/// Which subscribers get an event: what its publisher says about that.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::realm) struct Audience {
    /// A session that gets no event: the publisher.
    except: Option<SessionId>,
    /// What the publisher says of other sessions.
    lists: Option<Box<PublishLists>>,
}

impl Audience {
    /// All members but a session, as far as the lists allow it.
    pub(in crate::realm) const fn new(except: Option<SessionId>, lists: Option<Box<PublishLists>>) -> Self {
        Self { except, lists }
    }

    /// Whether the publisher limits which other sessions get the event.
    pub(in crate::realm) const fn is_limited(&self) -> bool {
        self.lists.is_some()
    }

    /// Whether the publisher names sessions, by identifiers that mean nothing when they are gone.
    pub(in crate::realm) fn names_sessions(&self) -> bool {
        self.lists.as_deref().is_some_and(|lists| !lists.exclude.is_empty() || lists.eligible.is_some())
    }

    /// The same for sessions of later: that of the publisher is one of them.
    pub(in crate::realm) fn for_all_sessions(&self) -> Self {
        Self { except: None, lists: self.lists.clone() }
    }

    /// How many bytes the lists take.
    pub(in crate::realm) fn size(&self) -> usize {
        self.lists.as_ref().map_or(0, |lists| lists.size())
    }

    /// Those of the subscribers that get the event.
    pub(in crate::realm) fn among<'a>(
        &'a self,
        subscribers: &'a FxHashSet<SessionId>,
        members: &'a Members,
    ) -> Receivers<impl Iterator<Item = SessionId> + 'a, impl Iterator<Item = SessionId> + 'a> {
        let listed = self.lists.as_deref().and_then(|lists| lists.eligible.as_deref());
        match listed.filter(|listed| listed.len() < subscribers.len()) {
            // A publisher that names few sessions does not pay for all subscribers.
            Some(listed) => Receivers::Listed(
                listed
                    .iter()
                    .map(|id| SessionId(*id))
                    .filter(move |id| subscribers.contains(id) && self.includes(*id, members)),
            ),
            None => Receivers::All(subscribers.iter().copied().filter(move |id| self.includes(*id, members))),
        }
    }

    /// Whether a subscriber gets the event.
    pub(in crate::realm) fn includes(&self, session: SessionId, members: &Members) -> bool {
        if Some(session) == self.except {
            return false;
        }
        let Some(lists) = &self.lists else { return true };
        let PublishLists {
            exclude,
            exclude_authid,
            exclude_authrole,
            eligible,
            eligible_authid,
            eligible_authrole,
        } = &**lists;
        if exclude.binary_search(&session.0).is_ok()
            || eligible.as_ref().is_some_and(|eligible| eligible.binary_search(&session.0).is_err())
        {
            return false;
        }
        let by_name = !exclude_authid.is_empty()
            || !exclude_authrole.is_empty()
            || eligible_authid.is_some()
            || eligible_authrole.is_some();
        if !by_name {
            return true;
        }
        let Some(Identity { authid, authrole, .. }) = members.get(session).map(|member| &*member.identity)
        else {
            return false;
        };
        let is_in =
            |texts: &[String], text: &str| texts.binary_search_by(|other| (**other).cmp(text)).is_ok();
        let may =
            |texts: &Option<Vec<String>>, text: &str| texts.as_ref().is_none_or(|texts| is_in(texts, text));
        // The authid that others know: the client's own one may be a credential.
        !is_in(exclude_authid, authid.public())
            && !is_in(exclude_authrole, authrole)
            && may(eligible_authid, authid.public())
            && may(eligible_authrole, authrole)
    }
}

/// The receivers of an event.
#[derive(Debug)]
pub(in crate::realm) enum Receivers<L, A> {
    /// Those that the publisher has named.
    Listed(L),
    /// All that it has not excluded.
    All(A),
}

impl<L: Iterator<Item = SessionId>, A: Iterator<Item = SessionId>> Iterator for Receivers<L, A> {
    type Item = SessionId;

    fn next(&mut self) -> Option<SessionId> {
        match self {
            Self::Listed(listed) => listed.next(),
            Self::All(all) => all.next(),
        }
    }
}
