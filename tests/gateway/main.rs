//! The gateway as its clients see it: the real binary, over loopback, through the front door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails as loudly as the test itself"
)]

#[path = "../support/lib.rs"]
mod support;

mod auth;
mod bad_input;
mod cookie_auth;
mod cookies;
mod joins;
mod limits;
mod logout;
mod meta;
mod metrics;
mod permissions;
mod policies;
mod protocol;
mod rotation;
mod secrets;
mod shutdown;
mod takeover;
mod traffic;
