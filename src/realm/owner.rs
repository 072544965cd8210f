//! The owner of a realm: the one task that has its sessions, its broker and its dealer, and so needs no locks.
//!
//! It takes batches from the inbox, lets the router find out what each message leads to, and pushes the encoded outcome
//! to the sessions' outboxes. It never waits for a session: an outbox that is full ends its
//! connection.

mod answers;
mod clock;
mod sessions;

use std::sync::{Arc, atomic::Ordering};

use tokio::{sync::mpsc, time::timeout_at};

use self::{answers::check_options, clock::Clock};
use super::{
    deliveries::{Deliveries, Violation},
    encoded::EncodedOnce,
    identifiers::Identifiers,
    inbox::{Arrival, Gate, SessionKey},
    listing,
    logout::Logouts,
    member::Members,
    meta::{self, MetaAnswer, MetaProcedure, MetaResult},
    metrics::{Counted, RealmCounters},
    options::RealmOptions,
    permissions::Ruling,
    router::{Now, Router},
    rules::Rules,
};
use crate::{
    wamp::{ClientMessage, RouterMessage, Uri},
    wire::Ending,
};

/// How many arrivals the owner takes at once: enough to share the cost of a wake-up, few enough that their slots come
/// back before the senders notice.
const BATCH: usize = 64;

/// A realm's state.
pub(super) struct Owner {
    name: Uri,
    logouts: Option<Logouts>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    gate: Arc<Gate>,
    rules: Arc<Rules>,
    router: Router,
    members: Members,
    deliveries: Deliveries,
    topics: MetaTopics,
    counters: RealmCounters,
    counted: Counted,
    clock: Clock,
    /// When the batch came that is worked on.
    now: Now,
}

/// The topics of the session meta API.
struct MetaTopics {
    on_join: Uri,
    on_leave: Uri,
}

impl Owner {
    /// An owner without sessions.
    pub(super) fn new(
        options: RealmOptions,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
        gate: Arc<Gate>,
        rules: Arc<Rules>,
        logouts: Option<Logouts>,
        counters: RealmCounters,
    ) -> Self {
        let RealmOptions { name, roles: _, per_session, histories } = options;
        let (members, deliveries) = (Members::default(), Deliveries::default());
        let topics = MetaTopics { on_join: Uri::known(meta::ON_JOIN), on_leave: Uri::known(meta::ON_LEAVE) };
        let counted = Counted::default();
        let clock = Clock::start();
        let now = clock.now();
        let identifiers = Identifiers::new();
        let router = Router::new(Arc::clone(&rules), identifiers, per_session, &histories, now.clock);
        Self {
            name,
            logouts,
            arrivals,
            gate,
            rules,
            router,
            members,
            deliveries,
            topics,
            counters,
            counted,
            clock,
            now,
        }
    }

    /// Serves the realm until the last way to it is gone.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.receive(&mut batch).await {
            self.now = self.clock.now();
            self.expire();
            let (mut slots, mut is_closed) = (0, false);
            for arrival in batch.drain(..) {
                slots += arrival.slots() as usize;
                if is_closed {
                    if let Arrival::Attach { outbox, .. } = arrival {
                        outbox.end(Ending::RealmClosed);
                    }
                    continue;
                }
                match arrival {
                    Arrival::Attach { key, identity, outbox, client } => {
                        self.attach(key, identity, outbox, client);
                    }
                    Arrival::Message { key, ruling, message, .. } => self.route(key, message, ruling),
                    Arrival::Question { key, about, message, .. } => {
                        self.router.asks_about(about);
                        self.route(key, message, Some(Ruling::Gateway));
                        self.router.asks_about(None);
                    }
                    Arrival::Detach { key, done } => {
                        self.detach(key);
                        if let Some(done) = done {
                            // A session that does not wait any more is gone.
                            let _ = done.send(());
                        }
                    }
                    Arrival::Reconfigure { rules, limits, done } => {
                        let ended = self.reconfigure(rules, limits).await;
                        // A reload that was given up does not ask.
                        let _ = done.send(ended);
                    }
                    Arrival::Kill { session, done } => {
                        // A page that was closed meanwhile does not ask.
                        let _ = done.send(self.kill_one(session));
                    }
                    Arrival::List { wanted, most, done } => {
                        let _ = done.send(listing::newest(&self.members, &wanted, most));
                    }
                    Arrival::Close { done } => {
                        let _ = done.send(self.members.len());
                        is_closed = true;
                    }
                }
                // A long queue of events with many receivers must not keep the connections from writing them.
                tokio::task::consume_budget().await;
            }
            self.gate.slots.add_permits(slots);
            self.counted.flush(&self.counters);
            if is_closed {
                return;
            }
        }
    }

    /// Takes the next arrivals, or waits for the next deadline if that comes first. False: there are none any more.
    async fn receive(&mut self, batch: &mut Vec<Arrival>) -> bool {
        let arrivals = self.arrivals.recv_many(batch, BATCH);
        match self.router.next_deadline() {
            None => arrivals.await > 0,
            Some(deadline) => timeout_at(deadline.into(), arrivals).await.map_or(true, |count| count > 0),
        }
    }

    /// Ends what has run out of time. Asked before each batch, since a queue that is never empty never waits.
    fn expire(&mut self) {
        if self.router.next_deadline().is_some_and(|deadline| deadline <= self.now.instant) {
            self.router.expire(&self.members, self.now, &mut self.deliveries);
            self.deliver();
        }
    }

    fn route(&mut self, key: SessionKey, message: ClientMessage, ruling: Option<Ruling>) {
        // A session that was refused or has been aborted may have sent more before it noticed.
        let Some(member) = self.members.get(key.session).filter(|member| member.number == key.number) else {
            return;
        };
        match &message {
            ClientMessage::Publish { .. } => self.counted.publications += 1,
            ClientMessage::Call { .. } => self.counted.calls += 1,
            _ => {}
        }
        let actor = member.actor(key.session, ruling);
        // The dealer also has the calls that it knows if they go on under the name of a procedure of the meta API.
        if let ClientMessage::Call { request, options, procedure, payload } = &message
            && let Some(meta) = MetaProcedure::parse(procedure.as_str())
            && !self.router.knows_call(key.session, *request)
        {
            let answer = self.router.authorize_meta(&actor, meta, procedure);
            if options.progress {
                let refusal = self.router.refuse_progress(key.session, *request);
                return self.carry_out(key.session, *request, answer.and(Err(refusal)));
            }
            let answer = answer.and_then(|()| check_options(options)).and_then(|()| match meta {
                MetaProcedure::Routing(kind, query) => self
                    .router
                    .answer(kind, query, payload, &self.members, self.now, &mut self.deliveries)
                    .map(MetaAnswer::telling),
                MetaProcedure::GetEvents => {
                    self.router.recall(&actor, payload, &self.members, self.now).map(MetaAnswer::telling)
                }
                MetaProcedure::AddTestament => self
                    .router
                    .add_testament(&actor, payload)
                    .map(|()| MetaAnswer::telling(MetaResult::Nothing)),
                MetaProcedure::FlushTestaments => self
                    .router
                    .flush_testaments(key.session, payload)
                    .map(|()| MetaAnswer::telling(MetaResult::Nothing)),
                _ => meta.answer(key.session, payload, &self.members),
            });
            return self.carry_out(key.session, *request, answer);
        }
        if let Err(Violation(what)) =
            self.router.handle(&actor, message, &self.members, self.now, &mut self.deliveries)
        {
            // Section "Protocol Errors": send ABORT, dispose of what the session has, process nothing further.
            member.outbox.end(Ending::violation(what));
            self.detach(key);
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        let Self { deliveries, members, counted, .. } = self;
        deliveries.drain(|receivers, message| {
            if let RouterMessage::Event { .. } = message {
                counted.events += receivers.len() as u64;
            }
            let mut encoded = EncodedOnce::default();
            for member in receivers.iter().filter_map(|session| members.get(*session)) {
                let serializer = member.outbox.serializer();
                let mut encode = || encoded.get(serializer, || serializer.encode(message));
                // A client that asks for retained events cannot know how many there are: too many of them are no reason to
                // drop it.
                if message.is_retained_event() {
                    member.outbox.push_if_room(encode);
                } else {
                    member.outbox.push(encode());
                }
            }
        });
    }

    fn count(&self) {
        self.gate.sessions.store(self.members.len(), Ordering::Relaxed);
    }
}

impl Drop for Owner {
    /// However the realm ends: senders wait for it no longer, and no session that it knows stays behind.
    fn drop(&mut self) {
        self.gate.slots.close();
        self.arrivals.close();
        while let Ok(arrival) = self.arrivals.try_recv() {
            if let Arrival::Attach { outbox, .. } = arrival {
                outbox.end(Ending::RealmClosed);
            }
        }
        for member in self.members.drain() {
            member.outbox.end(Ending::RealmClosed);
        }
        self.count();
    }
}

#[cfg(test)]
mod tests;
