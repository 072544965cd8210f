//! Cookie tracking: from a request's `Cookie` headers to a record, known or new.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    cookie::{CookieOptions, TrackingId},
    store::{CookieRecord, CookieStore, StoreError},
    time::Timestamp,
};

/// Tracks the clients of one path: its cookie options, and the store that it may share with other paths.
#[derive(Debug)]
pub struct Tracker {
    /// How the cookie is written.
    pub options: CookieOptions,
    /// Where the records live.
    pub store: Arc<dyn CookieStore>,
}

/// A client that was tracked in an opening handshake.
#[derive(Debug)]
pub struct Tracked {
    /// The client's ID.
    pub id: TrackingId,
    /// What other clients and the log may see instead of it.
    pub public_id: Arc<str>,
    /// The record as it was at the handshake.
    pub record: CookieRecord,
    /// Whether the record was made in this handshake.
    pub is_new: bool,
    /// How many connections of this ID are open, this one included.
    pub connections: u32,
    /// Goes on the 101, for a new record only.
    pub set_cookie: Option<HeaderValue>,
}

impl Tracker {
    /// Finds the client's record or makes one. The record is in the store before this returns.
    pub async fn track(&self, headers: &HeaderMap, tls: bool, now: Timestamp) -> Result<Tracked, StoreError> {
        let _ = (headers, tls, now);
        Err(StoreError::Io(Arc::from("not implemented")))
    }
}
