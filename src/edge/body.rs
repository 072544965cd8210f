//! What replies carry: nothing, a text, a file that is streamed, or what an upstream answers.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tower_http::services::fs::ServeFileSystemResponseBody;

use super::passed_body::PassedBody;
use crate::descriptors::Descriptor;

/// A reply's body.
pub(crate) enum Body {
    /// Nothing, or nothing any more.
    Empty,
    /// A text that is in memory.
    Bytes(Bytes),
    /// A file, or a range of one, read while it is sent.
    File { file: ServeFileSystemResponseBody, _descriptor: Descriptor },
    /// What an upstream answers, while it comes.
    Passed(Box<PassedBody>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(bytes).finish(),
            Self::File { .. } => f.write_str("File(..)"),
            Self::Passed(passed) => passed.fmt(f),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.get_mut();
        match body {
            Self::Empty => Poll::Ready(None),
            Self::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *body = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::File { file, .. } => Pin::new(file).poll_frame(cx),
            Self::Passed(passed) => passed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File { file, .. } => file.is_end_stream(),
            Self::Passed(passed) => passed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File { file, .. } => file.size_hint(),
            Self::Passed(passed) => passed.size_hint(),
        }
    }
}
