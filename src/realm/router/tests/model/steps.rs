//! The steps, by random: what sessions do.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{INVOKE, MODES, PATTERNS, ROLES, SESSIONS, URIS};

#[derive(Debug, Clone)]
pub(super) enum Step {
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
pub(super) enum Answering {
    Yield,
    Progress,
    Error,
}

#[derive(Debug, Clone)]
pub(super) struct Publishing {
    pub(super) acknowledge: bool,
    pub(super) exclude_me: bool,
    pub(super) lists: Option<Lists>,
}

/// Sessions by their numbers, roles by their places.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) exclude: BTreeSet<u64>,
    pub(super) exclude_authid: BTreeSet<u64>,
    pub(super) exclude_authrole: BTreeSet<usize>,
    pub(super) eligible: Option<BTreeSet<u64>>,
    pub(super) eligible_authid: Option<BTreeSet<u64>>,
    pub(super) eligible_authrole: Option<BTreeSet<usize>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Registering {
    pub(super) invoke: usize,
    pub(super) concurrency: Option<u64>,
    pub(super) force: bool,
    pub(super) forward_timeout: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Calling {
    pub(super) timeout: u64,
    pub(super) receive_progress: bool,
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

pub(super) fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
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
