//! `forward-auth`: a proxy asks with each request whether to let it through, and whose it is.
//!
//! | answer | when |
//! |---|---|
//! | 200 | the request is allowed |
//! | 401 | its client has no cookie that counts, or no login |
//! | 403 | its client may not: the role, or the policy |
//! | 429 | a peer that is no trusted proxy asks too often |
//! | 503 | the store or the policy cannot tell, or not in time |
//!
//! No answer has another status, unless a login page is configured, to which a browser is sent by a 302 in place of a 401: proxies take
//! 1xx and 3xx for something else, and Envoy even 204. Each has all identity headers, empty
//! where there is no identity: some proxies pass on what a client has written there unless the answer has the header.
//! No answer sets a cookie: most proxies lose it.

mod original;

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;
use tracing::{info, warn};

use self::original::{Original, Unclear};
use super::{
    ForwardAuthOptions, addresses::TooMany, body::Body, identity_headers, metrics::EdgeMetrics,
    refusal::Refusal, reply,
};
use crate::{
    admission::{Facts, KeptHeaders, Recognized, Visitor},
    metrics::{Counter, Refusals, Stage},
    service::WebSocketService,
    stream::PeerAddr,
    time::Timestamp,
    tls::Tls,
    traces::Parent,
    wamp::Uri,
};

/// What comes of a question, by its status: the values of the metric's label.
const OUTCOMES: [(StatusCode, &str); 5] = [
    (StatusCode::OK, "allowed"),
    (StatusCode::UNAUTHORIZED, "unauthenticated"),
    (StatusCode::FORBIDDEN, "forbidden"),
    (StatusCode::TOO_MANY_REQUESTS, "limited"),
    (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
];

/// Answers the questions of proxies at one path.
#[derive(Debug)]
pub(crate) struct ForwardAuth {
    options: ForwardAuthOptions,
    service: Arc<WebSocketService>,
    transport: Box<str>,
    path: Box<str>,
    outcomes: [Counter; OUTCOMES.len()],
    refusals: Refusals,
}

/// A question: a proxy's own request about a client's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The proxy's request.
    pub(crate) request: &'a Parts,
    /// What its path has behind the mount.
    pub(crate) below: &'a str,
    /// The client, by the word of a trusted proxy; otherwise the peer.
    pub(crate) client: PeerAddr,
    /// Whether the proxy's word counts.
    pub(crate) is_trusted: bool,
    pub(crate) tls: Option<&'a Tls>,
    /// What the spans of the question are part of.
    pub(crate) parent: Parent<'a>,
}

/// What the gateway finds out about a request.
struct Finding {
    /// The public ID of its cookie, if the store knows it.
    client: Option<Arc<str>>,
    /// Who the client is, if it is allowed; none: it is not logged in.
    verdict: Result<Option<Recognized>, Refusal>,
    /// The realm whose role it has, where an assertion says so.
    realm: Option<Uri>,
}

impl ForwardAuth {
    /// Answers at `path` of a transport, by what the service knows of its clients.
    pub(crate) fn new(
        options: &ForwardAuthOptions,
        service: Arc<WebSocketService>,
        metrics: &EdgeMetrics,
        transport: &str,
        path: &str,
    ) -> Self {
        metrics.refusals.expect(Stage::ForwardAuth, Refusal::REASONS);
        let outcomes = OUTCOMES.map(|(_, outcome)| metrics.of_questions(transport, path, outcome));
        let (options, refusals) = (options.clone(), metrics.refusals.clone());
        Self { options, service, transport: transport.into(), path: path.into(), outcomes, refusals }
    }

    /// Answers a question in time.
    pub(crate) async fn answer(&self, question: Question<'_>) -> Response<Body> {
        let found = within(self.options.timeout, self.find(question)).await;
        let Finding { client, verdict, realm } = found.unwrap_or_else(|| Finding::refused(Refusal::Timeout));
        match verdict {
            Ok(recognized) => self.allow(client.as_deref(), recognized.as_ref(), realm.as_ref()),
            Err(refusal) => {
                let response = self.refuse(&refusal, question.client, client.as_deref());
                match self.login_page(&refusal, question) {
                    Some(location) => redirected(response, location),
                    None => response,
                }
            }
        }
    }

    /// Where a browser is sent that has to log in, if it asks for a page.
    fn login_page(&self, refusal: &Refusal, question: Question<'_>) -> Option<HeaderValue> {
        let url = self.options.redirect.as_ref().filter(|_| refusal.status() == StatusCode::UNAUTHORIZED)?;
        let original = question.original().ok()?;
        if !original.is_for_a_page(&question.request.headers) {
            return None;
        }
        let uri = utf8_percent_encode(&original.uri(), NON_ALPHANUMERIC).to_string();
        HeaderValue::try_from(url.replace(ForwardAuthOptions::URI, &uri)).ok()
    }

    /// Answers a peer that asks too often.
    pub(crate) fn turn_down(&self, too_many: TooMany, peer: PeerAddr) -> Response<Body> {
        self.refuse(&Refusal::TooMany(too_many), peer, None)
    }

    async fn find(&self, question: Question<'_>) -> Finding {
        let visitor = match self.meet(question).await {
            Ok(visitor) => visitor,
            Err(refusal) => return Finding::refused(refusal),
        };
        let terms = &self.options.terms;
        let verdict = terms.decide(&self.service, &visitor).await;
        let realm = match (&self.options.headers.assertion, &verdict) {
            (Some(_), Ok(Some(_))) => {
                terms.backend(&self.service, &visitor).ok().map(|it| it.realm().clone())
            }
            _ => None,
        };
        Finding { client: visitor.tracked.map(|tracked| tracked.public_id), verdict, realm }
    }

    /// The client of the request that the question is about. Only a policy looks at more than its cookie.
    async fn meet(&self, question: Question<'_>) -> Result<Visitor, Refusal> {
        let Question { request, client, tls, parent, .. } = question;
        let admission = &self.service.admission;
        let (mut path, mut kept) = (request.uri.path(), KeptHeaders::default());
        if self.options.terms.asks_policy {
            let original = question.original().map_err(|_| Refusal::Unclear)?;
            path = original.path;
            kept = admission.kept_headers(&request.headers);
            original.correct(&mut kept);
        }
        let facts =
            Facts { peer: client, tls, path, query: None, subprotocol: None, may_be_new: false, parent };
        admission.glance(facts, &request.headers, kept, Timestamp::now()).await.map_err(Refusal::Store)
    }

    fn allow(
        &self,
        client: Option<&str>,
        recognized: Option<&Recognized>,
        realm: Option<&Uri>,
    ) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        let told = identity_headers::of(&self.options.headers, recognized, client, || realm);
        response.headers_mut().extend(told);
        self.finish(response)
    }

    fn refuse(&self, refusal: &Refusal, peer: PeerAddr, client: Option<&str>) -> Response<Body> {
        let (status, reason) = (refusal.status(), refusal.reason());
        let line = self.refusals.count(Stage::ForwardAuth, reason);
        if let Some(line) = line {
            self.refusals.note(Stage::ForwardAuth, reason, line, &peer, &refusal.cause());
        }
        if let Some(line) = line.filter(|_| !refusal.is_told()) {
            let (transport, path, left_out) = (&*self.transport, &*self.path, line.left_out);
            let (public_id, why, code) = (client, refusal.cause(), status.as_u16());
            // Clients that have not logged in come with every first visit.
            if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
                info!(transport, path, %peer, public_id, status = code, reason, left_out, "a proxy was told to refuse a request: {why}");
            } else {
                warn!(transport, path, %peer, public_id, status = code, reason, left_out, "a proxy's question was not answered: {why}");
            }
        }
        let mut response = reply::text(status, refusal.message());
        let headers = response.headers_mut();
        reply::explain(refusal, headers);
        headers.extend(identity_headers::of(&self.options.headers, None, None, || None));
        self.finish(response)
    }

    /// Counts an answer, which no cache may keep.
    fn finish(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
        let status = response.status();
        let outcome = OUTCOMES.iter().zip(&self.outcomes).find(|((of, _), _)| *of == status);
        if let Some((_, counter)) = outcome {
            counter.inc();
        }
        response
    }
}

impl Finding {
    /// Of a client that is not known.
    const fn refused(refusal: Refusal) -> Self {
        Self { client: None, verdict: Err(refusal), realm: None }
    }
}

impl<'a> Question<'a> {
    /// The request that it is about.
    fn original(&self) -> Result<Original<'a>, Unclear> {
        if self.is_trusted {
            Original::told(self.request, self.below)
        } else {
            Ok(Original::itself(self.request))
        }
    }
}

/// The same refusal for a browser that can be sent to a page.
fn redirected(mut response: Response<Body>, location: HeaderValue) -> Response<Body> {
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.remove(header::WWW_AUTHENTICATE);
    headers.insert(header::LOCATION, location);
    response
}

/// What a future gives in time. Most are ready at once, and need no clock.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => timeout(limit, future).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        assert_eq!(within(Duration::ZERO, ready(1)).await, Some(1), "what is ready starts no clock");
        let slow = tokio::time::sleep(Duration::from_millis(1));
        assert_eq!(within(Duration::from_mins(1), slow).await, Some(()));
        assert_eq!(within(Duration::from_millis(1), pending::<()>()).await, None);
    }
}
