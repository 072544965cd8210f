//! Methods whose principals a component or a procedure knows: the authenticator is asked, and the gateway does the rest.
//!
//! | method | asked | about |
//! |---|---|---|
//! | `wampcra`, `scram`, `cryptosign` | before the challenge | whose secret the answer is verified against |
//! | `ticket` | after the challenge | the ticket |
//! | `anonymous` | once the policy has decided | which identity the client gets |
//! | `cookie`, for a login by one of the others | at HELLO | whether the principal still exists |
//!
//! Whatever goes wrong refuses the client.

use std::{sync::Arc, time::Instant};

use http::HeaderName;
use tracing::debug;

use super::{
    Admission, Answer, Application, Awaited, Challenge, Verdict, Visitor, brought_along, go_on,
    guesses::Guess,
    question::{Claimed, Question},
};
use crate::{
    auth::{
        self, ANSWER_TIMEOUT, Applicant, AuthError, Method, Plan, Principal, StaleLogin,
        component::{self, Source},
    },
    identity::{ANONYMOUS, Identity, Name},
    policy::{
        Decision,
        authentication::{AuthenticatorGate, Credential, Verdict as Answered, spoken},
        procedure::ProcedureGate,
    },
    time::Timestamp,
};

/// What knows the principals of a method.
#[derive(Debug)]
pub struct Authenticator {
    /// The way to it.
    pub(crate) knows: Knows,
    /// The request headers that it may see.
    pub(crate) shown: Vec<HeaderName>,
    /// What its principals are known by.
    pub(crate) source: Source,
}

/// The way to an authenticator.
#[derive(Debug)]
pub(crate) enum Knows {
    Component(Arc<AuthenticatorGate>),
    Procedure(Box<ProcedureGate>),
}

/// The authenticators of a service, by method.
#[derive(Debug, Default)]
pub struct Authenticators {
    pub(crate) anonymous: Option<Authenticator>,
    pub(crate) ticket: Option<Authenticator>,
    pub(crate) wampcra: Option<Authenticator>,
    pub(crate) scram: Option<Authenticator>,
    pub(crate) cryptosign: Option<Authenticator>,
}

/// A ticket that is waited for, and what its client has said.
#[derive(Debug)]
pub(super) struct Ticket {
    expires: Timestamp,
    authid: Option<String>,
    /// A JSON object, as text.
    authextra: String,
}

impl Authenticators {
    /// The request headers that any of them may see.
    pub(super) fn shown(&self) -> impl Iterator<Item = &HeaderName> {
        let Self { anonymous, ticket, wampcra, scram, cryptosign } = self;
        [anonymous, ticket, wampcra, scram, cryptosign].into_iter().flatten().flat_map(|one| &one.shown)
    }

    fn of(&self, method: Method) -> Option<&Authenticator> {
        match method {
            Method::Ticket => self.ticket.as_ref(),
            Method::WampCra => self.wampcra.as_ref(),
            Method::Scram | Method::WampScram => self.scram.as_ref(),
            Method::Cryptosign => self.cryptosign.as_ref(),
            Method::Cookie => None,
        }
    }
}

impl Admission {
    /// Does what a decision says where it leads to an authenticator, and the usual otherwise.
    pub(super) async fn begin_asking(
        &self,
        authenticators: &Authenticators,
        visitor: &Visitor,
        application: &Application<'_>,
        decision: Decision,
    ) -> Result<Verdict, (Option<Method>, AuthError)> {
        let (method, authrole) = match &decision {
            Decision::Deny(_) => return self.begin(visitor, application, decision),
            Decision::Anonymous(_) | Decision::None => (ANONYMOUS, None),
            Decision::Defer(method) => (method.as_str(), None),
            Decision::DeferAs { method, authrole } => (method.as_str(), Some(authrole.clone())),
        };
        if method == ANONYMOUS
            && let Some(asked) = &authenticators.anonymous
        {
            let joined = self.join_as_anonymous(asked, visitor, application, decision).await;
            return joined.map(Verdict::Admitted).map_err(|refusal| (None, refusal));
        }
        let Some(method) = Method::parse(method) else { return self.begin(visitor, application, decision) };
        let outcome = if method == Method::Cookie {
            match self.recall(authenticators, visitor, application).await {
                // The login is by another method, which looks at it itself.
                Ok(None) => return self.begin(visitor, application, decision),
                Ok(Some(principal)) => Ok(auth::MethodStep::Done(principal)),
                Err(refusal) => Err(refusal),
            }
            .and_then(|step| go_on(Ok(step), None, authrole, |role| application.has_role(role)))
        } else if let Some(asked) = authenticators.of(method) {
            self.challenge(asked, method, authrole, visitor, application).await
        } else {
            return self.begin(visitor, application, decision);
        };
        outcome.map_err(|refusal| (Some(method), refusal))
    }

    /// Has the authenticator say as whom a client joins that proves nothing.
    async fn join_as_anonymous(
        &self,
        asked: &Authenticator,
        visitor: &Visitor,
        application: &Application<'_>,
        decision: Decision,
    ) -> Result<Identity, AuthError> {
        let brought = brought_along();
        let hello = application.hello.map_or(&brought, |hello| &hello.details);
        let applicant = self.applicant(visitor, application, hello);
        // The role is the authenticator's business, and the policy's where it names one.
        let given = match &decision {
            Decision::Anonymous(identity) => identity.authrole.clone(),
            Decision::DeferAs { authrole, .. } => Some(authrole.clone()),
            _ => None,
        };
        let Plan::Join(assigned) = auth::plan(decision, &applicant, |_| true, &mut rand::rng())? else {
            return Err(AuthError::NotConfigured(ANONYMOUS.to_owned()));
        };
        // A procedure is told the name that the client would get, as in Crossbar.io.
        let public;
        let authid = match &asked.knows {
            Knows::Component(_) => hello.authid.as_deref(),
            Knows::Procedure(_) => {
                public = assigned.authid.public().to_owned();
                Some(public.as_str())
            }
        };
        let claim = Claimed { authid, authextra: None };
        let answered =
            self.ask_about(asked, ANONYMOUS, claim, Credential::None, visitor, application).await?;
        let mut identity = component::admit_anonymous(answered, assigned, application.realm, asked.source)?;
        identity.authrole = given.unwrap_or(identity.authrole);
        if application.has_role(&identity.authrole) {
            Ok(identity)
        } else {
            Err(AuthError::NoSuchRole(identity.authrole))
        }
    }

    /// Asks whose secret counts, and makes the challenge; for a ticket only that.
    async fn challenge(
        &self,
        asked: &Authenticator,
        method: Method,
        authrole: Option<Name>,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Verdict, AuthError> {
        let brought = brought_along();
        let hello = application.hello.map_or(&brought, |hello| &hello.details);
        let applicant = self.applicant(visitor, application, hello);
        let guess = self.guess(visitor, &applicant, method)?;
        let now = Timestamp::now();
        if method == Method::Ticket {
            let ticket = Ticket {
                expires: now.plus_seconds(ANSWER_TIMEOUT.as_secs()),
                authid: hello.authid.clone(),
                authextra: hello.authextra.to_json(),
            };
            return Ok(Verdict::Challenged(Box::new(Challenge {
                method: method.name(),
                extra: serde_json::Map::new(),
                pending: Awaited::Asked(ticket),
                guess,
                authrole,
            })));
        }
        component::check_hello(method, &applicant)?;
        let key;
        let credential = if method == Method::Cryptosign {
            key = component::shown_key(&applicant)?;
            Credential::PublicKey(&key)
        } else {
            Credential::None
        };
        let claim = Claimed { authid: hello.authid.as_deref(), authextra: None };
        let answered = self.ask_about(asked, method.name(), claim, credential, visitor, application).await?;
        let step = open(answered, method, &applicant, application, asked.source, now);
        go_on(step, guess, authrole, |role| application.has_role(role))
    }

    /// The principal of the login on the visitor's cookie, as its authenticator has it now. None: no authenticator knows the principals
    /// of the method that the login was by.
    async fn recall(
        &self,
        authenticators: &Authenticators,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Option<Principal>, AuthError> {
        let Some(options) = self.auth.as_ref().and_then(|auth| auth.cookie) else { return Ok(None) };
        let by = |login: &crate::store::Authentication| Method::parse(&login.authmethod);
        let Some(asked) = visitor.login().and_then(by).and_then(|method| authenticators.of(method)) else {
            return Ok(None);
        };
        let record = visitor.tracked.as_ref().map(|tracked| &tracked.record).ok_or(StaleLogin::NoLogin)?;
        let (stored, method) = auth::login(options, record, application.realm, Timestamp::now())?;
        let claim = Claimed { authid: Some(&stored.authid), authextra: None };
        let answered =
            self.ask_about(asked, method.name(), claim, Credential::Remembered, visitor, application).await?;
        component::recall(answered, method, stored, application.realm, asked.source).map(Some)
    }

    /// Has the authenticator judge a ticket, if its client may guess now.
    pub(super) async fn judge_asking(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
        ticket: Ticket,
        answer: &Answer,
        guess: Option<Guess>,
    ) -> Result<Principal, AuthError> {
        let method = Method::Ticket;
        let asked = self.authenticators.as_ref().and_then(|all| all.of(method));
        let asked = asked.ok_or_else(|| AuthError::NotConfigured(method.name().to_owned()))?;
        if Timestamp::now() >= ticket.expires {
            return Err(AuthError::TooLate);
        }
        if answer.signature.is_empty() {
            return Err(AuthError::Credentials(method.name()));
        }
        if let Some(guess) = &guess {
            self.guesses.attempt(guess, Instant::now()).map_err(AuthError::Throttled)?;
        }
        let claim = Claimed { authid: ticket.authid.as_deref(), authextra: Some(&ticket.authextra) };
        let credential = Credential::Ticket(&answer.signature);
        let outcome =
            match self.ask_about(asked, method.name(), claim, credential, visitor, application).await {
                Ok(answered) => {
                    let authid = ticket.authid.as_deref();
                    component::accept(answered, method, authid, application.realm, asked.source)
                }
                Err(failure) => Err(failure),
            };
        match (&guess, &outcome) {
            (None, _) => {}
            (Some(guess), Ok(_) | Err(AuthError::OtherRealm)) => self.guesses.settle(guess, Instant::now()),
            // A component that fails has not judged the ticket. Its failures must not lock out the client that has the right one.
            (Some(guess), Err(AuthError::Policy(_))) => self.guesses.withdraw(guess),
            // A ticket that the authenticator does not take may be a guess, in whatever words it says so.
            (Some(guess), Err(_)) => self.guesses.fail(guess),
        }
        outcome
    }

    async fn ask_about(
        &self,
        asked: &Authenticator,
        method: &str,
        claim: Claimed<'_>,
        credential: Credential<'_>,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Answered, AuthError> {
        let question = Question::new(&asked.shown, visitor, application);
        let request = question.authentication(visitor, application, method, claim, credential);
        let (name, answered) = match &asked.knows {
            Knows::Component(gate) => (gate.name(), gate.decide(&request).await),
            Knows::Procedure(gate) => (gate.name(), spoken::ask(gate, &request, application.session).await),
        };
        answered.map_err(|error| {
            debug!(connection = %visitor.id, policy = name, %error, "no verdict");
            AuthError::Policy(error)
        })
    }
}

fn open(
    answered: Answered,
    method: Method,
    applicant: &Applicant<'_>,
    application: &Application<'_>,
    source: Source,
    now: Timestamp,
) -> Result<auth::MethodStep, AuthError> {
    // Where any role will do there is no first one.
    let role = || {
        let first = application.rules.and_then(|rules| rules.roles().next());
        first.and_then(|role| Name::parse(role).ok()).unwrap_or_else(|| Name::known(ANONYMOUS))
    };
    component::challenge(answered, method, applicant, role, source, now, &mut rand::rng())
}
