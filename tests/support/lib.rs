//! What the black-box tests need: a real gateway process, raw HTTP, raw WebSocket, and a small WAMP client.
//!
//! Everything here is blocking and written out by hand: a test says exactly which bytes it sends, sees exactly which
//! bytes come back, and cannot be helped by a client library that tidies up. Each wait has an end, and each failure
//! shows what the gateway has said.

pub(crate) mod auth;
pub(crate) mod client;
pub(crate) mod codec;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod gateway;
pub(crate) mod http;
mod patience;
pub(crate) mod raw_socket;
pub(crate) mod redis;
pub(crate) mod resident;
pub(crate) mod router;
pub(crate) mod signal;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod websocket;

use std::time::Duration;

pub(crate) use client::{Client, Jar};
pub(crate) use codec::{Serializer, bytes};
pub(crate) use gateway::Gateway;
pub(crate) use http::{Handshake, Response};
pub(crate) use websocket::{Frame, WebSocket};

/// How long anything that must happen may take. Generous, for machines that do much else; a passing test never waits
/// this long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Message type codes, by the specification's names.
pub(crate) mod code {
    pub(crate) const HELLO: u64 = 1;
    pub(crate) const WELCOME: u64 = 2;
    pub(crate) const ABORT: u64 = 3;
    pub(crate) const CHALLENGE: u64 = 4;
    pub(crate) const AUTHENTICATE: u64 = 5;
    pub(crate) const GOODBYE: u64 = 6;
    pub(crate) const ERROR: u64 = 8;
    pub(crate) const PUBLISH: u64 = 16;
    pub(crate) const PUBLISHED: u64 = 17;
    pub(crate) const SUBSCRIBE: u64 = 32;
    pub(crate) const SUBSCRIBED: u64 = 33;
    pub(crate) const UNSUBSCRIBE: u64 = 34;
    pub(crate) const UNSUBSCRIBED: u64 = 35;
    pub(crate) const EVENT: u64 = 36;
    pub(crate) const CALL: u64 = 48;
    pub(crate) const CANCEL: u64 = 49;
    pub(crate) const RESULT: u64 = 50;
    pub(crate) const REGISTER: u64 = 64;
    pub(crate) const REGISTERED: u64 = 65;
    pub(crate) const UNREGISTER: u64 = 66;
    pub(crate) const UNREGISTERED: u64 = 67;
    pub(crate) const INVOCATION: u64 = 68;
    pub(crate) const INTERRUPT: u64 = 69;
    pub(crate) const YIELD: u64 = 70;
}
