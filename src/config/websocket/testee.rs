//! A service that echoes, for conformance tests.

use super::{HOUR, MAX_SIZE, Origin, Shared, origins};
use crate::config::{
    HandshakeOptions, TesteeOptions, WireOptions,
    reader::{Located, Millis, Walk, Whole, object},
};

object! {
    /// Limits and switches of a service that echoes. Times are in milliseconds, sizes in bytes.
    struct RawTesteeOptions {
        /// The origins that browsers may come from; `*` stands for anything. Default: the service's own origin.
        allowed_origins: optional Located<Vec<Origin>>,
        /// The largest frame, in bytes; 0: as large as a message. Default 1 MiB.
        max_frame_size: optional Whole<0, MAX_SIZE>,
        /// The largest message, in bytes. Default 1 MiB.
        max_message_size: optional Whole<1, MAX_SIZE>,
        /// How long a client may take to answer a close. Default 2,000.
        close_handshake_timeout: optional Millis<1000, HOUR>,
        /// Whether the gateway sends small messages at once. Default true.
        tcp_nodelay: optional bool,
    }
}

/// Checks a service that echoes.
pub(in crate::config) fn checked_testee(
    raw: Option<RawTesteeOptions>,
    shared: &Shared,
    walk: &mut Walk<'_>,
) -> TesteeOptions {
    let default = TesteeOptions::default();
    let handshake = HandshakeOptions { allowed_hosts: shared.hosts.clone(), ..default.handshake };
    let Some(raw) = raw else { return TesteeOptions { handshake, ..default } };
    let max_message_size = raw.max_message_size.map_or(default.wire.max_message_size, Whole::get);
    let handshake = HandshakeOptions {
        same_origin: raw.allowed_origins.is_none(),
        allowed_origins: raw.allowed_origins.map_or_else(Vec::new, |named| origins(named, walk)),
        ..handshake
    };
    let wire = WireOptions {
        max_frame_size: match raw.max_frame_size {
            None | Some(Whole(0)) => max_message_size,
            Some(size) => size.get(),
        },
        max_message_size,
        close_handshake_timeout: raw
            .close_handshake_timeout
            .map_or(default.wire.close_handshake_timeout, |timeout| timeout.0),
        tcp_nodelay: raw.tcp_nodelay.unwrap_or(default.wire.tcp_nodelay),
        ..default.wire
    };
    TesteeOptions { handshake, wire }
}
