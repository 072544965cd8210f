//! One suite for all cookie stores: what the trait promises, a model under random operations, damage, and
//! `kill -9`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and the children of some speak through their output"
)]

mod behaviour;
mod clock;
mod compaction;
mod crossbar;
mod damage;
mod kill;
mod lmdb;
mod locking;
mod model;
mod support;
