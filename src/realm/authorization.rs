//! Roles whose permissions a component or a procedure decides: it is asked before a message enters the realm, on the connection's own task, so that
//! only the session that asks waits. The router meets the outcome beside the message.
//!
//! Whatever goes wrong denies.

mod answers;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde_json::json;

use self::answers::{Answers, Known};
use super::{
    member::Transport,
    permissions::{Action, Ruling},
};
use crate::{
    identity::Identity,
    policy::{
        PolicyError,
        authorization::{
            self as asked, AuthorizationRequest, AuthorizerGate, Keeping, Scope, SessionView, spoken,
        },
        procedure::ProcedureGate,
    },
    time::Timestamp,
    wamp::{
        ClientMessage, SessionId, Uri,
        pattern::{Pattern, UriMatch},
    },
};

/// Answers that are kept for one session in each of two sets: at most 64 KiB of URIs.
const OWN: usize = 32;
/// Answers that are kept for one role in each of two sets: at most 8 MiB of URIs, each as long as URIs may be.
const OF_ROLE: usize = 4096;

/// What decides about the sessions of a role.
pub struct RoleAuthorizer {
    decides: Decider,
    /// Answers that hold for all sessions of the role.
    answers: Mutex<Answers>,
}

/// The way to what decides.
pub(crate) enum Decider {
    Component(Arc<AuthorizerGate>),
    Procedure(Box<ProcedureGate>),
}

/// The authorizers of a realm, by role.
pub type Authorizers = HashMap<Box<str>, Arc<RoleAuthorizer>>;

/// A session of a role that has an authorizer: what the authorizer is told of it, and what it has answered.
#[derive(Debug)]
pub struct Asking {
    session: SessionId,
    /// The same as components are told it.
    id: String,
    realm: Uri,
    identity: Arc<Identity>,
    public_id: Option<Arc<str>>,
    connection: Box<str>,
    peer: String,
    transport: Transport,
    own: Answers,
}

impl RoleAuthorizer {
    /// An authorizer.
    pub(crate) fn new(decides: Decider) -> Self {
        Self { decides, answers: Mutex::new(Answers::new(OF_ROLE)) }
    }

    /// Which component has given the answers that are kept. Those of a procedure hold for their time, whichever client has it.
    fn generation(&self) -> u64 {
        match &self.decides {
            Decider::Component(gate) => gate.generation(),
            Decider::Procedure(_) => 0,
        }
    }
}

impl Asking {
    /// A session that has joined.
    pub fn new(
        session: SessionId,
        realm: Uri,
        identity: Arc<Identity>,
        public_id: Option<Arc<str>>,
        connection: &str,
        peer: String,
        transport: Transport,
    ) -> Self {
        let own = Answers::new(OWN);
        Self {
            session,
            id: session.0.to_string(),
            realm,
            identity,
            public_id,
            connection: connection.into(),
            peer,
            transport,
            own,
        }
    }

    /// The session's role.
    pub(super) fn role(&self) -> &str {
        &self.identity.authrole
    }

    /// What the authorizer says about a message; none: it denies, or the message needs no permission.
    pub(super) async fn rule(
        &mut self,
        authorizer: &RoleAuthorizer,
        message: &ClientMessage,
    ) -> Option<Ruling> {
        let (action, matching, uri) = wanted(message)?;
        let ruling = |known| match known {
            Known::Denied => None,
            Known::Allowed { disclose } => Some(Ruling::Allowed { action, disclose }),
        };
        let generation = authorizer.generation();
        let now = Instant::now();
        if let Some(known) = self.own.get(generation, action, matching, uri, now) {
            return ruling(known);
        }
        let known = authorizer.lock().get(generation, action, matching, uri, now);
        if let Some(known) = known {
            return ruling(known);
        }
        let options = options(message);
        let answered = self.ask(authorizer, &self.question(action, matching, uri, &options)).await;
        let Ok(asked::Ruling { allow, disclose, keep }) = answered else { return Some(Ruling::Failed) };
        let answer = if allow { Known::Allowed { disclose } } else { Known::Denied };
        if let Some(Keeping { time, scope }) = keep
            && let Some(until) = now.checked_add(time)
        {
            let question = (action, matching, uri);
            match scope {
                Scope::Role => authorizer.lock().keep(generation, question, answer, until),
                Scope::Session => self.own.keep(generation, question, answer, until),
            }
        }
        ruling(answer)
    }

    async fn ask(
        &self,
        authorizer: &RoleAuthorizer,
        question: &AuthorizationRequest<'_>,
    ) -> Result<asked::Ruling, PolicyError> {
        match &authorizer.decides {
            Decider::Component(gate) => gate.decide(question).await,
            Decider::Procedure(gate) => {
                let (authextra, transport) = (self.identity.authextra.as_ref(), self.transport.name());
                Box::pin(spoken::ask(gate, question, self.session, authextra, transport)).await
            }
        }
    }

    fn question<'a>(
        &'a self,
        action: Action,
        matching: UriMatch,
        uri: &'a str,
        options: &'a str,
    ) -> AuthorizationRequest<'a> {
        let Identity { authid, authrole, authmethod, authprovider, .. } = &*self.identity;
        AuthorizationRequest {
            session: SessionView {
                id: &self.id,
                realm: self.realm.as_str(),
                authid: authid.public(),
                authrole,
                authmethod,
                authprovider,
                public_id: self.public_id.as_deref(),
                connection: &self.connection,
                peer: &self.peer,
            },
            action: match action {
                Action::Call => asked::Action::Call,
                Action::Register => asked::Action::Register,
                Action::Publish => asked::Action::Publish,
                Action::Subscribe => asked::Action::Subscribe,
            },
            uri,
            matching: match matching {
                UriMatch::Exact => asked::Matching::Exact,
                UriMatch::Prefix => asked::Matching::Prefix,
                UriMatch::Wildcard => asked::Matching::Wildcard,
            },
            options,
            now: Timestamp::now().as_millis(),
        }
    }
}

impl RoleAuthorizer {
    // Held for a look-up and never across an await; a poisoned one is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message needs a permission for.
fn wanted(message: &ClientMessage) -> Option<(Action, UriMatch, &str)> {
    let of = |action, pattern: &'_ Pattern| {
        let matching = match pattern {
            Pattern::Exact(_) => UriMatch::Exact,
            Pattern::Prefix(_) => UriMatch::Prefix,
            Pattern::Wildcard(_) => UriMatch::Wildcard,
        };
        (action, matching)
    };
    match message {
        ClientMessage::Publish { topic, .. } => Some((Action::Publish, UriMatch::Exact, topic.as_str())),
        ClientMessage::Call { procedure, .. } => Some((Action::Call, UriMatch::Exact, procedure.as_str())),
        ClientMessage::Subscribe { topic, .. } => {
            let (action, matching) = of(Action::Subscribe, topic);
            Some((action, matching, topic.as_str()))
        }
        ClientMessage::Register { procedure, .. } => {
            let (action, matching) = of(Action::Register, procedure);
            Some((action, matching, procedure.as_str()))
        }
        _ => None,
    }
}

/// The options of a message that the gateway acts on, as JSON text.
fn options(message: &ClientMessage) -> String {
    let options = match message {
        ClientMessage::Publish { options, .. } => json!({
            "acknowledge": options.acknowledge,
            "exclude_me": options.exclude_me,
            "disclose_me": options.disclose_me,
            "retain": options.retain,
        }),
        ClientMessage::Call { options, .. } => json!({
            "disclose_me": options.disclose_me,
            "receive_progress": options.receive_progress,
            "progress": options.progress,
            "timeout": options.timeout,
        }),
        ClientMessage::Subscribe { options, .. } => json!({ "get_retained": options.get_retained }),
        ClientMessage::Register { options, .. } => json!({
            "concurrency": options.concurrency,
            "force_reregister": options.force_reregister,
            "disclose_caller": options.disclose_caller,
            "forward_timeout": options.forward_timeout,
        }),
        _ => json!({}),
    };
    options.to_string()
}

impl fmt::Debug for RoleAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.decides {
            Decider::Component(gate) => gate.name(),
            Decider::Procedure(gate) => gate.name(),
        };
        f.debug_struct("RoleAuthorizer").field("decides", &name).finish_non_exhaustive()
    }
}
