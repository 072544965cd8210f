//! Tests of the three serializers together; those of batches are in a file of their own, too.

use bytes::Bytes;

use super::{ClientMessage, DecodeError, Payload, Serializer, Uri};

mod batch;
mod decode;
mod encode;
mod hostile;
mod invalid;
mod refused;
mod transcode;
mod vectors;

const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

/// The default limit.
const DEPTH: usize = 128;

/// The same value in JSON, in `MessagePack` and in CBOR.
type Forms = (&'static str, &'static [u8], &'static [u8]);

fn form(forms: Forms, serializer: Serializer) -> Bytes {
    Bytes::from_static(match serializer {
        Serializer::Json => forms.0.as_bytes(),
        Serializer::MsgPack => forms.1,
        Serializer::Cbor => forms.2,
    })
}

fn payload(serializer: Serializer, args: Option<Forms>, kwargs: Option<Forms>) -> Payload {
    let part = |forms: Option<Forms>| forms.map(|forms| form(forms, serializer));
    Payload { serializer, args: part(args), kwargs: part(kwargs) }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn decode(serializer: Serializer, message: &[u8]) -> Result<ClientMessage, DecodeError> {
    serializer.decode(&Bytes::copy_from_slice(message), DEPTH)
}

fn json(text: &str) -> Result<ClientMessage, DecodeError> {
    decode(Serializer::Json, text.as_bytes())
}
