//! `ticket`: the client sends the secret itself (WAMP specification, "Ticket-based Authentication").

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{Applicant, Method, Principal, Refusal, STATIC};
use crate::{
    config::{TicketConfig, TicketPrincipal},
    wamp::Uri,
};

/// What a principal that does not exist is compared with. Being right about it does not help.
const NOBODY: &str = "no ticket opens this";

/// A ticket that is awaited.
pub(super) struct Pending {
    authid: Arc<str>,
    authrole: Arc<str>,
    /// The hash of the ticket: comparing hashes takes the same time whatever the lengths and the contents
    /// are.
    expected: [u8; 32],
    is_known: Choice,
    /// The realm that the principal belongs to, if it belongs to one.
    home: Option<Uri>,
    realm: Uri,
}

/// Looks the principal up. One that does not exist gets the same challenge, and fails in the same way later.
pub(super) fn begin(config: &TicketConfig, applicant: &Applicant<'_>) -> Result<Pending, Refusal> {
    // "For Ticket-based authentication, this MUST be provided."
    let authid = applicant.hello.authid.as_deref().ok_or(Refusal::AuthidMissing(Method::Ticket.name()))?;
    let principal = config.principals.get(authid);
    let (ticket, role) = principal
        .map_or((NOBODY, ""), |TicketPrincipal { ticket, role, .. }| (ticket.expose(), role.as_str()));
    Ok(Pending {
        authid: Arc::from(authid),
        authrole: Arc::from(role),
        expected: Sha256::digest(ticket).into(),
        is_known: Choice::from(u8::from(principal.is_some())),
        home: principal.and_then(|principal| principal.realm.clone()),
        realm: applicant.realm.clone(),
    })
}

impl Pending {
    pub(super) fn finish(self, ticket: &str) -> Result<Principal, Refusal> {
        let given: [u8; 32] = Sha256::digest(ticket).into();
        if !bool::from(given.ct_eq(&self.expected) & self.is_known) {
            return Err(Refusal::Credentials(Method::Ticket.name()));
        }
        // Only who knows the ticket learns that the principal exists, and where not.
        if self.home.is_some_and(|home| home != self.realm) {
            return Err(Refusal::OtherRealm);
        }
        Ok(Principal {
            authid: self.authid,
            authrole: self.authrole,
            authmethod: Method::Ticket.name(),
            authprovider: STATIC,
            authextra: None,
            realm: self.realm,
        })
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ticket::Pending").field("authid", &self.authid).finish_non_exhaustive()
    }
}
