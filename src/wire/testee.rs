//! A peer that sends every message back: what suites ask that check how a server speaks WebSocket.
//!
//! It uses the same socket, limits and pings as a connection that speaks WAMP, so that what such a suite finds holds for both.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    CloseCode, Traffic, WRITE_STALL, WireError, WireOptions,
    heartbeat::{Beat, Heartbeat},
    socket::{Kind, Received, Socket},
};
use crate::stream::Stream;

/// A connection that echoes text as text and binary data as binary data.
///
/// It holds one message at a time: the next one is read when the last one is with the peer.
#[derive(Debug)]
pub struct Testee {
    socket: Socket,
    options: Arc<WireOptions>,
    heartbeat: Heartbeat,
}

impl Testee {
    /// Takes over a stream after the 101; `early` is what the client had sent already.
    pub fn new(stream: Stream, early: Bytes, options: Arc<WireOptions>) -> Self {
        if !options.tcp_nodelay {
            // A listener's streams begin without delay. A stream that is gone need not be told.
            drop(stream.set_nodelay(false));
        }
        // What monitoring is shown is the traffic of WAMP.
        let traffic = Arc::new(Traffic::default());
        let (message, frame) = (options.max_message_size, options.max_frame_size);
        let socket = Socket::new(stream, early, None, message, frame, traffic);
        Self { socket, heartbeat: Heartbeat::new(&options.pings), options }
    }

    /// Echoes until the client leaves, breaks the protocol or a limit, or the gateway drains.
    pub async fn run(mut self, shutdown: &CancellationToken) {
        let patience = self.options.close_handshake_timeout;
        let error = tokio::select! {
            error = self.echo() => error,
            () = shutdown.cancelled() => {
                return self.socket.close(CloseCode::Away, "the gateway shuts down", patience).await;
            }
        };
        match error {
            WireError::Closed => self.socket.finish(patience).await,
            WireError::Broken(code, reason) => self.socket.close(code, &reason, patience).await,
            _ => {}
        }
    }

    /// Echoes until that ends, and tells why.
    async fn echo(&mut self) -> WireError {
        loop {
            let echoed = match self.next_message().await {
                Ok((kind, message)) => self.socket.feed(kind, message),
                Err(error) => Err(error),
            };
            if let Err(error) = echoed {
                return error;
            }
        }
    }

    /// The client's next message. Meanwhile what is queued is sent, and pings find out whether a silent client is still there.
    async fn next_message(&mut self) -> Result<(Kind, Bytes), WireError> {
        loop {
            timeout(WRITE_STALL, self.socket.flush()).await.unwrap_or(Err(WireError::Lost))?;
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
}
