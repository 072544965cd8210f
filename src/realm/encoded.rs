//! One message for receivers with different serializers.

use bytes::Bytes;

use crate::wamp::Serializer;

/// A message in up to three encodings, each made when it is first needed and then shared by all receivers.
#[derive(Debug, Default)]
pub(super) struct EncodedOnce {
    json: Option<Bytes>,
    msgpack: Option<Bytes>,
    cbor: Option<Bytes>,
}

impl EncodedOnce {
    /// The message in this encoding.
    pub(super) fn get(&mut self, serializer: Serializer, encode: impl FnOnce() -> Bytes) -> Bytes {
        let place = match serializer {
            Serializer::Json => &mut self.json,
            Serializer::MsgPack => &mut self.msgpack,
            Serializer::Cbor => &mut self.cbor,
        };
        place.get_or_insert_with(encode).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_encoded_once_for_each_serializer() {
        let mut encoded = EncodedOnce::default();
        let mut times = 0;
        for serializer in
            [Serializer::Json, Serializer::Cbor, Serializer::Json, Serializer::MsgPack, Serializer::Cbor]
        {
            let expected = Bytes::from(format!("{serializer:?}"));
            let got = encoded.get(serializer, || {
                times += 1;
                expected.clone()
            });
            assert_eq!(got, expected);
        }
        assert_eq!(times, 3);
    }
}
