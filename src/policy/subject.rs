//! Whom a question is about: what the log says of it, what the queue counts it by, and what must not get out.

/// A question about a client.
pub(crate) trait Subject {
    /// The client.
    fn whom(&self) -> Whom<'_>;
}

/// The client of a question. The default is none: what is asked is about no client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Whom<'a> {
    /// The gateway's name for its connection.
    pub(crate) connection: &'a str,
    /// Its address.
    pub(crate) peer: &'a str,
    /// The path that it has come to, where that tells what was asked.
    pub(crate) path: Option<&'a str>,
    /// The public ID of its cookie.
    pub(crate) public_id: Option<&'a str>,
    /// Its tracking ID, which stands in no log, and which no answer may give away.
    pub(crate) tracking_id: Option<&'a str>,
    /// A secret that it has sent, which stands in no log either.
    pub(crate) credential: Option<&'a str>,
}

impl Whom<'_> {
    /// Whether a text holds its tracking ID.
    pub(super) fn is_given_away_by(&self, text: &str) -> bool {
        self.tracking_id.is_some_and(|id| text.contains(id))
    }
}
