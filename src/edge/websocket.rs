//! A WebSocket path: from a request to a checked and tracked handshake, and its 101.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use super::{
    addresses::Seat,
    body::Body,
    reply::{Problem, SERVER},
};
use crate::{
    admission::{Facts, MeetError, Visitor},
    handshake::{Accepted, AcceptedAny, HandshakeError},
    service::{TesteeService, WebSocketService},
    stream::PeerAddr,
    time::Timestamp,
    tls::Tls,
    traces::Parent,
    upstream::{MAX_HOPS, hops},
    wamp::Subprotocol,
};

/// A WebSocket service at its path.
#[derive(Debug)]
pub(crate) struct WebSocketTarget {
    service: Arc<WebSocketService>,
    server: HeaderValue,
}

/// A handshake that has been accepted: what a connection goes on with once the 101 is sent.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) service: Arc<WebSocketService>,
    pub(crate) subprotocol: Subprotocol,
    pub(crate) visitor: Visitor,
    pub(crate) seat: Option<Seat>,
}

impl WebSocketTarget {
    pub(crate) fn new(service: Arc<WebSocketService>) -> Self {
        let server = HeaderValue::from_static(if service.shows_version {
            concat!("wampgate/", env!("CARGO_PKG_VERSION"))
        } else {
            "wampgate"
        });
        Self { service, server }
    }

    /// Whether a plain request gets a page about the service.
    pub(crate) fn has_status_page(&self) -> bool {
        self.service.has_status_page
    }

    /// Checks the handshake. A handshake that is refused leaves no record in the store.
    pub(crate) fn check(&self, request: &Parts, has_body: bool) -> Result<Accepted, Problem> {
        let Parts { method, version, headers, .. } = request;
        let checked = self.service.handshake.check(method, *version, headers);
        let accepted = without_body(checked, has_body)?;
        if self.service.leads_on {
            check_hops(headers)?;
        }
        Ok(accepted)
    }

    /// Tracks the client of a handshake that was accepted. `may_be_new` tells whether it may get a record, and `parent` what
    /// its spans are part of.
    pub(crate) async fn open(
        &self,
        request: &Parts,
        accepted: &Accepted,
        peer: PeerAddr,
        tls: Option<&Tls>,
        (may_be_new, parent): (bool, Parent<'_>),
    ) -> Result<(Response<Body>, Handover), Problem> {
        let Parts { headers, uri, .. } = request;
        let subprotocol = accepted.subprotocol;
        let facts = Facts {
            peer,
            tls,
            path: uri.path(),
            query: uri.query(),
            subprotocol: Some(subprotocol),
            may_be_new,
            parent,
        };
        let mut visitor = met(self.service.admission.meet(facts, headers, Timestamp::now()).await)?;
        if self.service.leads_on {
            visitor.hops = hops(headers);
        }
        let announced = accepted.announce.then(|| HeaderValue::from_static(subprotocol.name()));
        let set_cookie = visitor.take_set_cookie();
        let response = switching_protocols(&accepted.accept_key, announced, set_cookie, &self.server);
        Ok((response, Handover { service: Arc::clone(&self.service), subprotocol, visitor, seat: None }))
    }
}

/// Checks a handshake with a service that echoes, and gives the 101.
pub(crate) fn open_testee(
    service: &TesteeService,
    request: &Parts,
    has_body: bool,
) -> Result<Response<Body>, Problem> {
    let Parts { method, version, headers, .. } = request;
    let checked = service.handshake.check_any(method, *version, headers);
    let AcceptedAny { accept_key, subprotocol } = without_body(checked, has_body)?;
    Ok(switching_protocols(&accept_key, subprotocol, None, &SERVER))
}

/// A visitor, or the problem of one that cannot be tracked.
pub(super) fn met(visitor: Result<Visitor, MeetError>) -> Result<Visitor, Problem> {
    visitor.map_err(|error| match error {
        MeetError::Store(error) => Problem::Store(error),
        MeetError::New => Problem::NewClient,
    })
}

/// A request that goes on, and has gone on already as often as it may, goes round and round.
pub(super) fn check_hops(headers: &HeaderMap) -> Result<(), Problem> {
    if hops(headers) < MAX_HOPS { Ok(()) } else { Err(Problem::Loop(None)) }
}

/// What would be a body is read as WebSocket frames by one side, and as HTTP by the other.
pub(super) fn without_body<T>(checked: Result<T, HandshakeError>, has_body: bool) -> Result<T, Problem> {
    let accepted = checked.map_err(Problem::Handshake)?;
    if has_body { Err(Problem::Handshake(HandshakeError::Body)) } else { Ok(accepted) }
}

/// RFC 6455, 4.2.2: the answer that ends HTTP on this connection.
pub(super) fn switching_protocols(
    accept_key: &HeaderValue,
    subprotocol: Option<HeaderValue>,
    set_cookie: Option<HeaderValue>,
    server: &HeaderValue,
) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, server.clone());
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key.clone());
    if let Some(name) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    if let Some(set_cookie) = set_cookie {
        headers.insert(header::SET_COOKIE, set_cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_101_carries_the_cookie_and_announces_only_what_was_asked_for() {
        let key = HeaderValue::from_static("key");
        let name = HeaderValue::from_static("wamp.2.cbor.batched");
        let server = HeaderValue::from_static("wampgate");
        let cookie = HeaderValue::from_static("cbtid=x; Path=/");
        let response = switching_protocols(&key, Some(name), Some(cookie.clone()), &server);
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        assert_eq!(response.headers()[header::CONNECTION], "Upgrade");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_ACCEPT], "key");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "wamp.2.cbor.batched");
        assert_eq!(response.headers()[header::SET_COOKIE], cookie);
        assert_eq!(response.headers()[header::SERVER], "wampgate");

        let response = switching_protocols(&key, None, None, &server);
        assert!(!response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL));
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }
}
