//! Paths that go on to servers.

use std::time::Duration;

use http::HeaderValue;

use super::{IdentityHeaders, ServicePlace, Terms};
use crate::{
    cookie::CookieName,
    service::ServiceOptions,
    upstream::{Among, UpstreamOptions},
};

/// A path that goes on to an upstream: each WebSocket, whatever is spoken on it, and with `http` requests as well.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxiedOptions {
    /// The WebSocket service whose clients it knows: another path's, or its own.
    pub service: ServicePlace,
    /// What the configuration says of its own one; none: it is another path's.
    pub own: Option<Box<ServiceOptions>>,
    /// What a client needs.
    pub terms: Terms,
    /// The headers that tell the upstream who the client is.
    pub headers: IdentityHeaders,
    /// The tracking cookies of all paths, which no upstream sees.
    pub cookies: Vec<CookieName>,
    /// What stands behind it.
    pub upstreams: Among<OnwardOptions>,
    /// After how long a client is asked for a sign of life while nothing passes, and a side is given up that takes nothing. Default
    /// 15 s.
    pub interval: Duration,
    /// What requests may have that ask for no WebSocket; none: they are refused.
    pub http: Option<PassedOptions>,
}

/// An upstream of such a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnwardOptions {
    /// Where it is, and how it is reached.
    pub upstream: UpstreamOptions,
    /// What stands in `Host`; none: what the client has asked for.
    pub host: Option<HeaderValue>,
}

/// What requests may have that go on to an upstream and stay HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassedOptions {
    /// How many bytes a body may have. Default: as many as it has.
    pub max_body_size: u64,
}

impl ProxiedOptions {
    /// The default of `interval`.
    pub const INTERVAL: Duration = Duration::from_secs(15);

    /// How long an upstream may take to answer a request: pages are not as quick as handshakes.
    pub const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
}

impl Default for PassedOptions {
    fn default() -> Self {
        Self { max_body_size: u64::MAX }
    }
}
