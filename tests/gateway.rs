//! The gateway as its clients see it: the real binary, over loopback, through the front door.

mod addresses;
mod auth;
mod bad_input;
mod contract;
mod cookie_auth;
mod cookies;
mod descriptors;
mod files;
mod health;
mod joins;
mod limits;
mod log;
mod logout;
mod memory;
mod meta;
mod metrics;
mod permissions;
mod policies;
mod protocol;
mod realm;
mod rotation;
mod secrets;
mod shutdown;
mod takeover;
mod traffic;
mod unix;
