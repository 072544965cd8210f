//! A WebSocket that goes on to an upstream: who the client is, the upstream's answer, and the 101. Requests of HTTP at the same path are the
//! business of [`passed`](super::passed).
//!
//! The client is tracked first, so that a logout finds its connection from here on. Then the [terms](super::terms) or the policy decide,
//! and only then is the upstream dialed. Each refusal is an answer of HTTP: there is no 101 before the upstream has given one.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use super::{
    IdentityHeaders, OnwardOptions, PassedOptions, ProxiedOptions, Requester, Terms, access,
    addresses::{ADDRESS_REASONS, Seat},
    body::Body,
    identity_headers,
    metrics::EdgeMetrics,
    passed_body::BROKEN_OFF,
    refusal::Refusal,
    reply::{Problem, SERVER},
    websocket::{check_hops, met, without_body},
};
use crate::{
    admission::{Facts, Recognized, Visitor, recheck},
    auth::AuthError,
    backend::Backend,
    handshake::AcceptedAny,
    metrics::{Refusals, Stage},
    service::WebSocketService,
    stream::{PeerAddr, Stream},
    time::Timestamp,
    tls::Tls,
    upstream::{Among, End, HeadRules, Opened, Origin, Place, Tally, Upstream, UpstreamError, place_of},
    wamp::SessionId,
};

/// A path whose clients go on to an upstream.
#[derive(Debug)]
pub(crate) struct Proxied {
    pub(super) service: Arc<WebSocketService>,
    pub(super) terms: Terms,
    headers: IdentityHeaders,
    /// What stands behind it.
    pub(super) onward: Among<Onward>,
    /// What requests may have that ask for no WebSocket; none: they are refused.
    pub(super) http: Option<PassedOptions>,
    interval: Duration,
    refusals: Refusals,
}

/// An upstream of a path.
#[derive(Debug)]
pub(super) struct Onward {
    pub(super) rules: HeadRules,
    pub(super) upstream: Upstream,
}

/// A connection whose 101 has been sent: from here on it goes to the upstream.
#[derive(Debug)]
pub struct RelayUpgrade {
    /// The stream.
    pub stream: Stream,
    /// What the client has sent behind its head already.
    pub early: Bytes,
    /// What else there is to know.
    pub handover: RelayHandover,
}

/// What a connection to an upstream goes on with once the 101 is sent.
#[derive(Debug)]
pub struct RelayHandover {
    /// The connection to the upstream.
    pub link: Stream,
    /// What the upstream has sent behind its head.
    pub sent_early: Bytes,
    /// Whether the handshake has agreed on extensions.
    pub has_extensions: bool,
    /// The client.
    pub visitor: Visitor,
    /// Who it is, if that is known.
    pub recognized: Option<Recognized>,
    /// The backend whose roles and logins have counted for that.
    pub backend: Option<Backend>,
    /// After how long silence is looked into.
    pub interval: Duration,
    /// Counts what passes.
    pub tally: Tally,
    /// Counts the clients that are thrown out.
    pub refusals: Refusals,
    /// The place among the connections of the upstream.
    pub place: Place,
    /// The place that the client takes, if a trusted proxy speaks for it and others.
    pub seat: Option<Seat>,
}

/// A handshake that a client has made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a Parts,
    /// What the path has behind the mount.
    pub(super) below: &'a str,
    pub(super) accepted: &'a AcceptedAny,
    pub(super) client: Requester<'a>,
    pub(super) tls: Option<&'a Tls>,
    /// Whether the client may get a record.
    pub(super) may_be_new: bool,
}

impl Proxied {
    /// Passes on at `path` of a transport.
    pub(crate) fn new(
        options: &ProxiedOptions,
        service: Arc<WebSocketService>,
        metrics: &EdgeMetrics,
        transport: &str,
        path: &str,
    ) -> Self {
        metrics.refusals.expect(Stage::Handshake, Refusal::REASONS);
        metrics.refusals.expect(Stage::Handshake, UpstreamError::REASONS);
        metrics.refusals.expect(Stage::Relay, End::COMPLAINTS);
        if options.http.is_some() {
            metrics.refusals.expect(Stage::Request, Refusal::REASONS);
            metrics.refusals.expect(Stage::Request, UpstreamError::REASONS);
            metrics.refusals.expect(Stage::Request, UpstreamError::REQUEST_REASONS);
            metrics.refusals.expect(Stage::Request, [BROKEN_OFF, "memory"]);
            metrics.refusals.expect(Stage::Request, ADDRESS_REASONS);
        }
        let identity: Vec<_> = options.headers.all().cloned().collect();
        let onward = |name: Option<&str>, onward: &OnwardOptions| {
            let (identity, cookies, host) = (identity.clone(), options.cookies.clone(), onward.host.clone());
            let place = place_of(path, name);
            Onward {
                rules: HeadRules { identity, cookies, host },
                upstream: Upstream::new(&onward.upstream, &metrics.upstreams, transport, &place),
            }
        };
        Self {
            service,
            terms: options.terms.clone(),
            headers: options.headers.clone(),
            onward: options.upstreams.map(onward),
            http: options.http,
            interval: options.interval,
            refusals: metrics.refusals.clone(),
        }
    }

    /// Checks the handshake, whatever the client wants to speak.
    pub(super) fn check(&self, request: &Parts, has_body: bool) -> Result<AcceptedAny, Problem> {
        let Parts { method, version, headers, .. } = request;
        let checked = self.service.handshake.check_any(method, *version, headers);
        let accepted = without_body(checked, has_body)?;
        self.check_hops(headers)?;
        Ok(accepted)
    }

    /// Refuses what goes round and round. Where several upstreams stand the choice comes first, which tells by which of them.
    pub(super) fn check_hops(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.onward {
            Among::One(_) => check_hops(headers),
            Among::Named(_) => Ok(()),
        }
    }

    /// Tracks the client, decides, and has the upstream answer. A handshake that comes to nothing leaves no record in the store.
    pub(super) async fn open(&self, asked: Asked<'_>) -> Result<(Response<Body>, RelayHandover), Problem> {
        let Asked { request, client, tls, may_be_new, .. } = asked;
        let (path, query) = (request.uri.path(), request.uri.query());
        let Requester { peer, parent, .. } = client;
        let facts = Facts { peer, tls, path, query, subprotocol: None, may_be_new, parent };
        let admission = &self.service.admission;
        let mut visitor = met(admission.meet_without_hello(facts, &request.headers, Timestamp::now()).await)?;
        match self.decide(asked, &visitor).await {
            Ok((Opened { link, early, headers, raw: _, place }, recognized, onward)) => {
                let backend = self.begins(&visitor, recognized.as_ref());
                let has_extensions = headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
                let mut response = switching(onward.rules.answer(&headers), visitor.take_set_cookie());
                access::concerns(&mut response, place.upstream());
                let handover = RelayHandover {
                    link,
                    sent_early: early,
                    has_extensions,
                    visitor,
                    recognized,
                    backend,
                    interval: self.interval,
                    tally: onward.upstream.tally().clone(),
                    refusals: self.refusals.clone(),
                    place,
                    seat: None,
                };
                Ok((response, handover))
            }
            Err(problem) => {
                visitor.withdraw();
                Err(problem)
            }
        }
    }

    async fn decide(
        &self,
        asked: Asked<'_>,
        visitor: &Visitor,
    ) -> Result<(Opened, Option<Recognized>, &Onward), Problem> {
        let Asked { request, below, accepted, client, tls, .. } = asked;
        let recognized = self.terms.decide(&self.service, visitor).await;
        let recognized = recognized.map_err(|refusal| Problem::NotAllowed(Arc::new(refusal)))?;
        let onward = self.choose(request, visitor, recognized.as_ref()).await?;
        let (told, origin) = self.tell(client, tls, recognized.as_ref(), visitor);
        let mut headers = onward.rules.handshake(&request.headers, origin, told);
        visitor.place.announce(&mut headers);
        // Requests get no cookie: those of the same client went by where it comes from, and its first WebSocket goes to the same server.
        let is_known = self.http.is_none() || !visitor.is_new();
        let upstream = &onward.upstream;
        let affinity = upstream.affinity(visitor.public_id().filter(|_| is_known), visitor.peer);
        match upstream.open(below, &headers, &accepted.accept_key, affinity, None).await {
            Ok(opened) => Ok((opened, recognized, onward)),
            Err(UpstreamError::TurnedDown(mut answer)) => {
                answer.headers = onward.rules.answer(&answer.headers);
                Err(Problem::Upstream(Arc::new(UpstreamError::TurnedDown(answer))))
            }
            Err(error) => Err(Problem::Upstream(Arc::new(error))),
        }
    }

    /// The upstream of a client. Where there are several the policy chooses, and without a choice there is none.
    pub(super) async fn choose(
        &self,
        request: &Parts,
        visitor: &Visitor,
        recognized: Option<&Recognized>,
    ) -> Result<&Onward, Problem> {
        match &self.onward {
            Among::One(onward) => {
                // A policy may have taken its time for the decision as well.
                if let (true, Some(known)) = (self.terms.asks_policy, recognized) {
                    let checked = recheck(visitor, &known.identity);
                    checked.map_err(|refused| Problem::NotAllowed(Arc::new(Refusal::Admission(refused))))?;
                }
                Ok(onward)
            }
            // Boxed, so that a path with one upstream has no larger future for it.
            Among::Named(_) => {
                let chosen = Box::pin(self.ask_which(visitor, recognized)).await;
                let onward =
                    chosen.map_err(|refused| Problem::NotAllowed(Arc::new(Refusal::Admission(refused))))?;
                let name = || onward.upstream.tally().upstream().map(Into::into);
                check_hops(&request.headers).map_err(|_| Problem::Loop(name()))?;
                Ok(onward)
            }
        }
    }

    async fn ask_which(
        &self,
        visitor: &Visitor,
        recognized: Option<&Recognized>,
    ) -> Result<&Onward, AuthError> {
        // Where several upstreams stand the policy decides, and lets no client through without an identity.
        let known = recognized.ok_or(AuthError::Reconfigured)?;
        let backend = self.terms.backend(&self.service, visitor).map_err(AuthError::NoSuchRealm)?;
        let names = self.onward.names();
        let admission = &self.service.admission;
        let chosen = admission.choose_upstream(visitor, backend.realm(), &known.identity, &names).await?;
        self.onward.named(&chosen).ok_or(AuthError::Reconfigured)
    }

    /// What the upstream is told of a client: who it is, and where it comes from.
    pub(super) fn tell(
        &self,
        client: Requester<'_>,
        tls: Option<&Tls>,
        recognized: Option<&Recognized>,
        visitor: &Visitor,
    ) -> (HeaderMap, Origin) {
        let realm = || self.terms.backend(&self.service, visitor).ok().map(Backend::realm);
        let told = identity_headers::of(&self.headers, recognized, visitor.public_id(), realm);
        let origin = Origin {
            client: address(client.peer),
            peer: address(client.connected),
            is_trusted: client.is_proxy,
            has_tls: tls.is_some(),
        };
        (told, origin)
    }

    /// Notes who has come, so that a logout of this principal ends the connection and one of another principal does not.
    fn begins(&self, visitor: &Visitor, recognized: Option<&Recognized>) -> Option<Backend> {
        let (known, backend) = (recognized?, self.terms.backend(&self.service, visitor).ok()?);
        let session = SessionId::random();
        self.service.admission.proves(visitor, backend.realm(), &known.identity);
        visitor.begins(session);
        Some(backend.clone())
    }
}

/// The 101 for the client: what the upstream has said, and the client's cookie if it gets one.
fn switching(headers: HeaderMap, set_cookie: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, SERVER);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(set_cookie) = set_cookie {
        headers.append(header::SET_COOKIE, set_cookie);
    }
    response
}

fn address(peer: PeerAddr) -> Option<IpAddr> {
    match peer {
        PeerAddr::Tcp(address) => Some(address.ip()),
        PeerAddr::Unix => None,
    }
}

/// What a path has behind a mount of so many components, with the query. The mount itself has nothing.
pub(super) fn below(request: &Parts, depth: usize) -> String {
    let mut rest = request.uri.path();
    for _ in 0..depth {
        rest = rest.trim_start_matches('/');
        rest = rest.find('/').and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    if depth == 0 && rest == "/" {
        rest = "";
    }
    match request.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn what_is_below_the_mount_stays_as_it_is() {
        for (uri, depth, expected) in [
            ("/", 0, ""),
            ("/?a=b", 0, "?a=b"),
            ("/x/y", 0, "/x/y"),
            ("/app", 1, ""),
            ("/app?a=b&c", 1, "?a=b&c"),
            ("/app/", 1, "/"),
            ("/app/x%20y/?q", 1, "/x%20y/?q"),
            ("//app//x", 1, "//x"),
            ("/a/b/c", 2, "/c"),
            ("/%61pp/x", 1, "/x"),
        ] {
            let request = Request::get(uri).body(()).unwrap().into_parts().0;
            assert_eq!(below(&request, depth), expected, "{uri}");
        }
    }
}
