//! Policies as components: the one that ships, honest ones, broken ones and hostile ones, on the production
//! engine.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's helpers fail as loudly as the test itself"
)]

mod support;

mod custom;
mod default_policy;
mod examples;
mod hostile;
mod hostile_load;
mod loading;
mod logging;
mod reload;
mod rules;
mod scaffold;
mod tools;
mod versions;
mod warm;
mod wasi;
