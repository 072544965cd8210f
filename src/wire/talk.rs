//! A WebSocket without WAMP: messages in and out, with the socket, the limits and the pings of a connection that speaks WAMP.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    CloseCode, Traffic, WRITE_STALL, WireError, WireOptions, delay,
    heartbeat::{Beat, Heartbeat},
    socket::{Kind, Received, WebSocket},
};
use crate::stream::Stream;

/// A connection that speaks what its two ends like.
#[derive(Debug)]
pub struct Talk {
    socket: WebSocket,
    options: Arc<WireOptions>,
    heartbeat: Heartbeat,
}

impl Talk {
    /// Takes over a stream after the 101; `early` is what the client had sent already.
    pub fn new(stream: Stream, early: Bytes, options: Arc<WireOptions>) -> Self {
        Self::of_kind(stream, early, options, None)
    }

    /// The same for a client that may send text alone.
    pub fn of_text(stream: Stream, early: Bytes, options: Arc<WireOptions>) -> Self {
        Self::of_kind(stream, early, options, Some(Kind::Text))
    }

    fn of_kind(stream: Stream, early: Bytes, options: Arc<WireOptions>, kind: Option<Kind>) -> Self {
        delay(&stream, &options);
        // What monitoring is shown is the traffic of WAMP.
        let traffic = Arc::new(Traffic::default());
        let (message, frame) = (options.max_message_size, options.max_frame_size);
        let socket = WebSocket::new(stream, early, kind, message, frame, traffic);
        Self { socket, heartbeat: Heartbeat::new(&options.pings), options }
    }

    /// The client's next message. Meanwhile what is queued is sent, and pings find out whether a silent client is still there.
    /// A call that is dropped loses nothing.
    pub(super) async fn next_message(&mut self) -> Result<(Kind, Bytes), WireError> {
        loop {
            self.flush().await?;
            tokio::select! {
                received = self.socket.receive() => {
                    self.heartbeat.traffic(&self.options.pings);
                    match received? {
                        Received::Message(kind, message) => return Ok((kind, message)),
                        Received::Pong(payload) => self.heartbeat.pong(&payload),
                        // The socket has queued the answer.
                        Received::Ping => {}
                    }
                }
                beat = self.heartbeat.next(&self.options.pings) => match beat {
                    Beat::Ping(payload) => self.socket.ping(payload)?,
                    Beat::Dead => return Err(WireError::Silent),
                },
            }
        }
    }

    /// The next text.
    pub async fn next_text(&mut self) -> Result<Bytes, WireError> {
        self.next_message().await.map(|(_, text)| text)
    }

    /// Queues a message; it is sent when the next one is waited for.
    pub(super) fn feed(&mut self, kind: Kind, message: Bytes) -> Result<(), WireError> {
        self.socket.feed(kind, message)
    }

    /// Sends a text. An error if the client does not take it in time.
    pub async fn send_text(&mut self, text: String) -> Result<(), WireError> {
        self.socket.feed(Kind::Text, Bytes::from(text))?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), WireError> {
        timeout(WRITE_STALL, self.socket.flush()).await.unwrap_or(Err(WireError::Lost))
    }

    /// Closes, and gives the client its time to answer.
    pub async fn close(&mut self, code: CloseCode, reason: &str) {
        self.socket.close(code, reason, self.options.close_handshake_timeout).await;
    }

    /// Ends as the error asks for.
    pub async fn end(&mut self, error: WireError) {
        match error {
            WireError::Closed => self.socket.finish(self.options.close_handshake_timeout).await,
            WireError::Broken(code, reason) => self.close(code, &reason).await,
            _ => {}
        }
    }
}
