//! Testaments: what sessions want to have published when they are gone (section "Session Testament").
//!
//! Sessions are not resumed here, so that a session is detached and destroyed at the same time; what it wants to have
//! published for the one comes before what it wants for the other.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::{
    super::{
        deliveries::{Deliveries, RequestError},
        member::{Actor, Members},
        meta::{Arguments, MetaProcedure},
        permissions::Action,
    },
    Now, Router,
    checks::authorize,
};
use crate::{
    memory::Charge,
    wamp::{
        ClientMessage, Payload, Serializer, SessionId,
        uri::error::{INVALID_ARGUMENT, UNAVAILABLE},
    },
};

/// How many testaments a session may have, and how many bytes of arguments with them.
pub(in crate::realm) const MAX_TESTAMENTS: usize = 64;
pub(in crate::realm) const MAX_TESTAMENT_BYTES: usize = 64 * 1024;

/// How deeply the arguments of a testament may be nested; the reader of meta arguments takes no deeper ones.
const MAX_DEPTH: usize = 128;

/// The testaments of all sessions that have any.
#[derive(Debug, Default)]
pub(super) struct Testaments(FxHashMap<SessionId, Own>);

/// One session's testaments, in the order in which it made them.
#[derive(Debug, Default)]
struct Own {
    detached: Vec<ClientMessage>,
    destroyed: Vec<ClientMessage>,
    /// What they take.
    charge: Charge,
}

impl Own {
    fn of(&mut self, scope: Scope) -> &mut Vec<ClientMessage> {
        match scope {
            Scope::Detached => &mut self.detached,
            Scope::Destroyed => &mut self.destroyed,
        }
    }
}

/// When a testament is published.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Detached,
    Destroyed,
}

impl Scope {
    fn read(arguments: &Arguments) -> Result<Self, RequestError> {
        match arguments.keyword("scope") {
            None | Some(Value::Null) => Ok(Self::Destroyed),
            Some(scope) => match scope.as_str() {
                Some("destroyed") => Ok(Self::Destroyed),
                Some("detached") => Ok(Self::Detached),
                _ => Err(invalid("the keyword argument `scope` must be \"detached\" or \"destroyed\"")),
            },
        }
    }
}

fn invalid(what: impl Into<String>) -> RequestError {
    RequestError::new(INVALID_ARGUMENT, what.into())
}

impl Router {
    /// Takes a testament of a session. What it may publish is decided now, as if it published now.
    pub(in crate::realm) fn add_testament(
        &mut self,
        actor: &Actor<'_>,
        payload: &Payload,
    ) -> Result<(), RequestError> {
        let arguments = Arguments::read(MetaProcedure::AddTestament, payload)?;
        let scope = Scope::read(&arguments)?;
        let testament = read(&arguments)?;
        let ClientMessage::Publish { topic, .. } = &testament else { return Err(invalid("no publication")) };
        authorize(&self.rules.permissions, actor, Action::Publish, topic.as_str(), topic.is_reserved())?;
        let size = size(&testament);
        let own = self.testaments.0.entry(actor.session).or_default();
        let count = own.detached.len() + own.destroyed.len();
        if count >= MAX_TESTAMENTS || own.charge.bytes() + size > MAX_TESTAMENT_BYTES {
            return Err(RequestError::new(
                UNAVAILABLE,
                format!(
                    "a session may have {MAX_TESTAMENTS} testaments of {MAX_TESTAMENT_BYTES} bytes in all: flush some first"
                ),
            ));
        }
        if !own.charge.grow(size) {
            return Err(RequestError::new(
                UNAVAILABLE,
                "the gateway has no memory left for testaments: try again later",
            ));
        }
        own.of(scope).push(testament);
        Ok(())
    }

    /// Drops a session's testaments of a scope.
    pub(in crate::realm) fn flush_testaments(
        &mut self,
        session: SessionId,
        payload: &Payload,
    ) -> Result<(), RequestError> {
        let scope = Scope::read(&Arguments::read(MetaProcedure::FlushTestaments, payload)?)?;
        let Some(own) = self.testaments.0.get_mut(&session) else { return Ok(()) };
        let flushed: usize = own.of(scope).drain(..).map(|testament| size(&testament)).sum();
        own.charge.shrink(flushed);
        if own.detached.is_empty() && own.destroyed.is_empty() {
            self.testaments.0.remove(&session);
        }
        Ok(())
    }

    /// Publishes the testaments of a session that is gone.
    pub(in crate::realm) fn execute_testaments(
        &mut self,
        actor: &Actor<'_>,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) {
        let Some(Own { detached, destroyed, .. }) = self.testaments.0.remove(&actor.session) else { return };
        for testament in detached.into_iter().chain(destroyed) {
            // Without an acknowledgement nothing is answered, and a testament that was taken breaks no rule.
            let _ = self.handle(actor, testament, members, now, out);
        }
    }

    /// Whether no session has a testament.
    #[cfg(test)]
    pub(super) fn has_no_testaments(&self) -> bool {
        self.testaments.0.is_empty()
    }
}

/// What a testament takes.
fn size(testament: &ClientMessage) -> usize {
    size_of::<ClientMessage>() + testament.serialized_size()
}

/// A testament as the PUBLISH that it will be: read as one that came from a client, so that the same rules hold.
fn read(arguments: &Arguments) -> Result<ClientMessage, RequestError> {
    let topic = arguments.text("a topic")?;
    let mut options = match arguments.keyword("publish_options") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options.clone(),
        Some(_) => return Err(invalid("the keyword argument `publish_options` must be a dictionary")),
    };
    if options.contains_key("ppt_scheme") {
        return Err(invalid("publish_options: a testament's payload cannot be packed"));
    }
    options.insert("acknowledge".to_owned(), Value::Bool(false));
    let of = |place: usize, none: Value| {
        arguments.argument(place).filter(|it| !it.is_null()).cloned().unwrap_or(none)
    };
    let message = json!([16, 1, options, topic, of(1, json!([])), of(2, json!({}))]);
    match Serializer::Json.decode(&message.to_string().into(), MAX_DEPTH) {
        // An unacknowledged PUBLISH is refused without a word; here the caller gets the word.
        Ok(ClientMessage::Refused(refused)) => Err(RequestError::new(refused.error, refused.message)),
        Ok(mut testament) => {
            // It keeps no more than it is charged for: the payload is a slice of all that was written.
            if let ClientMessage::Publish { payload, .. } = &mut testament {
                *payload = payload.detached();
            }
            Ok(testament)
        }
        Err(fault) => Err(invalid(fault.to_string())),
    }
}
