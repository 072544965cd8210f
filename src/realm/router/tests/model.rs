//! Random sequences of everything that sessions may do with patterns, lists of receivers, shared registrations, queues, time-outs,
//! progress, cancels and departures, against a model of broker and dealer that is as simple as it can be: it says for each step
//! which messages go to whom.

mod broker;
mod calls;
mod ends;
mod registrations;
mod said;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use proptest::prelude::*;

use self::{
    said::{Said, said},
    steps::{Answering, Calling, Publishing, Registering, Step, steps},
};
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
    wants_progress: bool,
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
