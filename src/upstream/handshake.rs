//! The handshake with an upstream: a request goes out, and its answer is a 101 or another one, which the client gets.
//!
//! hyper writes the request and reads the answer, within limits like those for the gateway's own clients. Once the 101 is there, nothing
//! of hyper is left: the caller gets the bare stream and what the upstream has sent behind its head.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::patient::Patient;
use crate::handshake::has_token;

/// How large the head of an answer may be.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// How large the body of an answer may be that is no 101.
const MAX_BODY: usize = 64 * 1024;

/// What an upstream answers.
#[derive(Debug)]
pub(super) enum Answer<S> {
    /// It speaks WebSocket from now on.
    Switched {
        stream: S,
        /// What it has sent behind its head.
        early: Bytes,
        headers: HeaderMap,
    },
    /// It does not, and says why.
    Other { status: StatusCode, headers: HeaderMap, body: Bytes },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeFault {
    /// It has hung up, or what it says is no HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// It switches to something that no client has asked for.
    #[error("its 101 {0}")]
    NotAsked(&'static str),
    /// It says more than a client is told.
    #[error("its answer has more than 64 KiB")]
    Long,
}

/// A connection of hyper that is driven by the task that waits for its answer.
struct Driven<S: AsyncRead + AsyncWrite + Unpin> {
    connection: http1::Connection<TokioIo<Patient<S>>, String>,
    ended: Option<Result<(), hyper::Error>>,
}

/// Sends a request and reads the answer. The caller limits the time. `accept_key` is what a 101 must have.
pub(super) async fn shake_hands<S>(
    stream: S,
    request: Request<String>,
    accept_key: &HeaderValue,
) -> Result<Answer<S>, HandshakeFault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Asked::of(request.headers());
    let (mut driven, _sender, response) = ask(stream, request).await?;
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        let mut read = BytesMut::new();
        poll_fn(|cx| {
            driven.poll(cx);
            poll_body(&mut body, &mut read, cx)
        })
        .await?;
        return Ok(Answer::Other { status: head.status, headers: head.headers, body: read.freeze() });
    }
    asked.check(&head.headers, accept_key).map_err(HandshakeFault::NotAsked)?;
    poll_fn(|cx| {
        driven.poll(cx);
        driven.ended.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await?;
    let http1::Parts { io, read_buf, .. } = driven.connection.into_parts();
    Ok(Answer::Switched { stream: io.into_inner().into_inner(), early: read_buf, headers: head.headers })
}

/// Sends a request and reads the head of the answer, and no more of it. The caller limits the time.
pub(super) async fn status_of<S>(stream: S, request: Request<String>) -> Result<StatusCode, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Ok(ask(stream, request).await?.2.status())
}

async fn ask<S>(
    stream: S,
    request: Request<String>,
) -> Result<(Driven<S>, SendRequest<String>, Response<Incoming>), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).title_case_headers(true);
    let (mut sender, connection) = http.handshake(TokioIo::new(Patient::new(stream))).await?;
    let mut driven = Driven { connection, ended: None };
    let response = {
        let mut response = pin!(sender.send_request(request));
        poll_fn(|cx| {
            driven.poll(cx);
            response.as_mut().poll(cx)
        })
        .await?
    };
    Ok((driven, sender, response))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Driven<S> {
    /// What the connection does makes the answer ready, and its end is told there as well.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if self.ended.is_none()
            && let Poll::Ready(ended) = self.connection.poll_without_shutdown(cx)
        {
            self.ended = Some(ended);
        }
    }
}

fn poll_body(
    body: &mut Incoming,
    read: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<(), HandshakeFault>> {
    while let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)) {
        if let Ok(data) = frame?.into_data() {
            if read.len() + data.len() > MAX_BODY {
                return Poll::Ready(Err(HandshakeFault::Long));
            }
            read.extend_from_slice(&data);
        }
    }
    Poll::Ready(Ok(()))
}

/// What a client has offered, out of which the upstream may choose.
struct Asked {
    subprotocols: Vec<HeaderValue>,
    has_extensions: bool,
}

impl Asked {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            subprotocols: headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect(),
            has_extensions: headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS),
        }
    }

    /// RFC 6455, 4.1: what a client must find in a 101. The error is what is wrong with it.
    fn check(&self, headers: &HeaderMap, accept_key: &HeaderValue) -> Result<(), &'static str> {
        let lines = |name| headers.get_all(name).iter();
        if !has_token(headers, &header::UPGRADE, "websocket")
            || !has_token(headers, &header::CONNECTION, "upgrade")
        {
            return Err("does not switch to WebSocket");
        }
        if !lines(header::SEC_WEBSOCKET_ACCEPT).eq([accept_key]) {
            return Err("has another Sec-WebSocket-Accept than the key of the client asks for");
        }
        let mut chosen = lines(header::SEC_WEBSOCKET_PROTOCOL);
        if let Some(chosen) = chosen.next() {
            let offered =
                self.subprotocols.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
            if !offered.map(<[u8]>::trim_ascii).any(|name| name == chosen.as_bytes()) {
                return Err("names a subprotocol that the client has not offered");
            }
        }
        if chosen.next().is_some() {
            return Err("names several subprotocols");
        }
        if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) && !self.has_extensions {
            return Err("names an extension that the client has not offered");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
