//! One connection, top to bottom.

mod client;
mod decide;
mod ending;
mod record;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub use client::Client;
pub use ending::Ending;

use crate::{
    edge::{Edge, Peer, Stream},
    session::Session,
    tracking::{Closed, Parting},
};

/// How long requests that are under way have to finish once the gateway drains.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// Serves one connection until it ends.
///
/// HTTP requests first, until one of them becomes a WebSocket; then one WAMP session after the other. What comes
/// before and after a session is boxed: its state is several times that of the session, in which a connection spends
/// its life.
pub async fn run(stream: Stream, peer: Peer, edge: Arc<Edge>, shutdown: CancellationToken) {
    let Some(mut client) = Box::pin(open(stream, peer, edge, &shutdown)).await else { return };
    let revoked = client.revoked();
    let ending = loop {
        // Whatever the client is doing: a revocation ends it where it waits.
        let outcome = tokio::select! {
            outcome = converse(&mut client, &shutdown) => outcome,
            why = closed(revoked.as_ref()) => Err(Ending::Revoked(why)),
        };
        if let Err(ending) = outcome {
            break ending;
        }
    };
    Box::pin(client.end(ending)).await;
}

/// HTTP, until a request becomes a WebSocket.
async fn open(
    stream: Stream,
    peer: Peer,
    edge: Arc<Edge>,
    shutdown: &CancellationToken,
) -> Option<Box<Client>> {
    let upgrade = tokio::select! {
        upgrade = edge.serve(stream, peer) => upgrade?,
        () = expired(shutdown) => return None,
    };
    Some(Box::new(Client::new(upgrade)))
}

/// One session, from HELLO to GOODBYE. Whatever else ends it ends the connection.
async fn converse(client: &mut Client, shutdown: &CancellationToken) -> Result<(), Ending> {
    let session = Box::pin(join(client, shutdown)).await?;
    session.run(client, shutdown).await
}

/// From HELLO to WELCOME.
async fn join(client: &mut Client, shutdown: &CancellationToken) -> Result<Session, Ending> {
    let hello = client.hello(shutdown).await?;
    let realm = client.realm(&hello)?;
    let decision = client.decide(&hello, &realm).await?;
    let identity = client.establish(&hello, &realm, decision).await?;
    client.record(&realm, &identity).await;
    let attachment = client.welcome(&hello, &realm, identity).await?;
    Ok(Session::new(attachment))
}

async fn closed(revoked: Option<&Closed>) -> Parting {
    match revoked {
        Some(revoked) => revoked.wait().await,
        None => std::future::pending().await,
    }
}

async fn expired(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(HTTP_GRACE).await;
}

#[cfg(test)]
mod tests {
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connections_future_stays_small() {
        let size = size(super::run);
        assert!(size <= 1664, "{size} bytes for as long as the connection lives");
        let client = size_of::<super::Client>();
        assert!(client <= 768, "{client} bytes for as long as the connection lives");
    }
}
