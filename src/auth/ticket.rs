//! `ticket`: the client sends the secret itself (WAMP specification, "Ticket-based Authentication").

use serde_json::Map;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{
    Applicant, AuthError, Claim, Method, Opening, Principal, State, TicketOptions, principals, standing,
};

/// A challenge that waits for its ticket.
pub(super) struct PendingTicket {
    claim: Claim,
    /// The hash of the ticket: comparing hashes takes the same time whatever the lengths and the contents
    /// are.
    expected: [u8; 32],
    is_known: Choice,
}

/// Looks the principal up. One that does not exist gets the same challenge, and fails in the same way later.
pub(super) fn begin(config: &TicketOptions, applicant: &Applicant<'_>) -> Result<Opening, AuthError> {
    // "For Ticket-based authentication, this MUST be provided."
    let authid = applicant.authid(Method::Ticket)?;
    let table = config.file.as_ref().map(|file| file.current());
    let (name, principal, is_known) = principals::find(
        &config.principals,
        table.as_deref(),
        &applicant.stand_ins.ticket,
        applicant.key,
        authid,
    )
    .ok_or(AuthError::Credentials(Method::Ticket.name()))?;
    let standing = standing::of(applicant.place, name, principal, config.file.as_ref());
    let claim = applicant
        .claim(Method::Ticket, name, &principal.role, principal.realm.as_ref(), standing)
        .vouched(config.file.as_ref(), name, principal);
    let expected = Sha256::digest(principal.ticket.expose()).into();
    Ok(Opening { extra: Map::new(), state: State::Ticket(PendingTicket { claim, expected, is_known }) })
}

impl PendingTicket {
    pub(super) fn finish(self, ticket: &str) -> Result<Principal, AuthError> {
        let given: [u8; 32] = Sha256::digest(ticket).into();
        self.claim.settle(given.ct_eq(&self.expected) & self.is_known)
    }
}

impl std::fmt::Debug for PendingTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingTicket").field("claim", &self.claim).finish_non_exhaustive()
    }
}
