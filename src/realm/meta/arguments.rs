//! The arguments of a procedure of the meta API, which are refused where they are none of its own.

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value};

use super::{Killed, MetaAnswer, MetaProcedure, MetaResult};
use crate::{
    realm::deliveries::RequestError,
    wamp::{
        Payload, Serializer, SessionId, Uri,
        uri::error::{INVALID_ARGUMENT, INVALID_URI, KILLED},
        whole_float,
    },
};

/// How large the arguments of a call may be, in bytes: as many roles as that with the longest of names. They become values, which
/// take many times as much memory, and the realm serves no other client meanwhile.
pub(super) const MAX_ARGUMENTS: usize = 16 * 1024;

/// The longest message that a GOODBYE passes on, in bytes. It is copied to each session that is killed.
pub(super) const MAX_MESSAGE: usize = 1024;

/// How many roles a caller may name. A realm has a few.
pub(super) const MAX_ROLES: usize = 64;

/// The arguments of a call, whatever they were serialized with.
pub(in crate::realm) struct Arguments {
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

impl Arguments {
    /// Reads those of a procedure. An argument that is null counts as absent.
    pub(in crate::realm) fn read(procedure: MetaProcedure, payload: &Payload) -> Result<Self, RequestError> {
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

    /// A session, the first argument.
    pub(super) fn session(&self) -> Result<SessionId, RequestError> {
        let id = self.args.first().and_then(identifier);
        id.map(SessionId).ok_or_else(|| invalid("a session's identifier as the first argument"))
    }

    /// A string, the first argument.
    pub(in crate::realm) fn text(&self, what: &str) -> Result<&str, RequestError> {
        let text = self.args.first().and_then(Value::as_str);
        text.ok_or_else(|| invalid(format!("{what} as the first argument")))
    }

    /// An identifier, the first argument.
    pub(in crate::realm) fn id(&self, what: &str) -> Result<u64, RequestError> {
        let id = self.args.first().and_then(identifier);
        id.ok_or_else(|| invalid(format!("{what} as the first argument")))
    }

    /// An identifier, the second argument.
    pub(in crate::realm) fn second_id(&self, what: &str) -> Result<u64, RequestError> {
        let id = self.args.get(1).and_then(identifier);
        id.ok_or_else(|| invalid(format!("{what} as the second argument")))
    }

    /// A positional argument.
    pub(in crate::realm) fn argument(&self, place: usize) -> Option<&Value> {
        self.args.get(place)
    }

    /// A keyword argument.
    pub(in crate::realm) fn keyword(&self, name: &str) -> Option<&Value> {
        self.kwargs.get(name)
    }

    /// The only option that there is: in the dictionary that is the second argument, or a keyword argument.
    pub(in crate::realm) fn option(&self, name: &str) -> Result<Option<&Value>, RequestError> {
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
    pub(in crate::realm) fn words(&self, name: &str) -> Result<Option<String>, RequestError> {
        match self.kwargs.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(words)) if words.len() <= MAX_MESSAGE => Ok(Some(words.clone())),
            Some(_) => Err(invalid(format!("a text of at most {MAX_MESSAGE} bytes as the `{name}`"))),
        }
    }

    /// The roles that a count or a list is limited to, each once.
    pub(super) fn roles(&self) -> Result<Option<HashSet<&str>>, RequestError> {
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

    /// The reason that a client is told, if the caller gives one.
    pub(in crate::realm) fn reason(&self) -> Result<Option<Uri>, RequestError> {
        let Some(reason) = self.kwargs.get("reason").filter(|reason| !reason.is_null()) else {
            return Ok(None);
        };
        let Some(reason) = reason.as_str() else {
            let what = "the keyword argument `reason` must be a URI, or be left out";
            return Err(RequestError::new(INVALID_URI, what));
        };
        let unsound =
            |fault| RequestError::new(INVALID_URI, format!("the keyword argument `reason`: {fault}"));
        Uri::parse(reason).map(Some).map_err(unsound)
    }

    /// The sessions that are to end, with what they are told.
    pub(super) fn killed(
        &self,
        sessions: Vec<SessionId>,
        authid: Option<String>,
    ) -> Result<Killed, RequestError> {
        let reason = self.reason()?.unwrap_or_else(|| Uri::known(KILLED));
        Ok(Killed { sessions, reason, message: self.words("message")?, authid })
    }

    /// The same, for a caller that is told how many they are.
    pub(super) fn counting(&self, sessions: Vec<SessionId>) -> Result<MetaAnswer, RequestError> {
        let result = MetaResult::Value(sessions.len().into());
        Ok(MetaAnswer { result, killed: Some(self.killed(sessions, None)?) })
    }
}

/// An identifier. JavaScript's usual encoders for `MessagePack` and CBOR write one of more than 32 bits as a float.
pub(in crate::realm) fn identifier(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0);
    value.as_u64().or_else(|| float().and_then(whole_float))
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

/// A call with other arguments than its procedure takes.
pub(super) fn invalid(what: impl Into<Cow<'static, str>>) -> RequestError {
    RequestError::new(INVALID_ARGUMENT, format!("this procedure takes {}", what.into()))
}
