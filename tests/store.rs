//! One suite for all cookie stores: what the trait promises, a model under random operations, damage, and
//! `kill -9`.

mod behaviour;
mod clock;
mod cluster;
mod compaction;
mod crossbar;
mod damage;
mod eviction;
mod golden;
mod kill;
mod lmdb;
mod locking;
mod model;
mod redis;
mod replace;
mod support;
