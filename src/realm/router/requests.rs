//! Requests of clients: checked, and handed to the broker or the dealer.

use super::{
    super::{
        broker::{Audience, Broker, Publication},
        dealer::{Call, Dealer, Refusal},
        deliveries::{Deliveries, RequestError, Violation},
        member::Actor,
        permissions::Action,
        turn::Turn,
    },
    checks::{authorize, check_pattern},
};
use crate::wamp::{
    ClientFeatures, Payload, RouterMessage, Uri,
    message::{CallOptions, PublishOptions, RegisterOptions, SubscribeOptions},
    pattern::Pattern,
    uri::error,
};

#[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
pub(super) fn publish(
    broker: &mut Broker,
    actor: &Actor<'_>,
    request: u64,
    options: PublishOptions,
    topic: &Uri,
    payload: Payload,
    turn: &mut Turn<'_>,
    out: &mut Deliveries,
) -> Result<Result<(), RequestError>, Violation> {
    if options.passthru.is_some() && !turn.supports(actor.session, ClientFeatures::PUBLISHER_PASSTHRU) {
        let what = "PUBLISH.Options.ppt_scheme of a client that has not announced payload_passthru_mode";
        return Err(Violation(what));
    }
    let checked = authorize(turn.permissions, actor, Action::Publish, topic.as_str(), topic.is_reserved());
    let grant = match checked {
        Ok(grant) => grant,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let id = turn.identifiers.publication();
    let publication = Publication {
        id,
        topic,
        publisher: (grant.disclose || options.disclose_me).then_some(*actor),
        audience: Audience::new(options.exclude_me.then_some(actor.session), options.lists),
        passthru: options.passthru,
        payload,
    };
    // An event that its publisher wants to have retained, and that is not, would be another one than it believes.
    if options.retain
        && let Err(refusal) = broker.retain(&publication, turn)
    {
        return Ok(Err(refusal));
    }
    if options.acknowledge {
        out.one(actor.session, RouterMessage::Published { request, publication: id });
    }
    broker.record(&publication, turn);
    broker.publish(publication, turn, out);
    Ok(Ok(()))
}

#[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
pub(super) fn subscribe(
    broker: &mut Broker,
    actor: &Actor<'_>,
    request: u64,
    options: &SubscribeOptions,
    topic: &Pattern,
    room: Result<(), RequestError>,
    turn: &mut Turn<'_>,
    out: &mut Deliveries,
) -> Result<(), RequestError> {
    authorize(turn.permissions, actor, Action::Subscribe, topic.as_str(), topic.is_reserved())?;
    check_pattern(topic)?;
    room?;
    let session = actor.session;
    let subscription = broker.subscribe(session, topic, turn)?;
    out.one(session, RouterMessage::Subscribed { request, subscription });
    if options.get_retained {
        broker.give_retained(session, subscription, topic, turn, out);
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
pub(super) fn register(
    dealer: &mut Dealer,
    actor: &Actor<'_>,
    request: u64,
    options: &RegisterOptions,
    procedure: Pattern,
    room: Result<(), RequestError>,
    turn: &mut Turn<'_>,
    out: &mut Deliveries,
) -> Result<(), RequestError> {
    authorize(turn.permissions, actor, Action::Register, procedure.as_str(), procedure.is_reserved())?;
    check_pattern(&procedure)?;
    room?;
    dealer.register(actor.session, request, options, procedure, turn, out)
}

#[allow(clippy::too_many_arguments, reason = "a message's elements, and what they meet")]
pub(super) fn call(
    dealer: &mut Dealer,
    actor: &Actor<'_>,
    request: u64,
    options: CallOptions,
    procedure: &Uri,
    payload: Payload,
    turn: &mut Turn<'_>,
    out: &mut Deliveries,
) -> Result<(), Refusal> {
    // Only a first CALL is answered with an ERROR: what follows it under its number gets no answer of its own, and of its options
    // only `progress` counts (section "Freezing of Options in Progressive Call Invocations").
    let is_first = !dealer.knows(actor.session, request);
    if let Some(complaint) = options.refused.filter(|_| is_first) {
        return Err(RequestError::new(error::OPTION_NOT_ALLOWED, complaint).into());
    }
    let is_disclosed = match authorize(turn.permissions, actor, Action::Call, procedure.as_str(), false) {
        Ok(grant) => grant.disclose || options.disclose_me,
        Err(_) if !is_first => false,
        Err(refusal) => return Err(refusal.into()),
    };
    dealer.call(Call { caller: *actor, request, procedure, is_disclosed, options, payload }, turn, out)
}
