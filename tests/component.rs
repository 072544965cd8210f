//! Policies as components: the one that ships, honest ones, broken ones and hostile ones, on the production
//! engine.

// A guest that no test uses is dead code, and a build with dead code fails.
#[deny(dead_code)]
pub(crate) mod guests;
mod support;

mod custom;
mod default_policy;
mod examples;
mod hostile;
mod loading;
mod logging;
mod needs;
mod reload;
mod rules;
mod scaffold;
mod tools;
mod versions;
mod warm;
mod wasi;
