//! Limits: each one reached on purpose, at a small configured value, with its answer and the next client served.

mod calls;
mod connections;
mod heads;
mod messages;
pub(super) mod room;
mod sessions;
mod shared_memory;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Gateway, Handshake,
    config::{With as _, tracked, web, web_paths},
};

/// A gateway with these WebSocket options.
#[track_caller]
fn gateway_with(options: Value) -> Gateway {
    Gateway::start(&web(&tracked().with("options", options)))
}

/// A gateway of which only the path `/hasty` has these WebSocket options.
#[track_caller]
fn gateway_with_a_hasty_path(options: &Value) -> Gateway {
    let hasty = tracked().with("options", options.clone());
    Gateway::start(&web_paths(&json!({ "ws": tracked(), "hasty": hasty })))
}

fn at_the_hasty_path() -> Handshake {
    Handshake::default().path("/hasty")
}

/// The gateway ends what this begins on its own, no sooner than `limit` and before a test loses patience.
#[track_caller]
fn assert_ends_after<T>(
    gateway: &Gateway,
    limit: Duration,
    begin: impl FnOnce() -> T,
    ends: impl FnOnce(&mut T),
) {
    // Before the clock of the limit starts.
    let begun = Instant::now();
    ends(&mut begin());
    assert!(begun.elapsed() >= limit, "ended after {:?}", begun.elapsed());
    gateway.assert_next_client_is_served();
}
