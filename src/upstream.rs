//! What stands behind a path that the gateway passes on: its addresses, how they are reached, and the connections that go through.
//!
//! ```text
//! Upstream::open   a client's head -> one address after the other: connect -> handshake -> 101, or another answer
//! Relay::run       frames pass both ways until a side closes or vanishes, or the gateway ends it
//! Upstream::pass   a client's request -> a connection that waits, or a new one -> the answer, while its body comes
//! ```
//!
//! An address that cannot be reached costs nothing but time, and the next one is tried. Once anything was sent nothing is tried again: the
//! upstream may have acted on it.

mod address;
mod among;
mod answer_body;
mod choice;
mod end;
mod exchange;
mod fault;
mod flow;
mod frame;
mod handshake;
mod head;
mod hops;
mod link;
mod member;
mod metrics;
mod options;
mod patient;
mod pool;
mod probe;
mod raw;
mod relay;
mod rendezvous;
mod request_body;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::{
    descriptors,
    stream::{PeerAddr, Stream},
    tls::{Connector, ConnectorOptions},
};

use self::{
    choice::Choice,
    handshake::{Answer, shake_hands},
    link::LinkFault,
    member::Failure,
    metrics::ProbeTally,
    pool::Pool,
};

pub use address::{Speaks, UpstreamAddress, UpstreamPlace};
pub use among::{Among, place_of};
pub use answer_body::AnswerBody;
pub use end::{End, Stop, code};
pub use exchange::Passing;
pub use fault::{TurnedDown, UpstreamError};
pub use head::{HeadRules, Origin};
pub(crate) use head::{as_read, is_taken, is_told_by_proxies};
pub(crate) use hops::{MAX_HOPS, hops, note_hops};
pub use member::AddressState;
pub use metrics::{Place, Tally, UpstreamMetrics};
pub use options::{Choosing, ProbeOptions, UpstreamOptions};
pub use probe::{Probe, Probes};
pub use raw::{RawAnswer, RawOffer};
pub use relay::{Beginning, Relay};
pub use rendezvous::Affinity;
pub use request_body::{BodyFault, BodyLimits, RequestBody};

/// How many addresses are tried for one client.
const MAX_TRIES: usize = 3;

/// A running upstream.
#[derive(Debug)]
pub struct Upstream {
    options: UpstreamOptions,
    choice: Arc<Choice>,
    tls: Option<Arc<Connector>>,
    tally: Tally,
    probes: Option<ProbeTally>,
    /// The connections that wait for a request.
    pool: Arc<Pool>,
    /// Where it stands in the configuration, for the log.
    transport: Box<str>,
    path: Box<str>,
}

/// An upstream, as the operator sees it.
#[derive(Debug)]
pub struct UpstreamState<'a> {
    /// The transport of its path.
    pub transport: &'a str,
    /// Its path.
    pub path: &'a str,
    /// To which address a client goes.
    pub choosing: Choosing,
    /// Whether the gateway asks its addresses.
    pub is_probed: bool,
    /// Its addresses, in the order of the configuration.
    pub addresses: Vec<AddressState>,
}

/// An upstream that has taken a client.
#[derive(Debug)]
pub struct Opened {
    /// The connection.
    pub link: Stream,
    /// What the upstream has sent behind its head.
    pub early: Bytes,
    /// The headers of its 101.
    pub headers: HeaderMap,
    /// What it speaks instead, where the address is one of RawSocket.
    pub raw: Option<RawAnswer>,
    /// The client's place.
    pub place: Place,
}

impl Upstream {
    /// The upstream at a path. Reads the files of its authorities and of its certificate; without them it can be reached at no address
    /// with TLS.
    pub fn new(options: &UpstreamOptions, metrics: &UpstreamMetrics, transport: &str, path: &str) -> Self {
        let has_tls = options.addresses.iter().any(|address| address.has_tls);
        let tls = has_tls.then(|| {
            let wanted = ConnectorOptions {
                authorities: options.authorities.clone(),
                certificate: options.certificate.clone(),
            };
            let (connector, outcome) = metrics.connectors.connector(wanted, transport, path);
            // What was used before goes on after a fault, and the log says so for all certificates.
            if let Err(why) = outcome
                && connector.config().is_none()
            {
                error!(transport, path, "no TLS to the upstream: {why}");
            }
            connector
        });
        let members = metrics.members(transport, path, &options.addresses);
        let choice = Arc::new(Choice::new(options.choosing, members));
        metrics.watch(transport, path, &choice);
        let tally = metrics.of(transport, path);
        Self {
            options: options.clone(),
            choice,
            tls,
            probes: options.probe.as_ref().map(|_| tally.probes()),
            tally,
            pool: Arc::default(),
            transport: transport.into(),
            path: path.into(),
        }
    }

    /// How long no byte of a body may come.
    pub const fn idle_timeout(&self) -> Duration {
        self.options.idle_timeout
    }

    /// Which client this is, and to which address it belongs where that matters: by the public ID of its cookie, or else by where it
    /// comes from.
    pub fn affinity(&self, public_id: Option<&str>, peer: PeerAddr) -> Affinity {
        Affinity::of(public_id.filter(|_| self.options.choosing == Choosing::Sticky), peer)
    }

    /// What asks its addresses whether they answer; nothing, unless the configuration wants it.
    pub fn probes(&self) -> impl Iterator<Item = Probe> {
        let wanted = self.options.probe.as_ref().zip(self.probes.as_ref());
        wanted.into_iter().flat_map(|(options, tally)| {
            let addresses = self.options.addresses.iter().zip(self.choice.members());
            addresses.map(|(address, member)| Probe {
                options: options.clone(),
                address: address.clone(),
                member: Arc::clone(member),
                tls: self.tls.clone(),
                tally: tally.clone(),
                transport: self.transport.clone(),
                path: self.path.clone(),
            })
        })
    }

    /// What the operator sees of it.
    pub fn state(&self) -> UpstreamState<'_> {
        let now = Instant::now();
        UpstreamState {
            transport: &self.transport,
            path: &self.path,
            choosing: self.options.choosing,
            is_probed: self.options.probe.is_some(),
            addresses: self.choice.members().iter().map(|member| member.state(now)).collect(),
        }
    }

    /// Its counters.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes a handshake for a client. `below` is the path below the mount with its query, or nothing; `accept_key` is what a 101 must
    /// have. An address of RawSocket is told `raw` instead.
    pub async fn open(
        &self,
        below: &str,
        headers: &HeaderMap,
        accept_key: &HeaderValue,
        affinity: Affinity,
        raw: Option<&RawOffer>,
    ) -> Result<Opened, UpstreamError> {
        let opened = self.dial(below, headers, accept_key, affinity, raw).await;
        self.tally.dialed(opened.as_ref().map_or_else(UpstreamError::outcome, |_| "ok"));
        opened.map_err(|error| error.at(self.tally.upstream()))
    }

    async fn dial(
        &self,
        below: &str,
        headers: &HeaderMap,
        accept_key: &HeaderValue,
        affinity: Affinity,
        raw: Option<&RawOffer>,
    ) -> Result<Opened, UpstreamError> {
        let place = self.make_place().await?;
        let mut last = UpstreamError::Unreachable("it has no address".to_owned());
        for (number, limit) in self.tries(affinity) {
            let Some(address) = self.options.addresses.get(number) else { continue };
            // Those that dial count already, so that clients that come at once do not all go to one address.
            let under_way = self.choice.enter(number);
            let link = match self.connect(number, limit).await {
                Ok(link) => link,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            if let (true, Some(offer)) = (address.is_raw(), raw) {
                match Box::pin(self.greet(number, link, offer)).await {
                    Ok((link, answer)) => {
                        self.succeeded(number);
                        let (early, headers, raw) = (Bytes::new(), HeaderMap::new(), Some(answer));
                        let place = place.at(under_way);
                        return Ok(Opened { link, early, headers, raw, place });
                    }
                    // Nothing that concerns a client was sent.
                    Err(error) => {
                        last = error;
                        continue;
                    }
                }
            }
            let mut request = Request::new(String::new());
            *request.uri_mut() = target(address, below)?;
            *request.headers_mut() = headers.clone();
            if let (false, Ok(host)) =
                (headers.contains_key(header::HOST), HeaderValue::try_from(address.host()))
            {
                request.headers_mut().insert(header::HOST, host);
            }
            let limit = self.options.response_timeout;
            // Boxed: the state of a handshake is larger than that of all that waits for it.
            let answered = timeout(limit, Box::pin(shake_hands(link, request, accept_key))).await;
            return match answered {
                Ok(Ok(Answer::Switched { stream, early, headers })) => {
                    self.succeeded(number);
                    let place = place.at(under_way);
                    Ok(Opened { link: stream, early, headers, raw: None, place })
                }
                Ok(Ok(Answer::Other { status, headers, body })) => {
                    self.succeeded(number);
                    Err(UpstreamError::TurnedDown(Box::new(TurnedDown {
                        status,
                        headers,
                        body,
                        upstream: None,
                    })))
                }
                // No client brings that about.
                Ok(Err(fault)) if link::is_certificate_refused(&fault) => {
                    let fault = UpstreamError::Tls(format!("{address}: {}", told(&fault)));
                    Err(self.failed(number, fault))
                }
                Ok(Err(fault)) => {
                    let fault = UpstreamError::Nonsense(format!("{address}: {}", told(&fault)));
                    Err(self.failed_for(affinity, number, fault))
                }
                Err(_) => {
                    let fault = UpstreamError::Silent(address.to_string(), limit);
                    Err(self.failed_for(affinity, number, fault))
                }
            };
        }
        Err(last)
    }

    /// The addresses for one client in their order, each with the time that it has for a connection. The last one has what is left of the
    /// time of all tries: a busy server lets the first packet of a connection fall, and the next one comes a second later.
    fn tries(&self, affinity: Affinity) -> impl Iterator<Item = (usize, Duration)> + use<> {
        let limit = self.options.connect_timeout;
        let order = self.choice.order(affinity, Instant::now());
        let last = order.len().min(MAX_TRIES);
        order.into_iter().zip(1..=MAX_TRIES).map(move |(number, turn)| {
            let shares = if turn == last { turn..=MAX_TRIES } else { turn..=turn };
            (number, shares.map(|_| limit).sum())
        })
    }

    /// A place for one more connection.
    fn place(&self) -> Result<Place, UpstreamError> {
        let place = self.tally.enter(self.options.max_connections).ok_or(UpstreamError::Full)?;
        Ok(place.with(descriptors::take().ok_or(UpstreamError::Descriptors)?))
    }

    /// The same, which a connection makes free that waits for a request.
    async fn make_place(&self) -> Result<Place, UpstreamError> {
        loop {
            match self.place() {
                Err(error @ (UpstreamError::Full | UpstreamError::Descriptors)) => {
                    let Some(lease) = self.pool.take(None) else { return Err(error) };
                    lease.close().await;
                }
                place => return place,
            }
        }
    }

    /// Connects to an address within a time.
    async fn connect(&self, number: usize, limit: Duration) -> Result<Stream, UpstreamError> {
        let Some(address) = self.options.addresses.get(number) else {
            return Err(UpstreamError::Unreachable("it has no address".to_owned()));
        };
        let error = match timeout(limit, link::open(address, self.tls.as_deref())).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(LinkFault::Unreachable(error))) => {
                UpstreamError::Unreachable(format!("{address}: {error}"))
            }
            Ok(Err(LinkFault::Tls(error))) => UpstreamError::Tls(format!("{address}: {error}")),
            Err(_) => UpstreamError::Late(address.to_string(), limit),
        };
        Err(self.failed(number, error))
    }

    /// Notes that an address has answered.
    fn succeeded(&self, number: usize) {
        if self.choice.succeeded(number, Instant::now())
            && let Some(address) = self.options.addresses.get(number)
        {
            let (transport, path) = (&*self.transport, &*self.path);
            info!(transport, path, %address, "an address of an upstream answers again");
        }
    }

    /// Notes that an address has failed before a client's request was sent.
    fn failed(&self, number: usize, error: UpstreamError) -> UpstreamError {
        self.note(Failure::Connection, number, error)
    }

    /// Notes that what a client has sent has no sound answer.
    fn failed_for(&self, client: Affinity, number: usize, error: UpstreamError) -> UpstreamError {
        self.note(Failure::Request(client.origin), number, error)
    }

    fn note(&self, failure: Failure, number: usize, error: UpstreamError) -> UpstreamError {
        if self.choice.failed(number, failure, Instant::now(), rand::random(), || error.to_string())
            && let Some(address) = self.options.addresses.get(number)
        {
            let (transport, path) = (&*self.transport, &*self.path);
            warn!(transport, path, %address, "an address of an upstream fails again and again, and is tried last for a while: {error}");
        }
        error
    }
}

/// What is asked for at an address. `below` is the path below the mount with its query, or nothing.
fn target(address: &UpstreamAddress, below: &str) -> Result<Uri, UpstreamError> {
    let target = match (&*address.path, below) {
        ("", "") => "/".to_owned(),
        ("", query) if query.starts_with('?') => format!("/{query}"),
        (path, below) => format!("{path}{below}"),
    };
    target.parse().map_err(|_| UpstreamError::Nonsense("the path is none".to_owned()))
}

/// An error of hyper with its cause.
fn told(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
