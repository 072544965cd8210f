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
//! - *Pattern-based and shared* subscriptions and registrations are advanced features that the router does not have. It
//!   refuses a client that asks for one, and does not give the request another meaning.
//! - *Options that would change the meaning of a message*, and that the router does not have, are refused with an ERROR that
//!   names the option.
//! - *PUBLISH without `acknowledge`* gets no answer, not even an ERROR (section "Publish ERROR").

mod checks;

use std::sync::Arc;

use self::checks::{
    authorize, authorize_meta, no_patterns, refuse_call, refuse_publish, refuse_register, refuse_subscribe,
    refuse_yield,
};
use super::{
    broker::{Audience, Broker, Publication},
    dealer::{Call, Dealer, PendingCall},
    deliveries::{Deliveries, RequestError, Violation},
    holdings::{Holdings, Thing},
    identifiers::Identifiers,
    member::{Actor, Members},
    meta::MetaProcedure,
    options::SessionLimits,
    permissions::{Action, Permissions},
};
use crate::wamp::{
    ClientMessage, Payload, RouterMessage, SessionId, Uri,
    message::{
        CallOptions, PublishOptions, RegisterOptions, ResultDetails, SubscribeOptions, YieldOptions, code,
    },
    pattern::Pattern,
};

/// The broker and the dealer of a realm, behind its permissions.
#[derive(Debug)]
pub(super) struct Router {
    permissions: Arc<Permissions>,
    identifiers: Identifiers,
    broker: Broker,
    dealer: Dealer,
    holdings: Holdings,
}

impl Router {
    /// A router without sessions.
    pub(super) fn new(
        permissions: Arc<Permissions>,
        identifiers: Identifiers,
        limits: SessionLimits,
    ) -> Self {
        let (broker, dealer, holdings) = (Broker::default(), Dealer::default(), Holdings::new(limits));
        Self { permissions, identifiers, broker, dealer, holdings }
    }

    /// Acts on a message.
    ///
    /// On a [`Violation`] nothing has changed; the caller aborts the session and calls [`leave`](Self::leave).
    pub(super) fn handle(
        &mut self,
        actor: &Actor<'_>,
        message: ClientMessage,
        members: &Members,
        out: &mut Deliveries,
    ) -> Result<(), Violation> {
        let session = actor.session;
        let (request_type, request, done) = match message {
            ClientMessage::Publish { request, options, topic, payload } => {
                let has_answer = options.acknowledge;
                let done = self.publish(actor, request, options, &topic, payload, members, out);
                if !has_answer {
                    return Ok(());
                }
                (code::PUBLISH, request, done)
            }
            ClientMessage::Subscribe { request, options, topic } => {
                let done = self.subscribe(actor, &options, topic);
                let answer = |subscription| RouterMessage::Subscribed { request, subscription };
                (code::SUBSCRIBE, request, done.map(|subscription| out.one(session, answer(subscription))))
            }
            ClientMessage::Unsubscribe { request, subscription } => {
                let done = self.broker.unsubscribe(session, subscription);
                let done = done.map(|()| self.holdings.remove(session, Thing::Subscription, subscription));
                let answer = RouterMessage::Unsubscribed { request };
                (code::UNSUBSCRIBE, request, done.map(|()| out.one(session, answer)))
            }
            ClientMessage::Register { request, options, procedure } => {
                let done = self.register(actor, &options, procedure);
                let answer = |registration| RouterMessage::Registered { request, registration };
                (code::REGISTER, request, done.map(|registration| out.one(session, answer(registration))))
            }
            ClientMessage::Unregister { request, registration } => {
                let done = self.dealer.unregister(session, registration);
                let done = done.map(|()| self.holdings.remove(session, Thing::Registration, registration));
                let answer = RouterMessage::Unregistered { request };
                (code::UNREGISTER, request, done.map(|()| out.one(session, answer)))
            }
            ClientMessage::Call { request, options, procedure, payload } => {
                let done = self.call(actor, request, &options, &procedure, payload, out);
                (code::CALL, request, done)
            }
            ClientMessage::Cancel { .. } => {
                return Err(Violation("CANCEL: this router does not announce call_canceling"));
            }
            ClientMessage::Yield { request, options, payload } => {
                if let Some(PendingCall { caller, request }) = self.dealer.answer(session, request)? {
                    out.one(caller, result(request, &options, payload));
                }
                return Ok(());
            }
            ClientMessage::InvocationError { request, details, error, payload } => {
                if let Some(PendingCall { caller, request }) = self.dealer.answer(session, request)? {
                    let request_type = code::CALL;
                    out.one(caller, RouterMessage::Error { request_type, request, details, error, payload });
                }
                return Ok(());
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
        Ok(())
    }

    /// Whether a session may call a procedure of the meta API.
    pub(super) fn authorize_meta(
        &self,
        actor: &Actor<'_>,
        procedure: MetaProcedure,
        uri: &Uri,
    ) -> Result<(), RequestError> {
        authorize_meta(&self.permissions, actor, procedure, uri)
    }

    /// Publishes an event of the router's own, if a session is subscribed to its topic.
    pub(super) fn announce(
        &mut self,
        topic: &Uri,
        payload: impl FnOnce() -> Payload,
        members: &Members,
        out: &mut Deliveries,
    ) {
        if self.broker.has_subscribers(topic) {
            let publication = Publication {
                id: self.identifiers.publication(),
                topic,
                publisher: None,
                audience: Audience::default(),
                payload: payload(),
            };
            self.broker.publish(publication, members, out);
        }
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, session: SessionId, out: &mut Deliveries) {
        self.broker.leave(session);
        self.dealer.leave(session, out);
        self.holdings.leave(session);
    }

    #[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
    fn publish(
        &mut self,
        actor: &Actor<'_>,
        request: u64,
        options: PublishOptions,
        topic: &Uri,
        payload: Payload,
        members: &Members,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let grant = authorize(&self.permissions, actor, Action::Publish, topic.as_str())?;
        refuse_publish(&options)?;
        let id = self.identifiers.publication();
        if options.acknowledge {
            out.one(actor.session, RouterMessage::Published { request, publication: id });
        }
        let publication = Publication {
            id,
            topic,
            publisher: (grant.disclose || options.disclose_me).then_some(*actor),
            audience: Audience::new(options.exclude_me.then_some(actor.session), options.lists),
            payload,
        };
        self.broker.publish(publication, members, out);
        Ok(())
    }

    fn subscribe(
        &mut self,
        actor: &Actor<'_>,
        options: &SubscribeOptions,
        topic: Pattern,
    ) -> Result<u64, RequestError> {
        authorize(&self.permissions, actor, Action::Subscribe, topic.as_str())?;
        refuse_subscribe(options)?;
        let Pattern::Exact(topic) = topic else { return Err(no_patterns()) };
        let size = topic.as_str().len();
        if !self.broker.is_subscribed(actor.session, &topic) {
            self.holdings.check(actor.session, Thing::Subscription, size)?;
        }
        let subscription = self.broker.subscribe(actor.session, topic, &mut self.identifiers)?;
        self.holdings.add(actor.session, Thing::Subscription, subscription, size);
        Ok(subscription)
    }

    fn register(
        &mut self,
        actor: &Actor<'_>,
        options: &RegisterOptions,
        procedure: Pattern,
    ) -> Result<u64, RequestError> {
        authorize(&self.permissions, actor, Action::Register, procedure.as_str())?;
        refuse_register(options)?;
        let Pattern::Exact(procedure) = procedure else { return Err(no_patterns()) };
        let size = procedure.as_str().len();
        self.holdings.check(actor.session, Thing::Registration, size)?;
        let registration = self.dealer.register(actor.session, procedure, &mut self.identifiers)?;
        self.holdings.add(actor.session, Thing::Registration, registration, size);
        Ok(registration)
    }

    fn call(
        &mut self,
        actor: &Actor<'_>,
        request: u64,
        options: &CallOptions,
        procedure: &Uri,
        payload: Payload,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let grant = authorize(&self.permissions, actor, Action::Call, procedure.as_str())?;
        refuse_call(options)?;
        self.holdings.check_call(self.dealer.waiting(actor.session))?;
        let call = Call {
            pending: PendingCall { caller: actor.session, request },
            procedure,
            caller: (grant.disclose || options.disclose_me).then_some(*actor),
            payload,
        };
        self.dealer.call(call, out)
    }

    /// Whether the router remembers nothing of any session.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.broker.is_empty() && self.dealer.is_empty() && self.holdings.is_empty()
    }
}

/// The final RESULT of a call, or the ERROR where its callee asks for what the router does not do.
fn result(request: u64, options: &YieldOptions, payload: Payload) -> RouterMessage {
    if let Err(error) = refuse_yield(options) {
        return error.into_message(code::CALL, request);
    }
    RouterMessage::Result { request, details: ResultDetails::default(), payload }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
