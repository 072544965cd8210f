//! A request that goes on to an upstream and stays HTTP: who its client is, what the upstream is told, and its answer as it comes.
//!
//! A client is recognized by the cookie that it has. No request is given a new one: a page has many parts, and a browser asks for all of
//! them at once.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use hyper::body::{Body as _, Incoming};

use super::{
    Edge, Requester, access,
    body::Body,
    passed_body::{InTransit, PassedBody},
    proxied::{Onward, Proxied, below},
    reply::Problem,
};
use crate::{
    admission::{Facts, KeptHeaders},
    handshake::asks_for_websocket,
    shown,
    time::Timestamp,
    tls::Tls,
    upstream::{Affinity, BodyFault, BodyLimits, Passing, RequestBody, Upstream, UpstreamError},
};

impl Proxied {
    /// Whether a request is to be passed on as it is, and asks for no WebSocket.
    pub(super) fn passes(&self, request: &Parts) -> bool {
        self.http.is_some() && !asks_for_websocket(&request.headers)
    }
}

impl Edge {
    /// Passes a request on, and gives the answer once its head is there.
    pub(super) async fn pass(
        &self,
        proxied: &Proxied,
        request: &Parts,
        depth: usize,
        body: Option<Incoming>,
        client: Requester<'_>,
        tls: Option<&Tls>,
    ) -> Result<Response<Body>, Problem> {
        let Some(max_body_size) = proxied.http.map(|http| http.max_body_size) else {
            return Err(Problem::NotFound);
        };
        let has_length = check(request)?;
        proxied.check_hops(&request.headers)?;
        let body = body.filter(|body| !body.is_end_stream());
        let length = body.as_ref().and_then(|body| body.size_hint().exact());
        if length.is_some_and(|length| length > max_body_size) {
            let fault = UpstreamError::Body(BodyFault::TooLarge(max_body_size));
            return Err(Problem::Upstream(Arc::new(fault)));
        }
        let seat = self.seat(client)?;
        if proxied.terms.asks_policy {
            self.addresses.handshake(self.limited(client.peer), Instant::now())?;
        }
        let (headers, affinity, onward) = proxied.recognize(request, client, tls).await?;
        let tally = onward.upstream.tally().clone();
        let limits = BodyLimits { size: max_body_size, idle: onward.upstream.idle_timeout() };
        let body = body.map_or_else(RequestBody::default, |body| RequestBody::new(body, limits, tally));
        let (method, below) = (request.method.clone(), below(request, depth));
        let passing = Passing { method, below: &below, headers, body, has_length, affinity };
        let in_transit = InTransit::new(&self.in_transit, seat).ok_or(Problem::Memory)?;
        let answer = onward.upstream.pass(passing).await;
        let answer = answer.map_err(|error| Problem::Upstream(Arc::new(error)))?;
        let (head, body) = answer.into_parts();
        let mut headers = onward.rules.response(&head.headers);
        // A HEAD tells how long the answer to a GET would be.
        if request.method == Method::HEAD
            && let Some(length) = head.headers.get(header::CONTENT_LENGTH)
        {
            headers.insert(header::CONTENT_LENGTH, length.clone());
        }
        if self.health.is_draining() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let passed = PassedBody {
            body,
            at_end: None,
            refusals: self.metrics.refusals.clone(),
            peer: client.peer,
            path: shown::path(request.uri.path()).into(),
            _in_transit: in_transit,
        };
        let mut response = Response::new(Body::Passed(Box::new(passed)));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers;
        access::concerns(&mut response, onward.upstream.tally().upstream());
        Ok(response)
    }

    /// The servers that its paths go on to.
    pub(crate) fn upstreams(&self) -> Vec<&Upstream> {
        self.routes.upstreams()
    }

    /// Whether answers of upstreams are passing to clients, which the gateway's end would cut.
    pub(crate) fn is_in_transit(&self) -> bool {
        self.in_transit.load(Relaxed) > 0
    }
}

impl Proxied {
    /// The headers for the upstream, if the client is let through, and to which address it belongs.
    async fn recognize(
        &self,
        request: &Parts,
        client: Requester<'_>,
        tls: Option<&Tls>,
    ) -> Result<(HeaderMap, Affinity, &Onward), Problem> {
        let admission = &self.service.admission;
        let kept = if self.terms.asks_policy {
            admission.kept_headers(&request.headers)
        } else {
            KeptHeaders::default()
        };
        let (path, query) = (request.uri.path(), request.uri.query());
        let (peer, parent) = (client.peer, client.parent);
        let facts = Facts { peer, tls, path, query, subprotocol: None, may_be_new: false, parent };
        let visitor = admission.glance(facts, &request.headers, kept, Timestamp::now()).await;
        let visitor = visitor.map_err(Problem::Store)?;
        let recognized = self.terms.decide(&self.service, &visitor).await;
        let recognized = recognized.map_err(|refusal| Problem::NotAllowed(Arc::new(refusal)))?;
        let onward = self.choose(request, &visitor, recognized.as_ref()).await?;
        let (told, origin) = self.tell(client, tls, recognized.as_ref(), &visitor);
        let mut headers = onward.rules.request(&request.headers, origin, told);
        visitor.place.announce(&mut headers);
        let affinity = onward.upstream.affinity(visitor.public_id(), peer);
        Ok((headers, affinity, onward))
    }
}

/// Refuses what two readers might read in two ways, and what no proxy passes on. Whether the head says how long the body is.
fn check(request: &Parts) -> Result<bool, Problem> {
    let Parts { method, uri, headers, .. } = request;
    // A TRACE would show the client what only the upstream is told.
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Problem::NotPassed);
    }
    // RFC 9110, 10.1.1: the server would never hear what its client expects of it.
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !headers.get_all(header::EXPECT).iter().all(is_known) {
        return Err(Problem::Expect);
    }
    // RFC 9112, 3.2.2: a URL in the request line tells the host; here it must be the same.
    let is_same = |host: &HeaderValue| {
        uri.authority()
            .is_none_or(|authority| authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()))
    };
    if !headers.get(header::HOST).is_none_or(is_same) {
        return Err(Problem::Host);
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let is_chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || encodings.next().is_some() || headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Problem::Framing(
                "it has a Transfer-Encoding beside a Content-Length, or another one than 'chunked'",
            ));
        }
    }
    Ok(headers.contains_key(header::CONTENT_LENGTH))
}

/// Whether an answer is an upstream's, which passes while it comes.
pub(super) fn is_passed(response: &Response<Body>) -> bool {
    matches!(response.body(), Body::Passed(_))
}
