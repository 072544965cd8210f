//! Whom a question is about: what the log says of it, what the queue counts it by, and what must not get out.

/// The client of a question.
pub(crate) trait Subject {
    /// The gateway's name for its connection.
    fn connection(&self) -> &str;

    /// Its address.
    fn peer(&self) -> &str;

    /// The public ID of its cookie.
    fn public_id(&self) -> Option<&str>;

    /// Its tracking ID, which stands in no log.
    fn tracking_id(&self) -> Option<&str>;

    /// The path that it has come to, where that tells what was asked.
    fn path(&self) -> Option<&str> {
        None
    }

    /// A secret that it has sent, which stands in no log either.
    fn credential(&self) -> Option<&str> {
        None
    }
}

/// A question that is about no client.
#[derive(Debug)]
pub(super) struct NoClient;

impl Subject for NoClient {
    fn connection(&self) -> &'static str {
        ""
    }

    fn peer(&self) -> &'static str {
        ""
    }

    fn public_id(&self) -> Option<&str> {
        None
    }

    fn tracking_id(&self) -> Option<&str> {
        None
    }
}
