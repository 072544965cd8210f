//! Options that the specification or Crossbar.io knows, and that this router does not have: a request that says one of them
//! asks for something else than it would get, and is refused.
//!
//! Options that no edition knows are ignored, as the specification asks: applications may have their own.

/// Options, each with what is said to a client that uses it.
pub(in crate::wamp) type Absent = &'static [(&'static str, &'static str)];

/// The table of a message: its own options, and those that several messages share.
macro_rules! absent {
    ($name:ident: $($option:literal => $reason:expr),+ $(,)?) => {
        pub(super) const $name: Absent =
            &[$(($option, concat!("option ", $option, ": ", $reason))),+];
    };
}

macro_rules! links {
    () => {
        "this router has no links to other routers: leave it out"
    };
}

macro_rules! shards {
    () => {
        "this router has no sharded subscriptions and registrations: leave it out"
    };
}

macro_rules! packed {
    () => {
        "it came before payload passthru mode: use the ppt_ options"
    };
}

macro_rules! disclosed {
    () => {
        "the router itself says who sends a message: use disclose_me"
    };
}

macro_rules! pattern {
    () => {
        "this message names one URI, and only subscriptions and registrations have patterns: leave it out"
    };
}

macro_rules! receivers {
    () => {
        "it chooses the receivers of an event, and a call has none: leave it out"
    };
}

absent! { IN_PUBLISH:
    "match" => pattern!(),
    "rkey" => shards!(),
    "nkey" => shards!(),
    "enc_algo" => packed!(),
    "enc_key" => packed!(),
    "enc_serializer" => packed!(),
    "publisher" => disclosed!(),
    "publisher_authid" => disclosed!(),
    "publisher_authrole" => disclosed!(),
    "trustlevel" => "this router has no trust levels: leave it out",
    "transaction_hash" => "this router does not find repeated publications: leave it out",
    "forward_for" => links!(),
}

absent! { IN_CALL:
    "match" => pattern!(),
    "rkey" => shards!(),
    "nkey" => shards!(),
    "runmode" => shards!(),
    "runon" => shards!(),
    "enc_algo" => packed!(),
    "enc_key" => packed!(),
    "enc_serializer" => packed!(),
    "caller" => disclosed!(),
    "caller_authid" => disclosed!(),
    "caller_authrole" => disclosed!(),
    "trustlevel" => "this router has no trust levels: leave it out",
    "transaction_hash" => "this router does not find repeated calls: leave it out",
    "forward_for" => links!(),
    "exclude" => receivers!(),
    "exclude_authid" => receivers!(),
    "exclude_authrole" => receivers!(),
    "eligible" => receivers!(),
    "eligible_authid" => receivers!(),
    "eligible_authrole" => receivers!(),
}

absent! { IN_SUBSCRIBE:
    "nkey" => shards!(),
    "rkey" => shards!(),
    "invoke" => "each subscriber gets each event: leave it out",
    "forward_for" => links!(),
}

absent! { IN_REGISTER:
    "nkey" => shards!(),
    "rkey" => shards!(),
    "forward_for" => links!(),
}

absent! { IN_YIELD:
    "enc_algo" => packed!(),
    "enc_key" => packed!(),
    "enc_serializer" => packed!(),
    "callee" => disclosed!(),
    "callee_authid" => disclosed!(),
    "callee_authrole" => disclosed!(),
    "forward_for" => links!(),
}

absent! { IN_ERROR:
    "enc_algo" => packed!(),
    "enc_key" => packed!(),
    "enc_serializer" => packed!(),
    "callee" => disclosed!(),
    "callee_authid" => disclosed!(),
    "callee_authrole" => disclosed!(),
    "forward_for" => links!(),
}
