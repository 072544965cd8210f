//! Questions about subscriptions and registrations, and taking one back (sections "Subscription Meta API" and "Registration Meta
//! API").

use serde_json::Value;

use super::{
    super::{
        deliveries::{Deliveries, RequestError},
        member::Members,
        meta::{Arguments, MAX_LISTED, MetaProcedure, MetaResult, Query},
        turn::Kind,
    },
    Now, Router,
};
use crate::wamp::{
    Payload, SessionId, Uri,
    pattern::{Pattern, UriMatch},
    uri::error::{
        INVALID_ARGUMENT, INVALID_URI, NO_SUCH_REGISTRATION, NO_SUCH_SESSION, NO_SUCH_SUBSCRIPTION,
    },
};

impl Router {
    /// Answers a question about subscriptions or registrations. The caller has the permission for it.
    pub(in crate::realm) fn answer(
        &mut self,
        kind: Kind,
        query: Query,
        payload: &Payload,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) -> Result<MetaResult, RequestError> {
        let arguments = Arguments::read(MetaProcedure::Routing(kind, query), payload)?;
        match query {
            Query::List => {
                let mut lists: [Vec<u64>; 3] = Default::default();
                let [exact, prefix, wildcard] = &mut lists;
                for (id, pattern) in self.patterns(kind).take(MAX_LISTED) {
                    let list = match pattern.matching() {
                        UriMatch::Exact => &mut *exact,
                        UriMatch::Prefix => &mut *prefix,
                        UriMatch::Wildcard => &mut *wildcard,
                    };
                    list.push(id);
                }
                Ok(MetaResult::Lists(lists))
            }
            Query::Lookup => {
                let pattern = pattern(&arguments)?;
                let found = match kind {
                    Kind::Subscription => self.broker.lookup(&pattern),
                    Kind::Registration => self.dealer.lookup(&pattern),
                };
                Ok(MetaResult::Value(found.into()))
            }
            Query::Match => {
                let Pattern::Exact(uri) = parse(arguments.text(URI)?, UriMatch::Exact)? else {
                    return Ok(MetaResult::Value(Value::Null));
                };
                Ok(match kind {
                    Kind::Registration => MetaResult::Value(self.dealer.best(&uri).into()),
                    Kind::Subscription => match self.broker.matching(&uri, MAX_LISTED) {
                        none if none.is_empty() => MetaResult::Value(Value::Null),
                        found => MetaResult::Sessions(found),
                    },
                })
            }
            Query::Get => {
                let id = arguments.id(ID)?;
                let details = match kind {
                    Kind::Subscription => self.broker.details(id),
                    Kind::Registration => self.dealer.details(id),
                };
                details.map(MetaResult::Value).ok_or_else(|| no_such(kind, id))
            }
            Query::Members => {
                let id = arguments.id(ID)?;
                let members = self.members_of(kind, id, MAX_LISTED).ok_or_else(|| no_such(kind, id))?;
                Ok(MetaResult::Sessions(members))
            }
            Query::Count => {
                let id = arguments.id(ID)?;
                let count = match kind {
                    Kind::Subscription => self.broker.count(id),
                    Kind::Registration => self.dealer.count(id),
                };
                count.map(|count| MetaResult::Value(count.into())).ok_or_else(|| no_such(kind, id))
            }
            Query::Remove => {
                let id = arguments.id(ID)?;
                let session = arguments.second_id("a session's identifier")?;
                let reason = arguments.reason()?;
                self.remove(kind, id, SessionId(session), reason, members, now, out)?;
                Ok(MetaResult::Nothing)
            }
        }
    }

    fn patterns(&self, kind: Kind) -> Box<dyn Iterator<Item = (u64, &Pattern)> + '_> {
        match kind {
            Kind::Subscription => Box::new(self.broker.patterns()),
            Kind::Registration => Box::new(self.dealer.patterns()),
        }
    }

    fn members_of(&self, kind: Kind, id: u64, most: usize) -> Option<Vec<u64>> {
        match kind {
            Kind::Subscription => self.broker.members(id, most),
            Kind::Registration => self.dealer.members(id, most),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what is removed from where, and what it meets")]
    fn remove(
        &mut self,
        kind: Kind,
        id: u64,
        session: SessionId,
        reason: Option<Uri>,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        if self.members_of(kind, id, 0).is_none() {
            return Err(no_such(kind, id));
        }
        let turn = &mut turn!(self, members, now);
        let removed = match kind {
            Kind::Subscription => self.broker.revoke(session, id, reason, turn, out),
            Kind::Registration => self.dealer.revoke(session, id, reason, turn, out),
        };
        self.tell_changes(members, now, out);
        if removed {
            return Ok(());
        }
        Err(RequestError::new(NO_SUCH_SESSION, format!("the session {} is not part of {id}", session.0)))
    }
}

/// What the first argument is, where it names something.
const ID: &str = "an identifier";
const URI: &str = "a URI";

pub(super) fn no_such(kind: Kind, id: u64) -> RequestError {
    let (error, what) = match kind {
        Kind::Subscription => (NO_SUCH_SUBSCRIPTION, "subscription"),
        Kind::Registration => (NO_SUCH_REGISTRATION, "registration"),
    };
    RequestError::new(error, format!("this realm has no {what} {id}"))
}

/// The URI or the pattern that is asked for: the first argument, and `match` in the options that may follow.
fn pattern(arguments: &Arguments) -> Result<Pattern, RequestError> {
    let text = arguments.text(URI)?;
    let matching = match arguments.option("match")? {
        None | Some(Value::Null) => UriMatch::Exact,
        Some(matching) => matching.as_str().and_then(UriMatch::parse).ok_or_else(|| {
            RequestError::new(INVALID_ARGUMENT, "option match: use \"exact\", \"prefix\" or \"wildcard\"")
        })?,
    };
    parse(text, matching)
}

fn parse(text: &str, matching: UriMatch) -> Result<Pattern, RequestError> {
    Pattern::parse(text, matching).map_err(|fault| RequestError::new(INVALID_URI, fault.to_string()))
}
