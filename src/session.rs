//! A joined session: messages between a client and its realm, until one of the two ends it.

mod heartbeat;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

pub use heartbeat::Heartbeat;

use crate::{
    connection::{Client, Ending},
    outbox::{Closing, Taken},
    realm::Attachment,
    socket::{Ended, Received, Socket},
    wamp::{
        ClientMessage, DecodeError, Payload, RouterMessage, Uri,
        batch::Framing,
        uri::error::{GOODBYE_AND_OUT, INVALID_URI, LOGOUT, PROTOCOL_VIOLATION, SYSTEM_SHUTDOWN},
    },
};

/// How much is handed to the socket in one write. Larger batches save system calls; this size is where that stops
/// to matter.
const WRITE_BATCH: usize = 64 * 1024;

/// How long a write may make no progress before the connection is dropped. A peer that reads nothing for this long is
/// not coming back; what waits for it is bounded by the outbox meanwhile.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// A session that has been welcomed and has its place in a realm.
#[derive(Debug)]
pub struct Session {
    attachment: Attachment,
}

/// What a message of the client asks of the session's own loop.
enum Step {
    Go,
    Goodbye,
}

impl Session {
    /// A session in its realm. Only an attachment makes one, and only an identity makes an attachment.
    pub fn new(attachment: Attachment) -> Self {
        Self { attachment }
    }

    /// Runs until the client says GOODBYE (then the connection may say HELLO again) or the connection is to end.
    pub async fn run(self, client: &mut Client, shutdown: &CancellationToken) -> Result<(), Ending> {
        let mut heartbeat = Heartbeat::new(&client.service.config.options);
        let mut batch = Vec::new();
        let mut draining = false;
        let outbox = client.outbox();
        loop {
            tokio::select! {
                received = client.socket.receive() => {
                    heartbeat.traffic();
                    match received? {
                        Received::Message(frame) => {
                            if let Step::Goodbye = self.handle_frame(client, &frame).await? {
                                return Ok(());
                            }
                        }
                        Received::Pong(payload) => heartbeat.pong(&payload),
                        Received::Ping => flush(&mut client.socket, outbox.overflowed()).await?,
                    }
                }
                taken = outbox.take(&mut batch, WRITE_BATCH) => match taken {
                    Taken::Frames => {
                        write(&mut client.socket, client.framing, &mut batch, outbox.overflowed()).await?;
                    }
                    Taken::Closing(how) => return Err(Ending::from(how)),
                },
                beat = heartbeat.next() => match beat {
                    heartbeat::Beat::Ping(payload) => {
                        client.socket.ping(payload)?;
                        flush(&mut client.socket, outbox.overflowed()).await?;
                    }
                    heartbeat::Beat::Dead => return Err(Ending::Lost),
                },
                () = shutdown.cancelled(), if !draining => {
                    draining = true;
                    client.push(&RouterMessage::Goodbye {
                        message: Some("the gateway is shutting down".to_owned()),
                        reason: Uri::known(SYSTEM_SHUTDOWN),
                    });
                    outbox.close(Closing::GoingAway);
                }
            }
        }
    }

    async fn handle_frame(&self, client: &mut Client, frame: &Bytes) -> Result<Step, Ending> {
        for message in client.framing.split(frame).map_err(|error| violation(&error))? {
            if let Step::Goodbye = self.handle_message(client, &message).await? {
                return Ok(Step::Goodbye);
            }
        }
        Ok(Step::Go)
    }

    async fn handle_message(&self, client: &mut Client, message: &Bytes) -> Result<Step, Ending> {
        let depth = client.service.config.options.max_nesting_depth;
        let message = match client.serializer().decode(message, depth) {
            Ok(message) => message,
            Err(DecodeError::InvalidUri { has_answer: false, .. }) => return Ok(Step::Go),
            Err(DecodeError::InvalidUri { request_type, request, .. }) => {
                client.push(&RouterMessage::Error {
                    request_type,
                    request,
                    error: Uri::known(INVALID_URI),
                    payload: Payload::empty(),
                });
                return Ok(Step::Go);
            }
            Err(error) => return Err(violation(&error)),
        };
        match message {
            // Crossbar.io's reason: the client wants its cookie to stand for nobody any more.
            ClientMessage::Goodbye { reason } if reason.as_str() == LOGOUT && client.is_tracked() => {
                Err(Ending::Logout)
            }
            ClientMessage::Goodbye { .. } => {
                client.push(&RouterMessage::Goodbye { message: None, reason: Uri::known(GOODBYE_AND_OUT) });
                client.flush_outbox().await?;
                Ok(Step::Goodbye)
            }
            // Section "Protocol Violations": a second HELLO during the lifetime of the session is one.
            ClientMessage::Hello { .. } => Err(Ending::violation("HELLO in an established session")),
            ClientMessage::Authenticate { .. } => {
                Err(Ending::violation("AUTHENTICATE in an established session"))
            }
            ClientMessage::Abort { .. } => Err(Ending::violation("ABORT in an established session")),
            message => {
                self.attachment.send(message).await.map_err(|_| Ending::from(Closing::Normal))?;
                Ok(Step::Go)
            }
        }
    }
}

/// Writes messages, and waits until the socket has taken them, or the peer has been given up.
pub async fn write(
    socket: &mut Socket,
    framing: Framing,
    batch: &mut Vec<Bytes>,
    given_up: impl Future<Output = ()>,
) -> Result<(), Ended> {
    for frame in framing.frames(batch, WRITE_BATCH) {
        socket.feed(frame)?;
    }
    batch.clear();
    flush(socket, given_up).await
}

/// Waits until the socket has taken what is queued, the peer has been given up, or it reads nothing at all.
async fn flush(socket: &mut Socket, given_up: impl Future<Output = ()>) -> Result<(), Ended> {
    tokio::select! {
        biased;
        flushed = timeout(WRITE_STALL, socket.flush()) => flushed.unwrap_or(Err(Ended::Lost)),
        () = given_up => Err(Ended::Lost),
    }
}

fn violation(error: &DecodeError) -> Ending {
    Ending::violation(&error.to_string())
}

impl From<Closing> for Ending {
    fn from(how: Closing) -> Self {
        match how {
            Closing::Normal => Self::Close(CloseCode::Normal, String::new()),
            Closing::GoingAway => Self::Close(CloseCode::Away, "the gateway is shutting down".to_owned()),
            Closing::ProtocolError => Self::Close(CloseCode::Protocol, PROTOCOL_VIOLATION.to_owned()),
            Closing::Overflow => Self::Lost,
        }
    }
}
