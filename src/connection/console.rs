//! The operator's page on its WebSocket: a view of the gateway once a second, and orders.
//!
//! All messages are JSON objects. The page's first one is `{"key":…,"token":…}`. Afterwards it sends `{"watch":"…"}`, which sessions it wants
//! to see, and `{"number":1,"order":{…}}`. It gets `{"view":{…}}`, and for each order `{"number":1,"done":{…}}` or `{"number":1,"failed":"…"}`.
//!
//! One thing is done at a time for each page: orders that come meanwhile wait where the system keeps what it has received.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    edge::{ConsoleEntry, ConsoleHello, ConsoleUpgrade, Order},
    wire::{CloseCode, Talk, WireError, WireOptions},
};

/// How long a page may take to say that it may come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a page waits for its close that said something wrong. What slows guesses is [`ConsoleEntry::delay`].
const PENALTY: Duration = Duration::from_secs(1);

/// How often a page gets a view.
const PACE: Duration = Duration::from_secs(1);

/// The largest message of a page: an order with the longest names that there are.
const MAX_MESSAGE: usize = 16 * 1024;

/// The longest text by which a page looks for sessions.
const MAX_WANTED: usize = 256;

/// The page has to ask its user for the token, or to be loaded again.
const UNKNOWN: u16 = 4401;

static WIRE: LazyLock<Arc<WireOptions>> = LazyLock::new(|| {
    Arc::new(WireOptions {
        max_frame_size: MAX_MESSAGE,
        max_message_size: MAX_MESSAGE,
        ..WireOptions::default()
    })
});

/// What a page says once it has come in.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Said {
    Watch { watch: String },
    Order { number: u64, order: Order },
}

/// Serves a page until it leaves, the configuration changes, or the gateway drains.
pub(super) async fn run(upgrade: ConsoleUpgrade, shutdown: &CancellationToken) {
    let ConsoleUpgrade { stream, early, entry } = upgrade;
    let mut talk = Talk::of_text(stream, early, Arc::clone(&WIRE));
    let error = tokio::select! {
        error = serve(&mut talk, &entry) => error,
        () = shutdown.cancelled() => WireError::Broken(CloseCode::Away, "the gateway shuts down".to_owned()),
        () = entry.retired.cancelled() => {
            let why = "the gateway's configuration has changed: connect again".to_owned();
            WireError::Broken(CloseCode::Restart, why)
        }
    };
    // The page may come again as soon as it has read that it is closed: its place is free by then.
    drop(entry);
    talk.end(error).await;
}

async fn serve(talk: &mut Talk, entry: &ConsoleEntry) -> WireError {
    let greeted = tokio::select! {
        greeted = greet(talk, entry) => greeted,
        () = entry.ousted().cancelled() => {
            let why = "newer pages have taken the place of this one, which had not come in yet".to_owned();
            Err(WireError::Broken(CloseCode::Policy, why))
        }
    };
    match greeted {
        Ok(_place) => show(talk, entry).await.err().unwrap_or(WireError::Closed),
        Err(error) => error,
    }
}

/// Waits for the page's first message.
async fn greet(talk: &mut Talk, entry: &ConsoleEntry) -> Result<OwnedSemaphorePermit, WireError> {
    let Ok(said) = timeout(PATIENCE, talk.next_text()).await else {
        return Err(broken("the page said nothing"));
    };
    let said = said?;
    sleep(entry.delay()).await;
    // What it has said may be a secret: no error of the parser goes anywhere.
    let why = match serde_json::from_slice::<ConsoleHello>(&said) {
        Ok(hello) if entry.admits(&hello) => {
            let full = || {
                let why = "as many of the operator's pages are open as may be".to_owned();
                WireError::Broken(CloseCode::Policy, why)
            };
            return entry.place().ok_or_else(full);
        }
        Ok(_) => "its key or its token is wrong",
        Err(_) => "its first message has no key",
    };
    entry.refuse(why);
    sleep(PENALTY).await;
    Err(broken(why))
}

fn broken(why: &str) -> WireError {
    WireError::Broken(CloseCode::Library(UNKNOWN), why.to_owned())
}

/// Shows the gateway, and does what the page asks for.
async fn show(talk: &mut Talk, entry: &ConsoleEntry) -> Result<(), WireError> {
    let mut due = interval(PACE);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wanted = String::new();
    loop {
        let said = tokio::select! {
            _ = due.tick() => None,
            said = talk.next_text() => Some(said?),
        };
        let Some(said) = said else {
            let (console, wanted) = (Arc::clone(&entry.console), wanted.clone());
            let view = aside(move || console.view(&wanted)).await?;
            talk.send_text(format!("{{\"view\":{view}}}")).await?;
            continue;
        };
        match serde_json::from_slice(&said) {
            Ok(Said::Watch { watch }) if watch.len() <= MAX_WANTED => {
                wanted = watch;
                due.reset_immediately();
            }
            Ok(Said::Order { number, order }) => {
                let (console, peer) = (Arc::clone(&entry.console), entry.peer);
                let outcome = aside(move || console.carry_out(order, peer)).await?;
                talk.send_text(answer(number, outcome).to_string()).await?;
                due.reset_immediately();
            }
            Ok(Said::Watch { .. }) | Err(_) => {
                return Err(WireError::Broken(
                    CloseCode::Policy,
                    "the gateway knows no such message".to_owned(),
                ));
            }
        }
    }
}

fn answer(number: u64, outcome: Result<Value, String>) -> Value {
    match outcome {
        Ok(done) => json!({ "number": number, "done": done }),
        Err(why) => json!({ "number": number, "failed": why }),
    }
}

/// Stores and disks may make it wait. A page that leaves meanwhile does not stop it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    spawn_blocking(work).await.map_err(|_| {
        let why = "the gateway could not look: its log says why".to_owned();
        WireError::Broken(CloseCode::Error, why)
    })
}
