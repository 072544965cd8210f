//! How long connections stay open while Redis cannot be asked about their cookies.
//!
//! A revocation on another gateway does not reach this one then. So what has not been compared with the records for
//! `max_outage` ends. The connections end over the last tenth of that time, so that not all clients look for another gateway
//! at the same moment.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::error;

use super::{hear, state::State};
use crate::store::{Parting, Reach, Revocation};

/// In how many steps the connections end.
const STEPS: u32 = 10;

/// How often the records of all open connections are looked up, whatever `max_outage` is.
const CHECK: Duration = Duration::from_secs(30);

/// How often the records of all open connections are looked up, so that one look may fail.
pub(super) fn check_interval(state: &State) -> Duration {
    CHECK.min(state.options.max_outage / 4)
}

/// Ends connections that have not been compared with their records for too long, for as long as the store is there.
pub(super) async fn bound(state: Arc<State>) {
    let longest = state.options.max_outage;
    let step = longest / (10 * STEPS);
    let begin = longest.saturating_sub(step.saturating_mul(STEPS));
    loop {
        let left = begin.saturating_sub(state.unchecked_for());
        if !left.is_zero() {
            sleep(left).await;
            continue;
        }
        let mut ended = 0;
        for steps in (1..=STEPS).rev() {
            if state.unchecked_for() < begin {
                break;
            }
            ended += end_some(&state, steps);
            sleep(step).await;
        }
        if ended > 0 {
            error!(
                store = %state.options.url, connections = ended,
                "connections were closed whose cookies could not be looked up for {} seconds, which is `max_outage`: bring \
                 the store back",
                longest.as_secs()
            );
        }
    }
}

/// Ends as many connections as make all of them end in so many steps.
fn end_some(state: &State, steps: u32) -> usize {
    let mut ended = 0;
    for subscriber in state.subscribers.all() {
        // Their order is another one for each gateway.
        let mut ids: Vec<_> =
            hear::open_among(&*subscriber, |_| true).into_iter().map(|(id, _)| id).collect();
        ids.truncate(ids.len().div_ceil(steps as usize));
        ended += subscriber.end(&Revocation { ids, why: Parting::Unverified, reach: Reach::All });
    }
    ended
}
