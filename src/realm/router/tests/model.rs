//! Random sequences of everything that sessions may do with patterns, lists of receivers, shared registrations, queues, time-outs,
//! progress, cancels and departures, against a model of broker and dealer that is as simple as it can be: it says for each step
//! which messages go to whom.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::wamp::{
    ClientFeatures,
    message::{
        CancelMode, CancelOptions, ErrorDetails, Invoke, PublishLists, RegisterOptions, SubscribeOptions,
        YieldOptions,
    },
    pattern::UriMatch,
};

/// The last one has announced nothing.
const SESSIONS: u64 = 4;

const URIS: [&str; 4] = ["com.a.x", "com.a.y", "com.b.x", "com.ab.x"];

const PATTERNS: [(UriMatch, &str); 9] = [
    (UriMatch::Exact, "com.a.x"),
    (UriMatch::Exact, "com.a.y"),
    (UriMatch::Exact, "com.b.x"),
    (UriMatch::Prefix, "com."),
    (UriMatch::Prefix, "com.a"),
    (UriMatch::Prefix, "com.a."),
    (UriMatch::Wildcard, "com..x"),
    (UriMatch::Wildcard, "..x"),
    (UriMatch::Wildcard, "com.a."),
];

const INVOKE: [Invoke; 4] = [Invoke::Single, Invoke::First, Invoke::Last, Invoke::RoundRobin];
const MODES: [CancelMode; 3] = [CancelMode::Skip, CancelMode::Kill, CancelMode::KillNoWait];
const ROLES: [&str; 2] = ["user", "other"];

const CANCELED: &str = "wamp.error.canceled";

#[derive(Debug, Clone)]
enum Step {
    Subscribe(usize),
    /// The subscription with this place among those that there are, whether the session has it or not.
    Unsubscribe(usize),
    Publish(usize, Publishing),
    Register(usize, Registering),
    Unregister(usize),
    Call(usize, Calling),
    /// Cancels one of the session's calls, or one that it has never made.
    Cancel(usize, usize),
    /// Answers one of the invocations that the session has got.
    Answer(usize, Answering),
    Pass(u64),
    Leave,
}

#[derive(Debug, Clone, Copy)]
enum Answering {
    Yield,
    Progress,
    Error,
}

#[derive(Debug, Clone)]
struct Publishing {
    acknowledge: bool,
    exclude_me: bool,
    lists: Option<Lists>,
}

/// Sessions by their numbers, roles by their places.
#[derive(Debug, Clone)]
struct Lists {
    exclude: BTreeSet<u64>,
    exclude_authid: BTreeSet<u64>,
    exclude_authrole: BTreeSet<usize>,
    eligible: Option<BTreeSet<u64>>,
    eligible_authid: Option<BTreeSet<u64>>,
    eligible_authrole: Option<BTreeSet<usize>>,
}

#[derive(Debug, Clone, Copy)]
struct Registering {
    invoke: usize,
    concurrency: Option<u64>,
    force: bool,
    forward_timeout: bool,
}

#[derive(Debug, Clone, Copy)]
struct Calling {
    timeout: u64,
    receive_progress: bool,
}

fn lists() -> impl Strategy<Value = Lists> {
    use proptest::{collection::btree_set, option::weighted};
    let sessions = || btree_set(1..=SESSIONS, 0..3);
    let roles = || btree_set(0..ROLES.len(), 0..2);
    let exclude = (sessions(), sessions(), roles());
    let eligible = (weighted(0.3, sessions()), weighted(0.3, sessions()), weighted(0.3, roles()));
    (exclude, eligible).prop_map(|((exclude, exclude_authid, exclude_authrole), eligible)| {
        let (eligible, eligible_authid, eligible_authrole) = eligible;
        Lists { exclude, exclude_authid, exclude_authrole, eligible, eligible_authid, eligible_authrole }
    })
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    use proptest::option::weighted;
    let (uri, pattern, some) = (0..URIS.len(), 0..PATTERNS.len(), 0..8_usize);
    let publishing = (any::<bool>(), any::<bool>(), weighted(0.5, lists()))
        .prop_map(|(acknowledge, exclude_me, lists)| Publishing { acknowledge, exclude_me, lists });
    let registering =
        (0..INVOKE.len(), weighted(0.5, 1..=2_u64), weighted(0.1, Just(())), weighted(0.2, Just(())))
            .prop_map(|(invoke, concurrency, force, forward)| Registering {
                invoke,
                concurrency,
                force: force.is_some(),
                forward_timeout: forward.is_some(),
            });
    let calling = (prop_oneof![Just(0), 1..50_u64], any::<bool>())
        .prop_map(|(timeout, receive_progress)| Calling { timeout, receive_progress });
    let answering =
        prop_oneof![3 => Just(Answering::Yield), 1 => Just(Answering::Progress), 1 => Just(Answering::Error)];
    let step = prop_oneof![
        4 => pattern.clone().prop_map(Step::Subscribe),
        2 => some.clone().prop_map(Step::Unsubscribe),
        4 => (uri.clone(), publishing).prop_map(|(uri, how)| Step::Publish(uri, how)),
        5 => (pattern, registering).prop_map(|(pattern, how)| Step::Register(pattern, how)),
        2 => some.clone().prop_map(Step::Unregister),
        9 => (uri, calling).prop_map(|(uri, how)| Step::Call(uri, how)),
        2 => (some.clone(), 0..MODES.len()).prop_map(|(call, mode)| Step::Cancel(call, mode)),
        5 => (some, answering).prop_map(|(invocation, how)| Step::Answer(invocation, how)),
        2 => (0..40_u64).prop_map(Step::Pass),
        1 => Just(Step::Leave),
    ];
    proptest::collection::vec((1..=SESSIONS, step), 0..150)
}

/// What a message says that counts here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Subscribed { request: u64, id: u64 },
    Unsubscribed { request: u64 },
    Published { request: u64 },
    Event { id: u64, topic: Option<&'static str> },
    Registered { request: u64, id: u64 },
    Unregistered { request: u64 },
    Revoked { id: u64 },
    Invocation { number: u64, id: u64, procedure: Option<&'static str>, timeout: u64, receive_progress: bool },
    Interrupt { number: u64, mode: &'static str },
    Result { request: u64, progress: bool },
    Error { kind: u64, request: u64, error: String },
}

fn known(uri: &Uri) -> &'static str {
    URIS.into_iter().find(|known| *known == uri.as_str()).unwrap()
}

fn said(message: RouterMessage) -> Said {
    match message {
        RouterMessage::Subscribed { request, subscription } => Said::Subscribed { request, id: subscription },
        RouterMessage::Unsubscribed { request } => Said::Unsubscribed { request },
        RouterMessage::Published { request, .. } => Said::Published { request },
        RouterMessage::Event { subscription, details, .. } => {
            Said::Event { id: subscription, topic: details.topic.as_ref().map(known) }
        }
        RouterMessage::Registered { request, registration } => Said::Registered { request, id: registration },
        RouterMessage::Unregistered { request } => Said::Unregistered { request },
        RouterMessage::RegistrationRevoked { registration, .. } => Said::Revoked { id: registration },
        RouterMessage::Invocation { request, registration, details, .. } => Said::Invocation {
            number: request,
            id: registration,
            procedure: details.procedure.as_ref().map(known),
            timeout: details.timeout,
            receive_progress: details.receive_progress,
        },
        RouterMessage::Interrupt { request, options } => {
            Said::Interrupt { number: request, mode: options.mode.name() }
        }
        RouterMessage::Result { request, details, .. } => {
            Said::Result { request, progress: details.progress }
        }
        RouterMessage::Error { request_type, request, error, .. } => {
            Said::Error { kind: request_type, request, error: error.as_str().to_owned() }
        }
        other => panic!("{other:?}"),
    }
}

/// Whether a pattern covers a URI, and how much it says about it.
fn weight(pattern: usize, uri: &str) -> Option<(u8, usize, Vec<bool>)> {
    let (matching, text) = PATTERNS[pattern];
    match matching {
        UriMatch::Exact => (text == uri).then(|| (2, 0, Vec::new())),
        UriMatch::Prefix => uri.starts_with(text).then(|| (1, text.len(), Vec::new())),
        UriMatch::Wildcard => {
            let literal: Vec<bool> = text.split('.').map(|part| !part.is_empty()).collect();
            let matches = text.split('.').count() == uri.split('.').count()
                && text.split('.').zip(uri.split('.')).all(|(part, found)| part.is_empty() || part == found);
            matches.then(|| (0, literal.iter().filter(|literal| **literal).count(), literal))
        }
    }
}

#[derive(Debug)]
struct Registration {
    id: u64,
    pattern: usize,
    invoke: Invoke,
    callees: Vec<Callee>,
    turn: usize,
    queue: VecDeque<Key>,
}

#[derive(Debug, Clone, Copy)]
struct Callee {
    session: u64,
    places: Option<u64>,
    keeps_time: bool,
    /// Which of the session's times in this registration it is.
    stay: u64,
}

/// A call: the caller and its request.
type Key = (u64, u64);

#[derive(Debug)]
struct Call {
    uri: usize,
    timeout: u64,
    receive_progress: bool,
    ends: Option<u64>,
    /// The callee and the number there; nothing while it is queued.
    at: Option<Key>,
}

#[derive(Debug)]
struct Invocation {
    /// Nothing once the call has ended.
    call: Option<Key>,
    receive_progress: bool,
    is_killed: bool,
    /// The registration, and the callee's stay in it, where places are limited.
    occupies: Option<(u64, u64)>,
}

struct Model {
    world: World,
    now: u64,
    present: BTreeSet<u64>,
    requests: u64,
    stays: u64,
    last_subscription: u64,
    last_registration: u64,
    subscriptions: BTreeMap<u64, (usize, BTreeSet<u64>)>,
    registrations: Vec<Registration>,
    calls: BTreeMap<Key, Call>,
    invocations: BTreeMap<Key, Invocation>,
    /// What each session has got and not answered, whatever has become of it.
    unanswered: BTreeMap<u64, Vec<u64>>,
    last_invocation: BTreeMap<u64, u64>,
    expected: Vec<(u64, Said)>,
}

fn role(session: u64) -> usize {
    usize::from(session.is_multiple_of(2))
}

/// Whether a session's client has announced what it can.
const fn is_able(session: u64) -> bool {
    session != SESSIONS
}

impl Model {
    fn new() -> Self {
        let mut world = World::open(1..=SESSIONS);
        for session in 1..=SESSIONS {
            world.has_role(session, ROLES[role(session)]);
            if is_able(session) {
                let features = [
                    ClientFeatures::CALL_CANCELING,
                    ClientFeatures::CALL_TIMEOUT,
                    ClientFeatures::CALLEE_PROGRESSIVE_RESULTS,
                    ClientFeatures::REGISTRATION_REVOCATION,
                ];
                world.announces(session, &features);
            }
        }
        Self {
            world,
            now: 0,
            present: (1..=SESSIONS).collect(),
            requests: 0,
            stays: 0,
            last_subscription: 0,
            last_registration: 0,
            subscriptions: BTreeMap::new(),
            registrations: Vec::new(),
            calls: BTreeMap::new(),
            invocations: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            last_invocation: BTreeMap::new(),
            expected: Vec::new(),
        }
    }

    fn expect(&mut self, to: u64, said: Said) {
        self.expected.push((to, said));
    }

    fn expect_error(&mut self, to: u64, kind: u64, request: u64, error: &str) {
        self.expect(to, Said::Error { kind, request, error: error.to_owned() });
    }

    /// Takes a step in both, and compares what they say.
    fn step(&mut self, session: u64, step: &Step) {
        if !self.present.contains(&session) {
            return;
        }
        self.requests += 1;
        let request = self.requests;
        let sent = match step {
            Step::Subscribe(pattern) => self.subscribe(session, request, *pattern),
            Step::Unsubscribe(which) => self.unsubscribe(session, request, *which),
            Step::Publish(uri, how) => self.publish(session, request, *uri, how),
            Step::Register(pattern, how) => self.register(session, request, *pattern, *how),
            Step::Unregister(which) => self.unregister(session, request, *which),
            Step::Call(uri, how) => self.call(session, request, *uri, *how),
            Step::Cancel(which, mode) => self.cancel(session, *which, MODES[*mode]),
            Step::Answer(which, how) => self.answer(session, *which, *how),
            Step::Pass(millis) => self.pass(*millis),
            Step::Leave => self.leave(session),
        };
        let mut sent: Vec<(u64, Said)> = sent.into_iter().map(|(to, message)| (to, said(message))).collect();
        let mut expected = std::mem::take(&mut self.expected);
        sent.sort();
        expected.sort();
        assert_eq!(sent, expected, "session {session}: {step:?}");
    }

    // === The broker ===

    fn subscribe(&mut self, session: u64, request: u64, pattern: usize) -> Sent {
        let found = self.subscriptions.iter().find(|(_, (other, _))| *other == pattern).map(|(id, _)| *id);
        let id = found.unwrap_or_else(|| {
            self.last_subscription += 1;
            self.last_subscription
        });
        self.subscriptions.entry(id).or_insert_with(|| (pattern, BTreeSet::new())).1.insert(session);
        self.expect(session, Said::Subscribed { request, id });
        let (matching, text) = PATTERNS[pattern];
        let options = SubscribeOptions { matching, ..SubscribeOptions::default() };
        self.world.send(session, subscribes(request, text, options))
    }

    fn unsubscribe(&mut self, session: u64, request: u64, which: usize) -> Sent {
        let subscription = self.subscriptions.keys().nth(which).copied().unwrap_or(99);
        let held = self.subscriptions.get_mut(&subscription).is_some_and(|(_, held)| held.remove(&session));
        self.subscriptions.retain(|_, (_, held)| !held.is_empty());
        if held {
            self.expect(session, Said::Unsubscribed { request });
        } else {
            self.expect_error(session, code::UNSUBSCRIBE, request, "wamp.error.no_such_subscription");
        }
        self.world.send(session, ClientMessage::Unsubscribe { request, subscription })
    }

    fn publish(&mut self, session: u64, request: u64, topic: usize, how: &Publishing) -> Sent {
        let text = URIS[topic];
        if how.acknowledge {
            self.expect(session, Said::Published { request });
        }
        let gets = |to: u64| {
            let is_out = how.lists.as_ref().is_some_and(|lists| {
                lists.exclude.contains(&to)
                    || lists.exclude_authid.contains(&to)
                    || lists.exclude_authrole.contains(&role(to))
                    || lists.eligible.as_ref().is_some_and(|eligible| !eligible.contains(&to))
                    || lists.eligible_authid.as_ref().is_some_and(|eligible| !eligible.contains(&to))
                    || lists.eligible_authrole.as_ref().is_some_and(|eligible| !eligible.contains(&role(to)))
            });
            !(is_out || how.exclude_me && to == session)
        };
        for (id, (pattern, subscribers)) in &self.subscriptions {
            if weight(*pattern, text).is_some() {
                let topic = (PATTERNS[*pattern].0 != UriMatch::Exact).then_some(text);
                let receivers = subscribers.iter().filter(|to| gets(**to));
                self.expected.extend(receivers.map(|to| (*to, Said::Event { id: *id, topic })));
            }
        }
        let authids = |sessions: &BTreeSet<u64>| {
            let mut names: Vec<String> = sessions.iter().map(|session| format!("public{session}")).collect();
            names.sort();
            names
        };
        let roles = |roles: &BTreeSet<usize>| {
            let mut names: Vec<String> = roles.iter().map(|role| ROLES[*role].to_owned()).collect();
            names.sort();
            names
        };
        let lists = how.lists.as_ref().map(|lists| {
            Box::new(PublishLists {
                exclude: lists.exclude.iter().copied().collect(),
                exclude_authid: authids(&lists.exclude_authid),
                exclude_authrole: roles(&lists.exclude_authrole),
                eligible: lists.eligible.as_ref().map(|eligible| eligible.iter().copied().collect()),
                eligible_authid: lists.eligible_authid.as_ref().map(authids),
                eligible_authrole: lists.eligible_authrole.as_ref().map(roles),
            })
        });
        let options = PublishOptions {
            acknowledge: how.acknowledge,
            exclude_me: how.exclude_me,
            lists,
            ..PublishOptions::default()
        };
        self.world.send(session, publish(request, text, options))
    }

    // === Registrations ===

    fn register(&mut self, session: u64, request: u64, pattern: usize, how: Registering) -> Sent {
        let invoke = INVOKE[how.invoke];
        self.stays += 1;
        let callee =
            Callee { session, places: how.concurrency, keeps_time: how.forward_timeout, stay: self.stays };
        let existing = self.registrations.iter().position(|registration| registration.pattern == pattern);
        if let Some(at) = existing.filter(|_| how.force) {
            let id = self.registrations[at].id;
            for callee in self.registrations[at].callees.clone() {
                if is_able(callee.session) {
                    self.expect(callee.session, Said::Revoked { id });
                }
                self.drop_callee(id, callee.session);
            }
        }
        if let Some(at) = existing.filter(|_| !how.force) {
            let registration = &mut self.registrations[at];
            let has_it = registration.callees.iter().any(|other| other.session == session);
            if has_it || registration.invoke != invoke || invoke == Invoke::Single {
                self.expect_error(session, code::REGISTER, request, "wamp.error.procedure_already_exists");
            } else {
                registration.callees.push(callee);
                let id = registration.id;
                self.expect(session, Said::Registered { request, id });
                self.serve(id);
            }
        } else {
            self.last_registration += 1;
            let id = self.last_registration;
            self.registrations.push(Registration {
                id,
                pattern,
                invoke,
                callees: vec![callee],
                turn: 0,
                queue: VecDeque::new(),
            });
            self.expect(session, Said::Registered { request, id });
        }
        let (matching, text) = PATTERNS[pattern];
        let options = RegisterOptions {
            matching,
            invoke,
            concurrency: how.concurrency,
            force_reregister: how.force,
            forward_timeout: how.forward_timeout,
            ..RegisterOptions::default()
        };
        self.world.send(session, registers(request, text, options))
    }

    fn unregister(&mut self, session: u64, request: u64, which: usize) -> Sent {
        let found = self.registrations.get(which);
        let registration = found.map_or(99, |registration| registration.id);
        let holds = found.is_some_and(|found| found.callees.iter().any(|callee| callee.session == session));
        if holds {
            self.expect(session, Said::Unregistered { request });
            self.drop_callee(registration, session);
        } else {
            self.expect_error(session, code::UNREGISTER, request, "wamp.error.no_such_registration");
        }
        self.world.send(session, ClientMessage::Unregister { request, registration })
    }

    fn registration(&mut self, id: u64) -> Option<&mut Registration> {
        self.registrations.iter_mut().find(|registration| registration.id == id)
    }

    fn drop_callee(&mut self, id: u64, session: u64) {
        let Some(registration) = self.registration(id) else { return };
        let Some(at) = registration.callees.iter().position(|callee| callee.session == session) else {
            return;
        };
        registration.callees.remove(at);
        if at < registration.turn {
            registration.turn -= 1;
        }
        if registration.callees.is_empty() {
            for (caller, request) in std::mem::take(&mut registration.queue) {
                self.calls.remove(&(caller, request));
                if self.present.contains(&caller) {
                    self.expect_error(caller, code::CALL, request, CANCELED);
                }
            }
            self.registrations.retain(|registration| registration.id != id);
        }
    }

    // === Calls ===

    fn call(&mut self, session: u64, request: u64, uri: usize, how: Calling) -> Sent {
        let best = self
            .registrations
            .iter()
            .filter_map(|registration| Some((weight(registration.pattern, URIS[uri])?, registration.id)))
            .max();
        if let Some((_, id)) = best {
            let Calling { timeout, receive_progress } = how;
            let ends = (timeout > 0).then(|| self.now + timeout);
            let key = (session, request);
            self.calls.insert(key, Call { uri, timeout, receive_progress, ends, at: None });
            self.registration(id).unwrap().queue.push_back(key);
            self.serve(id);
        } else {
            self.expect_error(session, code::CALL, request, "wamp.error.no_such_procedure");
        }
        let options = CallOptions {
            timeout: how.timeout,
            receive_progress: how.receive_progress,
            ..CallOptions::default()
        };
        self.world.send(session, calls(request, URIS[uri], options))
    }

    /// How many invocations a callee of a registration has not answered.
    fn taken(&self, id: u64, callee: Callee) -> u64 {
        let of_stay = |(at, invocation): (&Key, &Invocation)| {
            at.0 == callee.session && invocation.occupies == Some((id, callee.stay))
        };
        self.invocations.iter().filter(|entry| of_stay(*entry)).count() as u64
    }

    /// Gives calls that wait to callees that have a free place.
    fn serve(&mut self, id: u64) {
        while let Some(registration) = self.registrations.iter().find(|registration| registration.id == id)
            && let Some(key) = registration.queue.front().copied()
        {
            let count = registration.callees.len();
            let order: Vec<usize> = match registration.invoke {
                Invoke::Last => (0..count).rev().collect(),
                Invoke::RoundRobin => {
                    (0..count).map(|step| (registration.turn % count + step) % count).collect()
                }
                _ => (0..count).collect(),
            };
            let is_free = |at: &usize| {
                let callee = registration.callees[*at];
                callee.places.is_none_or(|places| self.taken(id, callee) < places)
            };
            let Some(at) = order.into_iter().find(is_free) else { return };
            let callee = registration.callees[at];
            let by_pattern = PATTERNS[registration.pattern].0 != UriMatch::Exact;
            let registration = self.registration(id).unwrap();
            registration.queue.pop_front();
            registration.turn = (at + 1) % count;
            self.invoke(id, callee, by_pattern, key);
        }
    }

    fn invoke(&mut self, id: u64, callee: Callee, by_pattern: bool, key: Key) {
        let last = self.last_invocation.entry(callee.session).or_insert(0);
        *last += 1;
        let number = *last;
        let call = self.calls.get_mut(&key).unwrap();
        let keeps_time = call.timeout > 0 && callee.keeps_time && is_able(callee.session);
        if keeps_time {
            call.ends = None;
        }
        call.at = Some((callee.session, number));
        let receive_progress = call.receive_progress && is_able(callee.session);
        let message = Said::Invocation {
            number,
            id,
            procedure: by_pattern.then_some(URIS[call.uri]),
            timeout: if keeps_time { call.timeout } else { 0 },
            receive_progress,
        };
        self.expected.push((callee.session, message));
        let occupies = callee.places.map(|_| (id, callee.stay));
        let invocation = Invocation { call: Some(key), receive_progress, is_killed: false, occupies };
        self.invocations.insert((callee.session, number), invocation);
        self.unanswered.entry(callee.session).or_default().push(number);
    }

    fn answer(&mut self, session: u64, which: usize, how: Answering) -> Sent {
        let unanswered = self.unanswered.entry(session).or_default();
        if unanswered.is_empty() {
            return Sent::new();
        }
        let at = which % unanswered.len();
        let number = unanswered[at];
        let is_progress = matches!(how, Answering::Progress);
        if !is_progress {
            unanswered.remove(at);
        }
        let found = self.invocations.get(&(session, number));
        let call = found.and_then(|found| found.call);
        if is_progress {
            if let Some(key) = call.filter(|_| found.is_some_and(|found| found.receive_progress)) {
                let now = self.now;
                let call = self.calls.get_mut(&key).unwrap();
                call.ends = call.ends.map(|_| now + call.timeout);
                self.expect(key.0, Said::Result { request: key.1, progress: true });
            }
        } else if let Some(found) = self.invocations.remove(&(session, number)) {
            if let Some((caller, request)) = call {
                self.calls.remove(&(caller, request));
                match how {
                    Answering::Error => self.expect_error(caller, code::CALL, request, "com.failed"),
                    _ => self.expect(caller, Said::Result { request, progress: false }),
                }
            }
            if let Some((id, _)) = found.occupies {
                self.serve(id);
            }
        }
        let message = match how {
            Answering::Error => ClientMessage::InvocationError {
                request: number,
                details: ErrorDetails::default(),
                error: uri("com.failed"),
                payload: payload("[]"),
            },
            _ => ClientMessage::Yield {
                request: number,
                options: YieldOptions { progress: is_progress, ..YieldOptions::default() },
                payload: payload("[]"),
            },
        };
        self.world.send(session, message)
    }

    // === Early ends ===

    fn cancel(&mut self, session: u64, which: usize, mode: CancelMode) -> Sent {
        let mut own = self.calls.keys().filter(|(caller, _)| *caller == session);
        let request = own.nth(which).map_or(9_999_999, |(_, request)| *request);
        self.stop((session, request), mode, CANCELED);
        self.world.send(session, ClientMessage::Cancel { request, options: CancelOptions { mode } })
    }

    fn pass(&mut self, millis: u64) -> Sent {
        self.now += millis;
        let due = |model: &Self| {
            let ends = model.calls.iter().filter_map(|(key, call)| Some((call.ends?, *key)));
            ends.filter(|(ends, _)| *ends <= model.now).min()
        };
        while let Some((_, key)) = due(self) {
            self.stop(key, CancelMode::KillNoWait, "wamp.error.timeout");
        }
        self.world.pass(Duration::from_millis(millis))
    }

    fn stop(&mut self, key: Key, mode: CancelMode, error: &str) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(at) = call.at else {
            for registration in &mut self.registrations {
                registration.queue.retain(|queued| *queued != key);
            }
            self.calls.remove(&key);
            return self.expect_error(key.0, code::CALL, key.1, error);
        };
        if mode == CancelMode::Kill && is_able(at.0) {
            return self.interrupt(at, CancelMode::Kill);
        }
        self.expect_error(key.0, code::CALL, key.1, error);
        self.abandon(key, at, mode);
    }

    /// Tells a callee to stop, once.
    fn interrupt(&mut self, at: Key, mode: CancelMode) {
        let invocation = self.invocations.get_mut(&at).unwrap();
        if !std::mem::replace(&mut invocation.is_killed, true) {
            self.expect(at.0, Said::Interrupt { number: at.1, mode: mode.name() });
        }
    }

    /// Ends a call; whether the callee still has its place depends on whether it was told.
    fn abandon(&mut self, key: Key, at: Key, mode: CancelMode) {
        self.calls.remove(&key);
        let interrupts = mode != CancelMode::Skip && is_able(at.0);
        if interrupts {
            self.interrupt(at, CancelMode::KillNoWait);
        }
        let invocation = self.invocations.get_mut(&at).unwrap();
        invocation.call = None;
        let occupies = invocation.occupies;
        if interrupts || occupies.is_none() {
            self.invocations.remove(&at);
            if let Some((id, _)) = occupies {
                self.serve(id);
            }
        }
    }

    fn leave(&mut self, session: u64) -> Sent {
        self.present.remove(&session);
        for (_, subscribers) in self.subscriptions.values_mut() {
            subscribers.remove(&session);
        }
        self.subscriptions.retain(|_, (_, subscribers)| !subscribers.is_empty());
        // Its calls that wait are gone first, so that no place is given to them.
        let own: Vec<Key> = self.calls.keys().filter(|(caller, _)| *caller == session).copied().collect();
        for registration in &mut self.registrations {
            registration.queue.retain(|(caller, _)| *caller != session);
        }
        let held: Vec<u64> = self.registrations.iter().map(|registration| registration.id).collect();
        for id in held {
            self.drop_callee(id, session);
        }
        for key in own {
            match self.calls.get(&key).and_then(|call| call.at) {
                Some(at) if at.0 != session => self.abandon(key, at, CancelMode::KillNoWait),
                Some(at) => {
                    self.invocations.remove(&at);
                    self.calls.remove(&key);
                }
                None => {
                    self.calls.remove(&key);
                }
            }
        }
        let left: Vec<Key> =
            self.invocations.keys().filter(|(callee, _)| *callee == session).copied().collect();
        for at in left {
            if let Some(key) = self.invocations.remove(&at).and_then(|invocation| invocation.call) {
                self.calls.remove(&key);
                self.expect_error(key.0, code::CALL, key.1, CANCELED);
            }
        }
        self.unanswered.remove(&session);
        self.world.leave(session)
    }

    /// When the dealer wants to be asked again.
    fn check_deadline(&self) {
        let next = self.calls.values().filter_map(|call| call.ends).min();
        assert_eq!(self.world.router.next_deadline().is_some(), next.is_some(), "{next:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 0, ..ProptestConfig::with_cases(400) })]
    #[test]
    fn broker_and_dealer_say_what_a_naive_model_says(steps in steps()) {
        let mut model = Model::new();
        for (session, step) in &steps {
            model.step(*session, step);
            model.check_deadline();
        }
        for session in model.present.clone() {
            model.step(session, &Step::Leave);
        }
        prop_assert!(model.calls.is_empty() && model.invocations.is_empty());
        prop_assert!(model.world.router.is_empty(), "something is left: {:?}", model.world.router);
    }
}
