//! The kinds of components, which one host runs: the worlds of the contract.
//!
//! A kind has its question, its answer and its export. Loading, isolation, limits, queue, reload and metrics are the same for all.

use std::fmt;

use wasmtime::{Store, component::InstancePre};

use super::{PolicyError, contract::Version, instance::Instance, needs::Needs, subject::Subject};

/// A kind of component.
pub(crate) trait World: Sized + Send + Sync + fmt::Debug + 'static {
    /// What it is asked.
    type Question<'a>: Subject + Sync;
    /// What it answers, unchecked.
    type Raw: Send;
    /// What it answers, checked: the gateway may act on it.
    type Answer: Send;
    /// A component that can be instantiated.
    type Code: Clone + Send + Sync;
    /// An instance of it.
    type Guest: Send;
    /// What stands behind a gate.
    type Asked: ?Sized + Send + Sync + fmt::Debug;
    /// What records questions and answers.
    type Recorder: Send + Sync + fmt::Debug;

    /// What it is, for messages.
    const NAME: &'static str;
    /// The interface that it exports.
    const EXPORT: &'static str;
    /// The versions of the contract that have it, the oldest first.
    const VERSIONS: &'static [Version];
    /// What its answers are called in metrics.
    const ANSWERS: &'static [&'static str];

    /// Finds the exports of a version.
    fn code(version: Version, component: InstancePre<Instance>) -> wasmtime::Result<Self::Code>;

    /// Whether the component chooses upstreams besides.
    fn routes(_code: &Self::Code) -> bool {
        false
    }

    /// Makes an instance.
    fn instantiate(code: &Self::Code, store: &mut Store<Instance>) -> wasmtime::Result<Self::Guest>;

    /// Asks an instance about its configuration.
    fn check_config(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Result<(), Vec<String>>>;

    /// Asks an instance what it needs. None: its version of the contract cannot say.
    fn needs(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Option<Needs>>;

    /// Refuses a question that is larger than the contract says.
    fn check_size(question: &Self::Question<'_>) -> Result<(), PolicyError>;

    /// Asks an instance.
    fn call(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
        question: &Self::Question<'_>,
    ) -> wasmtime::Result<Result<Self::Raw, String>>;

    /// Asks what stands behind a gate, and checks its answer.
    fn ask(asked: &Self::Asked, question: &Self::Question<'_>) -> Result<Self::Answer, PolicyError>;

    /// Records a question and what came of it.
    fn record(
        recorder: &Self::Recorder,
        question: &Self::Question<'_>,
        answer: &Result<Self::Answer, PolicyError>,
    );

    /// What an answer is called in metrics: one of [`ANSWERS`](Self::ANSWERS).
    fn kind(answer: &Self::Answer) -> &'static str;
}
