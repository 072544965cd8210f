//! The world `authenticator`: a component that knows the principals of authentication methods.

mod answer;
mod question;
mod request;
#[cfg(feature = "gateway")]
pub(crate) mod spoken;

use std::convert::Infallible;

use wasmtime::{Store, component::InstancePre};

use self::answer::RawVerdict;
pub(crate) use self::request::{AuthenticationRequest, Credential};
pub use self::{
    answer::{Known, KnownPrincipal, KnownSecret, ScramKdf, Verdict},
    question::AuthenticationQuestion,
};
use super::{
    Needs, PolicyError,
    bindings::authenticator::{GrantedAuthenticator, GrantedAuthenticatorPre},
    component::Wasm,
    contract::Version,
    gate::Gate,
    instance::Instance,
    world::World,
};

/// The world.
#[derive(Debug)]
pub(crate) struct Authenticator;

/// What its answers are called in metrics.
pub(crate) const ANSWERS: &[&str] = &["accept", "secret", "unknown", "deny"];

/// The way to an authenticator.
pub(crate) type AuthenticatorGate = Gate<Authenticator>;

impl World for Authenticator {
    type Question<'a> = AuthenticationRequest<'a>;
    type Raw = RawVerdict;
    type Answer = Verdict;
    type Code = GrantedAuthenticatorPre<Instance>;
    type Guest = GrantedAuthenticator;
    type Asked = Wasm<Self>;
    // A question may hold a client's ticket, which stands in no file.
    type Recorder = Infallible;

    const NAME: &'static str = "authenticator";
    const EXPORT: &'static str = "authentication";
    const VERSIONS: &'static [Version] = &[Version::v0_3];
    const ANSWERS: &'static [&'static str] = ANSWERS;

    fn code(_version: Version, component: InstancePre<Instance>) -> wasmtime::Result<Self::Code> {
        GrantedAuthenticatorPre::new(component)
    }

    fn instantiate(code: &Self::Code, store: &mut Store<Instance>) -> wasmtime::Result<Self::Guest> {
        code.instantiate(store)
    }

    fn check_config(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        guest.wampgate_authid_authentication().call_check_config(store, config)
    }

    fn needs(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Option<Needs>> {
        let needs = guest.wampgate_authid_authentication().call_needs(store, config)?;
        Ok(Some(needs.into()))
    }

    fn check_size(question: &AuthenticationRequest<'_>) -> Result<(), PolicyError> {
        request::check_size(question)
    }

    fn call(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
        question: &AuthenticationRequest<'_>,
    ) -> wasmtime::Result<Result<RawVerdict, String>> {
        guest.wampgate_authid_authentication().call_authenticate(store, config, question.into())
    }

    fn ask(asked: &Wasm<Self>, question: &AuthenticationRequest<'_>) -> Result<Verdict, PolicyError> {
        decide(asked, question)
    }

    fn record(recorder: &Infallible, _: &AuthenticationRequest<'_>, _: &Result<Verdict, PolicyError>) {
        match *recorder {}
    }

    fn kind(answer: &Verdict) -> &'static str {
        match answer {
            Verdict::Accept(_) => "accept",
            Verdict::Secret(_) => "secret",
            Verdict::Unknown(_) => "unknown",
            Verdict::Deny(_) => "deny",
        }
    }
}

/// Asks an authenticator and checks its answer: the only way to a [`Verdict`], for the gateway and for tests.
pub(crate) fn decide(
    component: &Wasm<Authenticator>,
    question: &AuthenticationRequest<'_>,
) -> Result<Verdict, PolicyError> {
    answer::check(component.ask(question)?, question)
}
