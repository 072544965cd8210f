//! A joined session: messages between a client and its backend, until one of the two ends it.

use std::pin::pin;

use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Attachment, BackendClosed},
    realm::Asking,
    wamp::{ClientMessage, uri::error::LOGOUT},
    wire::{CloseCode, Closing, Ending, Wire},
};

/// A session that has been welcomed and has its place in a backend.
#[derive(Debug)]
pub struct Session {
    attachment: Attachment,
    /// Whether the client has a cookie that it can log out with.
    is_tracked: bool,
    /// What an authorizer is told of the session, if one decides about its role.
    asking: Option<Box<Asking>>,
}

impl Session {
    /// A session in its backend. Only an attachment makes one, and only an identity makes an attachment.
    pub const fn new(attachment: Attachment, is_tracked: bool, asking: Option<Box<Asking>>) -> Self {
        Self { attachment, is_tracked, asking }
    }

    /// Runs until the client says GOODBYE, or until the connection is to end.
    pub async fn run(mut self, wire: &mut Wire, shutdown: &CancellationToken) -> Ending {
        // Registered once, and not for each message.
        let mut shutdown = pin!(shutdown.cancelled());
        loop {
            let message = tokio::select! {
                // A client that never lets the wire wait is told at the latest when its share of the runtime is used up.
                biased;
                message = wire.next_message() => message,
                () = &mut shutdown => return Ending::Shutdown,
            };
            let message = match message {
                Ok(message) => message,
                Err(error) => return error.into(),
            };
            if let Some(ending) = self.ends(&message) {
                if matches!(message, ClientMessage::Goodbye { .. }) {
                    // What the client asked for before it left is answered before GOODBYE is.
                    self.attachment.leave().await;
                }
                return ending;
            }
            if let Some(asking) = &mut self.asking {
                if let Err(BackendClosed) = Box::pin(self.attachment.send_asking(asking, message)).await {
                    return Closing::After(CloseCode::Normal).into();
                }
                continue;
            }
            let room = self.attachment.room(&message).await;
            if let Err(BackendClosed) = room.and_then(|room| room.send(message)) {
                return Closing::After(CloseCode::Normal).into();
            }
        }
    }

    /// How a message ends the session that is not for the backend.
    fn ends(&self, message: &ClientMessage) -> Option<Ending> {
        Some(match message {
            // Crossbar.io's reason: the client wants its cookie to stand for nothing any more.
            ClientMessage::Goodbye { reason, .. } if reason.as_str() == LOGOUT && self.is_tracked => {
                Ending::Logout(None)
            }
            ClientMessage::Goodbye { .. } => Ending::Left,
            // Section "Protocol Violations": a second HELLO during the lifetime of the session is one.
            ClientMessage::Hello { .. } => Ending::violation("HELLO in an established session"),
            ClientMessage::Authenticate { .. } => Ending::violation("AUTHENTICATE in an established session"),
            // The client has given up, and expects no answer (section "Session Termination").
            ClientMessage::Abort { .. } => Ending::Close(CloseCode::Normal, String::new()),
            _ => return None,
        })
    }
}
