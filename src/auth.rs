//! Authentication: from a policy's decision to an identity.
//!
//! ```text
//! policy -> Decision
//! plan      Decision     -> Plan::Join(Identity) | Plan::Run { method, authrole }
//! begin     Method       -> MethodStep::Done(Principal) | MethodStep::Challenge(Pending)
//! finish    AUTHENTICATE -> Principal
//! admit     Principal    -> Identity
//! ```
//!
//! Every step may end in an [`AuthError`] instead, and there is no other way to an identity. The methods are
//! pure: they get the HELLO, the configuration, random bytes and the time as arguments, and return what to
//! send. The session waits for AUTHENTICATE, for [`ANSWER_TIMEOUT`] at most.

mod error;
mod method;
mod options;
mod plan;
mod principals;
mod random;
mod standing;
pub(crate) mod timing;

pub mod component;
mod cookie;
mod cryptosign;
pub mod file;
mod forms;
mod jwt;
mod scram;
mod ticket;
pub mod token;
mod wampcra;
mod watch;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc, time::Duration};

use rand::CryptoRng;
use serde_json::{Map, Value};
use subtle::Choice;

pub use cookie::{login, remembered};
pub use error::{AuthError, StaleLogin};
use file::{FilePrincipal, PrincipalFile};
pub use method::{Method, configured};
pub use options::{
    AnonymousOptions, AskedMethods, AskedOptions, AuthOptions, CookieAuthOptions, CryptosignOptions,
    CryptosignPrincipal, GuessingOptions, Kdf, Salting, ScramOptions, ScramPrincipal, Secret, SecretKey,
    TicketOptions, TicketPrincipal, WampCraOptions, WampCraPrincipal,
};
pub use plan::{Plan, plan};
pub use principals::StandIns;
pub use standing::{of_asked, of_unproved as unproved, standings};
pub use token::{TokenError, TokenOptions};
pub use wampcra::sign;
pub(crate) use watch::{AS_BEFORE, Reread};
pub use watch::{LoginFile, LoginFileReload, LoginFiles};

use crate::{
    cookie::PublicIdKey,
    identity::{AuthId, Identity, Lease, Name, Standing},
    time::Timestamp,
    tracking::Tracked,
    wamp::{Dictionary, SessionId, Uri, dictionary::Member, message::HelloDetails},
};

/// How long a client may take to answer a CHALLENGE: long enough to ask a person for a password.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that wants to join a realm: everything that a method looks at.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The authentication that the service has configured, if any.
    pub config: Option<&'a AuthOptions>,
    /// The realm of the HELLO.
    pub realm: &'a Uri,
    /// The rest of the HELLO.
    pub hello: &'a HelloDetails,
    /// The tracked client, if cookie tracking is on.
    pub tracked: Option<&'a Tracked>,
    /// The identifier that the session will have.
    pub session: SessionId,
    /// The node's key. It makes the salts of principals that do not exist.
    pub key: &'a PublicIdKey,
    /// Whose parameters an unknown principal's challenge has.
    pub stand_ins: &'a StandIns,
    /// The token that the client has brought in its handshake, if the configuration lets it.
    pub token: Option<&'a str>,
    /// What all of the service's sessions stand on.
    pub place: Standing,
    /// What those of them stand on that have proved nothing.
    pub unproved: Standing,
    /// RFC 9266: what TLS exports for channel binding; none where there is no TLS.
    pub tls_exporter: Option<[u8; 32]>,
}

/// How a method goes on after the HELLO.
#[derive(Debug)]
pub enum MethodStep {
    /// Send CHALLENGE with this `Extra|dict`, and hand the answer to [`Pending::finish`].
    Challenge {
        /// `CHALLENGE.AuthMethod`
        method: &'static str,
        /// `CHALLENGE.Extra`
        extra: Map<String, Value>,
        /// What is needed to judge the answer.
        pending: Pending,
    },
    /// The client needs to prove nothing more.
    Done(Principal),
}

/// A challenge that waits for its answer. Finishing consumes it: a challenge counts once.
#[derive(Debug)]
pub struct Pending {
    expires: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Ticket(ticket::PendingTicket),
    Token(jwt::PendingToken),
    WampCra(wampcra::PendingWampCra),
    Scram(scram::PendingScram),
    Cryptosign(cryptosign::PendingCryptosign),
}

/// The first half of a method: what the client gets, and what judges its answer.
struct Opening {
    extra: Map<String, Value>,
    state: State,
}

/// The principal that a client becomes if its answer is right.
#[derive(Debug)]
struct Claim {
    principal: Principal,
    /// The principal belongs to another realm.
    is_elsewhere: bool,
}

/// A client that a method has vouched for.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Principal {
    pub authid: Name,
    pub authrole: Name,
    pub authmethod: &'static str,
    pub authprovider: &'static str,
    pub authextra: Option<Map<String, Value>>,
    /// What ends the session early.
    pub lease: Lease,
    /// The realm that is joined.
    pub realm: Uri,
    /// The principal as the configuration has it.
    pub standing: Standing,
}

/// Starts a method for an applicant. `rng` draws the parts of a challenge that must be new each time.
pub fn begin(
    method: Method,
    applicant: &Applicant<'_>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<MethodStep, AuthError> {
    if let Some(options) = applicant.config.and_then(|config| config.token.as_ref())
        && method == Method::Ticket
    {
        return jwt::begin(options, applicant, now);
    }
    let opening = applicant.config.and_then(|config| match method {
        Method::Ticket => config.ticket.as_ref().map(|config| ticket::begin(config, applicant)),
        Method::WampCra => config.wampcra.as_ref().map(|config| wampcra::begin(config, applicant, now, rng)),
        Method::WampScram | Method::Scram => {
            config.scram.as_ref().map(|config| scram::begin(method, config, applicant, rng))
        }
        Method::Cryptosign => {
            config.cryptosign.as_ref().map(|config| cryptosign::begin(config, applicant, rng))
        }
        Method::Cookie => None,
    });
    if let Some(opening) = opening {
        return Ok(opening?.challenge(method, now));
    }
    match applicant.config.and_then(|config| Some((config, config.cookie?))) {
        Some((config, options)) if method == Method::Cookie => {
            cookie::begin(config, options, applicant, now).map(MethodStep::Done)
        }
        _ => Err(AuthError::NotConfigured(method.name().to_owned())),
    }
}

/// `authprovider` of the configuration's own principals and of anonymous clients, as in Crossbar.io.
const STATIC: &str = "static";

// === impl Opening ===

impl Opening {
    /// The challenge of a method that begins now.
    fn challenge(self, method: Method, now: Timestamp) -> MethodStep {
        let Self { extra, state } = self;
        let expires = now.plus_seconds(ANSWER_TIMEOUT.as_secs());
        MethodStep::Challenge { method: method.name(), extra, pending: Pending { expires, state } }
    }
}

// === impl Pending ===

impl Pending {
    /// Whether an answer comes too late, whatever it says.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// Judges an AUTHENTICATE.
    pub fn finish(self, signature: &str, extra: &Dictionary, now: Timestamp) -> Result<Principal, AuthError> {
        if self.is_expired(now) {
            return Err(AuthError::TooLate);
        }
        match self.state {
            State::Ticket(pending) => pending.finish(signature),
            State::Token(pending) => pending.finish(signature, now),
            State::WampCra(pending) => pending.finish(signature),
            State::Scram(pending) => pending.finish(signature, extra),
            State::Cryptosign(pending) => pending.finish(signature),
        }
    }
}

// === impl Applicant ===

impl Applicant<'_> {
    /// Who the client says that it is, be it in the form of its key.
    pub fn claimed(&self) -> Cow<'_, str> {
        match &self.hello.authid {
            Some(authid) => authid.into(),
            None => self.hello.authextra.text("pubkey").unwrap_or_default().into(),
        }
    }

    /// The authid that the client claims, for the methods that need one.
    fn authid(&self, method: Method) -> Result<&str, AuthError> {
        self.hello.authid.as_deref().ok_or(AuthError::Missing(method.name(), "authid"))
    }

    /// The channel binding that the client asks for.
    fn channel_binding(&self, method: Method) -> Result<Option<String>, AuthError> {
        match self.hello.authextra.member("channel_binding") {
            Member::Absent => Ok(None),
            Member::Text(kind) => Ok(Some(kind)),
            Member::Other => Err(AuthError::Missing(method.name(), "authextra.channel_binding as a string")),
        }
    }

    /// The claim to be a principal of the configuration, which has this name, role and realm.
    fn claim(
        &self,
        method: Method,
        authid: &Name,
        role: &Name,
        home: Option<&Uri>,
        standing: Standing,
    ) -> Claim {
        let principal = Principal {
            authid: authid.clone(),
            authrole: role.clone(),
            authmethod: method.name(),
            authprovider: STATIC,
            authextra: None,
            lease: Lease::default(),
            realm: self.realm.clone(),
            standing,
        };
        Claim { principal, is_elsewhere: home.is_some_and(|home| home != self.realm) }
    }
}

// === impl Claim ===

impl Claim {
    /// The claim on a principal of a file, if it is one, which may change while its session is open.
    fn vouched<P: FilePrincipal>(
        mut self,
        file: Option<&Arc<PrincipalFile<P>>>,
        name: &Name,
        principal: &P,
    ) -> Self {
        self.principal.lease.vouched = file.map(|file| file.vouch(name, principal));
        self
    }

    /// Grants the claim, or refuses it. Only a client with the secret learns that the principal belongs to another realm.
    fn settle(self, is_right: Choice) -> Result<Principal, AuthError> {
        if !bool::from(is_right) {
            Err(AuthError::Credentials(self.principal.authmethod))
        } else if self.is_elsewhere {
            Err(AuthError::OtherRealm)
        } else {
            Ok(self.principal)
        }
    }
}

// === impl Principal ===

impl Principal {
    /// Makes the identity to join with, if the realm has its role: the one that the policy gives to it, or else the
    /// principal's own.
    pub fn admit(
        mut self,
        given: Option<Name>,
        has_role: impl Fn(&str) -> bool,
    ) -> Result<Identity, AuthError> {
        if self.authprovider == jwt::PROVIDER
            && let (Some(_), Some(extra)) = (&given, &mut self.authextra)
        {
            // The configuration has no role for it, to which a login by cookie could go back.
            extra.insert(token::ROLE.to_owned(), self.authrole.as_str().into());
        }
        let authrole = given.unwrap_or(self.authrole);
        if !has_role(&authrole) {
            return Err(AuthError::NoSuchRole(authrole));
        }
        Ok(Identity {
            authid: AuthId::Open(self.authid),
            authrole,
            authmethod: self.authmethod,
            authprovider: self.authprovider,
            authextra: self.authextra,
            lease: self.lease,
            standing: Some(self.standing),
        })
    }
}
