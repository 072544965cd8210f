//! A joined session: messages between a client and its backend, until one of the two ends it.

use std::pin::pin;

use tokio_util::sync::CancellationToken;

use crate::{
    backend::Attachment,
    wamp::{ClientMessage, uri::error::LOGOUT},
    wire::{CloseCode, Closing, Ending, Wire},
};

/// A session that has been welcomed and has its place in a backend.
#[derive(Debug)]
pub struct Session {
    attachment: Attachment,
    /// Whether the client has a cookie that it can log out with.
    is_tracked: bool,
}

impl Session {
    /// A session in its backend. Only an attachment makes one, and only an identity makes an attachment.
    pub const fn new(attachment: Attachment, is_tracked: bool) -> Self {
        Self { attachment, is_tracked }
    }

    /// Runs until the client says GOODBYE, or until the connection is to end.
    pub async fn run(self, wire: &mut Wire, shutdown: &CancellationToken) -> Ending {
        // Registered once, and not for each message.
        let mut shutdown = pin!(shutdown.cancelled());
        loop {
            let message = tokio::select! {
                // A client that never lets the wire wait is told at the latest when its share of the runtime is used up.
                biased;
                message = wire.next_message() => message,
                () = &mut shutdown => return Ending::Shutdown,
            };
            let handled = match message {
                Ok(message) => self.handle(message).await,
                Err(error) => Err(error.into()),
            };
            if let Err(ending) = handled {
                return ending;
            }
        }
    }

    async fn handle(&self, message: ClientMessage) -> Result<(), Ending> {
        match message {
            ClientMessage::Goodbye { reason, .. } => {
                // What the client asked for before it left is answered before GOODBYE is.
                self.attachment.leave().await;
                // Crossbar.io's reason: the client wants its cookie to stand for nothing any more.
                let logs_out = reason.as_str() == LOGOUT && self.is_tracked;
                Err(if logs_out { Ending::Logout(None) } else { Ending::Left })
            }
            // Section "Protocol Violations": a second HELLO during the lifetime of the session is one.
            ClientMessage::Hello { .. } => Err(Ending::violation("HELLO in an established session")),
            ClientMessage::Authenticate { .. } => {
                Err(Ending::violation("AUTHENTICATE in an established session"))
            }
            // The client has given up, and expects no answer (section "Session Termination").
            ClientMessage::Abort { .. } => Err(Ending::Close(CloseCode::Normal, String::new())),
            message => {
                self.attachment.send(message).await.map_err(|_| Closing::After(CloseCode::Normal).into())
            }
        }
    }
}
