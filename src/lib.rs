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

pub mod admin;
pub mod config;
pub mod gateway;
pub mod server;

pub mod admission;
pub mod auth;
pub mod backend;
pub mod connection;
pub mod cookie;
pub mod edge;
pub mod handshake;
pub mod identity;
pub mod metrics;
pub mod policy;
mod quantity;
pub mod realm;
pub mod service;
pub mod session;
pub mod store;
pub mod stream;
pub mod testkit;
pub mod time;
pub mod tracking;
pub mod wamp;
pub mod wire;
