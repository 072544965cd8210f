//! How a session leaves its router. The client does not wait for it.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    upstream::Place,
    wamp::{
        Serializer,
        passing::{FromRouter, Request},
    },
    wire::{CloseCode, Wire, WireError},
};

/// The reason that a router hears whose client does not say one itself.
const NORMAL: &str = "wamp.close.normal";

/// How long a router may take to read what comes before the close and to answer it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the router is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// GOODBYE, then a close frame with 1000.
    Goodbye,
    /// What waits to be sent, then a close frame.
    Close(CloseCode),
    /// Nothing: it is gone, or as good as that.
    Nothing,
}

/// A connection to a router that ends. It keeps its place until then.
#[derive(Debug)]
pub(super) struct Departing {
    pub(super) wire: Wire,
    pub(super) serializer: Serializer,
    pub(super) words: Words,
    pub(super) _place: Place,
}

impl Departing {
    pub(super) async fn run(mut self) {
        let code = match self.words {
            Words::Nothing => return,
            Words::Goodbye => {
                self.wire.pass(self.serializer.write_request(Request::Goodbye { reason: NORMAL }));
                // A router that is gone meanwhile needs no close frame either, and gets one in vain.
                let _ = timeout(PATIENCE, self.answer()).await;
                CloseCode::Normal
            }
            Words::Close(code) => {
                let _ = timeout(PATIENCE, self.sent()).await;
                code
            }
        };
        self.wire.close(code, "").await;
    }

    /// Waits for the answer to GOODBYE. What comes before it is for a client that is no longer there.
    async fn answer(&mut self) -> Result<(), WireError> {
        loop {
            let Some(message) = self.wire.exchange(true).await? else { continue };
            let depth = self.wire.max_depth();
            if let Ok(FromRouter::Farewell) = self.serializer.router_message(&message, depth) {
                return Ok(());
            }
        }
    }

    async fn sent(&mut self) -> Result<(), WireError> {
        while self.wire.is_waiting() {
            self.wire.exchange(false).await?;
        }
        Ok(())
    }
}
