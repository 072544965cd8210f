//! A request that stays HTTP: it goes out over a connection that waits, or a new one, and its answer comes back while it is read.
//!
//! A request that has not begun to leave may go to the next address. One that has is never sent again, whatever its method: the upstream
//! may have acted on it.

use std::{
    error::Error as _,
    io::{self, ErrorKind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    Affinity, Choosing, Upstream, UpstreamError,
    answer_body::AnswerBody,
    link,
    pool::Lease,
    request_body::{RequestBody, Watch},
    target, told,
};

/// A request for an upstream.
#[derive(Debug)]
pub struct Passing<'a> {
    /// The method.
    pub method: Method,
    /// What its path has behind the mount, with its query, or nothing.
    pub below: &'a str,
    /// Its headers but for those that frame its body.
    pub headers: HeaderMap,
    /// Its body.
    pub body: RequestBody,
    /// Whether its head says that it has a body, even if that is empty.
    pub has_length: bool,
    /// To which address its client belongs.
    pub affinity: Affinity,
}

/// Why a request has no answer.
enum Fault {
    /// Nothing of it has left. It is whole.
    NotSent(Box<Request<RequestBody>>, String),
    /// It has left, at least in part.
    Error(UpstreamError),
}

impl Passing<'_> {
    /// The request as it is at every address.
    fn request(self) -> Request<RequestBody> {
        let length = self.body.length();
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        // Without these hyper would leave out the body of a GET.
        match length {
            Some(length) if self.has_length => drop(headers.insert(header::CONTENT_LENGTH, length.into())),
            Some(_) => {}
            None => drop(headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
        }
        request
    }
}

impl Upstream {
    /// Passes a request on, and gives the answer once its head is there.
    pub async fn pass(&self, passing: Passing<'_>) -> Result<Response<AnswerBody>, UpstreamError> {
        let passed = self.exchange(passing).await;
        match &passed {
            // A client's fault says nothing about the upstream.
            Err(UpstreamError::Body(_)) => {}
            _ => self.tally.dialed(passed.as_ref().map_or_else(UpstreamError::outcome, |_| "ok")),
        }
        passed.map_err(|error| error.at(self.tally.upstream()))
    }

    async fn exchange(&self, passing: Passing<'_>) -> Result<Response<AnswerBody>, UpstreamError> {
        let (below, has_host) = (passing.below, passing.headers.contains_key(header::HOST));
        let affinity = passing.affinity;
        let mut request = passing.request();
        let mut last = UpstreamError::Unreachable("it has no address".to_owned());
        let mut tries = self.tries(affinity).peekable();
        while let Some((number, limit)) = tries.peek().copied() {
            let mut lease = match self.lease(number, limit).await {
                Ok(lease) => lease,
                Err(error @ (UpstreamError::Full | UpstreamError::Descriptors)) => return Err(error),
                Err(error) => {
                    last = error;
                    tries.next();
                    continue;
                }
            };
            self.address(&mut request, lease.address, below, has_host)?;
            let (number, is_used) = (lease.address, lease.is_used);
            match self.ask(&mut lease, request).await {
                Ok(answer) => {
                    let (head, answer) = answer.into_parts();
                    let (pool, tally) = (Arc::clone(&self.pool), self.tally.clone());
                    let mut answer = AnswerBody::new(answer, self.options.idle_timeout, lease, pool, tally);
                    // A client to which nothing has been sent can still be told that something is wrong.
                    if let Err(error) = answer.begin().await {
                        let why = self.at(number, &format!("its body breaks off: {}", told(&error)));
                        return Err(self.failed_for(affinity, number, UpstreamError::Lost(why)));
                    }
                    self.succeeded(number);
                    return Ok(Response::from_parts(head, answer));
                }
                Err(Fault::NotSent(whole, why)) => {
                    request = *whole;
                    // The upstream has closed a connection that waited: that says nothing about a new one.
                    if !is_used {
                        let why = self.at(number, &why);
                        last = self.failed(number, UpstreamError::Unreachable(why));
                        tries.next();
                    }
                }
                Err(Fault::Error(error @ UpstreamError::Body(_))) => return Err(error),
                // A server may close a connection that has waited at any time.
                Err(Fault::Error(error @ UpstreamError::Lost(_))) if is_used => return Err(error),
                // The server's word about the gateway's certificate, whatever was asked.
                Err(Fault::Error(error @ UpstreamError::Tls(_))) => return Err(self.failed(number, error)),
                Err(Fault::Error(error)) => return Err(self.failed_for(affinity, number, error)),
            }
        }
        Err(last)
    }

    /// A connection to an address: one that waits, or a new one. Where there is no place for a new one, one to another address that waits,
    /// unless each client belongs to an address.
    async fn lease(&self, number: usize, limit: Duration) -> Result<Lease, UpstreamError> {
        let under_way = self.choice.enter(number);
        if let Some(lease) = self.pool.take(Some(number)) {
            return Ok(lease.busy(under_way));
        }
        let place = match self.place() {
            Ok(place) => place,
            Err(_) if self.options.choosing == Choosing::Sticky => self.make_place().await?,
            Err(error) => {
                let lease = self.pool.take(None).ok_or(error)?;
                let under_way = self.choice.enter(lease.address);
                return Ok(lease.busy(under_way));
            }
        };
        let link = self.connect(number, limit).await?;
        match Lease::new(number, link, place).await {
            Ok(lease) => Ok(lease.busy(under_way)),
            Err(error) => Err(self.failed(number, UpstreamError::Nonsense(self.at(number, &told(&error))))),
        }
    }

    /// What has happened at an address, for the operator.
    fn at(&self, number: usize, what: &str) -> String {
        let address = self.options.addresses.get(number);
        address.map_or_else(|| what.to_owned(), |address| format!("{address}: {what}"))
    }

    /// Makes a request one for an address. A client of HTTP/1.0 need not have said a host.
    fn address(
        &self,
        request: &mut Request<RequestBody>,
        number: usize,
        below: &str,
        has_host: bool,
    ) -> Result<(), UpstreamError> {
        let unknown = || UpstreamError::Unreachable("it has no address".to_owned());
        let address = self.options.addresses.get(number).ok_or_else(unknown)?;
        *request.uri_mut() = target(address, below)?;
        if !has_host && let Ok(host) = HeaderValue::try_from(address.host()) {
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(())
    }

    /// Sends a request and waits for the head of its answer, for as long as the client's body is on its way and the time of the upstream
    /// behind it.
    async fn ask(
        &self,
        lease: &mut Lease,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Fault> {
        let number = lease.address;
        let (limit, watch) = (self.options.response_timeout, request.body().watch());
        let mut sent = pin!(lease.sender.try_send_request(request));
        let mut seen = 0;
        let answered = loop {
            match timeout(limit, &mut sent).await {
                Ok(answered) => break answered,
                Err(_) if watch.as_ref().is_some_and(|watch| watch.goes_on(&mut seen)) => {}
                Err(_) => {
                    let address = self.options.addresses.get(number).map(ToString::to_string);
                    return Err(Fault::Error(UpstreamError::Silent(address.unwrap_or_default(), limit)));
                }
            }
        };
        match answered {
            Ok(answer) => match nonsense(&answer) {
                None => Ok(answer),
                Some(why) => Err(Fault::Error(UpstreamError::Nonsense(self.at(number, why)))),
            },
            Err(mut failed) => {
                let whole = failed.take_message();
                let error = failed.into_error();
                if link::is_certificate_refused(&error) {
                    return Err(Fault::Error(UpstreamError::Tls(self.at(number, &told(&error)))));
                }
                if let Some(fault) = watch.as_deref().and_then(Watch::fault) {
                    return Err(Fault::Error(UpstreamError::Body(fault)));
                }
                Err(match whole {
                    Some(request) => Fault::NotSent(Box::new(request), told(&error)),
                    None if is_closed(&error) => {
                        Fault::Error(UpstreamError::Lost(self.at(number, "it has closed the connection")))
                    }
                    None => Fault::Error(UpstreamError::Nonsense(self.at(number, &told(&error)))),
                })
            }
        }
    }
}

/// Whether an upstream has ended the connection where its answer was to come.
fn is_closed(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let is_reset = |cause: &io::Error| {
        matches!(
            cause.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        )
    };
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || cause.is_some_and(is_reset)
}

/// What is wrong with the head of an answer. Two readers might find the end of such an answer at two places.
fn nonsense(answer: &Response<Incoming>) -> Option<&'static str> {
    let headers = answer.headers();
    let lines = |name| headers.get_all(name).iter();
    if answer.status().is_informational() {
        return Some("it switches to another protocol, or says nothing");
    }
    let mut encodings = lines(header::TRANSFER_ENCODING);
    let encoding = encodings.next()?;
    if answer.version() != Version::HTTP_11
        || encodings.next().is_some()
        || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
    {
        return Some("its Transfer-Encoding is none but `chunked`");
    }
    headers
        .contains_key(header::CONTENT_LENGTH)
        .then_some("it has a Content-Length beside a Transfer-Encoding")
}
