//! The connections to Redis, for as long as the store is there: the gateway hears on them of revocations, and of itself.

mod aside;
mod connections;
mod probe;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, interval, sleep},
};
use tracing::{error, info};

pub(super) use self::connections::{Connections, open};
use self::{
    aside::Aside,
    connections::Push,
    probe::{Refused, probe},
};
use super::{attempts, hear, outage, work::Worker};
use crate::ration::Ration;

/// How often the gateway asks to hear itself.
const PROBE: Duration = Duration::from_millis(500);

/// How long it may hear nothing until it looks for another connection.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it waits between two attempts to connect, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Lines about other reasons for which a store cannot be reached still; it is tried every other second.
static UNREACHABLE: Ration = Ration::new(4, Duration::from_mins(1));

/// Keeps a connection for as long as the store is there.
pub(super) async fn attend(worker: Arc<Worker>, first: Connections, started: std::sync::mpsc::Sender<()>) {
    let state = Arc::clone(&worker.state);
    let mut aside = Aside::new(Arc::clone(&worker));
    let mut next = Some(first);
    let mut wait = BACKOFF.0;
    let mut told = None;
    loop {
        let opened = if let Some(opened) = next.take() {
            Ok(opened)
        } else {
            state.tally.reconnects.inc();
            open(&state).await
        };
        let why = match opened {
            Ok(connections) => {
                worker.link.set(Some(connections.current.clone()));
                worker.link.fails(None);
                let why = listen(&worker, connections, &started, &mut aside).await;
                worker.link.set(None);
                if state.is_up() {
                    wait = BACKOFF.0;
                }
                why
            }
            Err(why) => why,
        };
        worker.link.fails(Some(&why));
        // First the connection ends, and then Redis may refuse another one: the operator has to know the reason that lasts.
        let is_news = state.goes_down();
        if is_news || (told.as_ref() != Some(&why) && UNREACHABLE.line().is_some()) {
            error!(store = %state.options.url, "the cookie store cannot be reached: {why}");
            told = Some(why);
        }
        // Gateways that have lost the same Redis do not come back at the same moment.
        sleep(wait.mul_f64(rand::random::<f64>() + 0.5)).await;
        wait = wait.saturating_mul(2).min(BACKOFF.1);
    }
}

/// Listens until the connection is of no use any more; why that is.
async fn listen(
    worker: &Arc<Worker>,
    connections: Connections,
    started: &std::sync::mpsc::Sender<()>,
    aside: &mut Aside,
) -> String {
    let Connections { current, pushes: _pushes, mut heard, overflow } = connections;
    let state = &worker.state;
    // What calls on the connection before this one have complained of.
    tokio::select! {
        biased;
        () = worker.link.is_broken.notified() => {}
        () = std::future::ready(()) => {}
    }
    let (revoked, attempted) = (state.names.revoked(), state.names.attempts());
    let own = state.names.gateway(&state.gateway);
    let mut probes = interval(PROBE);
    let mut checks = interval(outage::check_interval(state).mul_f64(0.9 + rand::random::<f64>() / 10.0));
    checks.reset();
    let (answers, mut answered) = mpsc::channel(1);
    let mut latest = Instant::now();
    let (mut has_heard_itself, mut takes_changes) = (false, false);
    let mut is_replica_since = None;
    loop {
        // A server that takes no changes still tells what it has.
        if has_heard_itself && state.comes_up() {
            info!(store = %state.options.url, "the cookie store answers");
            aside.check_anew();
        }
        tokio::select! {
            push = heard.recv() => {
                let Some(push) = push else { return "the connection has ended".to_owned() };
                let mut messages = Vec::new();
                let mut next = Some(push);
                while let Some(push) = next.take() {
                    match Push::from(push) {
                        Push::Message(channel, payload) if channel == revoked.as_bytes() => messages.push(payload),
                        Push::Message(channel, payload) if channel == attempted.as_bytes() => {
                            attempts::hear(state, &payload);
                        }
                        Push::Message(channel, _) if channel == own.as_bytes() => {
                            latest = Instant::now();
                            has_heard_itself = true;
                        }
                        Push::End => return "the connection has ended".to_owned(),
                        _ => {}
                    }
                    next = heard.try_recv().ok();
                }
                hear::hear(state, &messages);
            }
            () = overflow.notified() => return "other gateways revoke more than this one can follow".to_owned(),
            () = worker.link.is_broken.notified() => return "the connection has ended".to_owned(),
            _ = checks.tick() => aside.check(),
            Some(answer) = answered.recv() => match answer {
                Ok(()) => {
                    (takes_changes, is_replica_since) = (true, None);
                }
                Err(Refused { why, is_replica }) => {
                    if is_replica
                        && is_replica_since.get_or_insert_with(Instant::now).elapsed() > SILENCE
                    {
                        // The address may lead to another server by now.
                        return why;
                    }
                    if !state.tally.is_impaired() {
                        error!(store = %state.options.url, "the cookie store takes no changes: {why}");
                    }
                    state.tally.is_failing();
                    takes_changes = false;
                }
            },
            _ = probes.tick() => {
                let silence = latest.elapsed();
                if silence > SILENCE {
                    return format!("it has not answered for {} seconds", silence.as_secs());
                }
                if silence > PROBE * 2 + state.options.timeout {
                    has_heard_itself = false;
                    if state.goes_down() {
                        error!(store = %state.options.url, "the cookie store does not answer");
                    }
                }
                probe(Arc::clone(worker), current.commands.clone(), own.clone(), answers.clone());
            }
        }
        if takes_changes && state.is_up() {
            if state.tally.is_impaired() {
                state.tally.is_well();
            }
            // The one that opens the store waits for the first time only.
            let _ = started.send(());
            if state.owed.is_any() {
                aside.settle();
            }
        }
    }
}
