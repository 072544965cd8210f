//! The store's thread: it keeps the connections to Redis, hears of revocations, and runs what callers ask for.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, ErrorKind, PushInfo, PushKind, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection, pipe,
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, interval, sleep, timeout},
};
use tracing::{error, info, warn};

use super::{
    attempts,
    connect::{Servers, connect},
    durable, fault, hear,
    layout::{self, Digest},
    link::Current,
    outage,
    state::State,
    work::Worker,
};
use crate::{
    cookie::TrackingId,
    ration::Ration,
    store::{Durability, Parting, Reach, Revocation, StoreError, owed::OwedIds},
};

/// What a caller wants done.
pub(super) type Job = Box<dyn FnOnce(Arc<Worker>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// How many operations wait for Redis at once: some milliseconds of its time. More wait in the queue of jobs.
const MAX_RUNNING: usize = 1024;

/// How many messages of other gateways wait to be heard. More, and the connection is given up: then nothing of the cache
/// counts, and all open connections are looked up.
const MAX_UNHEARD: usize = 4096;

/// How often the gateway asks to hear itself.
const PROBE: Duration = Duration::from_millis(500);

/// How long it may hear nothing until it looks for another connection.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it waits between two attempts to connect, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The connections to Redis.
pub(super) struct Connections {
    pub(super) current: Current,
    pushes: MultiplexedConnection,
    heard: mpsc::Receiver<PushInfo>,
    overflow: Arc<Overflow>,
}

/// Says that messages were lost.
#[derive(Default)]
struct Overflow {
    is_over: AtomicBool,
    told: Notify,
}

/// Connects, and listens.
pub(super) async fn open(state: &State) -> Result<Connections, String> {
    let (sender, heard) = mpsc::channel(MAX_UNHEARD);
    let overflow = Arc::<Overflow>::default();
    let lost = Arc::clone(&overflow);
    let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        sender.try_send(push).map_err(|_| {
            lost.is_over.store(true, Ordering::Release);
            lost.told.notify_one();
        })
    });
    let plain = || connect(&state.options, AsyncConnectionConfig::new());
    let explained = |error: redis::RedisError| fault::explain(&error);
    let commands = Servers::connect(&state.options).await.map_err(explained)?;
    let keeper = match state.options.durability {
        Durability::Server => None,
        Durability::Always { .. } => Some(durable::find(state, plain().await.map_err(explained)?).await?),
    };
    let mut pushes = connect(&state.options, config).await.map_err(explained)?;
    let channels = [state.names.revoked(), state.names.attempts(), state.names.gateway(&state.gateway)];
    pushes.subscribe(&channels[..]).await.map_err(explained)?;
    let current = Current { commands, keeper };
    Ok(Connections { current, pushes, heard, overflow })
}

/// Runs jobs until no caller is left, and what they have begun.
pub(super) async fn serve(worker: Arc<Worker>, mut jobs: mpsc::Receiver<Job>) {
    let running = Arc::new(Semaphore::new(MAX_RUNNING));
    while let Some(job) = jobs.recv().await {
        let Ok(place) = Arc::clone(&running).acquire_owned().await else { return };
        let worker = Arc::clone(&worker);
        tokio::spawn(async move {
            job(worker).await;
            drop(place);
        });
    }
    #[allow(clippy::cast_possible_truncation, reason = "a small constant")]
    let all = running.acquire_many(MAX_RUNNING as u32);
    // Each of them has its own time; this bounds all of them.
    drop(timeout(worker.state.options.timeout.saturating_mul(8), all).await);
}

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
    // `pushes` ends when it is dropped.
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
                    match message(push) {
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
            () = overflow.told.notified() => {
                if overflow.is_over.load(Ordering::Acquire) {
                    return "other gateways revoke more than this one can follow".to_owned();
                }
            }
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

/// What takes longer, beside hearing of revocations. Of each kind one runs at a time.
struct Aside {
    worker: Arc<Worker>,
    checking: Option<JoinHandle<()>>,
    settling: Option<JoinHandle<()>>,
}

impl Aside {
    const fn new(worker: Arc<Worker>) -> Self {
        Self { worker, checking: None, settling: None }
    }

    /// Compares the open connections with their records.
    fn check(&mut self) {
        if self.checking.as_ref().is_none_or(JoinHandle::is_finished) {
            let worker = Arc::clone(&self.worker);
            self.checking = Some(tokio::spawn(async move {
                worker.restore().await;
                hear::remove_again(&worker).await;
                hear::check_open(worker).await;
            }));
        }
    }

    /// The same from the beginning, since what was seen before may not hold any more.
    fn check_anew(&mut self) {
        if let Some(before) = self.checking.take() {
            before.abort();
        }
        self.worker.state.recent.look_again();
        self.check();
    }

    /// Removes what was revoked while Redis took no changes.
    fn settle(&mut self) {
        if self.settling.as_ref().is_none_or(JoinHandle::is_finished) {
            self.settling = Some(tokio::spawn(settle(Arc::clone(&self.worker))));
        }
    }
}

/// Asks Redis to take a change, and to send this gateway a message.
fn probe(
    worker: Arc<Worker>,
    mut commands: Servers,
    own: String,
    answers: mpsc::Sender<Result<(), Refused>>,
) {
    tokio::spawn(async move {
        let mut probe = pipe();
        // To all servers of a cluster, where the message goes out only if all of them answer. A primary that hangs, or whose machine is
        // gone, says nothing by itself.
        probe.cmd("PING").ignore();
        probe.cmd("PUBLISH").arg(&own).arg("").ignore();
        probe.cmd("SET").arg(&own).arg("").arg("PX").arg(10_000).ignore();
        let answer: RedisResult<()> = probe.query_async(&mut commands).await;
        let outcome = match answer {
            // The silence tells of an answer that is late.
            Err(error) if error.is_timeout() => return,
            Err(error) => {
                worker.link.heed(&error);
                Err(Refused {
                    is_replica: error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly),
                    why: fault::explain(&error),
                })
            }
            Ok(()) => worker.is_kept().await.map_err(|why| Refused { why, is_replica: false }),
        };
        drop(answers.try_send(outcome));
    });
}

/// A change that Redis has not taken, or not kept.
struct Refused {
    why: String,
    is_replica: bool,
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

/// Lines about other reasons for which a store cannot be reached still; it is tried every other second.
static UNREACHABLE: Ration = Ration::new(4, Duration::from_mins(1));

/// Lines about cookies that are still to be removed, which the gateway tries every half second.
static UNSETTLED: Ration = Ration::new(1, Duration::from_mins(1));

/// Removes what was revoked while Redis took no changes.
async fn settle(worker: Arc<Worker>) {
    let state = &worker.state;
    let owed = state.owed.all();
    let mut settled = owed.clone();
    for digest in owed.iter() {
        if let Err(error) = settle_line(&worker, *digest, &mut settled).await {
            if UNSETTLED.line().is_some() {
                warn!(%error, "cookies that were revoked while the store took no changes are still in it");
            }
            return;
        }
    }
    if owed.is_incomplete() {
        warn!(
            "more cookies were revoked while the store took no changes than the gateway could note: revoke them again"
        );
    }
    // While the store did not answer, the gateway may not have known the whole line, and could tell no other gateway.
    let (left, killed): (Vec<_>, Vec<_>) = settled.iter().partition(|digest| state.left.contains(digest));
    state.owed.settle(&settled);
    state.left.settle(&settled);
    let stand_in = |digest: &Digest| TrackingId::stand_in(&layout::text(digest), "");
    for (digests, why) in [(left, Parting::LoggedOut), (killed, Parting::Killed)] {
        let ids = digests.into_iter().map(stand_in).collect();
        hear::end_everywhere(&worker, &Revocation { ids, why, reach: Reach::All }).await;
    }
    info!(
        cookies = settled.iter().count(),
        "cookies were removed that were revoked while the store took no changes"
    );
}

/// Removes the whole line of a cookie: its client may have come with an ID before or after this one, of which a gateway
/// does not know while Redis does not answer.
async fn settle_line(
    worker: &Worker,
    digest: Digest,
    settled: &mut OwedIds<Digest>,
) -> Result<(), StoreError> {
    let line = worker.line(digest).await?;
    // Noted before the first is removed: afterwards it does not lead to the others any more.
    let has_left = worker.state.left.contains(&digest);
    for other in &line {
        worker.state.owed.add(other);
        if has_left {
            worker.state.left.add(other);
        }
        settled.join(*other);
    }
    for other in line {
        worker.revoke(other).await?;
    }
    Ok(())
}

enum Push {
    Message(Vec<u8>, Vec<u8>),
    End,
    Other,
}

fn message(push: PushInfo) -> Push {
    if push.kind == PushKind::Disconnection {
        return Push::End;
    }
    let mut data = push.data.into_iter();
    match (push.kind, data.next(), data.next()) {
        (PushKind::Message, Some(channel), Some(payload)) => match (bytes(channel), bytes(payload)) {
            (Some(channel), Some(payload)) => Push::Message(channel, payload),
            _ => Push::Other,
        },
        _ => Push::Other,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
