//! The operator's page: what runs now, and how to end a session or revoke a cookie from there.
//!
//! The page is three files, which have nothing in them that the operator alone may know. What they show and do goes over a WebSocket at
//! `live` below the page. A page of another site gets nowhere:
//!
//! - the request names a host of this transport, and without a `token` one of this machine;
//! - the handshake comes from a page of the same origin, as `Origin` says, which no page can make up;
//! - the first message has the page's *key*, which only a page of the same origin can read;
//! - where a `token` is configured, the first message has that as well. No browser sends it by itself.
//!
//! What is behind the page is a [`Console`]. The gateway implements it, which is above the edge, and hands it down as a [`ConsoleLink`].

mod link;
mod waiting;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{
    ConsoleOptions, Edge, Requester,
    addresses::Seat,
    body::Body,
    page,
    path::RequestPath,
    reply::{self, Problem, SERVER},
    websocket::{switching_protocols, without_body},
};
use crate::{
    handshake::{Handshake, HandshakeError, HandshakeOptions},
    metrics::{Refusals, Stage},
    ration::Line,
    stream::{PeerAddr, Stream},
    upstream::is_told_by_proxies,
};

use self::waiting::Waiter;

pub(crate) use self::link::{Console, ConsoleLink, Order};

const HTML: &str = include_str!("console/console.html");
const SCRIPT: &str = include_str!("console/console.js");
const STYLE: &str = include_str!("console/console.css");

/// What stands in the page for its key.
const KEY: &str = "{{key}}";
/// What stands in the page for whether it has to ask for a token.
const ASKS: &str = "{{asks-for-token}}";

/// The operator's page at its path.
#[derive(Debug)]
pub(crate) struct ConsoleTarget {
    /// The hash of the token: comparing hashes takes the same time whatever the lengths and the contents are.
    token: Option<[u8; 32]>,
    handshake: Handshake,
}

/// What the page says first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleHello {
    key: String,
    #[serde(default)]
    token: String,
}

/// A page whose WebSocket is open.
#[derive(Debug)]
pub(crate) struct ConsoleUpgrade {
    pub(crate) stream: Stream,
    /// What the page had sent behind its head already.
    pub(crate) early: Bytes,
    pub(crate) entry: ConsoleEntry,
}

/// A page that has not said yet that it may come.
#[derive(Debug)]
pub(crate) struct ConsoleEntry {
    pub(crate) peer: PeerAddr,
    pub(crate) console: Arc<dyn Console>,
    /// Cancelled once another configuration holds.
    pub(crate) retired: CancellationToken,
    link: Arc<ConsoleLink>,
    token: Option<[u8; 32]>,
    transport: String,
    refusals: Refusals,
    _seat: Option<Seat>,
    waiter: Waiter,
}

impl ConsoleTarget {
    pub(crate) fn new(options: &ConsoleOptions) -> Self {
        let token = options.token.as_ref().map(|token| Sha256::digest(token.expose()).into());
        // Which hosts are its own, the edge has checked before.
        Self { token, handshake: Handshake::new(HandshakeOptions::default()) }
    }
}

impl Edge {
    /// The page, its two assets and its WebSocket; the path's first `depth` components name the page.
    pub(super) fn answer_console(
        &self,
        target: &ConsoleTarget,
        request: &Parts,
        path: &RequestPath<'_>,
        depth: usize,
        has_body: bool,
        client: Requester<'_>,
    ) -> Result<(Response<Body>, Option<ConsoleEntry>), Problem> {
        // `check` has every such page listen on loopback. A proxy there would make each client's request one of this machine.
        if target.token.is_none() && is_forwarded(&request.headers) {
            return Err(Problem::Forwarded);
        }
        let link = self.console.as_ref().ok_or(Problem::NotFound)?;
        let below = path.components().get(depth..).unwrap_or_default();
        let response = match below {
            [] if !path.is_directory() => {
                // The page names its assets relative to itself.
                let location = HeaderValue::try_from(path.as_directory()).map_err(|_| Problem::Path)?;
                reply::redirect(StatusCode::TEMPORARY_REDIRECT, location)
            }
            [] => {
                let asks = if target.token.is_some() { "yes" } else { "no" };
                let html = HTML.replace(KEY, link.key()).replace(ASKS, asks);
                part("text/html; charset=utf-8", html, request)
            }
            [asset] if asset == "console.js" => part("text/javascript; charset=utf-8", SCRIPT, request),
            [asset] if asset == "console.css" => part("text/css; charset=utf-8", STYLE, request),
            [live] if live == "live" => match self.open_console(target, link, request, has_body, client) {
                Ok((response, entry)) => return Ok((response, Some(entry))),
                Err(Problem::Handshake(refused)) => Self::explain(refused, false, request)?,
                Err(problem) => return Err(problem),
            },
            _ => return Err(Problem::NotFound),
        };
        Ok((response, None))
    }

    fn open_console(
        &self,
        target: &ConsoleTarget,
        link: &Arc<ConsoleLink>,
        request: &Parts,
        has_body: bool,
        client: Requester<'_>,
    ) -> Result<(Response<Body>, ConsoleEntry), Problem> {
        let Parts { method, version, headers, .. } = request;
        let checked = target.handshake.check_any(method, *version, headers);
        let accepted = without_body(checked, has_body)?;
        // Clients of other services may have none, and be no browsers. This one is a page.
        if !headers.contains_key(header::ORIGIN) {
            return Err(Problem::Handshake(HandshakeError::Origin));
        }
        let peer = client.peer;
        self.addresses.handshake(self.limited(peer), Instant::now())?;
        let seat = self.seat(client)?;
        if !link.has_place() {
            return Err(Problem::Pages);
        }
        let entry = ConsoleEntry {
            peer,
            console: link.console().ok_or(Problem::NotFound)?,
            retired: self.retired.clone(),
            link: Arc::clone(link),
            token: target.token,
            transport: self.transport.clone(),
            refusals: self.metrics.refusals.clone(),
            _seat: seat,
            waiter: link.wait(peer.network()),
        };
        Ok((switching_protocols(&accepted.accept_key, accepted.subprotocol, None, &SERVER), entry))
    }
}

impl ConsoleEntry {
    /// Whether the page may come: it has read its own key, and its user knows the token.
    pub(crate) fn admits(&self, hello: &ConsoleHello) -> bool {
        let is_page = hello.key.as_bytes().ct_eq(self.link.key().as_bytes());
        let given: [u8; 32] = Sha256::digest(&hello.token).into();
        let knows = self.token.map_or(subtle::Choice::from(1), |token| given.ct_eq(&token));
        (is_page & knows).into()
    }

    /// A page that may come waits no longer and takes one of the places, if one is left.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.link.place()?;
        self.waiter.leave();
        Some(place)
    }

    /// Cancelled once a newer page has taken the room of this one, while that waits.
    pub(crate) fn ousted(&self) -> &CancellationToken {
        &self.waiter.ousted
    }

    /// How long the gateway waits before it looks at what the page has said.
    pub(crate) fn delay(&self) -> Duration {
        self.waiter.delay(Instant::now())
    }

    /// Tells the operator of a page that may not come, and slows its address.
    pub(crate) fn refuse(&self, why: &str) {
        self.waiter.was_wrong(Instant::now());
        let reason = REFUSED;
        if let Some(line) = self.refusals.count(Stage::Session, reason) {
            self.refusals.note(Stage::Session, reason, line, &self.peer, &why);
            let (transport, peer, Line { left_out }) = (&self.transport, self.peer, line);
            tracing::warn!(transport, %peer, reason, left_out, "the operator's page was refused: {why}");
        }
    }
}

/// The name of a refusal in metrics and in the log.
pub(crate) const REFUSED: &str = "console";

fn part(media_type: &'static str, text: impl Into<Bytes>, request: &Parts) -> Response<Body> {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = page::secured(media_type, text, page::content_security_policy(host));
    let headers = response.headers_mut();
    // The key belongs to this process.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let same = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same.clone());
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same);
    response
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| *name == header::VIA || is_told_by_proxies(name))
}
