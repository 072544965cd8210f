//! Application payload: `Arguments|list` and `ArgumentsKw|dict`, kept as the bytes in which they came.

use bytes::Bytes;
use serde_json::Value;

use super::Serializer;

/// The arguments of a message, still serialized.
///
/// Between two clients with the same serializer the bytes pass through untouched (they are slices of the frame that
/// came); the gateway transcodes them only where the serializers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// What `args` and `kwargs` are serialized with.
    pub serializer: Serializer,
    /// `Arguments|list`, or nothing where the message ended before it.
    pub args: Option<Bytes>,
    /// `ArgumentsKw|dict`, or nothing where the message ended before it. Never there without `args`.
    pub kwargs: Option<Bytes>,
}

impl Payload {
    /// No arguments at all.
    pub const fn empty() -> Self {
        Self { serializer: Serializer::Json, args: None, kwargs: None }
    }

    /// Arguments of the router's own. JSON, whatever the receiver speaks: encoding a message transcodes it.
    pub fn json(arguments: &[Value]) -> Self {
        let args = serde_json::to_vec(arguments).unwrap_or_else(|_| b"[]".to_vec());
        Self { serializer: Serializer::Json, args: Some(args.into()), kwargs: None }
    }

    /// The same arguments in memory of their own: a payload that is kept does not keep the frame in which it came.
    #[must_use]
    pub fn detached(&self) -> Self {
        let own = |part: &Option<Bytes>| part.as_ref().map(|bytes| Bytes::copy_from_slice(bytes));
        Self { serializer: self.serializer, args: own(&self.args), kwargs: own(&self.kwargs) }
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        [&self.args, &self.kwargs].into_iter().flatten().map(Bytes::len).sum()
    }
}
