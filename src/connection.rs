//! One connection, top to bottom.

mod client;
mod ending;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub use client::Client;
pub use ending::Ending;

use crate::{
    edge::{Edge, Peer, Stream},
    session::Session,
    tracking::Closed,
};

/// How long requests that are under way have to finish once the gateway drains.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// Serves one connection until it ends.
///
/// HTTP requests first, until one of them becomes a WebSocket; then one WAMP session after the other.
pub async fn run(stream: Stream, peer: Peer, edge: Arc<Edge>, shutdown: CancellationToken) {
    let upgrade = tokio::select! {
        upgrade = edge.serve(stream, peer) => upgrade,
        () = expired(&shutdown) => None,
    };
    let Some(upgrade) = upgrade else { return };
    let mut client = Client::new(upgrade, peer);
    let revoked = client.revoked();
    let ending = loop {
        // Whatever the client is doing: a revocation ends it where it waits.
        let outcome = tokio::select! {
            outcome = converse(&mut client, &shutdown) => outcome,
            () = closed(revoked.as_ref()) => Err(Ending::Revoked),
        };
        if let Err(ending) = outcome {
            break ending;
        }
    };
    client.end(ending).await;
}

/// One session, from HELLO to GOODBYE. Whatever else ends it ends the connection.
async fn converse(client: &mut Client, shutdown: &CancellationToken) -> Result<(), Ending> {
    let hello = client.hello(shutdown).await?;
    let realm = client.realm(&hello)?;
    let decision = client.decide(&hello).await?;
    let identity = client.establish(&hello, &realm, decision).await?;
    client.record(&realm, &identity).await;
    let attachment = client.welcome(&hello, &realm, identity).await?;
    Session::new(attachment).run(client, shutdown).await
}

async fn closed(revoked: Option<&Closed>) {
    match revoked {
        Some(revoked) => revoked.wait().await,
        None => std::future::pending().await,
    }
}

async fn expired(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(HTTP_GRACE).await;
}
