//! Revocations between gateways: told over a channel, and made up for where the channel may have lost one.
//!
//! Redis keeps no message for a gateway that does not listen, and does not tell that it was lost. So the cache is off and the
//! store is not ready whenever this gateway does not hear *itself* on its own channel; and every half minute, and after each
//! break, it asks for the records of all open connections and ends those that have none any more.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

use super::{
    layout::{self, Digest},
    state::State,
    work::Worker,
};
use crate::{
    cookie::{PrincipalMark, TrackingId},
    store::{OpenConnections, Parting, Reach, Revocation, StoreError},
};

/// How many digests one message carries: some 50 KB.
const MAX_DIGESTS: usize = 1000;

/// How long a connection without a record is left alone: a handshake enters its ID before it makes the record.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// A revocation as gateways tell it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    /// Which gateway tells it.
    gateway: String,
    /// Whether the clients have logged out.
    is_logout: bool,
    /// None: all connections. 0: those without a login. Otherwise those of this principal, too.
    reach: Option<u64>,
    digests: Vec<String>,
}

impl Told {
    /// The messages that tell a revocation.
    pub(super) fn of(gateway: &str, revocation: &Revocation) -> Vec<String> {
        let digests: Vec<_> =
            revocation.ids.iter().filter_map(layout::digest).map(|digest| layout::text(&digest)).collect();
        let reach = match revocation.reach {
            Reach::All => None,
            Reach::Principal(principal) => Some(principal.map_or(0, PrincipalMark::get)),
        };
        let is_logout = revocation.why == Parting::LoggedOut;
        let message = |digests: &[String]| {
            let gateway = gateway.to_owned();
            serde_json::to_string(&Self { gateway, is_logout, reach, digests: digests.to_vec() }).ok()
        };
        digests.chunks(MAX_DIGESTS).filter_map(message).collect()
    }

    fn why(&self) -> Parting {
        if self.is_logout { Parting::LoggedOut } else { Parting::Killed }
    }

    fn reach(&self) -> Reach {
        self.reach.map_or(Reach::All, |number| Reach::Principal(PrincipalMark::from_number(number)))
    }
}

/// Ends what messages of other gateways revoke. One look at the open connections serves all of them.
pub(super) fn hear(state: &State, messages: &[Vec<u8>]) {
    let told: Vec<Told> = messages
        .iter()
        .filter_map(|message| match serde_json::from_slice(message) {
            Ok(told) => Some(told),
            Err(error) => {
                // A lost message is made up for by the next look at all connections.
                warn!(%error, "a message on the channel of revocations cannot be read: do all gateways have the same version?");
                None
            }
        })
        .filter(|told: &Told| told.gateway != state.gateway)
        .collect();
    let mut by_digest: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (number, told) in told.iter().enumerate() {
        state.tally.revocations_heard.inc_by(told.digests.len() as u64);
        for digest in told.digests.iter().filter_map(|text| layout::from_text(text)) {
            state.cache.forget(&digest);
            state.recent.add(digest, state.is_up());
            by_digest.entry(digest).or_default().push(number);
        }
    }
    if by_digest.is_empty() {
        return;
    }
    for subscriber in state.subscribers.all() {
        let mut of_message: HashMap<usize, Vec<TrackingId>> = HashMap::new();
        for (id, digest) in open_among(&*subscriber, |digest| by_digest.contains_key(digest)) {
            for number in by_digest.get(&digest).into_iter().flatten() {
                of_message.entry(*number).or_default().push(id.clone());
            }
        }
        for (number, ids) in of_message {
            if let Some(told) = told.get(number) {
                subscriber.end(&Revocation { ids, why: told.why(), reach: told.reach() });
            }
        }
    }
}

/// Ends this gateway's connections that a revocation reaches; how many.
pub(super) fn end_here(state: &State, revocation: &Revocation) -> usize {
    let (known, stand_ins): (Vec<_>, Vec<_>) =
        revocation.ids.iter().cloned().partition(|id| id.stands_for().is_none());
    let digests: HashSet<Digest> = revocation.ids.iter().filter_map(layout::digest).collect();
    for digest in &digests {
        state.cache.forget(digest);
    }
    let mut ended = 0;
    for subscriber in state.subscribers.all() {
        let mut ids = known.clone();
        if !stand_ins.is_empty() {
            let found = open_among(&*subscriber, |digest| digests.contains(digest));
            ids.extend(found.into_iter().map(|(id, _)| id).filter(|id| !known.contains(id)));
        }
        ended += subscriber.end(&Revocation { ids, ..revocation.clone() });
    }
    ended
}

/// Tells other gateways of revocations, in their order, until the store closes and all is told.
pub(super) async fn tell(worker: Arc<Worker>, mut outbox: mpsc::Receiver<String>, closing: Arc<Notify>) {
    let channel = worker.state.names.revoked();
    loop {
        let message = tokio::select! {
            biased;
            message = outbox.recv() => message,
            () = closing.notified() => {
                closing.notify_one();
                outbox.try_recv().ok()
            }
        };
        let Some(message) = message else { return };
        match worker.publish(&channel, &message).await {
            Ok(()) => {
                worker.state.tally.revocations_told.inc();
            }
            Err(error) => {
                warn!(%error, "a revocation was not told to other gateways, which notice it within half a minute");
            }
        }
    }
}

/// Ends the connections that a revocation reaches, on this gateway and on the others.
pub(super) async fn end_everywhere(worker: &Worker, revocation: &Revocation) {
    let state = &worker.state;
    end_here(state, revocation);
    for message in Told::of(&state.gateway, revocation) {
        // What is not told is noticed when the other gateways look at their connections.
        drop(worker.publish(&state.names.revoked(), &message).await);
    }
}

pub(super) fn open_among(
    connections: &dyn OpenConnections,
    is_wanted: impl Fn(&Digest) -> bool,
) -> Vec<(TrackingId, Digest)> {
    let open = connections.open(&|id| layout::digest(id).is_some_and(|digest| is_wanted(&digest)));
    open.into_iter().filter_map(|id| layout::digest(&id).map(|digest| (id, digest))).collect()
}

/// After a break: removes again what was revoked before and is there once more.
pub(super) async fn remove_again(worker: &Worker) {
    let state = &worker.state;
    if !state.recent.is_due() {
        return;
    }
    if let Err(error) = remove_returned(worker).await {
        // With the next look at the open connections.
        state.recent.look_again();
        warn!(%error, "the gateway could not look whether revoked cookies came back with Redis");
    }
}

async fn remove_returned(worker: &Worker) -> Result<(), StoreError> {
    let state = &worker.state;
    let (mut back, is_all) = state.recent.all();
    let missing: HashSet<Digest> = worker.missing(&back).await?.into_iter().collect();
    if !is_all {
        warn!(
            cookies = back.len(),
            "more cookies were revoked in the minute before Redis went away than the gateway notes: \
             if a replica took over, or the disk lacks the last second, revoke them again"
        );
    }
    back.retain(|digest| !missing.contains(digest));
    if back.is_empty() {
        return Ok(());
    }
    for digest in &back {
        worker.revoke(*digest).await?;
    }
    let ids: Vec<TrackingId> =
        back.iter().map(|digest| TrackingId::stand_in(&layout::text(digest), "")).collect();
    // A client may have come with one of them meanwhile.
    end_everywhere(worker, &Revocation { ids, why: Parting::Killed, reach: Reach::All }).await;
    warn!(
        cookies = back.len(),
        "Redis had forgotten that cookies were revoked: they were removed again. Does a replica lag, or the disk?"
    );
    Ok(())
}

/// Ends the connections whose records are gone although no message said so.
pub(super) async fn check_open(worker: Arc<Worker>) {
    let (state, began) = (&worker.state, Instant::now());
    for subscriber in state.subscribers.all() {
        let mut suspects: HashMap<Digest, TrackingId> =
            open_among(&*subscriber, |_| true).into_iter().map(|(id, digest)| (digest, id)).collect();
        for is_sure in [false, true] {
            if suspects.is_empty() {
                break;
            }
            if is_sure {
                tokio::time::sleep(HANDSHAKE).await;
            }
            let digests: Vec<Digest> = suspects.keys().copied().collect();
            match worker.missing(&digests).await {
                Ok(missing) => {
                    let missing: HashSet<Digest> = missing.into_iter().collect();
                    suspects.retain(|digest, _| missing.contains(digest));
                }
                // What cannot be asked is asked again when Redis is back.
                Err(error) => {
                    debug!(%error, "the open connections could not be compared with their records");
                    return;
                }
            }
        }
        if suspects.is_empty() {
            continue;
        }
        for digest in suspects.keys() {
            state.cache.forget(digest);
        }
        let ids = suspects.into_values().collect();
        let ended = subscriber.end(&Revocation { ids, why: Parting::Killed, reach: Reach::All });
        if ended > 0 {
            warn!(connections = ended, "connections were closed whose cookies are no longer in the store");
        }
    }
    state.has_checked(began);
}
