//! All tests that look from outside, in one binary: each binary more would link the gateway and its WebAssembly runtime again.
//!
//! `cargo test --test integration store::` runs one part. `tests/hostile` is a binary of its own, since it measures how long
//! honest clients wait while policies misbehave: other tests beside it would be measured too, and would themselves wait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test's helpers fail as loudly as the test itself, and the children of some speak through their output"
)]

#[path = "support/lib.rs"]
mod support;

mod admin;
mod commands;
mod component;
mod config;
mod documents;
mod gateway;
mod layers;
mod store;
