//! What probes ask: whether the gateway lives (`livez`) and whether it is ready for clients (`readyz`, and the place itself).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::{
    body::Body,
    path::RequestPath,
    reply::{self, Problem},
};
use crate::health::Health;

/// A client that reads this has reached a task that runs.
const ALIVE: &[u8] = b"{\"status\":\"alive\"}\n";

/// The answer below a health path, whose own components are the first `depth`.
pub(super) fn probe(
    health: &Health,
    path: &RequestPath<'_>,
    depth: usize,
) -> Result<Response<Body>, Problem> {
    let mut below = path.components().iter().skip(depth);
    let asked = below.next();
    if below.next().is_some() {
        return Err(Problem::NotFound);
    }
    let (status, body) = match asked.map(AsRef::as_ref) {
        Some("livez") => (StatusCode::OK, Bytes::from_static(ALIVE)),
        None | Some("readyz") => {
            let report = health.report().without_names();
            let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            // A report is plain data, which JSON has a form for.
            let mut body = serde_json::to_vec(&report).unwrap_or_default();
            body.push(b'\n');
            (status, Bytes::from(body))
        }
        Some(_) => return Err(Problem::NotFound),
    };
    let mut response = reply::content(status, HeaderValue::from_static("application/json"), body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
