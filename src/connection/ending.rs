//! How a connection ends, and what its client is told.

use std::fmt;

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::debug;

use super::Client;
use crate::{
    auth::Refusal,
    outbox::{Closing, Taken},
    session,
    socket::Ended,
    wamp::{RouterMessage, Uri, uri::error::PROTOCOL_VIOLATION},
};

/// Why a connection ends. Anything but an orderly GOODBYE is one of these.
#[derive(Debug)]
pub enum Ending {
    /// The peer closed.
    Closed,
    /// The connection broke, or was given up.
    Lost,
    /// The session is refused: ABORT, then close.
    Refused(Refusal),
    /// The client broke the WAMP protocol: ABORT `wamp.error.protocol_violation`, then close 1002.
    Violation(String),
    /// Close with this code and reason.
    Close(CloseCode, String),
}

impl Ending {
    /// The client broke the WAMP protocol.
    pub fn violation(message: &str) -> Self {
        Self::Violation(message.to_owned())
    }
}

/// For the log: without anything that a client chose, which may be a credential that it put in the wrong place.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the peer"),
            Self::Lost => f.write_str("lost"),
            Self::Refused(refusal) => write!(f, "refused, {}", refusal.abort().0),
            Self::Violation(_) => f.write_str("protocol violation"),
            Self::Close(code, _) => write!(f, "closed with {}", u16::from(*code)),
        }
    }
}

impl From<Ended> for Ending {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Closed => Self::Closed,
            Ended::Lost => Self::Lost,
            Ended::Broken(code, reason) => Self::Close(code, reason),
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Client {
    /// Tells the client what there is to tell, and closes.
    pub async fn end(mut self: Box<Self>, ending: Ending) {
        debug!(connection = %self.id, how = %ending, "connection ends");
        let patience = self.service.config.options.close_handshake_timeout;
        let (code, reason) = match ending {
            Ending::Lost => return,
            Ending::Closed => return self.socket.finish(patience).await,
            Ending::Close(code, reason) => (code, reason),
            Ending::Refused(refusal) => {
                let (reason, message) = refusal.abort();
                self.push(&RouterMessage::Abort { message, reason: reason.clone() });
                (CloseCode::Normal, reason.to_string())
            }
            Ending::Violation(message) => {
                self.push(&RouterMessage::Abort { message, reason: Uri::known(PROTOCOL_VIOLATION) });
                (CloseCode::Protocol, PROTOCOL_VIOLATION.to_owned())
            }
        };
        if self.flush_outbox().await.is_ok() {
            self.socket.close(code, &reason, patience).await;
        }
    }

    /// Sends what is queued and has not been sent.
    pub async fn flush_outbox(&mut self) -> Result<(), Ended> {
        let outbox = self.outbox();
        outbox.close(Closing::Normal);
        let mut batch = Vec::new();
        while let Taken::Frames = outbox.take(&mut batch, usize::MAX).await {
            session::write(&mut self.socket, self.framing, &mut batch, outbox.overflowed()).await?;
        }
        Ok(())
    }
}
