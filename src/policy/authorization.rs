//! The world `authorizer`: a component that decides what the sessions of a role may do.

use std::{convert::Infallible, time::Duration};

use wasmtime::{Store, component::InstancePre};

use super::{
    ContractError, Needs, PolicyError,
    bindings::authorizer::{
        GrantedAuthorizer, GrantedAuthorizerPre, exports::wampgate::authid::authorization as wit,
    },
    component::Wasm,
    contract::Version,
    gate::Gate,
    instance::Instance,
    subject::Subject,
    world::World,
};

/// How long an answer may be kept, in seconds.
const KEPT_SECONDS: std::ops::RangeInclusive<u32> = 1..=86_400;

/// The world.
#[derive(Debug)]
pub(crate) struct Authorizer;

/// The way to an authorizer.
pub(crate) type AuthorizerGate = Gate<Authorizer>;

/// What an authorizer is asked.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) session: SessionView<'a>,
    pub(crate) action: AskedAction,
    pub(crate) uri: &'a str,
    pub(crate) matching: AskedMatch,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedAction {
    Call,
    Register,
    Publish,
    Subscribe,
}

/// How a URI is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedMatch {
    Exact,
    Prefix,
    Wildcard,
}

/// What an authorizer answered, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) allow: bool,
    pub(crate) disclose: bool,
    /// How long the answer holds, and whether for the whole role.
    pub(crate) keep: Option<(Duration, bool)>,
}

impl World for Authorizer {
    type Question<'a> = AuthorizationRequest<'a>;
    type Raw = wit::Ruling;
    type Answer = Answered;
    type Code = GrantedAuthorizerPre<Instance>;
    type Guest = GrantedAuthorizer;
    type Asked = Wasm<Self>;
    // `policy test` has no cases of this kind.
    type Recorder = Infallible;

    const NAME: &'static str = "authorizer";
    const EXPORT: &'static str = "authorization";
    const VERSIONS: &'static [Version] = &[Version::v0_3];
    const ANSWERS: &'static [&'static str] = &["allow", "deny"];

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
        Ok(Some(Needs { headers: needs.headers, grants: needs.grants }))
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

    fn ask(asked: &Wasm<Self>, question: &AuthorizationRequest<'_>) -> Result<Answered, PolicyError> {
        let wit::Ruling { allow, disclose, keep } = asked.ask(question)?;
        let keep = keep.map(|wit::Keeping { seconds, scope }| {
            if KEPT_SECONDS.contains(&seconds) {
                Ok((Duration::from_secs(seconds.into()), matches!(scope, wit::Scope::Role)))
            } else {
                Err(ContractError::Unfit("keep: `seconds` is 1 to 86400"))
            }
        });
        Ok(Answered { allow, disclose, keep: keep.transpose()? })
    }

    fn record(recorder: &Infallible, _: &AuthorizationRequest<'_>, _: &Result<Answered, PolicyError>) {
        match *recorder {}
    }

    fn kind(answer: &Answered) -> &'static str {
        if answer.allow { "allow" } else { "deny" }
    }
}

impl Subject for AuthorizationRequest<'_> {
    fn connection(&self) -> &str {
        self.session.connection
    }

    fn peer(&self) -> &str {
        self.session.peer
    }

    fn public_id(&self) -> Option<&str> {
        self.session.public_id
    }

    // It is not told.
    fn tracking_id(&self) -> Option<&str> {
        None
    }
}

impl<'a> From<&'a AuthorizationRequest<'a>> for wit::AuthorizationRequest<'a> {
    fn from(request: &'a AuthorizationRequest<'a>) -> Self {
        let &AuthorizationRequest { session, action, uri, matching, options, now } = request;
        let SessionView {
            id,
            realm,
            authid,
            authrole,
            authmethod,
            authprovider,
            public_id,
            connection,
            peer,
        } = session;
        Self {
            session: wit::Session {
                id,
                realm,
                authid,
                authrole,
                authmethod,
                authprovider,
                public_id,
                connection,
                peer,
            },
            action: match action {
                AskedAction::Call => wit::Action::Call,
                AskedAction::Register => wit::Action::Register,
                AskedAction::Publish => wit::Action::Publish,
                AskedAction::Subscribe => wit::Action::Subscribe,
            },
            uri,
            matching: match matching {
                AskedMatch::Exact => wit::Matching::Exact,
                AskedMatch::Prefix => wit::Matching::Prefix,
                AskedMatch::Wildcard => wit::Matching::Wildcard,
            },
            options,
            now,
        }
    }
}
