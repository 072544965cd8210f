//! Options that the specification or Crossbar.io knows, and that this router does not have, or not for that message: a request
//! that says one of them asks for something else than it would get, and is refused.
//!
//! - False asks for nothing, as null does: it is what a request without the option means.
//! - Options that no edition knows are ignored, as the specification asks: applications may have their own.
//! - `acknowledge` means nothing but in PUBLISH, since every other request is answered anyway, and is ignored there.

/// Options that are absent for one reason, each with what is said to a client that uses it.
type Group = &'static [(&'static str, &'static str)];

/// The options that a message does not have.
pub(in crate::wamp) type Absent = &'static [&'static [Group]];

/// What is said of an option, if it is one of these.
pub(in crate::wamp) fn complaint(absent: Absent, option: &str) -> Option<&'static str> {
    let (_, complaint) =
        absent.iter().copied().flatten().copied().flatten().find(|(name, _)| *name == option)?;
    Some(complaint)
}

macro_rules! group {
    ($name:ident: $reason:literal => $($option:literal),+) => {
        const $name: Group = &[$(($option, concat!("option ", $option, ": ", $reason))),+];
    };
}

// What no message has.
group! { LINKS: "this router has no links to other routers: leave it out" => "forward_for" }
group! { SHARDS: "this router has no sharded subscriptions and registrations: leave it out" =>
"rkey", "nkey", "runmode", "runon" }
group! { PACKED: "it came before payload passthru mode: use the ppt_ options" =>
"enc_algo", "enc_key", "enc_serializer" }
group! { SENDER: "the router itself says who sends a message: leave it out, or use disclose_me" =>
"publisher", "publisher_authid", "publisher_authrole", "caller", "caller_authid", "caller_authrole" }
group! { CALLEE: "the router itself says who sends a message: leave it out" =>
"callee", "callee_authid", "callee_authrole" }
group! { TRUST: "this router has no trust levels: leave it out" => "trustlevel" }
group! { REPEATED: "this router does not find repeated messages: leave it out" => "transaction_hash" }

// What other messages have.
group! { PATTERN: "this message names one URI, and only subscriptions and registrations have patterns: leave it out" =>
"match" }
group! { OF_SUBSCRIBE: "only SUBSCRIBE has it: leave it out" => "get_retained" }
group! { OF_REGISTER: "only REGISTER has it: leave it out" =>
"invoke", "concurrency", "force_reregister", "disclose_caller", "forward_timeout" }
group! { OF_CALL: "only CALL has it: leave it out" => "receive_progress", "progress", "timeout" }
group! { OF_PUBLISH: "only PUBLISH has it: leave it out" =>
"exclude_me", "retain", "exclude", "exclude_authid", "exclude_authrole", "eligible", "eligible_authid",
"eligible_authrole" }
group! { OF_SENDERS: "only PUBLISH and CALL have it: leave it out" => "disclose_me" }
group! { OF_PAYLOAD: "this message has no payload: leave it out" =>
"ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid" }

const IN_NONE: &[Group] = &[SHARDS, PACKED, SENDER, CALLEE, TRUST, REPEATED, LINKS];
pub(super) const IN_PUBLISH: Absent = &[&[PATTERN, OF_SUBSCRIBE, OF_REGISTER, OF_CALL], IN_NONE];
pub(super) const IN_CALL: Absent = &[&[PATTERN, OF_SUBSCRIBE, OF_REGISTER, OF_PUBLISH], IN_NONE];
pub(super) const IN_SUBSCRIBE: Absent =
    &[&[OF_REGISTER, OF_CALL, OF_PUBLISH, OF_SENDERS, OF_PAYLOAD], IN_NONE];
pub(super) const IN_REGISTER: Absent =
    &[&[OF_SUBSCRIBE, OF_CALL, OF_PUBLISH, OF_SENDERS, OF_PAYLOAD], IN_NONE];
// These have no answer. What has no meaning for them is ignored, and what would change the meaning of a payload ends the session.
pub(super) const IN_YIELD: Absent = &[&[PACKED, CALLEE, LINKS]];
pub(super) const IN_ERROR: Absent = IN_YIELD;
