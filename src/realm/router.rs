//! The router: what one message of one session leads to. No I/O, no clock, no randomness of its own.
//!
//! Here stand the checks that broker and dealer share (URIs, permissions, options) and the way from their findings to
//! messages. Decisions where the specification leaves room, or where it would shut out real clients:
//!
//! - *Request identifiers* are echoed, not checked. The specification calls a gap in their sequence a protocol error,
//!   but clients leave gaps (a request that cannot be serialized has used up its number) or draw identifiers at
//!   random, as older editions asked; Crossbar tolerates both, and nothing here depends on the sequence.
//! - *`wamp.` URIs* may be subscribed to and called, so that a client which looks for a meta API that is not there
//!   starts normally (the topic stays silent, the call gets `no_such_procedure`); to publish to or to register one is
//!   refused. Calls of the session meta API do not come here: see [`meta`](super::meta).
//! - *Pattern-based and shared* subscriptions and registrations are advanced features that are not there; a client
//!   that asks for one is told, instead of getting another meaning than it wanted.
//! - *PUBLISH without `acknowledge`* is never answered, also not with ERROR (section "Publish ERROR").

use std::sync::Arc;

use super::{
    broker::{Audience, Broker},
    dealer::{Call, Dealer, Invocation},
    deliveries::{Deliveries, RequestError, Violation},
    member::Actor,
    meta::MetaProcedure,
    permissions::{Action, Grant, Permissions},
};
use crate::wamp::{
    ClientMessage, Payload, RouterMessage, SessionId, Uri,
    message::{EventDetails, InvocationDetails, MatchOptions, PublishOptions, code},
    uri::error,
};

/// The longest URI of a topic or a procedure, in bytes. What is subscribed or registered stays in memory, so that it
/// must be shorter than the longest message; real URIs have less than a tenth of this.
pub(super) const MAX_URI_LENGTH: usize = 1024;

/// The broker and the dealer of a realm, behind its permissions.
#[derive(Debug)]
pub(super) struct Router {
    permissions: Arc<Permissions>,
    broker: Broker,
    dealer: Dealer,
}

/// An event on its way to the subscribers of a topic.
struct Publication {
    id: u64,
    /// Whether the permissions disclose the publisher.
    disclose: bool,
    options: PublishOptions,
    payload: Payload,
}

impl Router {
    /// A router without sessions.
    pub(super) fn new(permissions: Arc<Permissions>) -> Self {
        Self { permissions, broker: Broker::default(), dealer: Dealer::default() }
    }

    /// Acts on a message. `draw` gives identifiers in the global scope.
    ///
    /// On a [`Violation`] nothing has changed; the caller aborts the session and calls [`leave`](Self::leave).
    pub(super) fn handle(
        &mut self,
        actor: &Actor<'_>,
        message: ClientMessage,
        draw: impl FnOnce() -> u64,
        out: &mut Deliveries,
    ) -> Result<(), Violation> {
        let (request_type, request, answer) = match message {
            ClientMessage::Publish { request, options, topic, payload } => {
                match self.authorize(actor, Action::Publish, &topic) {
                    Ok(Grant { disclose }) => {
                        let id = draw();
                        if options.acknowledge {
                            out.one(actor.session, RouterMessage::Published { request, publication: id });
                        }
                        self.publish(actor, Publication { id, disclose, options, payload }, &topic, out);
                        return Ok(());
                    }
                    Err(refusal) if options.acknowledge => (code::PUBLISH, request, Err(refusal)),
                    Err(_) => return Ok(()),
                }
            }
            ClientMessage::Subscribe { request, options, topic } => {
                let answer = self.subscribe(actor, &options, topic);
                let answer = answer.map(|subscription| RouterMessage::Subscribed { request, subscription });
                (code::SUBSCRIBE, request, answer)
            }
            ClientMessage::Unsubscribe { request, subscription } => {
                let answer = self.broker.unsubscribe(actor.session, subscription);
                (code::UNSUBSCRIBE, request, answer.map(|()| RouterMessage::Unsubscribed { request }))
            }
            ClientMessage::Register { request, options, procedure } => {
                let answer = self.register(actor, &options, procedure);
                let answer = answer.map(|registration| RouterMessage::Registered { request, registration });
                (code::REGISTER, request, answer)
            }
            ClientMessage::Unregister { request, registration } => {
                let answer = self.dealer.unregister(actor.session, registration);
                (code::UNREGISTER, request, answer.map(|()| RouterMessage::Unregistered { request }))
            }
            ClientMessage::Call { request, options, procedure, payload } => {
                match self.call(actor, request, options.disclose_me, &procedure, payload, out) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => (code::CALL, request, Err(refusal)),
                }
            }
            ClientMessage::Yield { request, payload, .. } => {
                if let Some(Call { caller, request }) = self.dealer.answer(actor.session, request)? {
                    out.one(caller, RouterMessage::Result { request, payload });
                }
                return Ok(());
            }
            ClientMessage::InvocationError { request, error, payload, .. } => {
                if let Some(Call { caller, request }) = self.dealer.answer(actor.session, request)? {
                    let request_type = code::CALL;
                    out.one(caller, RouterMessage::Error { request_type, request, error, payload });
                }
                return Ok(());
            }
            // Sessions keep these to themselves; whatever sends one here anyway gets the same answer.
            ClientMessage::Hello { .. }
            | ClientMessage::Abort { .. }
            | ClientMessage::Authenticate { .. }
            | ClientMessage::Goodbye { .. } => {
                return Err(Violation("a message that is not allowed in an established session"));
            }
        };
        let answer = answer.unwrap_or_else(|refusal| refusal.into_error(request_type, request));
        out.one(actor.session, answer);
        Ok(())
    }

    /// Whether a session may call a procedure of the meta API.
    pub(super) fn authorize_meta(
        &self,
        actor: &Actor<'_>,
        procedure: MetaProcedure,
        uri: &Uri,
    ) -> Result<(), RequestError> {
        self.authorize(actor, Action::Call, uri)?;
        if procedure.kills() && !self.permissions.names_protocol(actor.role, uri.as_str()) {
            return Err(RequestError::new(
                error::NOT_AUTHORIZED,
                format!(
                    "the role {:?} may not call {uri}: this takes a permission whose URI begins with wamp.",
                    actor.identity.authrole
                ),
            ));
        }
        Ok(())
    }

    /// Publishes an event of the router's own, if anybody is subscribed.
    pub(super) fn announce(
        &self,
        topic: &Uri,
        payload: impl FnOnce() -> Payload,
        draw: impl FnOnce() -> u64,
        out: &mut Deliveries,
    ) {
        let mut all = Audience { except: None, lists: None };
        let Some((subscription, receivers)) = self.broker.receivers(topic, &mut all) else { return };
        out.many(receivers, || RouterMessage::Event {
            subscription,
            publication: draw(),
            details: EventDetails::default(),
            payload: payload(),
        });
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, session: SessionId, out: &mut Deliveries) {
        self.broker.leave(session);
        for Call { caller, request } in self.dealer.leave(session) {
            // Section "Callee Leaving During an RPC Invocation"; "Basic Profile URIs" spells it with one l.
            let refusal = RequestError::new(error::CANCELED, "the callee left before it answered");
            out.one(caller, refusal.into_error(code::CALL, request));
        }
    }

    fn subscribe(
        &mut self,
        actor: &Actor<'_>,
        options: &MatchOptions,
        topic: Uri,
    ) -> Result<u64, RequestError> {
        self.authorize(actor, Action::Subscribe, &topic)?;
        check_match(options)?;
        self.broker.subscribe(actor.session, topic)
    }

    fn publish(&self, actor: &Actor<'_>, event: Publication, topic: &Uri, out: &mut Deliveries) {
        let Publication { id: publication, disclose, options, payload } = event;
        let mut audience =
            Audience { except: options.exclude_me.then_some(actor.session), lists: options.lists };
        let Some((subscription, receivers)) = self.broker.receivers(topic, &mut audience) else { return };
        out.many(receivers, || {
            let details = if disclose || options.disclose_me {
                EventDetails {
                    publisher: Some(actor.session.0),
                    publisher_authid: Some(actor.identity.authid.public().to_owned()),
                    publisher_authrole: Some(actor.identity.authrole.to_string()),
                }
            } else {
                EventDetails::default()
            };
            RouterMessage::Event { subscription, publication, details, payload }
        });
    }

    fn register(
        &mut self,
        actor: &Actor<'_>,
        options: &MatchOptions,
        procedure: Uri,
    ) -> Result<u64, RequestError> {
        self.authorize(actor, Action::Register, &procedure)?;
        check_match(options)?;
        check_invoke(options)?;
        self.dealer.register(actor.session, procedure)
    }

    fn call(
        &mut self,
        actor: &Actor<'_>,
        request: u64,
        disclose_me: bool,
        procedure: &Uri,
        payload: Payload,
        out: &mut Deliveries,
    ) -> Result<(), RequestError> {
        let grant = self.authorize(actor, Action::Call, procedure)?;
        let Invocation { callee, request, registration } =
            self.dealer.call(Call { caller: actor.session, request }, procedure)?;
        let details = if grant.disclose || disclose_me {
            InvocationDetails {
                caller: Some(actor.session.0),
                caller_authid: Some(actor.identity.authid.public().to_owned()),
                caller_authrole: Some(actor.identity.authrole.to_string()),
            }
        } else {
            InvocationDetails::default()
        };
        out.one(callee, RouterMessage::Invocation { request, registration, details, payload });
        Ok(())
    }

    fn authorize(&self, actor: &Actor<'_>, action: Action, uri: &Uri) -> Result<Grant, RequestError> {
        if uri.as_str().len() > MAX_URI_LENGTH {
            return Err(RequestError::new(
                error::INVALID_URI,
                format!("a URI may have {MAX_URI_LENGTH} bytes: use a shorter one"),
            ));
        }
        // Section "URIs": application URIs must not use `wamp` as a first component.
        if uri.is_reserved() && matches!(action, Action::Publish | Action::Register) {
            return Err(RequestError::new(
                error::INVALID_URI,
                "URIs that begin with wamp. belong to the protocol: use one of your own",
            ));
        }
        self.permissions.check(actor.role, action, uri.as_str()).ok_or_else(|| {
            let verb = match action {
                Action::Call => "call",
                Action::Register => "register",
                Action::Publish => "publish to",
                Action::Subscribe => "subscribe to",
            };
            let role = &actor.identity.authrole;
            RequestError::new(error::NOT_AUTHORIZED, format!("the role {role:?} may not {verb} {uri}"))
        })
    }

    /// Whether the router remembers nothing of any session.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.broker.is_empty() && self.dealer.is_empty()
    }
}

fn check_match(options: &MatchOptions) -> Result<(), RequestError> {
    match options.r#match.as_deref() {
        None | Some("exact") => Ok(()),
        Some(_) => Err(RequestError::new(
            error::OPTION_NOT_ALLOWED,
            "option match: this router supports only \"exact\", without patterns",
        )),
    }
}

fn check_invoke(options: &MatchOptions) -> Result<(), RequestError> {
    match options.invoke.as_deref() {
        None | Some("single") => Ok(()),
        Some(_) => Err(RequestError::new(
            error::OPTION_NOT_ALLOWED,
            "option invoke: this router supports only \"single\", one callee for a procedure",
        )),
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
