//! The access log: a line for each request that was answered.

use std::{borrow::Cow, sync::Arc, time::Instant};

use http::{Method, Response, header, request::Parts};
use hyper::body::Body as _;

use super::body::Body;
use crate::{shown, stream::PeerAddr};

/// How much of a user agent is logged. Those of browsers are shorter than this.
const LONGEST_AGENT: usize = 256;

/// The upstream that has answered, if its path has several.
#[derive(Debug, Clone)]
struct Concerned(Arc<str>);

/// Notes in an answer which upstream it concerns, for the line of the log.
pub(super) fn concerns<B>(response: &mut Response<B>, upstream: Option<&str>) {
    if let Some(name) = upstream {
        response.extensions_mut().insert(Concerned(name.into()));
    }
}

/// A line to be written. It has no query and no cookie, which may be credentials, and of a path that was refused only what cannot be one.
struct Line<'a> {
    transport: Cow<'a, str>,
    peer: PeerAddr,
    method: Cow<'a, Method>,
    path: Cow<'a, str>,
    upstream: Option<Concerned>,
    status: u16,
    user_agent: Option<Cow<'a, str>>,
    begun: Instant,
}

/// Writes the line of an answer: now, or when an answer has passed that is an upstream's.
pub(super) fn note(
    transport: &str,
    peer: PeerAddr,
    request: &Parts,
    response: &mut Response<Body>,
    begun: Instant,
) {
    let status = response.status();
    let asked = request.uri.path();
    let path = if status.is_client_error() { shown::path(asked) } else { asked.into() };
    let agent =
        request.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let line = Line {
        transport: transport.into(),
        peer,
        method: Cow::Borrowed(&request.method),
        path,
        upstream: response.extensions().get().cloned(),
        status: status.as_u16(),
        user_agent: agent.as_deref().map(|agent| shortened(agent).into()),
        begun,
    };
    match response.body_mut() {
        Body::Passed(passed) => {
            let line = line.kept();
            passed.at_end = Some(Box::new(move |bytes| line.write(Some(bytes))));
        }
        body => line.write(body.size_hint().exact()),
    }
}

impl Line<'_> {
    /// The line, to be written later.
    fn kept(self) -> Line<'static> {
        let Self { transport, peer, method, path, upstream, status, user_agent, begun } = self;
        Line {
            transport: transport.into_owned().into(),
            peer,
            method: Cow::Owned(method.into_owned()),
            path: path.into_owned().into(),
            upstream,
            status,
            user_agent: user_agent.map(|agent| agent.into_owned().into()),
            begun,
        }
    }

    /// Writes it, with how many bytes of content the client was sent.
    fn write(self, bytes: Option<u64>) {
        let Self { transport, peer, method, path, upstream, status, user_agent, begun } = self;
        let upstream = upstream.as_ref().map(|Concerned(name)| &**name);
        let (transport, path, user_agent) = (&*transport, &*path, user_agent.as_deref());
        let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "wampgate::access",
            transport, %peer, %method, path, upstream, status, bytes, duration_us, user_agent, "request"
        );
    }
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
