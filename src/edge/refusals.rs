//! Connections and requests that are refused: what the client reads, what is counted, and what the operator hears.

use std::{fmt, time::Duration};

use http::{Response, header, request::Parts};

use super::{
    Edge,
    body::Body,
    hang_up::hang_up,
    page,
    reply::{self, Foreign, Problem},
};
use crate::{
    handshake::{HandshakeError, raw_socket::FULL},
    metrics::Stage,
    shown,
    stream::{Incoming, PeerAddr},
};

/// How long a client has to read that the transport has no room for it. Short, because such connections are not counted.
const TURNING_AWAY: Duration = Duration::from_millis(100);

/// A fatal alert of TLS in a record of its own: `internal_error`.
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// Why a connection is turned away before it has said anything.
#[derive(Debug)]
pub struct TurnedAway(pub(super) Problem);

impl TurnedAway {
    /// The transport has as many connections as it may have.
    pub const fn full() -> Self {
        Self(Problem::Full)
    }

    /// The process has no descriptors left for clients.
    pub const fn no_descriptors() -> Self {
        Self(Problem::Descriptors)
    }

    /// Clients hold as much memory as they may.
    pub(crate) const fn no_memory() -> Self {
        Self(Problem::Memory)
    }

    /// The client does not speak TLS where it must.
    pub(crate) const fn no_tls() -> Self {
        Self(Problem::NoTls)
    }
}

impl Edge {
    /// Turns a connection away that the transport has no room for.
    pub async fn turn_away(&self, incoming: Incoming, why: TurnedAway) {
        let Incoming { mut stream, .. } = incoming;
        let last_words = match &why.0 {
            // The client speaks something else than TLS.
            Problem::NoTls if self.is_raw_socket_alone() => Vec::new(),
            _ if self.is_raw_socket_alone() => FULL.to_vec(),
            problem => reply::bytes(problem),
        };
        hang_up(&mut stream, &last_words, TURNING_AWAY).await;
    }

    /// The same for a client that waits for a TLS handshake, which would cost more than a connection: it reads that the server
    /// has no use for it (RFC 8446, 6.2).
    pub(crate) async fn turn_away_tls(incoming: Incoming) {
        let Incoming { mut stream, .. } = incoming;
        hang_up(&mut stream, &INTERNAL_ERROR, TURNING_AWAY).await;
    }

    /// Counts a connection that is refused before its first request, and tells the operator.
    pub(crate) fn count_refused(
        &self,
        stage: Stage,
        reason: &'static str,
        peer: PeerAddr,
        why: &(dyn fmt::Display + Sync),
    ) {
        if let Some(line) = self.metrics.refusals.count(stage, reason) {
            self.metrics.refusals.note(stage, reason, line, &peer, why);
            let (left_out, stage) = (line.left_out, stage.name());
            tracing::warn!(transport = %self.transport, %peer, stage, reason, left_out, "a connection was refused: {why}");
        }
    }

    /// The same for one of which the operator need not hear.
    pub(crate) fn count_unseen(&self, stage: Stage, reason: &'static str) {
        let _ = self.metrics.refusals.count(stage, reason);
    }

    /// Counts a connection that is turned away, and tells the operator.
    pub(crate) fn count_turned_away(&self, incoming: &Incoming, why: &TurnedAway) {
        let TurnedAway(problem) = why;
        let reason = problem.reason();
        if let Some(line) = self.metrics.refusals.count(Stage::Connection, reason) {
            let (peer, why, left_out) = (incoming.peer, problem.cause(), line.left_out);
            self.metrics.refusals.note(Stage::Connection, reason, line, &peer, &why);
            tracing::warn!(transport = %self.transport, %peer, reason, left_out, "a connection was refused: {why}");
        }
    }

    /// The reply to a head that did not come, or cannot be read.
    pub(super) fn last_words(&self, problem: &Problem, peer: PeerAddr) -> Vec<u8> {
        let reason = problem.reason();
        let line = self.metrics.refusals.count(Stage::Request, reason);
        // Browsers open connections ahead, which time out without a word: that is no fault.
        if let Some(line) = line.filter(|_| matches!(problem, Problem::Head(_) | Problem::Framing(_))) {
            let (why, left_out) = (problem.cause(), line.left_out);
            self.metrics.refusals.note(Stage::Request, reason, line, &peer, &why);
            tracing::warn!(transport = %self.transport, %peer, reason, left_out, "a request was refused: {why}");
        }
        reply::bytes(problem)
    }

    /// What a client gets that is refused by the rules of handshakes: it may not have meant one, or a proxy may have changed it.
    pub(super) fn explain(
        refused: HandshakeError,
        has_status_page: bool,
        request: &Parts,
    ) -> Result<Response<Body>, Problem> {
        match refused {
            HandshakeError::NoUpgrade if request.headers.contains_key(header::SEC_WEBSOCKET_KEY) => {
                Err(Problem::Stripped)
            }
            HandshakeError::NoUpgrade if has_status_page => Ok(page::status()),
            HandshakeError::Origin | HandshakeError::ForeignHost => {
                Err(Problem::Foreign(Box::new(Foreign::new(refused, &request.headers))))
            }
            refused => Err(Problem::Handshake(refused)),
        }
    }

    /// A problem's reply. The operator is told why a client gets no WebSocket, and which name to configure; what other requests get,
    /// the access log has.
    pub(super) fn refuse(&self, problem: &Problem, request: &Parts, peer: PeerAddr) -> Response<Body> {
        let response = reply::reply(problem);
        let (stage, reason, status) = (problem.stage(request), problem.reason(), response.status());
        let line = self.metrics.refusals.count(stage, reason);
        if let Some(line) = line {
            self.metrics.refusals.note(stage, reason, line, &peer, &problem.cause());
        }
        let is_handshake = stage == Stage::Handshake;
        if is_handshake {
            self.handshakes.count(status);
        }
        let is_told = match problem {
            // A store that fails has said so, once.
            Problem::Store(error) => error.is_told(),
            Problem::NotAllowed(refusal) => refusal.is_told() || (!is_handshake && status.is_client_error()),
            Problem::Upstream(_) => !is_handshake && status.is_client_error(),
            Problem::Foreign(_) | Problem::Loop(_) | Problem::TooMany(_) => false,
            _ => !is_handshake,
        };
        if let Some(line) = line.filter(|_| !is_told) {
            let what = if is_handshake { "a handshake" } else { "a request" };
            let (why, left_out, status) = (problem.cause(), line.left_out, status.as_u16());
            let path = shown::path(request.uri.path());
            tracing::warn!(transport = %self.transport, %peer, %path, status, reason, left_out, "{what} was refused: {why}");
        }
        response
    }
}
