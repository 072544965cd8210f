//! The access log: a line for each request that was answered.

use std::time::Instant;

use http::{Response, header, request::Parts};
use hyper::body::Body as _;

use super::body::Body;
use crate::{shown, stream::PeerAddr};

/// How much of a user agent is logged. Those of browsers are shorter than this.
const LONGEST_AGENT: usize = 256;

/// Writes the line. It has no query and no cookie, which may be credentials, and of a path that was refused only what
/// cannot be one.
pub(super) fn note(
    transport: &str,
    peer: PeerAddr,
    request: &Parts,
    response: &Response<Body>,
    begun: Instant,
) {
    let (method, status) = (&request.method, response.status());
    let asked = request.uri.path();
    let path = if status.is_client_error() { shown::path(asked) } else { asked.into() };
    let bytes = response.body().size_hint().exact();
    let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let agent =
        request.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let user_agent = agent.as_deref().map(shortened);
    let (path, status) = (&*path, status.as_u16());
    tracing::info!(
        target: "wampgate::access",
        transport, %peer, %method, path, status, bytes, duration_us, user_agent, "request"
    );
}

/// The beginning of a text, whole characters only.
fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_AGENT)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_user_agent_is_cut_between_two_characters() {
        assert_eq!(shortened("curl/8"), "curl/8");
        let long = format!("a{}", "ä".repeat(LONGEST_AGENT));
        assert_eq!(shortened(&long).len(), LONGEST_AGENT - 1);
    }
}
