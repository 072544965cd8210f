//! Who is it: from a request, the record of its cookie and a HELLO, if there is one, to an identity.
//!
//! ```text
//! meet    request               -> Visitor                       its cookie is tracked; the record is in the store
//! decide  Visitor, Application  -> Verdict::Admitted(Identity)   the policy decides, the host checks, a method runs
//!                                | Verdict::Challenged(Challenge)
//! answer  Challenge, Answer     -> Identity
//! choose_upstream  Visitor, Identity, names -> the upstream, where a path has several
//! ```
//!
//! Each step may end in a [`AuthError`] instead, and there is no other way to an identity. Nothing here knows of sockets or
//! messages: how a visitor is asked and how it answers is its connection's business, so a request that never becomes a WebSocket
//! takes the same way, without a HELLO.

mod asked;
mod bearer;
mod choice;
mod glance;
mod guesses;
mod kept;
mod metrics;
mod question;
mod record;
#[cfg(test)]
mod tests;
mod visitor;

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value};
use tracing::debug;

pub(crate) use asked::Knows;
pub use asked::{Authenticator, Authenticators};
pub use choice::recheck;
pub use glance::Recognized;
use guesses::Guess;
pub use guesses::Guesses;
pub use kept::KeptHeaders;
pub use metrics::LoginMetrics;
use metrics::Outcome;
pub use record::MeetError;
pub use visitor::{Facts, Visitor};

use crate::{
    auth::{self, Applicant, AuthError, AuthOptions, Method, Pending, Plan, Principal, Secret, StandIns},
    cookie::PublicIdKey,
    identity::{ANONYMOUS, Identity, Name, Standing},
    policy::{Decision, PolicyGate},
    realm::Rules,
    time::Timestamp,
    tls::Tls,
    tracking::Tracker,
    wamp::{Dictionary, SessionId, Uri, message::HelloDetails},
};

/// How one target finds out who its visitors are.
#[derive(Debug)]
pub struct Admission {
    tracker: Option<Arc<Tracker>>,
    policy: Arc<PolicyGate>,
    /// The request headers that the policy may see.
    shown: Vec<HeaderName>,
    /// The request headers that a visitor keeps: those, `Host` and `Origin`.
    kept: Vec<HeaderName>,
    auth: Option<AuthOptions>,
    /// The names of the configured methods, for the policy; empty if no authentication is configured.
    methods: Vec<&'static str>,
    key: Arc<PublicIdKey>,
    stand_ins: StandIns,
    /// What all of its sessions stand on.
    place: Standing,
    /// What those of them stand on that have proved nothing.
    unproved: Standing,
    logins: LoginMetrics,
    guesses: Arc<Guesses>,
    /// What knows the principals of methods whose `type` is `component` or `dynamic`.
    authenticators: Option<Box<Authenticators>>,
}

/// A HELLO with what it says.
#[derive(Debug)]
pub struct Hello {
    /// The realm that the client would like to join.
    pub realm: Option<Uri>,
    /// Everything else.
    pub details: Box<HelloDetails>,
}

/// What a visitor asks for.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    /// The identifier that the session will have.
    pub session: SessionId,
    /// The realm that the identity is for.
    pub realm: &'a Uri,
    /// The rules of the backend whose roles count; none: any role will do.
    pub rules: Option<&'a Rules>,
    /// The HELLO. A request without one offers what it brings along: its cookie, or nothing.
    pub hello: Option<&'a Hello>,
}

/// What comes of a decision.
#[derive(Debug)]
pub enum Verdict {
    /// The visitor is known.
    Admitted(Identity),
    /// The visitor has to prove who it is.
    Challenged(Box<Challenge>),
}

/// A challenge that waits for its answer. Answering consumes it: a challenge counts once.
#[derive(Debug)]
pub struct Challenge {
    /// `CHALLENGE.AuthMethod`
    pub method: &'static str,
    /// `CHALLENGE.Extra`
    pub extra: Map<String, Value>,
    pending: Awaited,
    guess: Option<Guess>,
    /// The role that the policy gives to the visitor, in place of its principal's.
    authrole: Option<Name>,
}

/// What judges an answer.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a challenge is boxed as a whole")]
enum Awaited {
    /// The method itself.
    Judged(Pending),
    /// An authenticator, which is asked about the ticket.
    Asked(asked::Ticket),
}

/// What a visitor answers to a challenge: the fields of AUTHENTICATE.
#[derive(Debug)]
pub struct Answer {
    /// `AUTHENTICATE.Signature`
    pub signature: String,
    /// `AUTHENTICATE.Extra`
    pub extra: Dictionary,
}

impl Admission {
    /// An admission by this policy. `shown` are the request headers that the policy may see; `key` makes public IDs.
    pub fn new(
        policy: Arc<PolicyGate>,
        shown: Vec<HeaderName>,
        auth: Option<AuthOptions>,
        tracker: Option<Arc<Tracker>>,
        key: Arc<PublicIdKey>,
    ) -> Self {
        let mut kept = vec![header::HOST, header::ORIGIN];
        for name in &shown {
            if !kept.contains(name) {
                kept.push(name.clone());
            }
        }
        let methods = auth::configured(auth.as_ref()).collect();
        let stand_ins = StandIns::new(auth.as_ref(), &key);
        let (logins, guesses) = (LoginMetrics::default(), Arc::default());
        let place = Standing::of_place(());
        let unproved = auth::unproved(place, auth.as_ref());
        let authenticators = None;
        Self {
            tracker,
            policy,
            shown,
            kept,
            auth,
            methods,
            key,
            stand_ins,
            place,
            unproved,
            logins,
            guesses,
            authenticators,
        }
    }

    /// Counts logins and wrong secrets there, together with other services, instead of by itself.
    #[must_use]
    pub fn counting(self, logins: LoginMetrics, guesses: Arc<Guesses>) -> Self {
        Self { logins, guesses, ..self }
    }

    /// Asks these authenticators about the principals of their methods.
    #[must_use]
    pub fn asking(mut self, authenticators: Authenticators) -> Self {
        for name in authenticators.shown() {
            if !self.kept.contains(name) {
                self.kept.push(name.clone());
            }
        }
        self.authenticators = Some(Box::new(authenticators));
        self
    }

    /// The admission of the service at a place. Elsewhere the same principals are others.
    #[must_use]
    pub fn at(self, place: Standing) -> Self {
        let unproved = auth::unproved(place, self.auth.as_ref());
        Self { place, unproved, ..self }
    }

    /// Makes a visitor of a request: tracks its cookie, and keeps what the policy will be asked about.
    pub async fn meet(
        &self,
        facts: Facts<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Visitor, MeetError> {
        let tracked = self.track(&facts, headers, now).await?;
        let token = self.auth.as_ref().and_then(|auth| {
            let places = &auth.token.as_ref()?.from;
            bearer::find(places, headers, facts.query)
        });
        let visitor = Visitor::new(facts, KeptHeaders::of(headers, &self.kept), tracked, token);
        Ok(Visitor { tracker: self.tracker.clone(), ..visitor })
    }

    /// Asks the policy who a visitor is, and does what it decides as far as that takes no answer of the visitor.
    pub async fn decide(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Verdict, AuthError> {
        let mut span = visitor.place.child("decision");
        span.tell("wampgate.policy", || self.policy.name().to_owned());
        let decision = match self.ask(visitor, application).await {
            Ok(decision) => decision,
            Err(error) => {
                span.failed(error.reason());
                return Err(error);
            }
        };
        match self.follow(visitor, application, decision).await {
            Ok(verdict) => {
                span.tell("wampgate.outcome", || verdict.name());
                if let Verdict::Admitted(identity) = &verdict {
                    self.logins.count(identity.authmethod, Outcome::Ok);
                }
                Ok(verdict)
            }
            Err((method, refusal)) => {
                span.refused(refusal.reason());
                if let Some(method) = method {
                    self.logins.count(method.name(), (&refusal).into());
                }
                Err(refusal)
            }
        }
    }

    /// Judges a visitor's answer.
    pub async fn answer(
        &self,
        visitor: &Visitor,
        challenge: Box<Challenge>,
        answer: &Answer,
        application: &Application<'_>,
    ) -> Result<Identity, AuthError> {
        let Challenge { pending, method, guess, authrole, .. } = *challenge;
        let principal = match pending {
            Awaited::Judged(pending) => self.judge(pending, answer, guess),
            Awaited::Asked(ticket) => {
                Box::pin(self.judge_asking(visitor, application, ticket, answer, guess)).await
            }
        };
        let has_role = |role: &str| application.has_role(role);
        let admitted = principal.and_then(|principal| principal.admit(authrole, has_role));
        // The challenge was made with the principal as it was then, and the client may have taken its time.
        let admitted = admitted.and_then(still_holds);
        self.logins.count(method, admitted.as_ref().map_or_else(Outcome::from, |_| Outcome::Ok));
        admitted
    }

    /// Looks at an answer, if its client may guess now.
    fn judge(&self, pending: Pending, answer: &Answer, guess: Option<Guess>) -> Result<Principal, AuthError> {
        let (now, at) = (Timestamp::now(), Instant::now());
        // An answer that comes too late tells nothing about the secret.
        let guess = guess.filter(|_| !pending.is_expired(now));
        if let Some(guess) = &guess {
            self.guesses.attempt(guess, at).map_err(AuthError::Throttled)?;
        }
        let outcome = pending.finish(&answer.signature, &answer.extra, now);
        match (&guess, &outcome) {
            (Some(guess), Err(AuthError::Credentials(_))) => self.guesses.fail(guess),
            (Some(guess), _) => self.guesses.settle(guess, at),
            (None, _) => {}
        }
        outcome
    }

    /// Notes that a visitor leaves a challenge without an answer.
    pub fn abandon(&self, challenge: &Challenge) {
        self.logins.count(challenge.method, Outcome::Abandoned);
    }

    async fn ask(&self, visitor: &Visitor, application: &Application<'_>) -> Result<Decision, AuthError> {
        let question = question::Question::new(&self.shown, visitor, application);
        self.policy.decide(&question.request(self, visitor, application)).await.map_err(|error| {
            // The policy has logged what went wrong inside of it, once and not once for every client.
            debug!(connection = %visitor.id, policy = self.policy.name(), %error, "no decision");
            AuthError::Policy(error)
        })
    }

    /// Does what a decision says, and drops a stored login that turns out to stand no longer.
    async fn follow(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
        decision: Decision,
    ) -> Result<Verdict, (Option<Method>, AuthError)> {
        let followed = match &self.authenticators {
            None => self.begin(visitor, application, decision),
            Some(authenticators) => {
                Box::pin(self.begin_asking(authenticators, visitor, application, decision)).await
            }
        };
        if let Err((Some(method), refusal)) = &followed
            && refusal.ends_stored_authentication(*method)
        {
            self.forget(visitor).await;
        }
        followed
    }

    /// Checks a decision, and runs the method that it names up to the point where the visitor is asked. A refusal comes with
    /// the method that gave it.
    fn begin(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
        decision: Decision,
    ) -> Result<Verdict, (Option<Method>, AuthError)> {
        let brought;
        let hello = if let Some(hello) = application.hello {
            &hello.details
        } else {
            brought = brought_along();
            &brought
        };
        let applicant = self.applicant(visitor, application, hello);
        let has_role = |role: &str| application.has_role(role);
        let plan = auth::plan(decision, &applicant, has_role, &mut rand::rng());
        let (method, authrole) = match plan.map_err(|refusal| (None, refusal))? {
            Plan::Join(identity) => return Ok(Verdict::Admitted(identity)),
            Plan::Run { method, authrole } => (method, authrole),
        };
        let guess = self.guess(visitor, &applicant, method).map_err(|refusal| (Some(method), refusal))?;
        let step = auth::begin(method, &applicant, Timestamp::now(), &mut rand::rng());
        go_on(step, guess, authrole, has_role).map_err(|refusal| (Some(method), refusal))
    }

    fn applicant<'a>(
        &'a self,
        visitor: &'a Visitor,
        application: &Application<'a>,
        hello: &'a HelloDetails,
    ) -> Applicant<'a> {
        Applicant {
            config: self.auth.as_ref(),
            realm: application.realm,
            hello,
            tracked: visitor.tracked.as_ref(),
            session: application.session,
            key: &self.key,
            stand_ins: &self.stand_ins,
            token: visitor.token.as_ref().map(Secret::expose),
            place: self.place,
            unproved: self.unproved,
            tls_exporter: visitor.tls.as_ref().and_then(Tls::exporter),
        }
    }
}

/// The identity, unless its principal has gone or changed, or its token has expired.
fn still_holds(identity: Identity) -> Result<Identity, AuthError> {
    match identity.lease.lapsed(Timestamp::now) {
        Some(lapse) => Err(lapse.into()),
        None => Ok(identity),
    }
}

/// What a method's first step comes to.
fn go_on(
    step: Result<auth::MethodStep, AuthError>,
    guess: Option<Guess>,
    authrole: Option<Name>,
    has_role: impl Fn(&str) -> bool,
) -> Result<Verdict, AuthError> {
    match step? {
        auth::MethodStep::Done(principal) => principal.admit(authrole, has_role).map(Verdict::Admitted),
        auth::MethodStep::Challenge { method, extra, pending } => {
            let pending = Awaited::Judged(pending);
            Ok(Verdict::Challenged(Box::new(Challenge { method, extra, pending, guess, authrole })))
        }
    }
}

impl Admission {
    /// What the visitor is about to try, by a method for which secrets can be guessed. An error if it has to wait.
    fn guess(
        &self,
        visitor: &Visitor,
        applicant: &Applicant<'_>,
        method: Method,
    ) -> Result<Option<Guess>, AuthError> {
        let Some(config) = applicant.config.filter(|_| method != Method::Cookie) else { return Ok(None) };
        // No client finds a signature by trying, and a client that sends an old token must not keep others out.
        if method == Method::Ticket && config.token.is_some() {
            return Ok(None);
        }
        let options = config.guessing;
        let guess = self.guesses.guess(visitor.peer, &applicant.claimed(), options.max_failures);
        match guess.as_ref().and_then(|guess| self.guesses.wait(guess, Instant::now())) {
            Some(wait) => Err(AuthError::Throttled(wait)),
            None => Ok(guess),
        }
    }
}

impl Verdict {
    /// Its name in traces.
    const fn name(&self) -> &'static str {
        match self {
            Self::Admitted(_) => "admitted",
            Self::Challenged(_) => "challenged",
        }
    }
}

impl Application<'_> {
    fn has_role(&self, role: &str) -> bool {
        self.rules.is_none_or(|rules| rules.has_role(role))
    }
}

/// What a request without a HELLO offers: the login on its cookie, or to come as anonymous.
fn brought_along() -> HelloDetails {
    let authmethods = vec![Method::Cookie.name().to_owned(), ANONYMOUS.to_owned()];
    HelloDetails { authmethods, ..HelloDetails::default() }
}
