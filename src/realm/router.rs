//! The router: what one message of one session leads to. No I/O, no clock, no randomness of its own.
//!
//! The router checks a request (URI, permissions, options) and hands it to the broker or the dealer. Decisions where the
//! specification leaves room, or where it would shut out real clients:
//!
//! - *Request identifiers* are echoed, not checked. The specification calls a gap in their sequence a protocol error,
//!   but clients leave gaps (a request that cannot be serialized has used up its number) or draw identifiers at
//!   random, as older editions asked; Crossbar tolerates both, and nothing here depends on the sequence.
//! - *`wamp.` URIs*: clients may subscribe to them and call them, so that a client which looks for a meta API that is
//!   not there starts normally (the topic stays silent, the call gets `no_such_procedure`). They may not publish to them
//!   or register them. Calls of the session meta API do not come here: see [`meta`](super::meta).
//! - *Patterns*: whether a role may subscribe to a pattern or register it, is decided by the pattern's text as by a URI. What
//!   the pattern covers is decided anew for each event and each call: a role gets no event of a topic that it may not
//!   subscribe to, and no call of a procedure that it may not register.
//! - *Events of the past* are recorded for the topics that the operator names. Each has its subscription from the start.
//! - *Options that would change the meaning of a message*, and that the router does not have, are refused with an ERROR that
//!   names the option.
//! - *PUBLISH without `acknowledge`* gets no answer, not even an ERROR (section "Publish ERROR").

/// Takes a turn with the router's own parts, so that broker and dealer can be used beside it.
macro_rules! turn {
    ($router:ident, $members:expr, $now:expr) => {
        $crate::realm::turn::Turn {
            members: $members,
            permissions: &$router.rules.permissions,
            identifiers: &mut $router.identifiers,
            now: $now.instant,
            clock: $now.clock,
            changes: &mut $router.changes,
            max_pending_calls: $router.holdings.max_pending_calls(),
        }
    };
}

mod changes;
mod checks;
mod history;
mod meta;
mod reconfigure;
mod requests;
mod testaments;

use std::{sync::Arc, time::Instant};

use self::{changes::ChangeTopics, checks::authorize_meta, testaments::Testaments};
use super::{
    broker::{Audience, Broker, Publication},
    dealer::{Dealer, PendingCall, Refusal},
    deliveries::{Deliveries, RequestError, Violation},
    holdings::Holdings,
    identifiers::Identifiers,
    member::{Actor, Members},
    meta::MetaProcedure,
    options::{HistoryOptions, SessionLimits},
    rules::Rules,
    turn::{Change, Kind},
};
use crate::{
    time::Timestamp,
    wamp::{
        ClientMessage, Payload, RouterMessage, SessionId, Uri,
        message::{RefusedRequest, code},
        uri::error,
    },
};

/// The broker and the dealer of a realm, behind its permissions.
#[derive(Debug)]
pub(super) struct Router {
    rules: Arc<Rules>,
    identifiers: Identifiers,
    broker: Broker,
    dealer: Dealer,
    holdings: Holdings,
    /// What has happened to subscriptions and registrations and has not been told yet; empty between two messages.
    changes: Vec<(Kind, Change)>,
    topics: ChangeTopics,
    testaments: Testaments,
}

/// When a message is acted on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For what ends after a time.
    pub(super) instant: Instant,
    /// For what clients are told.
    pub(super) clock: Timestamp,
}

impl Router {
    /// What the gateway calls from now on asks about this session, which waits for the answer; none: about none that waits.
    pub(super) const fn asks_about(&mut self, session: Option<SessionId>) {
        self.dealer.asks_about(session);
    }

    /// A router without sessions.
    pub(super) fn new(
        rules: Arc<Rules>,
        mut identifiers: Identifiers,
        limits: SessionLimits,
        histories: &[HistoryOptions],
        created: Timestamp,
    ) -> Self {
        let broker = Broker::new(histories, &mut identifiers, created);
        Self {
            rules,
            identifiers,
            broker,
            dealer: Dealer::default(),
            holdings: Holdings::new(limits),
            changes: Vec::new(),
            topics: ChangeTopics::new(),
            testaments: Testaments::default(),
        }
    }

    /// Acts on a message.
    ///
    /// On a [`Violation`] nothing has changed; the caller aborts the session and calls [`leave`](Self::leave).
    pub(super) fn handle(
        &mut self,
        actor: &Actor<'_>,
        message: ClientMessage,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) -> Result<(), Violation> {
        let session = actor.session;
        let turn = &mut turn!(self, members, now);
        let (request_type, request, done) = match message {
            ClientMessage::Publish { request, options, topic, payload } => {
                let has_answer = options.acknowledge;
                let done =
                    requests::publish(&mut self.broker, actor, request, options, &topic, payload, turn, out)?;
                if !has_answer {
                    return Ok(());
                }
                (code::PUBLISH, request, done)
            }
            ClientMessage::Subscribe { request, options, topic } => {
                let room = if self.broker.is_subscribed(session, &topic) {
                    Ok(())
                } else {
                    self.holdings.check(session, Kind::Subscription, &topic)
                };
                let broker = &mut self.broker;
                let done = requests::subscribe(broker, actor, request, &options, &topic, room, turn, out);
                (code::SUBSCRIBE, request, done)
            }
            ClientMessage::Unsubscribe { request, subscription } => {
                let done = self.broker.unsubscribe(session, subscription, turn);
                let answer = RouterMessage::Unsubscribed { request };
                (code::UNSUBSCRIBE, request, done.map(|()| out.one(session, answer)))
            }
            ClientMessage::Register { request, options, procedure } => {
                let room = self.holdings.check(session, Kind::Registration, &procedure);
                let done = requests::register(
                    &mut self.dealer,
                    actor,
                    request,
                    &options,
                    procedure,
                    room,
                    turn,
                    out,
                );
                (code::REGISTER, request, done)
            }
            ClientMessage::Unregister { request, registration } => {
                let done = self.dealer.unregister(session, registration, turn, out);
                let answer = RouterMessage::Unregistered { request };
                (code::UNREGISTER, request, done.map(|()| out.one(session, answer)))
            }
            ClientMessage::Call { request, options, procedure, payload } => {
                let has_more = options.progress;
                let done =
                    requests::call(&mut self.dealer, actor, request, options, &procedure, payload, turn, out);
                match done {
                    Err(Refusal::Violation(violation)) => return Err(violation),
                    Err(Refusal::Request(error)) => {
                        if has_more {
                            self.dealer.note_refused(session, request);
                        }
                        (code::CALL, request, Err(error))
                    }
                    Ok(()) => return Ok(()),
                }
            }
            ClientMessage::Refused(refused) => {
                let RefusedRequest { request_type, request, has_answer, has_more, error, message } = *refused;
                let is_dropped =
                    request_type == code::CALL && self.dealer.drops_refused(session, request, has_more)?;
                if is_dropped || !has_answer {
                    return Ok(());
                }
                (request_type, request, Err(RequestError::new(error, message)))
            }
            ClientMessage::Cancel { request, options } => {
                let call = PendingCall { caller: session, request };
                self.dealer.cancel(call, options.mode, turn, out);
                return Ok(());
            }
            ClientMessage::Yield { request, options, payload } => {
                return self.dealer.yields(session, request, options, payload, turn, out);
            }
            ClientMessage::InvocationError { request, details, error, payload } => {
                return self.dealer.fails(session, request, details, error, payload, turn, out);
            }
            // Sessions keep these to themselves; if one comes here all the same, it gets the same answer.
            ClientMessage::Hello { .. }
            | ClientMessage::Abort { .. }
            | ClientMessage::Authenticate { .. }
            | ClientMessage::Goodbye { .. } => {
                return Err(Violation("a message that is not allowed in an established session"));
            }
        };
        if let Err(error) = done {
            out.one(session, error.into_message(request_type, request));
        }
        if !self.changes.is_empty() {
            self.tell_changes(members, now, out);
        }
        Ok(())
    }

    /// Whether a session may call a procedure of the meta API.
    pub(super) fn authorize_meta(
        &self,
        actor: &Actor<'_>,
        procedure: MetaProcedure,
        uri: &Uri,
    ) -> Result<(), RequestError> {
        authorize_meta(&self.rules.permissions, actor, procedure, uri)
    }

    /// Whether a CALL with this request belongs to a call that the dealer knows, whatever procedure it names.
    pub(super) fn knows_call(&self, session: SessionId, request: u64) -> bool {
        self.dealer.knows(session, request)
    }

    /// Refuses a progressive call of the meta API: its procedures take one invocation.
    pub(super) fn refuse_progress(&mut self, session: SessionId, request: u64) -> RequestError {
        self.dealer.note_refused(session, request);
        RequestError::new(
            error::FEATURE_NOT_SUPPORTED,
            "the gateway's own procedures take no progressive invocations: call without progress",
        )
    }

    /// Publishes an event of the router's own, if a session is subscribed to its topic.
    pub(super) fn announce(
        &mut self,
        topic: &Uri,
        payload: impl FnOnce() -> Payload,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) {
        if self.broker.has_subscribers(topic) {
            self.publish_own(topic, payload(), members, now, out);
        }
    }

    /// Publishes an event of the router's own.
    fn publish_own(
        &mut self,
        topic: &Uri,
        payload: Payload,
        members: &Members,
        now: Now,
        out: &mut Deliveries,
    ) {
        let publication = Publication {
            id: self.identifiers.publication(),
            topic,
            publisher: None,
            audience: Audience::default(),
            passthru: None,
            payload,
        };
        self.broker.publish(publication, &turn!(self, members, now), out);
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, session: SessionId, members: &Members, now: Now, out: &mut Deliveries) {
        let turn = &mut turn!(self, members, now);
        self.broker.leave(session, turn);
        self.dealer.leave(session, turn, out);
        self.holdings.leave(session);
        if !self.changes.is_empty() {
            self.tell_changes(members, now, out);
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.dealer.next_deadline()
    }

    /// Ends what has run out of time.
    pub(super) fn expire(&mut self, members: &Members, now: Now, out: &mut Deliveries) {
        self.dealer.expire(&mut turn!(self, members, now), out);
    }

    /// The broker, for tests of what it keeps.
    #[cfg(test)]
    pub(super) const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The dealer, for tests that need it in a rare state.
    #[cfg(test)]
    pub(super) fn dealer(&mut self) -> &mut Dealer {
        &mut self.dealer
    }

    /// Whether the router remembers nothing of any session.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let holds_nothing = self.holdings.is_empty() && self.has_no_testaments();
        self.broker.is_empty() && self.dealer.is_empty() && holds_nothing
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
