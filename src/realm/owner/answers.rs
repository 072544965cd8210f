//! What callers of the meta API get, and what their calls lead to.

use super::{
    super::{
        deliveries::RequestError,
        logout::Logout,
        meta::{Killed, MetaAnswer, MetaResult},
    },
    Owner,
};
use crate::wamp::{
    Payload, RouterMessage, SessionId,
    message::{CallOptions, ResultDetails, code},
    uri::error,
};

impl Owner {
    /// Answers a call of the meta API, and ends the sessions that it kills.
    pub(super) fn carry_out(
        &mut self,
        caller: SessionId,
        request: u64,
        answer: Result<MetaAnswer, RequestError>,
    ) {
        let answer = answer.and_then(|answer| {
            answer.killed.as_ref().map_or(Ok(()), |killed| self.log_out(caller, killed)).map(|()| answer)
        });
        let MetaAnswer { result, killed } = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                self.deliveries.one(caller, refusal.into_message(code::CALL, request));
                return self.deliver();
            }
        };
        match result {
            MetaResult::Sessions(_) | MetaResult::Lists(_) | MetaResult::Events(_) => {
                self.answer_later(caller, request, result);
            }
            result => {
                let payload = result.payload();
                self.deliveries.one(caller, result_of(request, payload));
            }
        }
        self.deliver();
        if let Some(killed) = killed {
            self.kill(killed);
        }
    }

    /// Answers with a list, which the caller's own connection writes out: a list takes longer to write than
    /// the question took to read, and the other sessions of the realm do not wait for it.
    fn answer_later(&self, caller: SessionId, request: u64, result: MetaResult) {
        let Some(member) = self.members.get(caller) else { return };
        let serializer = member.outbox.serializer();
        let size = result.listed_size();
        member.outbox.push_later(size, move || serializer.encode(&result_of(request, result.payload())));
    }

    /// A client that is killed with Crossbar.io's reason for a logout does not come back with its cookie. Where that
    /// cannot be ordered, no session is killed either.
    fn log_out(&self, caller: SessionId, killed: &Killed) -> Result<(), RequestError> {
        let Some(logouts) = self.logouts.as_ref().filter(|_| killed.reason.as_str() == error::LOGOUT) else {
            return Ok(());
        };
        let order = Logout {
            sessions: killed.sessions.clone(),
            principal: killed.authid.clone().map(|authid| (self.name.clone(), authid)),
            spared: Some(caller),
        };
        logouts.order(order).map_err(|full| RequestError::new(error::UNAVAILABLE, full.to_string()))
    }
}

/// Whether the gateway's own procedures can do what a CALL asks for besides.
pub(super) fn check_options(options: &CallOptions) -> Result<(), RequestError> {
    let packed = options.passthru.as_ref().map(
        |_| "option ppt_scheme: the gateway's own procedures read their arguments, and cannot unpack them",
    );
    let refused = options.refused.or(packed);
    refused.map_or(Ok(()), |complaint| Err(RequestError::new(error::OPTION_NOT_ALLOWED, complaint)))
}

fn result_of(request: u64, payload: Payload) -> RouterMessage {
    RouterMessage::Result { request, details: ResultDetails::default(), payload }
}
