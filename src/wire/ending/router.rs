//! How a router behind the gateway keeps a session from beginning, or ends it otherwise than with GOODBYE.

use super::{CloseCode, LAST_WORDS, LastWords};
use crate::wamp::{
    RouterMessage, Uri,
    uri::error::{SYSTEM_SHUTDOWN, UNAVAILABLE},
};

/// What the router has done, and what the client is told.
#[derive(Debug)]
pub struct RouterFault {
    /// Its name in metrics and in the log.
    pub reason: &'static str,
    /// For the operator.
    pub why: String,
    /// The URI of the ABORT, or of the GOODBYE where there is a session.
    pub uri: Uri,
    /// The message beside it.
    pub message: Option<String>,
    /// Whether the client gets ABORT even where there is a session: the router has said it.
    pub is_abort: bool,
    /// The close code.
    pub code: CloseCode,
}

impl RouterFault {
    /// The router cannot be joined now: the client may come again, which is no matter of who it is.
    pub fn unavailable(reason: &'static str, why: String) -> Self {
        Self {
            reason,
            why,
            uri: Uri::known(UNAVAILABLE),
            message: Some("the router behind the gateway cannot be reached: try again later".to_owned()),
            is_abort: false,
            code: CloseCode::Again,
        }
    }

    /// The router has ended the session without a word.
    pub fn gone(reason: &'static str, why: String, code: CloseCode) -> Self {
        Self {
            reason,
            why,
            uri: Uri::known(SYSTEM_SHUTDOWN),
            message: Some("the router behind the gateway is gone: connect again".to_owned()),
            is_abort: false,
            code,
        }
    }

    pub(super) fn last_words(self, has_joined: bool) -> LastWords {
        let close_reason = self.uri.to_string().into();
        let message = if has_joined && !self.is_abort {
            RouterMessage::Goodbye { message: self.message, reason: self.uri }
        } else {
            RouterMessage::Abort { message: self.message.unwrap_or_default(), reason: self.uri }
        };
        LastWords { message: Some(message), close: Some((self.code, close_reason)), patience: LAST_WORDS }
    }
}
