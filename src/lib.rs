//! wampgate: a WebSocket gateway that gives every client an identity that survives reconnects.
//!
//! # The life of a connection
//!
//! ```text
//! server       accept, permit
//!   connection   THE story: one connection, top to bottom
//!     edge         HTTP/1.1 head with limits, route by path: static files | websocket
//!       handshake    version, Origin, subprotocol            -> 400 / 403 / 426, or go on
//!         tracking     Cookie header -> store -> known record | new record, Set-Cookie on the 101
//!           policy       HELLO -> wasm component -> anonymous | none | defer(method) | deny
//!             auth         defer: CHALLENGE / AUTHENTICATE   -> principal
//!               session      WELCOME, then messages, pings, GOODBYE
//!                 realm        broker (publish/subscribe) and dealer (call/register)
//! ```
//!
//! Each stage yields a value that the next one requires, and data flows in this one direction. The modules
//! below stand in that order; `wamp` (the protocol, without I/O) and `config` serve all of them.

#![cfg_attr(
    not(feature = "gateway"),
    allow(dead_code, unused_imports, reason = "the gateway uses what a test of a policy does not")
)]

#[cfg(feature = "gateway")]
pub mod admin;
#[cfg(feature = "gateway")]
pub mod admission;
#[cfg(feature = "gateway")]
pub mod auth;
#[cfg(feature = "gateway")]
pub mod backend;
#[cfg(feature = "gateway")]
pub mod config;
#[cfg(feature = "gateway")]
pub mod connection;
#[cfg(feature = "gateway")]
pub mod edge;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "gateway")]
pub mod handshake;
#[cfg(feature = "gateway")]
pub mod realm;
#[cfg(feature = "gateway")]
pub mod server;
#[cfg(feature = "gateway")]
pub mod service;
#[cfg(feature = "gateway")]
pub mod session;
#[cfg(feature = "gateway")]
mod socket_file;
#[cfg(feature = "gateway")]
pub mod store;
#[cfg(feature = "gateway")]
pub mod stream;
#[cfg(feature = "gateway")]
pub mod tracking;
#[cfg(feature = "gateway")]
pub mod wire;

pub mod cookie;
pub mod identity;
pub mod metrics;
pub mod policy;
mod quantity;
pub mod ration;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod time;
pub mod wamp;
