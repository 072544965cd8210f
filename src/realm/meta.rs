//! The session meta API (section "Session Meta API"): it tells which sessions are in the realm, and ends some of them.
//!
//! Pure: arguments and sessions give a [`MetaAnswer`], which the owner carries out. It tells of a session what
//! [`Member::details`](super::member::Member::details) shows, and nothing of that is a credential.
//!
//! *Permissions*: reading follows the realm's permissions like any call. To end the sessions of other clients, a role
//! needs a permission whose URI itself begins with `wamp.`: operators write a rule that covers everything with the
//! application's own procedures in mind, and an open realm has no rule at all.
//!
//! Questions about subscriptions and registrations have their names here; the router, which knows them, answers.
//!
//! `wamp.session.modify_details` is in no edition of the specification, and not here.

mod arguments;

use serde_json::{Value, json};

pub(super) use self::arguments::{Arguments, identifier};
use super::{broker::Recalled, deliveries::RequestError, member::Members, turn::Kind};
use crate::wamp::{Payload, SessionId, Uri, uri::error::NO_SUCH_SESSION};

/// Tells of a session that has joined.
pub(super) const ON_JOIN: &str = "wamp.session.on_join";

/// Tells of a session that has left.
pub(super) const ON_LEAVE: &str = "wamp.session.on_leave";

/// How many sessions `wamp.session.list` lists: any client may ask as often as it likes, and the list is copied for each
/// answer. `wamp.session.count` counts them all.
pub(super) const MAX_LISTED: usize = 10_000;

/// What one session of a list counts while the list waits to be sent, in bytes: 16 digits and a comma in JSON, and some of its
/// eight bytes in memory.
const LISTED_SIZE: usize = 20;

/// What the events of a history can be chosen by (section "Event History"), and the details that name a disclosed publisher.
const HISTORY_FILTER: [&str; 14] = [
    "reverse",
    "limit",
    "from_time",
    "after_time",
    "before_time",
    "until_time",
    "topic",
    "publisher",
    "publisher_authid",
    "publisher_authrole",
    "from_publication",
    "after_publication",
    "before_publication",
    "until_publication",
];

/// What goes before the name of each procedure.
const PREFIX: &str = "wamp.";

/// A procedure of the meta API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetaProcedure {
    Count,
    List,
    Get,
    Kill,
    KillByAuthid,
    KillByAuthrole,
    KillAll,
    /// A question about subscriptions or registrations, which the router answers.
    Routing(Kind, Query),
    /// Events of the past, which the router has.
    GetEvents,
    /// A testament, which the router keeps.
    AddTestament,
    FlushTestaments,
}

/// What is asked about subscriptions or registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    /// All of them, by how they match.
    List,
    /// The one of a pattern.
    Lookup,
    /// Those that match a URI.
    Match,
    /// What there is to know of one.
    Get,
    /// Its subscribers or callees.
    Members,
    /// How many they are.
    Count,
    /// Takes it back from one of them.
    Remove,
}

impl Query {
    /// The query of that name; three of the names differ from kind to kind.
    fn parse(name: &str, members: &str, count: &str, remove: &str) -> Option<Self> {
        Some(match name {
            "list" => Self::List,
            "lookup" => Self::Lookup,
            "match" => Self::Match,
            "get" => Self::Get,
            name if name == members => Self::Members,
            name if name == count => Self::Count,
            name if name == remove => Self::Remove,
            _ => return None,
        })
    }
}

/// What a call comes to.
#[derive(Debug, PartialEq)]
pub(super) struct MetaAnswer {
    /// What the RESULT says.
    pub(super) result: MetaResult,
    /// Whose sessions end, and what they are told.
    pub(super) killed: Option<Killed>,
}

/// What a RESULT says.
#[derive(Debug, PartialEq)]
pub(super) enum MetaResult {
    /// Nothing: it has no argument.
    Nothing,
    /// Its only argument.
    Value(Value),
    /// Sessions, or other identifiers, which may be many.
    Sessions(Vec<u64>),
    /// Identifiers by how they match: `exact`, `prefix`, `wildcard`.
    Lists([Vec<u64>; 3]),
    /// Events of the past.
    Events(Recalled),
}

/// Sessions that are to end.
#[derive(Debug, PartialEq)]
pub(super) struct Killed {
    pub(super) sessions: Vec<SessionId>,
    /// GOODBYE.Reason
    pub(super) reason: Uri,
    /// GOODBYE.Details.message
    pub(super) message: Option<String>,
    /// The authid, if the caller named one: that means clients too that are not connected.
    pub(super) authid: Option<String>,
}

impl MetaProcedure {
    /// The procedure of that URI, if it is one of these.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(PREFIX)?;
        if let Some(name) = name.strip_prefix("subscription.") {
            if name == "get_events" {
                return Some(Self::GetEvents);
            }
            return Query::parse(name, "list_subscribers", "count_subscribers", "remove_subscriber")
                .map(|query| Self::Routing(Kind::Subscription, query));
        }
        if let Some(name) = name.strip_prefix("registration.") {
            return Query::parse(name, "list_callees", "count_callees", "remove_callee")
                .map(|query| Self::Routing(Kind::Registration, query));
        }
        Some(match name.strip_prefix("session.")? {
            "count" => Self::Count,
            "list" => Self::List,
            "get" => Self::Get,
            "kill" => Self::Kill,
            "kill_by_authid" => Self::KillByAuthid,
            "kill_by_authrole" => Self::KillByAuthrole,
            "kill_all" => Self::KillAll,
            "add_testament" => Self::AddTestament,
            "flush_testaments" => Self::FlushTestaments,
            _ => return None,
        })
    }

    /// Whether it ends sessions of other clients, or takes from them what they have subscribed to or registered.
    pub(super) const fn kills(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::KillByAuthid
                | Self::KillByAuthrole
                | Self::KillAll
                | Self::Routing(_, Query::Remove)
        )
    }

    /// How many positional arguments it takes, and which keyword arguments. It refuses others, which it would ignore.
    const fn takes(self) -> (usize, &'static [&'static str]) {
        match self {
            Self::Count
            | Self::List
            | Self::Get
            | Self::Routing(_, Query::Match | Query::Get | Query::Members | Query::Count) => (1, &[]),
            Self::Kill | Self::KillByAuthid | Self::KillByAuthrole => (1, &["reason", "message"]),
            Self::KillAll => (0, &["reason", "message"]),
            Self::Routing(_, Query::List) => (0, &[]),
            Self::Routing(_, Query::Lookup) => (2, &["match"]),
            Self::Routing(_, Query::Remove) => (2, &["reason"]),
            Self::GetEvents => (2, &HISTORY_FILTER),
            Self::AddTestament => (3, &["publish_options", "scope"]),
            Self::FlushTestaments => (0, &["scope"]),
        }
    }

    /// Finds out what a call comes to. The caller has the permission for it.
    pub(super) fn answer(
        self,
        caller: SessionId,
        payload: &Payload,
        members: &Members,
    ) -> Result<MetaAnswer, RequestError> {
        let arguments = Arguments::read(self, payload)?;
        match self {
            Self::Count => {
                let count = match arguments.roles()? {
                    None => members.len(),
                    Some(roles) => roles.into_iter().map(|role| members.with_role(role).len()).sum(),
                };
                Ok(MetaAnswer::only(count.into()))
            }
            Self::List => {
                let listed: Vec<u64> = match arguments.roles()? {
                    None => members.sessions().map(|session| session.0).take(MAX_LISTED).collect(),
                    Some(roles) => {
                        let listed = roles.into_iter().flat_map(|role| members.with_role(role));
                        listed.map(|session| session.0).take(MAX_LISTED).collect()
                    }
                };
                Ok(MetaAnswer { result: MetaResult::Sessions(listed), killed: None })
            }
            Self::Get => {
                let session = arguments.session()?;
                let member = members.of_client(session).ok_or_else(|| no_such_session(session))?;
                Ok(MetaAnswer::only(member.details(session)))
            }
            Self::Kill => {
                // "Specifying the caller's own session will result in a `wamp.error.no_such_session`."
                let session = arguments.session()?;
                if session == caller || members.of_client(session).is_none() {
                    return Err(no_such_session(session));
                }
                let killed = arguments.killed(vec![session], None)?;
                Ok(MetaAnswer { result: MetaResult::Nothing, killed: Some(killed) })
            }
            Self::KillByAuthid => {
                let authid = arguments.text("an authid")?;
                let sessions = others(caller, members.with_authid(authid).iter().copied());
                let result = MetaResult::Sessions(sessions.iter().map(|session| session.0).collect());
                let killed = arguments.killed(sessions, Some(authid.to_owned()))?;
                Ok(MetaAnswer { result, killed: Some(killed) })
            }
            Self::KillByAuthrole => {
                let role = arguments.text("an authrole")?;
                arguments.counting(others(caller, members.with_role(role).iter().copied()))
            }
            Self::KillAll => arguments.counting(others(caller, members.sessions())),
            // The router answers them.
            Self::Routing(..) | Self::GetEvents | Self::AddTestament | Self::FlushTestaments => {
                Ok(MetaAnswer { result: MetaResult::Nothing, killed: None })
            }
        }
    }
}

/// These sessions without the caller's own.
fn others(caller: SessionId, sessions: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
    sessions.filter(|session| *session != caller).collect()
}

fn no_such_session(session: SessionId) -> RequestError {
    RequestError::new(
        NO_SUCH_SESSION,
        format!("no other session of this realm has the identifier {}", session.0),
    )
}

impl MetaAnswer {
    const fn only(result: Value) -> Self {
        Self::telling(MetaResult::Value(result))
    }

    /// An answer that ends no session.
    pub(super) const fn telling(result: MetaResult) -> Self {
        Self { result, killed: None }
    }
}

impl MetaResult {
    /// What its lists count while they wait to be sent, in bytes.
    pub(super) fn listed_size(&self) -> usize {
        match self {
            Self::Nothing | Self::Value(_) => 0,
            Self::Sessions(sessions) => sessions.len() * LISTED_SIZE,
            Self::Lists(lists) => lists.iter().map(Vec::len).sum::<usize>() * LISTED_SIZE,
            Self::Events(recalled) => recalled.size(),
        }
    }

    /// The RESULT's arguments.
    pub(super) fn payload(self) -> Payload {
        match self {
            Self::Nothing => Payload::empty(),
            Self::Value(value) => Payload::json(&[value]),
            Self::Sessions(sessions) => Payload::json(&[sessions.into()]),
            Self::Lists([exact, prefix, wildcard]) => {
                Payload::json(&[json!({ "exact": exact, "prefix": prefix, "wildcard": wildcard })])
            }
            Self::Events(recalled) => recalled.payload(),
        }
    }
}

#[cfg(test)]
mod tests;
