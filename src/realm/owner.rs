//! The owner of a realm: the one task that has its sessions, its broker and its dealer, and so needs no locks.
//!
//! It takes batches from the inbox, lets the router find out what each message leads to, and pushes the encoded outcome
//! to the sessions' outboxes. It never waits for a session: an outbox that is full ends its
//! connection.

use std::sync::{Arc, atomic::Ordering};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    deliveries::{Deliveries, RequestError, Violation},
    encoded::EncodedOnce,
    identifiers::Identifiers,
    inbox::{Arrival, Gate, SessionKey},
    listing,
    logout::{Logout, Logouts},
    member::{Client, Member, Members},
    meta::{self, Killed, MetaAnswer, MetaProcedure, MetaResult},
    metrics::{Counted, RealmCounters},
    options::{RealmOptions, SessionLimits},
    permissions::Ruling,
    router::{Now, Router},
    rules::Rules,
};
use crate::{
    identity::Identity,
    time::Timestamp,
    wamp::{
        ClientMessage, Payload, RouterMessage, SessionId, Uri,
        message::{CallOptions, ResultDetails, code},
        uri::error,
    },
    wire::{Ending, Outbox},
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

/// Tells the time for both of its uses by one look at the clock.
struct Clock {
    started: Instant,
    at: Timestamp,
}

impl Clock {
    fn start() -> Self {
        Self { started: Instant::now(), at: Timestamp::now() }
    }

    fn now(&self) -> Now {
        let instant = Instant::now();
        let since = instant.saturating_duration_since(self.started).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let clock = Timestamp::from_millis(self.at.as_millis().saturating_add(since));
        Now { instant: instant.into(), clock }
    }
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

    fn attach(&mut self, key: SessionKey, identity: Arc<Identity>, outbox: Arc<Outbox>, client: Client) {
        let role = self.rules.permissions.role(&identity.authrole);
        // A role that has an authorizer now had none when the connection looked: it would never ask, and be denied everything.
        let asks_nothing = !client.asks && self.rules.permissions.is_asked(role);
        if !client.is_gateway() && (asks_nothing || !self.rules.admit(&identity)) {
            // The rules have changed while it joined.
            outbox.end(Ending::NotStanding);
            return;
        }
        let member = Member { number: key.number, identity, outbox, role, client };
        if let Err(refused) = self.members.insert(key.session, member) {
            // Two draws out of 2^53 were the same: the session that is there stays, the new client has to try again.
            refused.outbox.end(Ending::Taken);
            return;
        }
        if let Some(member) = self.members.of_client(key.session) {
            let details = || Payload::json(&[member.details(key.session)]);
            self.router.announce(
                &self.topics.on_join,
                details,
                &self.members,
                self.now,
                &mut self.deliveries,
            );
            self.deliver();
        }
        self.count();
    }

    /// Goes by other rules from now on, and ends the sessions that have lost their ground. How many that are.
    async fn reconfigure(&mut self, rules: Arc<Rules>, limits: SessionLimits) -> usize {
        self.router.reconfigure(Arc::clone(&rules), limits);
        let before = std::mem::replace(&mut self.rules, rules);
        let sessions: Vec<SessionId> = self.members.sessions().collect();
        let mut gone = Vec::new();
        for session in &sessions {
            if !self.members.judge(*session, &self.rules) || self.has_another_authorizer(*session, &before) {
                gone.push(*session);
            }
        }
        let mut left = Vec::with_capacity(gone.len());
        for session in gone {
            let Some(member) = self.members.remove(session) else { continue };
            member.outbox.end(Ending::NotStanding);
            self.router.leave(session, &self.members, self.now, &mut self.deliveries);
            left.push((session, member));
            self.deliver();
            tokio::task::consume_budget().await;
        }
        // Only now: those that end together need not hear of one another.
        for (session, member) in &left {
            self.announce_leave(*session, member);
            self.deliver();
            tokio::task::consume_budget().await;
        }
        for session in sessions {
            self.router.take_back(session, &self.members, self.now, &mut self.deliveries);
            self.deliver();
            tokio::task::consume_budget().await;
        }
        self.count();
        left.len()
    }

    /// Whether a session's role has an authorizer that it did not have before. What the session holds was not judged by it, and its
    /// connection may not know that it has to ask.
    fn has_another_authorizer(&self, session: SessionId, before: &Rules) -> bool {
        let now = &self.rules.permissions;
        self.members.get(session).is_some_and(|member| {
            let role = &member.identity.authrole;
            now.is_asked(member.role) && now.authorizer(role) != before.permissions.authorizer(role)
        })
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

    fn detach(&mut self, key: SessionKey) {
        if self.members.get(key.session).is_some_and(|member| member.number == key.number)
            && let Some(member) = self.members.remove(key.session)
        {
            self.router.leave(key.session, &self.members, self.now, &mut self.deliveries);
            self.announce_leave(key.session, &member);
            self.deliver();
            self.count();
        }
    }

    /// Answers a call of the meta API, and ends the sessions that it kills.
    fn carry_out(&mut self, caller: SessionId, request: u64, answer: Result<MetaAnswer, RequestError>) {
        let answer = answer.and_then(|answer| {
            answer.killed.as_ref().map_or(Ok(()), |killed| self.log_out(caller, killed)).map(|()| answer)
        });
        let MetaAnswer { result, killed } = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                self.deliveries.one(caller, refusal.into_message(code::CALL, request));
                return self.deliver();
            }
        };
        match result {
            MetaResult::Sessions(_) | MetaResult::Lists(_) | MetaResult::Events(_) => {
                self.answer_later(caller, request, result);
            }
            result => {
                let payload = result.payload();
                self.deliveries.one(caller, result_of(request, payload));
            }
        }
        self.deliver();
        if let Some(killed) = killed {
            self.kill(killed);
        }
    }

    /// Answers with a list, which the caller's own connection writes out: a list takes longer to write than
    /// the question took to read, and the other sessions of the realm do not wait for it.
    fn answer_later(&self, caller: SessionId, request: u64, result: MetaResult) {
        let Some(member) = self.members.get(caller) else { return };
        let serializer = member.outbox.serializer();
        let size = result.listed_size();
        member.outbox.push_later(size, move || serializer.encode(&result_of(request, result.payload())));
    }

    /// A client that is killed with Crossbar.io's reason for a logout does not come back with its cookie. Where that
    /// cannot be ordered, no session is killed either.
    fn log_out(&self, caller: SessionId, killed: &Killed) -> Result<(), RequestError> {
        let Some(logouts) = self.logouts.as_ref().filter(|_| killed.reason.as_str() == error::LOGOUT) else {
            return Ok(());
        };
        let order = Logout {
            sessions: killed.sessions.clone(),
            principal: killed.authid.clone().map(|authid| (self.name.clone(), authid)),
            spared: Some(caller),
        };
        logouts.order(order).map_err(|full| RequestError::new(error::UNAVAILABLE, full.to_string()))
    }

    /// Ends a session that no other session has asked to end.
    fn kill_one(&mut self, session: SessionId) -> bool {
        let is_there = self.members.of_client(session).is_some();
        if is_there {
            let reason = Uri::known(error::KILLED);
            self.kill(Killed { sessions: vec![session], reason, message: None, authid: None });
        }
        is_there
    }

    fn kill(&mut self, killed: Killed) {
        let Killed { sessions, reason, message, authid: _ } = killed;
        let words = (Ending::Killed { reason, message }).last_words(true);
        let mut encoded = EncodedOnce::default();
        let mut gone = Vec::with_capacity(sessions.len());
        for session in sessions {
            let Some(member) = self.members.remove(session) else { continue };
            let serializer = member.outbox.serializer();
            if let Some(goodbye) = &words.message {
                member.outbox.push(encoded.get(serializer, || serializer.encode(goodbye)));
            }
            member.outbox.close(words.closing());
            self.router.leave(session, &self.members, self.now, &mut self.deliveries);
            gone.push((session, member));
        }
        // Only now: those who are killed together need not hear of one another.
        for (session, member) in &gone {
            self.announce_leave(*session, member);
        }
        self.deliver();
        self.count();
    }

    fn announce_leave(&mut self, session: SessionId, member: &Member) {
        if member.client.is_gateway() {
            return;
        }
        let actor = member.actor(session, None);
        self.router.execute_testaments(&actor, &self.members, self.now, &mut self.deliveries);
        let Identity { authid, authrole, .. } = &*member.identity;
        let arguments =
            || Payload::json(&[session.0.into(), authid.public().into(), authrole.as_str().into()]);
        self.router.announce(&self.topics.on_leave, arguments, &self.members, self.now, &mut self.deliveries);
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

/// Whether the gateway's own procedures can do what a CALL asks for besides.
fn check_options(options: &CallOptions) -> Result<(), RequestError> {
    let packed = options.passthru.as_ref().map(
        |_| "option ppt_scheme: the gateway's own procedures read their arguments, and cannot unpack them",
    );
    let refused = options.refused.or(packed);
    refused.map_or(Ok(()), |complaint| Err(RequestError::new(error::OPTION_NOT_ALLOWED, complaint)))
}

fn result_of(request: u64, payload: Payload) -> RouterMessage {
    RouterMessage::Result { request, details: ResultDetails::default(), payload }
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
