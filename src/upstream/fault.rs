//! Why an upstream has not taken a client, or has not answered a request.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::BodyFault;
use crate::descriptors;

/// Why an upstream has not taken a client.
#[derive(Debug)]
pub enum UpstreamError {
    /// It has as many clients as it may have.
    Full,
    /// The process has no descriptors left for clients.
    Descriptors,
    /// No address can be reached.
    Unreachable(String),
    /// No address was reached in time.
    Late(String, Duration),
    /// TLS comes to nothing.
    Tls(String),
    /// It has taken the request and not answered in time.
    Silent(String, Duration),
    /// It has closed the connection before its answer began, or before the body of its answer did.
    Lost(String),
    /// Its answer makes no sense.
    Nonsense(String),
    /// It has answered something else than 101, for the client.
    TurnedDown(Box<TurnedDown>),
    /// The client's body keeps the request from going on.
    Body(BodyFault),
    /// One of these at the upstream of this name, of several at a path.
    At(Box<str>, Box<Self>),
}

/// What an upstream answers that does not take a client.
#[derive(Debug)]
pub struct TurnedDown {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The name of the upstream, if the path has several.
    pub upstream: Option<Box<str>>,
}

impl UpstreamError {
    /// The reasons that only requests have that stay HTTP.
    pub const REQUEST_REASONS: [&str; 3] = ["body-size", "body-late", "body"];

    /// The reasons that monitoring sees from the start.
    pub const REASONS: [&str; 7] = [
        "upstream-full",
        "descriptors",
        "upstream-unreachable",
        "upstream-late",
        "upstream-tls",
        "upstream-silent",
        "upstream-nonsense",
    ];

    /// The same at the upstream of this name, if it has one. A client's fault says nothing about an upstream.
    pub fn at(mut self, name: Option<&str>) -> Self {
        let Some(name) = name else { return self };
        match &mut self {
            Self::Body(_) | Self::At(..) => self,
            Self::TurnedDown(answer) => {
                answer.upstream = Some(name.into());
                self
            }
            _ => Self::At(name.into(), Box::new(self)),
        }
    }

    /// The name of the upstream, if the path has several.
    pub fn upstream(&self) -> Option<&str> {
        match self {
            Self::At(name, _) => Some(name),
            Self::TurnedDown(answer) => answer.upstream.as_deref(),
            _ => None,
        }
    }

    /// What has happened, wherever it was.
    pub fn bare(&self) -> &Self {
        match self {
            Self::At(_, error) => error.bare(),
            error => error,
        }
    }

    /// Its name in metrics and in the log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full => "upstream-full",
            Self::Descriptors => "descriptors",
            Self::Unreachable(_) => "upstream-unreachable",
            Self::Late(..) => "upstream-late",
            Self::Tls(_) => "upstream-tls",
            Self::Silent(..) => "upstream-silent",
            Self::Lost(_) => "upstream-lost",
            Self::Nonsense(_) => "upstream-nonsense",
            Self::TurnedDown(_) => "upstream-turned-down",
            Self::Body(BodyFault::TooLarge(_)) => "body-size",
            Self::Body(BodyFault::Late(_)) => "body-late",
            Self::Body(BodyFault::Broken) => "body",
            Self::At(_, error) => error.reason(),
        }
    }

    /// The metric's label.
    pub(super) fn outcome(&self) -> &'static str {
        let reason = self.reason();
        reason.strip_prefix("upstream-").unwrap_or(reason)
    }

    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Full | Self::Descriptors => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(_) | Self::Tls(_) | Self::Lost(_) | Self::Nonsense(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::Late(..) | Self::Silent(..) => StatusCode::GATEWAY_TIMEOUT,
            Self::TurnedDown(answer) => answer.status,
            Self::Body(BodyFault::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyFault::Late(_)) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyFault::Broken) => StatusCode::BAD_REQUEST,
            Self::At(_, error) => error.status(),
        }
    }
}

/// For the operator.
impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.upstream() {
            write!(f, "upstream `{name}`: ")?;
        }
        match self.bare() {
            Self::Full => {
                f.write_str("the upstream has as many connections as its `max_connections` lets it have")
            }
            Self::Descriptors => {
                write!(f, "the process has no file descriptors left for clients; {}", descriptors::REMEDY)
            }
            Self::Unreachable(why) => write!(f, "the upstream cannot be reached, {why}"),
            Self::Late(address, limit) => {
                write!(f, "no connection to the upstream within {limit:?}, {address}")
            }
            Self::Tls(why) => write!(f, "no TLS with the upstream, {why}"),
            Self::Silent(address, limit) => {
                write!(f, "the upstream has not answered within {limit:?}, {address}")
            }
            Self::Lost(why) => write!(f, "the upstream's answer has not come, {why}"),
            Self::Nonsense(why) => write!(f, "the upstream's answer makes no sense, {why}"),
            Self::TurnedDown(answer) => write!(f, "the upstream has answered {}", answer.status),
            Self::Body(fault) => fault.fmt(f),
            Self::At(_, error) => error.fmt(f),
        }
    }
}
