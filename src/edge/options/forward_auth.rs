//! Answers for proxies that ask.

use std::time::Duration;

use super::{IdentityHeaders, ServicePlace, Terms};

/// Answers for proxies that ask whether a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuthOptions {
    /// The WebSocket service whose clients it knows.
    pub service: ServicePlace,
    /// What a request needs.
    pub terms: Terms,
    /// The headers that tell who the client is.
    pub headers: IdentityHeaders,
    /// Where a browser is sent that has to log in, if it asks for a page. Default none: it gets 401. `{uri}` stands for the path and
    /// the query that it has asked for.
    pub redirect: Option<String>,
    /// How long an answer may take. Default 200 ms.
    pub timeout: Duration,
}

impl ForwardAuthOptions {
    /// Envoy gives up after this time, and a page waits for many answers.
    pub const TIMEOUT: Duration = Duration::from_millis(200);

    /// What stands in `redirect` for the path and the query that the client has asked for.
    pub const URI: &str = "{uri}";
}
