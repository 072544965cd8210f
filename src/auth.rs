//! Authentication: from a policy's decision to an identity.
//!
//! ```text
//! policy -> Decision
//! plan      Decision     -> Plan::Join(Identity) | Plan::Run(Method)
//! begin     Method       -> Step::Done(Principal) | Step::Challenge(Pending)
//! finish    AUTHENTICATE -> Principal
//! admit     Principal    -> Identity
//! ```
//!
//! Every step may end in a [`Refusal`] instead, and there is no other way to an identity. The methods are pure:
//! they see the HELLO, the configuration, random bytes and the time as arguments, and give back what to send.
//! Waiting for AUTHENTICATE is the session's business, for [`ANSWER_TIMEOUT`] at most.

mod authid;
mod plan;
mod refusal;
#[cfg(test)]
mod tests;
mod ticket;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

pub use plan::{Plan, plan};
pub use refusal::Refusal;

use crate::{
    config::AuthConfig,
    identity::{AuthId, Identity},
    time::Timestamp,
    tracking::Tracked,
    wamp::{Uri, message::HelloDetails},
};

/// How long a client may take to answer a CHALLENGE: long enough to ask a person for a password.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A method that verifies something, other than `anonymous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `ticket`: a shared secret, sent as it is.
    Ticket,
}

/// Who wants to join, and where: everything that a decision and a method look at.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The authentication that the service has configured, if any.
    pub config: Option<&'a AuthConfig>,
    /// The realm of the HELLO.
    pub realm: &'a Uri,
    /// The rest of the HELLO.
    pub hello: &'a HelloDetails,
    /// The tracked client, if cookie tracking is on.
    pub tracked: Option<&'a Tracked>,
}

/// How a method goes on after the HELLO.
#[derive(Debug)]
pub enum Step {
    /// Send CHALLENGE with this `Extra|dict`, and hand the answer to [`Pending::finish`].
    Challenge {
        /// `CHALLENGE.AuthMethod`
        method: &'static str,
        /// `CHALLENGE.Extra`
        extra: Map<String, Value>,
        /// What is needed to judge the answer.
        pending: Pending,
    },
    /// Nothing needs to be asked.
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
    Ticket(ticket::Pending),
}

/// Somebody whom a method has vouched for.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub struct Principal {
    pub authid: Arc<str>,
    pub authrole: Arc<str>,
    pub authmethod: &'static str,
    pub authprovider: &'static str,
    pub authextra: Option<Map<String, Value>>,
    /// The realm that is joined.
    pub realm: Uri,
}

/// Starts a method for an applicant.
pub fn begin(method: Method, applicant: &Applicant<'_>, now: Timestamp) -> Result<Step, Refusal> {
    let missing = || Refusal::NotConfigured(method.name().to_owned());
    let config = applicant.config.ok_or_else(missing)?;
    let (extra, state) = match method {
        Method::Ticket => {
            let config = config.ticket.as_ref().ok_or_else(missing)?;
            (Map::new(), State::Ticket(ticket::begin(config, applicant)?))
        }
    };
    let expires = now.plus_seconds(ANSWER_TIMEOUT.as_secs());
    Ok(Step::Challenge { method: method.name(), extra, pending: Pending { expires, state } })
}

/// The names of the configured methods, for the policy and in the gateway's own order; `anonymous` is one of
/// them.
pub fn configured(config: Option<&AuthConfig>) -> impl Iterator<Item = &'static str> {
    let anonymous = config.is_some_and(|config| config.anonymous.is_some()).then_some(ANONYMOUS);
    let methods = config.into_iter().flat_map(|config| {
        Method::ALL.into_iter().filter(|method| method.is_configured(config)).map(Method::name)
    });
    anonymous.into_iter().chain(methods)
}

/// The method that verifies nothing.
const ANONYMOUS: &str = "anonymous";

/// `authprovider` of everybody whom the configuration itself knows, anonymous clients included, as in
/// Crossbar.io.
const STATIC: &str = "static";

// === impl Method ===

impl Method {
    const ALL: [Self; 1] = [Self::Ticket];

    /// The method of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The method's name on the wire and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
        }
    }

    /// Whether the configuration has the method.
    pub const fn is_configured(self, config: &AuthConfig) -> bool {
        match self {
            Self::Ticket => config.ticket.is_some(),
        }
    }
}

// === impl Pending ===

impl Pending {
    /// Judges an AUTHENTICATE.
    pub fn finish(
        self,
        signature: &str,
        extra: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        // The methods so far send everything in the signature.
        let _ = extra;
        if now >= self.expires {
            return Err(Refusal::TooLate);
        }
        match self.state {
            State::Ticket(pending) => pending.finish(signature),
        }
    }
}

// === impl Principal ===

impl Principal {
    /// Makes the identity to join with, if the realm has the principal's role.
    pub fn admit(self, has_role: impl Fn(&str) -> bool) -> Result<Identity, Refusal> {
        if !has_role(&self.authrole) {
            return Err(Refusal::NoSuchRole(self.authrole.as_ref().to_owned()));
        }
        Ok(Identity {
            authid: AuthId::Open(self.authid),
            authrole: self.authrole,
            authmethod: self.authmethod,
            authprovider: self.authprovider,
            authextra: self.authextra,
        })
    }
}
