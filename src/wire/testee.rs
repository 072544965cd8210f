//! A peer that sends every message back: what suites ask that check how a server speaks WebSocket.
//!
//! It uses the same socket, limits and pings as a connection that speaks WAMP, so that what such a suite finds holds for both.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{CloseCode, WireError, WireOptions, talk::Talk};
use crate::stream::Stream;

/// A connection that echoes text as text and binary data as binary data.
///
/// It holds one message at a time: the next one is read when the last one is with the peer.
#[derive(Debug)]
pub struct Testee(Talk);

impl Testee {
    /// Takes over a stream after the 101; `early` is what the client had sent already.
    pub fn new(stream: Stream, early: Bytes, options: Arc<WireOptions>) -> Self {
        Self(Talk::new(stream, early, options))
    }

    /// Echoes until the client leaves, breaks the protocol or a limit, or the gateway drains.
    pub async fn run(mut self, shutdown: &CancellationToken) {
        tokio::select! {
            error = self.echo() => self.0.end(error).await,
            () = shutdown.cancelled() => self.0.close(CloseCode::Away, "the gateway shuts down").await,
        }
    }

    /// Echoes until that ends, and tells why.
    async fn echo(&mut self) -> WireError {
        loop {
            let echoed = match self.0.next_message().await {
                Ok((kind, message)) => self.0.feed(kind, message),
                Err(error) => Err(error),
            };
            if let Err(error) = echoed {
                return error;
            }
        }
    }
}
