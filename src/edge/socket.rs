//! A WebSocket service as an HTTP resource: the request that becomes a WebSocket, and its 101.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

use super::{body::Body, reply::Problem};
use crate::{
    auth,
    gateway::WebSocketService,
    handshake::{self, Accepted, Origins, Refused},
    time::Timestamp,
    tracking::Tracked,
};

/// A WebSocket service with what its handshakes need, prepared once.
#[derive(Debug)]
pub(crate) struct Socket {
    service: Arc<WebSocketService>,
    origins: Origins,
    /// The request headers that outlive the handshake.
    kept: Vec<HeaderName>,
    server: HeaderValue,
}

/// A request that has become a WebSocket: what an [`Upgrade`](super::Upgrade) has besides its stream.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) service: Arc<WebSocketService>,
    pub(crate) accepted: Accepted,
    pub(crate) tracked: Option<Tracked>,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

impl Socket {
    pub(crate) fn new(service: Arc<WebSocketService>) -> Self {
        let options = &service.config.options;
        let origins = Origins::new(&options.allowed_origins);
        let server = HeaderValue::from_static(if options.show_server_version {
            concat!("wampgate/", env!("CARGO_PKG_VERSION"))
        } else {
            "wampgate"
        });
        let for_policy = service.config.policy.iter().flat_map(|policy| &policy.options.headers);
        let mut kept = vec![header::HOST, header::ORIGIN];
        for name in for_policy {
            if !kept.contains(name) {
                kept.push(name.clone());
            }
        }
        Self { service, origins, kept, server }
    }

    /// Whether a plain request gets a page about the service.
    pub(crate) fn has_status_page(&self) -> bool {
        self.service.config.options.enable_webstatus
    }

    /// Checks the handshake, then tracks the client. A handshake that is refused leaves no record in the store.
    pub(crate) async fn open(
        &self,
        request: &Parts,
        has_body: bool,
        tls: bool,
    ) -> Result<(Response<Body>, Opened), Problem> {
        let Parts { method, version, headers, uri, .. } = request;
        let config = &self.service.config;
        let accepted =
            handshake::check(method, *version, headers, config, &self.origins).map_err(Problem::Handshake)?;
        if has_body {
            return Err(Problem::Handshake(Refused::Body));
        }
        let mut tracked = match &self.service.tracker {
            Some(tracker) => {
                let now = Timestamp::now();
                let mut tracked = tracker.track(headers, tls, now).await.map_err(Problem::Store)?;
                if let Some(options) = config.auth.as_ref().and_then(|auth| auth.cookie) {
                    // Whoever has another connection open has not been away.
                    if tracked.connections > 1 {
                        tracked.record.last_seen = now;
                    }
                    if auth::is_over(options, &tracked.record, now) {
                        // At once: this very visit counts as a sighting, and the next one would find it recent.
                        tracker
                            .clients
                            .store
                            .authenticate(&tracked.id, None, now)
                            .await
                            .map_err(Problem::Store)?;
                        tracked.record.authentication = None;
                    }
                }
                Some(tracked)
            }
            None => None,
        };
        let set_cookie = tracked.as_mut().and_then(|tracked| tracked.set_cookie.take());
        let response = switching_protocols(&accepted, set_cookie, &self.server);
        let opened = Opened {
            service: Arc::clone(&self.service),
            accepted,
            tracked,
            path: uri.path().to_owned(),
            headers: self.keep(headers),
        };
        Ok((response, opened))
    }

    /// Copies what outlives the handshake: a value taken as it is would keep all of the head in memory, and a map
    /// that grows by itself begins with room for six headers.
    fn keep(&self, headers: &HeaderMap) -> HeaderMap {
        let count = self.kept.iter().map(|name| headers.get_all(name).iter().count()).sum();
        let mut kept = HeaderMap::with_capacity(count);
        for name in &self.kept {
            for value in headers.get_all(name) {
                if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
                    kept.append(name, copy);
                }
            }
        }
        kept
    }
}

/// RFC 6455, 4.2.2: the answer that ends HTTP on this connection.
fn switching_protocols(
    accepted: &Accepted,
    set_cookie: Option<HeaderValue>,
    server: &HeaderValue,
) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, server.clone());
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted.accept_key.clone());
    if accepted.announce {
        let name = HeaderValue::from_static(accepted.subprotocol.name());
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
    use crate::wamp::{Serializer, Subprotocol};

    #[test]
    fn a_101_carries_the_cookie_and_announces_only_what_was_asked_for() {
        let mut accepted = Accepted {
            accept_key: HeaderValue::from_static("key"),
            subprotocol: Subprotocol { serializer: Serializer::Cbor, batched: true },
            announce: true,
        };
        let server = HeaderValue::from_static("wampgate");
        let cookie = HeaderValue::from_static("cbtid=x; Path=/");
        let response = switching_protocols(&accepted, Some(cookie.clone()), &server);
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        assert_eq!(response.headers()[header::CONNECTION], "Upgrade");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_ACCEPT], "key");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "wamp.2.cbor.batched");
        assert_eq!(response.headers()[header::SET_COOKIE], cookie);
        assert_eq!(response.headers()[header::SERVER], "wampgate");

        accepted.announce = false;
        let response = switching_protocols(&accepted, None, &server);
        assert!(!response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL));
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }
}
