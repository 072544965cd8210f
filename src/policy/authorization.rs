//! The world `authorizer`: a component that decides what the sessions of a role may do.

mod question;
#[cfg(feature = "gateway")]
pub(crate) mod spoken;

use std::{convert::Infallible, time::Duration};

use serde::{Deserialize, Serialize};
use wasmtime::{Store, component::InstancePre};

pub use self::question::{AuthorizationQuestion, Session};
use super::{
    ContractError, Needs, PolicyError,
    bindings::authorizer::{
        GrantedAuthorizer, GrantedAuthorizerPre, exports::wampgate::authid::authorization as wit,
    },
    component::Wasm,
    contract::Version,
    gate::Gate,
    instance::Instance,
    subject::{Subject, Whom},
    world::World,
};

/// How long an answer may be kept, in seconds.
const KEPT_SECONDS: std::ops::RangeInclusive<u32> = 1..=86_400;

/// The world.
#[derive(Debug)]
pub(crate) struct Authorizer;

/// What its answers are called in metrics.
pub(crate) const ANSWERS: &[&str] = &["allow", "deny"];

/// The way to an authorizer.
pub(crate) type AuthorizerGate = Gate<Authorizer>;

/// What an authorizer is asked.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) session: SessionView<'a>,
    pub(crate) action: Action,
    pub(crate) uri: &'a str,
    pub(crate) matching: Matching,
    /// A JSON object, as text.
    pub(crate) options: &'a str,
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
}

/// A session, as an authorizer sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionView<'a> {
    pub(crate) id: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) authid: &'a str,
    pub(crate) authrole: &'a str,
    pub(crate) authmethod: &'a str,
    pub(crate) authprovider: &'a str,
    pub(crate) public_id: Option<&'a str>,
    pub(crate) connection: &'a str,
    pub(crate) peer: &'a str,
}

/// What a session wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Call a procedure.
    Call,
    /// Register a procedure.
    Register,
    /// Publish to a topic.
    Publish,
    /// Subscribe to a topic.
    Subscribe,
}

/// How a URI is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// The URI is the one.
    Exact,
    /// The URIs that begin with it.
    Prefix,
    /// The URIs that have its components, where an empty one stands for any.
    Wildcard,
}

/// What an authorizer answered, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ruling {
    /// Whether the session may do it.
    pub allow: bool,
    /// Whether the other side learns which session acted.
    pub disclose: bool,
    /// How long the answer holds; none: the gateway asks again.
    pub keep: Option<Keeping>,
}

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keeping {
    /// How long: 1 second to a day.
    pub time: Duration,
    /// For whom.
    pub scope: Scope,
}

/// For whom an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The session that was asked about.
    Session,
    /// All sessions of its role.
    Role,
}

impl World for Authorizer {
    type Question<'a> = AuthorizationRequest<'a>;
    type Raw = wit::Ruling;
    type Answer = Ruling;
    type Code = GrantedAuthorizerPre<Instance>;
    type Guest = GrantedAuthorizer;
    type Asked = Wasm<Self>;
    // Sessions ask it far more often than clients join: a record of all that would tell more than it helps.
    type Recorder = Infallible;

    const NAME: &'static str = "authorizer";
    const EXPORT: &'static str = "authorization";
    const VERSIONS: &'static [Version] = &[Version::v0_3];
    const ANSWERS: &'static [&'static str] = ANSWERS;

    fn code(_version: Version, component: InstancePre<Instance>) -> wasmtime::Result<Self::Code> {
        GrantedAuthorizerPre::new(component)
    }

    fn instantiate(code: &Self::Code, store: &mut Store<Instance>) -> wasmtime::Result<Self::Guest> {
        code.instantiate(store)
    }

    fn check_config(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Result<(), Vec<String>>> {
        guest.wampgate_authid_authorization().call_check_config(store, config)
    }

    fn needs(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
    ) -> wasmtime::Result<Option<Needs>> {
        let needs = guest.wampgate_authid_authorization().call_needs(store, config)?;
        Ok(Some(needs.into()))
    }

    // The wire bounds URIs and options.
    fn check_size(_: &AuthorizationRequest<'_>) -> Result<(), PolicyError> {
        Ok(())
    }

    fn call(
        guest: &Self::Guest,
        store: &mut Store<Instance>,
        config: &str,
        question: &AuthorizationRequest<'_>,
    ) -> wasmtime::Result<Result<wit::Ruling, String>> {
        guest.wampgate_authid_authorization().call_authorize(store, config, question.into())
    }

    fn ask(asked: &Wasm<Self>, question: &AuthorizationRequest<'_>) -> Result<Ruling, PolicyError> {
        decide(asked, question)
    }

    fn record(recorder: &Infallible, _: &AuthorizationRequest<'_>, _: &Result<Ruling, PolicyError>) {
        match *recorder {}
    }

    fn kind(answer: &Ruling) -> &'static str {
        if answer.allow { "allow" } else { "deny" }
    }
}

/// Asks an authorizer and checks its answer: the only way to a [`Ruling`], for the gateway and for tests.
pub(crate) fn decide(
    component: &Wasm<Authorizer>,
    question: &AuthorizationRequest<'_>,
) -> Result<Ruling, PolicyError> {
    let wit::Ruling { allow, disclose, keep } = component.ask(question)?;
    let keep = keep.map(|wit::Keeping { seconds, scope }| {
        if !KEPT_SECONDS.contains(&seconds) {
            return Err(ContractError::Unfit("keep: `seconds` is 1 to 86400"));
        }
        let scope = match scope {
            wit::Scope::Session => Scope::Session,
            wit::Scope::Role => Scope::Role,
        };
        Ok(Keeping { time: Duration::from_secs(seconds.into()), scope })
    });
    Ok(Ruling { allow, disclose, keep: keep.transpose()? })
}

impl Subject for AuthorizationRequest<'_> {
    fn whom(&self) -> Whom<'_> {
        let SessionView { connection, peer, public_id, .. } = self.session;
        // The tracking ID is not told.
        Whom { connection, peer, public_id, ..Whom::default() }
    }
}

impl<'a> From<&'a AuthorizationRequest<'a>> for wit::AuthorizationRequest<'a> {
    fn from(request: &'a AuthorizationRequest<'a>) -> Self {
        let &AuthorizationRequest { session, action, uri, matching, options, now } = request;
        Self {
            session: wit::Session {
                id: session.id,
                realm: session.realm,
                authid: session.authid,
                authrole: session.authrole,
                authmethod: session.authmethod,
                authprovider: session.authprovider,
                public_id: session.public_id,
                connection: session.connection,
                peer: session.peer,
            },
            action: match action {
                Action::Call => wit::Action::Call,
                Action::Register => wit::Action::Register,
                Action::Publish => wit::Action::Publish,
                Action::Subscribe => wit::Action::Subscribe,
            },
            uri,
            matching: match matching {
                Matching::Exact => wit::Matching::Exact,
                Matching::Prefix => wit::Matching::Prefix,
                Matching::Wildcard => wit::Matching::Wildcard,
            },
            options,
            now,
        }
    }
}
