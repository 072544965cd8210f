//! Policies as components: the one that ships, honest ones, broken ones and hostile ones, on the production engine.

mod support;

mod custom;
mod default_policy;
mod hostile;
mod loading;
mod logging;
mod rules;
