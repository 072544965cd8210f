//! Random interleavings of everything that sessions may do, against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::wamp::message::ErrorDetails;

const SESSIONS: u64 = 4;
const NAMES: [&str; 3] = ["com.a", "com.b", "com.c"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Subscribe(u64, usize),
    Unsubscribe(u64, usize),
    Publish(u64, usize, bool),
    Register(u64, usize),
    Unregister(u64, usize),
    Call(u64, usize),
    /// Answers the oldest or the youngest invocation that the session has seen, with YIELD or with ERROR.
    Answer(u64, bool, bool),
    Leave(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, what) = (1..=SESSIONS, 0..NAMES.len());
    let step = prop_oneof![
        4 => (who.clone(), what.clone()).prop_map(|(s, n)| Step::Subscribe(s, n)),
        2 => (who.clone(), what.clone()).prop_map(|(s, n)| Step::Unsubscribe(s, n)),
        4 => (who.clone(), what.clone(), any::<bool>()).prop_map(|(s, n, me)| Step::Publish(s, n, me)),
        4 => (who.clone(), what.clone()).prop_map(|(s, n)| Step::Register(s, n)),
        1 => (who.clone(), what.clone()).prop_map(|(s, n)| Step::Unregister(s, n)),
        6 => (who.clone(), what).prop_map(|(s, n)| Step::Call(s, n)),
        4 => (who.clone(), any::<bool>(), any::<bool>()).prop_map(|(s, o, e)| Step::Answer(s, o, e)),
        1 => who.prop_map(Step::Leave),
    ];
    proptest::collection::vec(step, 0..120)
}

/// What has to be true, kept without any cleverness.
struct Model {
    world: World,
    present: BTreeSet<u64>,
    subscribed: BTreeMap<(u64, usize), u64>,
    registered: BTreeMap<usize, (u64, u64)>,
    /// Calls without an answer: caller and request, with the callee.
    waiting: BTreeMap<(u64, u64), u64>,
    /// Invocations that each session has got and has not answered.
    invoked: BTreeMap<u64, Vec<u64>>,
    invocations: BTreeMap<u64, u64>,
    requests: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            world: World::open(1..=SESSIONS),
            present: (1..=SESSIONS).collect(),
            subscribed: BTreeMap::new(),
            registered: BTreeMap::new(),
            waiting: BTreeMap::new(),
            invoked: BTreeMap::new(),
            invocations: BTreeMap::new(),
            requests: 0,
        }
    }

    fn step(&mut self, step: Step) {
        self.requests += 1;
        let request = self.requests;
        let (Step::Subscribe(session, _)
        | Step::Unsubscribe(session, _)
        | Step::Publish(session, ..)
        | Step::Register(session, _)
        | Step::Unregister(session, _)
        | Step::Call(session, _)
        | Step::Answer(session, ..)
        | Step::Leave(session)) = step;
        if !self.present.contains(&session) {
            return;
        }
        match step {
            Step::Subscribe(_, name) => {
                let subscription = self.world.subscribe(session, NAMES[name]);
                for ((_, other), id) in &self.subscribed {
                    assert_eq!(*other == name, *id == subscription, "one subscription for each topic");
                }
                self.subscribed.insert((session, name), subscription);
            }
            Step::Unsubscribe(_, name) => {
                let known = self.subscribed.remove(&(session, name));
                let subscription = known.unwrap_or(0);
                let sent = self.world.send(session, ClientMessage::Unsubscribe { request, subscription });
                assert_eq!(known.is_some(), is_unsubscribed(&sent), "{sent:?}");
            }
            Step::Publish(_, name, exclude_me) => {
                let options = PublishOptions { exclude_me, ..PublishOptions::default() };
                let sent = self.world.send(session, publish(request, NAMES[name], options));
                let got: BTreeMap<u64, u64> = sent
                    .into_iter()
                    .map(|(to, message)| match message {
                        RouterMessage::Event { subscription, .. } => (to, subscription),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let subscribers = self.subscribed.iter().filter(|((_, topic), _)| *topic == name);
                let expected = subscribers.map(|((subscriber, _), id)| (*subscriber, *id));
                assert_eq!(got, expected.filter(|(s, _)| !exclude_me || *s != session).collect());
            }
            Step::Register(_, name) => {
                let sent = self.world.send(session, register(request, NAMES[name]));
                match only(sent) {
                    (_, RouterMessage::Registered { registration, .. }) => {
                        assert_eq!(self.registered.insert(name, (session, registration)), None);
                    }
                    (_, RouterMessage::Error { .. }) => assert!(self.registered.contains_key(&name)),
                    other => panic!("{other:?}"),
                }
            }
            Step::Unregister(_, name) => {
                let held = self.registered.get(&name).copied();
                let registration = held.map_or(0, |(_, registration)| registration);
                let sent = self.world.send(session, ClientMessage::Unregister { request, registration });
                if held.is_some_and(|(callee, _)| callee == session) {
                    assert_eq!(sent, [(session, RouterMessage::Unregistered { request })]);
                    self.registered.remove(&name);
                } else {
                    assert_eq!(error(sent), "wamp.error.no_such_registration");
                }
            }
            Step::Call(_, name) => {
                let message = only(self.world.send(session, call(request, NAMES[name])));
                match (self.registered.get(&name), message) {
                    (
                        Some((callee, id)),
                        (to, RouterMessage::Invocation { request: n, registration, .. }),
                    ) => {
                        assert_eq!((to, registration), (*callee, *id));
                        let last = self.invocations.insert(to, n).unwrap_or(0);
                        assert_eq!(n, last + 1, "invocations are counted");
                        self.invoked.entry(to).or_default().push(n);
                        self.waiting.insert((session, request), to);
                    }
                    (None, (to, RouterMessage::Error { request: n, .. })) => {
                        assert_eq!((to, n), (session, request));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Step::Answer(_, oldest, with_error) => {
                let Some(list) = self.invoked.get_mut(&session).filter(|list| !list.is_empty()) else {
                    return;
                };
                let invocation = if oldest { list.remove(0) } else { list.pop().unwrap() };
                let message = if with_error {
                    let (error, payload) = (uri("com.failed"), payload("[]"));
                    let details = ErrorDetails::default();
                    ClientMessage::InvocationError { request: invocation, details, error, payload }
                } else {
                    yields(invocation)
                };
                let sent = self.world.send(session, message);
                assert!(sent.len() <= 1, "{sent:?}");
                self.answered(session, sent);
            }
            Step::Leave(_) => self.leave(session),
        }
    }

    fn leave(&mut self, session: u64) {
        let sent = self.world.leave(session);
        self.present.remove(&session);
        self.subscribed.retain(|(subscriber, _), _| *subscriber != session);
        self.registered.retain(|_, (callee, _)| *callee != session);
        self.waiting.retain(|(caller, _), _| *caller != session);
        self.invoked.remove(&session);
        self.answered(session, sent);
        assert!(
            !self.waiting.values().any(|callee| *callee == session),
            "a call waits for a session that is gone"
        );
    }

    /// Each answer belongs to a call that waits for this callee, and its caller is there.
    fn answered(&mut self, callee: u64, sent: Sent) {
        for (caller, message) in sent {
            let (RouterMessage::Result { request, .. } | RouterMessage::Error { request, .. }) = message
            else {
                panic!("{message:?}");
            };
            assert_eq!(self.waiting.remove(&(caller, request)), Some(callee));
            assert!(self.present.contains(&caller));
        }
    }
}

fn is_unsubscribed(sent: &Sent) -> bool {
    matches!(sent.as_slice(), [(_, RouterMessage::Unsubscribed { .. })])
}

proptest! {
    #[test]
    fn invariants_hold_whatever_sessions_do(steps in steps()) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        // Every session answers what is left; then every call of a session that stayed has had its answer.
        for session in model.present.clone() {
            while model.invoked.get(&session).is_some_and(|list| !list.is_empty()) {
                model.step(Step::Answer(session, true, false));
            }
        }
        prop_assert!(model.waiting.is_empty(), "calls without an answer: {:?}", model.waiting);
        for session in model.present.clone() {
            model.leave(session);
        }
        prop_assert!(model.world.router.is_empty(), "something is left: {:?}", model.world.router);
    }
}
