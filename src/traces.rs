//! Spans of OpenTelemetry, in a build with the feature `otel`: what a connection waits for until it has joined.
//!
//! ```text
//! handshake | forward-auth   a request for which the gateway finds out who the client is; it continues the trace of a trusted proxy
//! | request                  (one that goes on to a server behind the gateway)
//!   decision                 the policy is asked and followed, here for requests without a HELLO
//!   connection               from the 101 to the end of the connection
//!     join                   from HELLO to WELCOME
//!       decision
//!       challenge            the client is asked to prove who it is, and answers
//! ```
//!
//! Nothing is recorded until the program names a tracer ([`record_with`]). A build without the feature has types without content and
//! functions without effect in the place of all of this, so that a connection is as large and as fast as if there were no spans.
//!
//! Attributes are names of the configuration, reasons and methods. What a client shows to prove who it is, its tracking ID, its public
//! ID, its address and its `authid` are none.

#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;

#[cfg(not(feature = "otel"))]
pub(crate) use off::{Parent, Place, Span, are_on};
#[cfg(feature = "otel")]
pub use on::record_with;
#[cfg(feature = "otel")]
pub(crate) use on::{Parent, Place, Span, are_on};
