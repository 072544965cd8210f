//! Frames, batched and not, and the choice of a subprotocol.

use proptest::prelude::*;

use super::*;
use crate::wamp::{Subprotocol, batch::Framing};

fn framing(name: &str) -> Framing {
    Subprotocol::parse(name).unwrap().framing()
}

fn split(framing: &mut Framing, frame: &'static [u8]) -> Result<Vec<Bytes>, String> {
    framing.split(&Bytes::from_static(frame)).map(Iterator::collect).map_err(|error| error.to_string())
}

fn messages(messages: &[&'static [u8]]) -> Vec<Bytes> {
    messages.iter().map(|message| Bytes::from_static(message)).collect()
}

#[test]
fn an_unbatched_frame_is_one_message() {
    for name in ["wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor"] {
        assert_eq!(split(&mut framing(name), b"[1]\x1e"), Ok(messages(&[b"[1]\x1e"])), "{name}");
        assert_eq!(split(&mut framing(name), b""), Ok(messages(&[b""])), "{name}");
    }
}

#[test]
fn a_json_batch_ends_every_message_with_either_terminator() {
    let mut framing = framing("wamp.2.json.batched");
    assert_eq!(split(&mut framing, b"[1]\x1e[2]\x1e"), Ok(messages(&[b"[1]", b"[2]"])));
    assert_eq!(split(&mut framing, b"[1]\x18"), Ok(messages(&[b"[1]"])));
}

#[test]
fn a_client_is_answered_with_the_terminator_that_it_uses() {
    let mut framing = framing("wamp.2.json.batched");
    let replies = messages(&[b"[2]", b"[3]"]);
    let frames = |framing: Framing| framing.frames(&replies, 100).collect::<Vec<_>>();
    assert_eq!(frames(framing), messages(&[b"[2]\x1e[3]\x1e"]));
    split(&mut framing, b"[1]\x18").unwrap();
    assert_eq!(frames(framing), messages(&[b"[2]\x18[3]\x18"]));
}

#[test]
fn a_binary_batch_begins_every_message_with_its_length() {
    for name in ["wamp.2.msgpack.batched", "wamp.2.cbor.batched"] {
        let batch = split(&mut framing(name), b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d");
        assert_eq!(batch, Ok(messages(&[b"abc", b"", b"d"])), "{name}");
    }
}

#[test]
fn messages_of_a_batch_are_slices_of_the_frame() {
    for (name, frame) in
        [("wamp.2.json.batched", &b"[1]\x1e[2]\x1e"[..]), ("wamp.2.cbor.batched", b"\0\0\0\x03abc")]
    {
        let frame = Bytes::copy_from_slice(frame);
        for message in framing(name).split(&frame).unwrap() {
            assert!(frame.as_ptr_range().contains(&message.as_ptr()), "{name}");
        }
    }
}

#[test]
fn broken_batches_are_refused() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("wamp.2.json.batched", b"", "a batch has at least one message"),
        ("wamp.2.json.batched", b"[1]\x1e[2]", "every message of a batch ends with the character U+001E"),
        ("wamp.2.msgpack.batched", b"", "a batch has at least one message"),
        ("wamp.2.cbor.batched", b"\0\0\0", "the batch ends within a length of four bytes"),
        ("wamp.2.cbor.batched", b"\0\0\0\x01a\0", "the batch ends within a length of four bytes"),
        ("wamp.2.cbor.batched", b"\0\0\0\x01", "a message of the batch is longer than the rest of the frame"),
        (
            "wamp.2.msgpack.batched",
            b"\xff\xff\xff\xffabc",
            "a message of the batch is longer than the rest of the frame",
        ),
    ];
    for (name, frame, expected) in cases {
        let expected = Err(format!("invalid serialization of WAMP message: {expected}"));
        assert_eq!(split(&mut framing(name), frame), expected, "{name}");
    }
}

#[test]
fn frames_hold_what_fits_but_at_least_one_message() {
    let waiting = messages(&[b"aaaa", b"bb", b"cccccccccc", b"d"]);
    let frames = |name: &str, max: usize| framing(name).frames(&waiting, max).collect::<Vec<_>>();
    assert_eq!(frames("wamp.2.json", 100), waiting);
    assert_eq!(frames("wamp.2.json.batched", 8), messages(&[b"aaaa\x1ebb\x1e", b"cccccccccc\x1e", b"d\x1e"]));
    assert_eq!(
        frames("wamp.2.cbor.batched", 14),
        messages(&[b"\0\0\0\x04aaaa\0\0\0\x02bb", b"\0\0\0\x0acccccccccc", b"\0\0\0\x01d"])
    );
    assert_eq!(framing("wamp.2.cbor.batched").frames(&[], 100).count(), 0);
}

proptest! {
    #[test]
    fn splitting_never_panics(bytes in prop::collection::vec(0u8..4, 0..60)) {
        for name in ["wamp.2.json.batched", "wamp.2.cbor.batched", "wamp.2.msgpack"] {
            if let Ok(messages) = framing(name).split(&bytes.clone().into()) {
                prop_assert!(messages.count() > 0);
            }
        }
    }

    #[test]
    fn what_is_framed_is_split_again(waiting in prop::collection::vec("[a-z]{0,20}", 1..10), max in 0usize..80) {
        let waiting: Vec<Bytes> = waiting.into_iter().map(Bytes::from).collect();
        for name in ["wamp.2.json", "wamp.2.json.batched", "wamp.2.cbor.batched"] {
            let mut framing = framing(name);
            let frames: Vec<Bytes> = framing.frames(&waiting, max).collect();
            let again: Vec<Bytes> = frames.iter().flat_map(|frame| framing.split(frame).unwrap()).collect();
            prop_assert_eq!(&again, &waiting);
        }
    }
}

#[test]
fn the_first_offered_subprotocol_that_is_enabled_is_chosen() {
    let select = |offered: &[&str], enabled: &[Serializer]| {
        Subprotocol::select(offered.iter().copied(), enabled).map(Subprotocol::name)
    };
    let offered = ["mqtt", "wamp.2.cbor", "wamp.2.msgpack.batched", "wamp.2.json"];
    assert_eq!(select(&offered, &ALL), Some("wamp.2.cbor"));
    assert_eq!(select(&offered, &[Serializer::Json, Serializer::MsgPack]), Some("wamp.2.msgpack.batched"));
    assert_eq!(select(&offered, &[]), None);
    assert_eq!(select(&["WAMP.2.JSON", "wamp.2.json.batched.batched", ""], &ALL), None);
}
