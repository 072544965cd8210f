//! A connection that goes on to an upstream: what ends it besides its two sides.

use std::{future::pending, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{begin, closed, lease::Held};
use crate::{
    admission::{Recognized, Visitor},
    backend::Backend,
    edge::{RelayHandover, RelayUpgrade, Seat},
    identity::Lapse,
    metrics::{Refusals, Stage},
    shown,
    stream::Stream,
    traces::Span,
    tracking::Parting,
    upstream::{Beginning, End, Place, Relay, Stop, code},
    wire::Ending,
};

/// How often a connection looks whether the configuration still has its client's principal.
const LOOK: Duration = Duration::from_secs(5);

/// A connection that goes on to an upstream.
#[derive(Debug)]
pub(super) struct Relayed {
    relay: Relay<Stream, Stream>,
    visitor: Visitor,
    recognized: Option<Recognized>,
    backend: Option<Backend>,
    refusals: Refusals,
    /// What ends it when the client's identity lapses, if that can.
    lease: Option<Box<Held>>,
    lapsed: Option<mpsc::Receiver<Lapse>>,
    place: Place,
    /// Lasts as long as the connection.
    _span: Span,
    _seat: Option<Seat>,
}

impl Relayed {
    /// Takes over a stream whose 101 has been sent.
    pub(super) fn new(upgrade: RelayUpgrade) -> Self {
        let RelayUpgrade { stream, early, handover } = upgrade;
        let RelayHandover {
            link,
            sent_early,
            has_extensions,
            mut visitor,
            recognized,
            backend,
            interval,
            tally,
            refusals,
            place,
            seat,
        } = handover;
        debug!(connection = %visitor.id, peer = %visitor.peer, public_id = visitor.public_id(), upstream = place.upstream(), "websocket open to an upstream");
        // Small messages leave at once, as the upstream's do.
        let _ = stream.set_nodelay(true);
        let beginning = Beginning { client: &early, upstream: &sent_early, has_extensions };
        let relay = Relay::new(stream, link, &beginning, interval, tally);
        let (lease, lapsed) = hold(recognized.as_ref());
        let span = begin(&mut visitor);
        Self { relay, visitor, recognized, backend, refusals, lease, lapsed, place, _span: span, _seat: seat }
    }

    /// Passes on what comes until a side ends, or the client may no longer be there.
    pub(super) async fn run(self, shutdown: &CancellationToken) {
        let Self { relay, visitor, recognized, backend, refusals, lease, mut lapsed, place, .. } = self;
        let revoked = visitor.revoked();
        let stop = async {
            tokio::select! {
                why = closed(revoked.as_ref()) => part(why),
                why = lapse(lapsed.as_mut()) => stop(Ending::Lapsed(why), "lapsed"),
                () = unwelcome(backend.as_ref(), recognized.as_ref()) => stop(Ending::NotStanding, "lapsed"),
                () = shutdown.cancelled() => Stop {
                    client: code::RESTART,
                    reason: "the gateway is shutting down".into(),
                    upstream: code::AWAY,
                    name: "shutdown",
                },
            }
        };
        let (end, mut stream) = relay.run(stop).await;
        if let Some(code) = end.close_code() {
            stream.closes(code, &end.to_string());
        }
        drop(stream);
        drop(lease);
        visitor.depart();
        tell(&end, &visitor, recognized.as_ref(), &refusals, place.upstream());
    }
}

/// Watches what the client's identity stands on.
fn hold(recognized: Option<&Recognized>) -> (Option<Box<Held>>, Option<mpsc::Receiver<Lapse>>) {
    let Some(recognized) = recognized else { return (None, None) };
    let (tell, told) = mpsc::channel(2);
    let held = Held::watch(&recognized.identity.lease, |why| {
        let tell = tell.clone();
        move || {
            // A connection that has ended needs no word, and one that has two words needs no third.
            let _ = tell.try_send(why);
        }
    });
    let told = held.is_some().then_some(told);
    (held, told)
}

/// Waits until the configuration no longer has what the client's identity stands on. A realm tells its sessions at once; a connection that
/// is no session looks for itself.
async fn unwelcome(backend: Option<&Backend>, recognized: Option<&Recognized>) {
    let (Some(backend), Some(known)) = (backend, recognized) else { return pending().await };
    while backend.rules().admit(&known.identity) {
        sleep(LOOK).await;
    }
}

async fn lapse(lapsed: Option<&mut mpsc::Receiver<Lapse>>) -> Lapse {
    let Some(lapsed) = lapsed else { return pending().await };
    match lapsed.recv().await {
        Some(why) => why,
        None => pending().await,
    }
}

/// How a connection ends whose cookie was revoked.
fn part(why: Parting) -> Stop {
    let name = match why {
        Parting::Killed => "revoked",
        Parting::LoggedOut => "logged-out",
        Parting::Unverified => "unverified",
    };
    stop(Ending::Revoked(why), name)
}

/// The client hears what it would hear if it spoke WAMP and had not joined.
fn stop(ending: Ending, name: &'static str) -> Stop {
    let close = ending.last_words(false).close;
    let (client, reason) = close.map_or((code::POLICY, "".into()), |(code, reason)| (code.into(), reason));
    Stop { client, reason, upstream: code::POLICY, name }
}

/// Tells the operator how the connection has ended.
fn tell(
    end: &End,
    visitor: &Visitor,
    recognized: Option<&Recognized>,
    refusals: &Refusals,
    upstream: Option<&str>,
) {
    let (connection, peer, public_id) = (&visitor.id, visitor.peer, visitor.public_id());
    debug!(%connection, upstream, how = %end, "connection ends");
    let is_logout = matches!(end, End::Stopped(Stop { name: "revoked" | "logged-out" | "lapsed", .. }));
    if is_logout {
        let identity = recognized.map(|recognized| &recognized.identity);
        let method = identity.map(|identity| identity.authmethod);
        let role = identity.map(|identity| &*identity.authrole);
        let authid = identity.map(|identity| identity.authid.public());
        info!(%connection, %peer, public_id, upstream, method, authid, role, how = %end, "logged out");
    }
    if !end.is_complaint() {
        return;
    }
    let reason = end.name();
    if let Some(line) = refusals.count(Stage::Relay, reason) {
        let (path, left_out) = (shown::path(visitor.path()), line.left_out);
        warn!(%connection, %peer, public_id, %path, upstream, reason, left_out, "a connection to an upstream was ended: {end}");
    }
}
