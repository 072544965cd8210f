//! Options that the specification or Crossbar.io knows, and that this router does not have: a request that says one of them
//! asks for something else than it would get, and is refused.
//!
//! Options that no edition knows are ignored, as the specification asks: applications may have their own.

/// Options that are absent for one reason, each with what is said to a client that uses it.
type Group = &'static [(&'static str, &'static str)];

/// The options that a message does not have.
pub(in crate::wamp) type Absent = &'static [Group];

/// What is said of an option, if it is one of these.
pub(in crate::wamp) fn complaint(absent: Absent, option: &str) -> Option<&'static str> {
    let (_, complaint) = absent.iter().copied().flatten().find(|(name, _)| *name == option)?;
    Some(complaint)
}

macro_rules! group {
    ($name:ident: $reason:literal => $($option:literal),+) => {
        const $name: Group = &[$(($option, concat!("option ", $option, ": ", $reason))),+];
    };
}

group! { LINKS: "this router has no links to other routers: leave it out" => "forward_for" }
group! { SHARDS: "this router has no sharded subscriptions and registrations: leave it out" =>
"rkey", "nkey" }
group! { RUNS: "this router has no sharded subscriptions and registrations: leave it out" =>
"runmode", "runon" }
group! { PACKED: "it came before payload passthru mode: use the ppt_ options" =>
"enc_algo", "enc_key", "enc_serializer" }
group! { PUBLISHER: "the router itself says who sends a message: use disclose_me" =>
"publisher", "publisher_authid", "publisher_authrole" }
group! { CALLER: "the router itself says who sends a message: use disclose_me" =>
"caller", "caller_authid", "caller_authrole" }
group! { CALLEE: "the router itself says who sends a message: leave it out" =>
"callee", "callee_authid", "callee_authrole" }
group! { PATTERN: "this message names one URI, and only subscriptions and registrations have patterns: leave it out" =>
"match" }
group! { RECEIVERS: "it chooses the receivers of an event, and a call has none: leave it out" =>
"exclude", "exclude_authid", "exclude_authrole", "eligible", "eligible_authid", "eligible_authrole" }
group! { INVOKE: "each subscriber gets each event: leave it out" => "invoke" }
group! { TRUST: "this router has no trust levels: leave it out" => "trustlevel" }
group! { REPEATED: "this router does not find repeated messages: leave it out" => "transaction_hash" }

pub(super) const IN_PUBLISH: Absent = &[PATTERN, SHARDS, PACKED, PUBLISHER, TRUST, REPEATED, LINKS];
pub(super) const IN_CALL: Absent =
    &[PATTERN, SHARDS, RUNS, PACKED, CALLER, TRUST, REPEATED, LINKS, RECEIVERS];
pub(super) const IN_SUBSCRIBE: Absent = &[SHARDS, INVOKE, LINKS];
pub(super) const IN_REGISTER: Absent = &[SHARDS, LINKS];
pub(super) const IN_YIELD: Absent = &[PACKED, CALLEE, LINKS];
pub(super) const IN_ERROR: Absent = IN_YIELD;
