//! Which of several cookies counts: a request may bring more than one of our name.
//!
//! A browser has two of them where `path` or `domain` were configured differently before. Or another host of the same domain
//! has set one for all of them, in order to make the browser another client or to hide its login ("cookie tossing"; RFC 6265,
//! 8.6: cookies have no integrity towards related hosts). A request does not say which host has set a cookie, and the order
//! of the cookies is in the hands of the one that sets them. So the order decides nothing that matters:
//!
//! | cookies that the store knows | the client is |
//! |---|---|
//! | none | a new one |
//! | one | that one |
//! | several, without logins | the first |
//! | several, one of them with a login, or all of them with the same principal's | that one |
//! | several, with logins of different principals | a new one: any choice may be the attacker's |
//!
//! Unknown IDs cost a look-up and hide nothing, however many there are. The size of a request's head bounds their number.
//! Only a [prefix](crate::cookie::CookiePrefix) keeps other hosts from setting our cookie at all.

use std::collections::HashSet;

use tracing::warn;

use super::Tracker;
use crate::{
    cookie::TrackingId,
    identity::ANONYMOUS,
    ration::Ration,
    store::{Authentication, CookieRecord, StoreError},
    time::Timestamp,
};

/// Lines about requests with the cookies of several clients.
static AMBIGUOUS: Ration = Ration::SPARING;

/// A candidate with its live record.
type Live = (TrackingId, CookieRecord);

impl Tracker {
    /// The one of several candidates that counts, if one does.
    pub(super) async fn choose(
        &self,
        candidates: impl Iterator<Item = TrackingId>,
        now: Timestamp,
    ) -> Result<Option<TrackingId>, StoreError> {
        let mut met = HashSet::new();
        let ids: Vec<_> = candidates.filter(|id| met.insert(id.clone())).collect();
        // Asks for all of them before it waits for the first, so that a store elsewhere takes the time of one.
        let look_ups: Vec<_> = ids.iter().map(|id| self.clients.store.look_up(id, now)).collect();
        let mut live = Vec::new();
        for (id, look_up) in ids.into_iter().zip(look_ups) {
            if let Some(record) = look_up.await?.filter(|record| !record.is_expired(now)) {
                live.push((id, record));
            }
        }
        let chosen = pick(&live, |record| self.login(record, now)).cloned();
        self.tell_of_several(&live, chosen.as_ref());
        Ok(chosen)
    }

    /// The login that stands on a record.
    fn login<'r>(&self, record: &'r CookieRecord, now: Timestamp) -> Option<&'r Authentication> {
        let is_over = self.logins.is_some_and(|logins| logins.is_over(record, now));
        // Crossbar.io's files hold what anonymous clients left as well, and that stands for nothing.
        record.authentication.as_deref().filter(|login| !is_over && login.authmethod != ANONYMOUS)
    }

    /// Tells the operator of a request with the cookies of several clients.
    fn tell_of_several(&self, live: &[Live], chosen: Option<&TrackingId>) {
        let names: HashSet<_> = live.iter().map(|(id, record)| self.clients.public_id(id, record)).collect();
        if names.len() < 2 {
            return;
        }
        let Some(line) = AMBIGUOUS.line() else { return };
        let public_id = live.iter().find(|(id, _)| Some(id) == chosen);
        let public_id = public_id.map(|(id, record)| self.clients.public_id(id, record));
        warn!(
            cookie = self.options.name.as_str(),
            clients = names.len(),
            public_id = public_id.as_deref(),
            left_out = line.left_out,
            "a request had the cookies of several clients, {}: another host of the domain may have set one of them, \
             which `\"prefix\": \"host\"` of `cookie` rules out",
            if chosen.is_some() { "of which the gateway took one" } else { "and counts as a new client" }
        );
    }
}

/// The candidate that counts: see the table of this module.
fn pick<'l>(
    live: &'l [Live],
    login: impl Fn(&'l CookieRecord) -> Option<&'l Authentication>,
) -> Option<&'l TrackingId> {
    let mut logins = live.iter().filter_map(|(id, record)| Some((id, login(record)?)));
    let Some((mut chosen, first)) = logins.next() else { return live.first().map(|(id, _)| id) };
    let mut is_replaced = is_in_use(first);
    for (id, other) in logins {
        if (&other.authid, &other.authrealm) != (&first.authid, &first.authrealm) {
            return None;
        }
        // Of two IDs of one line the later one counts: the earlier one may be of no use any more.
        if is_replaced && !is_in_use(other) {
            (chosen, is_replaced) = (id, false);
        }
    }
    Some(chosen)
}

/// Whether another ID is in use instead of the one on which the login stands.
fn is_in_use(login: &Authentication) -> bool {
    login.succession.as_ref().is_some_and(|next| next.since.is_some())
}

#[cfg(test)]
mod tests;
