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

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value, json};

use super::{broker::Recalled, deliveries::RequestError, member::Members, turn::Kind};
use crate::wamp::{
    Payload, Serializer, SessionId, Uri,
    uri::error::{INVALID_ARGUMENT, INVALID_URI, KILLED, NO_SUCH_SESSION},
};

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

/// How many roles a caller may name. A realm has a few.
const MAX_ROLES: usize = 64;

/// How large the arguments of a call may be, in bytes: as many roles as that with the longest of names. They become values, which
/// take many times as much memory, and the realm serves no other client meanwhile.
const MAX_ARGUMENTS: usize = 16 * 1024;

/// The longest message that a GOODBYE passes on, in bytes. It is copied to each session that is killed.
const MAX_MESSAGE: usize = 1024;

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
                let member = members.get(session).ok_or_else(|| no_such_session(session))?;
                Ok(MetaAnswer::only(member.details(session)))
            }
            Self::Kill => {
                // "Specifying the caller's own session will result in a `wamp.error.no_such_session`."
                let session = arguments.session()?;
                if session == caller || members.get(session).is_none() {
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

/// The arguments of a call, whatever they were serialized with.
pub(super) struct Arguments {
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

impl Arguments {
    /// Reads those of a procedure. An argument that is null counts as absent.
    pub(super) fn read(procedure: MetaProcedure, payload: &Payload) -> Result<Self, RequestError> {
        if payload.size() > MAX_ARGUMENTS {
            return Err(invalid(format!("arguments of at most {MAX_ARGUMENTS} bytes")));
        }
        let payload = payload.transcoded(Serializer::Json);
        let invalid = |_| invalid("arguments that can be written as JSON");
        let read = |bytes: &Option<bytes::Bytes>| bytes.as_deref().map(serde_json::from_slice::<Value>);
        let args = read(&payload.args).transpose().map_err(invalid)?;
        let kwargs = read(&payload.kwargs).transpose().map_err(invalid)?;
        let args = match args {
            Some(Value::Array(args)) => args,
            _ => Vec::new(),
        };
        let kwargs = match kwargs {
            Some(Value::Object(kwargs)) => kwargs,
            _ => Map::new(),
        };
        let (most, keywords) = procedure.takes();
        if args.iter().skip(most).any(|further| !further.is_null()) {
            return Err(self::invalid(match most {
                0 => "no positional arguments".to_owned(),
                1 => "one positional argument and no more".to_owned(),
                most => format!("{most} positional arguments and no more"),
            }));
        }
        only(&kwargs, keywords, "keyword arguments")?;
        Ok(Self { args, kwargs })
    }

    fn session(&self) -> Result<SessionId, RequestError> {
        let id = self.args.first().and_then(Value::as_u64);
        id.map(SessionId).ok_or_else(|| invalid("a session's identifier as the first argument"))
    }

    /// A string, the first argument.
    pub(super) fn text(&self, what: &str) -> Result<&str, RequestError> {
        let text = self.args.first().and_then(Value::as_str);
        text.ok_or_else(|| invalid(format!("{what} as the first argument")))
    }

    /// An identifier, the first argument.
    pub(super) fn id(&self, what: &str) -> Result<u64, RequestError> {
        let id = self.args.first().and_then(Value::as_u64);
        id.ok_or_else(|| invalid(format!("{what} as the first argument")))
    }

    /// An identifier, the second argument.
    pub(super) fn second_id(&self, what: &str) -> Result<u64, RequestError> {
        let id = self.args.get(1).and_then(Value::as_u64);
        id.ok_or_else(|| invalid(format!("{what} as the second argument")))
    }

    /// A positional argument.
    pub(super) fn argument(&self, place: usize) -> Option<&Value> {
        self.args.get(place)
    }

    /// A keyword argument.
    pub(super) fn keyword(&self, name: &str) -> Option<&Value> {
        self.kwargs.get(name)
    }

    /// The only option that there is: in the dictionary that is the second argument, or a keyword argument.
    pub(super) fn option(&self, name: &str) -> Result<Option<&Value>, RequestError> {
        let options = match self.args.get(1) {
            None | Some(Value::Null) => None,
            Some(Value::Object(options)) => {
                only(options, &[name], "options")?;
                options.get(name)
            }
            Some(_) => return Err(invalid("a dictionary of options as the second argument")),
        };
        Ok(options.or_else(|| self.kwargs.get(name)))
    }

    /// A text for other clients, a keyword argument.
    pub(super) fn words(&self, name: &str) -> Result<Option<String>, RequestError> {
        match self.kwargs.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(words)) if words.len() <= MAX_MESSAGE => Ok(Some(words.clone())),
            Some(_) => Err(invalid(format!("a text of at most {MAX_MESSAGE} bytes as the `{name}`"))),
        }
    }

    /// The roles that a count or a list is limited to, each once.
    fn roles(&self) -> Result<Option<HashSet<&str>>, RequestError> {
        let roles = match self.args.first() {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(roles)) if roles.len() > MAX_ROLES => {
                return Err(invalid(format!("at most {MAX_ROLES} roles as the first argument")));
            }
            Some(Value::Array(roles)) => roles.iter().map(Value::as_str).collect::<Option<_>>(),
            Some(_) => None,
        };
        roles.map(Some).ok_or_else(|| invalid("a list of roles as the first argument"))
    }

    fn killed(&self, sessions: Vec<SessionId>, authid: Option<String>) -> Result<Killed, RequestError> {
        let reason = match self.kwargs.get("reason") {
            None | Some(Value::Null) => Uri::known(KILLED),
            Some(reason) => reason.as_str().and_then(|reason| Uri::parse(reason).ok()).ok_or_else(|| {
                RequestError::new(INVALID_URI, "the keyword argument `reason` must be a URI, or be left out")
            })?,
        };
        Ok(Killed { sessions, reason, message: self.words("message")?, authid })
    }

    fn counting(&self, sessions: Vec<SessionId>) -> Result<MetaAnswer, RequestError> {
        let result = MetaResult::Value(sessions.len().into());
        Ok(MetaAnswer { result, killed: Some(self.killed(sessions, None)?) })
    }
}

/// Refuses a dictionary that has others than these.
fn only(dictionary: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), RequestError> {
    if dictionary.iter().all(|(name, value)| value.is_null() || known.contains(&name.as_str())) {
        return Ok(());
    }
    Err(invalid(match known {
        [] => format!("no {what}"),
        known => format!("the {what} {} and no others", known.join(", ")),
    }))
}

fn invalid(what: impl Into<Cow<'static, str>>) -> RequestError {
    RequestError::new(INVALID_ARGUMENT, format!("this procedure takes {}", what.into()))
}

#[cfg(test)]
mod tests;
