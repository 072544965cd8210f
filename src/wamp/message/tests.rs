use bytes::Bytes;

use super::*;
use crate::wamp::Serializer;

fn decode(text: &str) -> (Bytes, ClientMessage) {
    let frame = Bytes::copy_from_slice(text.as_bytes());
    let message = Serializer::Json.decode(&frame, 100).unwrap();
    (frame, message)
}

fn arguments(message: &ClientMessage) -> &Bytes {
    match message {
        ClientMessage::Publish { payload, .. } => payload.args.as_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Whether the arguments are a part of the frame, and so keep it.
fn keeps(frame: &Bytes, message: &ClientMessage) -> bool {
    frame.as_ptr_range().contains(&arguments(message).as_ptr())
}

#[test]
fn a_small_message_does_not_keep_a_large_frame() {
    // A key that means nothing is not kept, and would be charged nothing.
    let padding = "x".repeat(100_000);
    let (frame, message) = decode(&format!(r#"[16,1,{{"x_pad":"{padding}"}},"com.example",["payload"]]"#));
    assert!(keeps(&frame, &message));
    let expected = message.clone();
    let detached = message.detached(frame.len());
    assert!(!keeps(&frame, &detached));
    assert_eq!(detached, expected);
}

#[test]
fn a_message_that_fills_its_frame_is_not_copied() {
    let payload = "x".repeat(100_000);
    for text in
        [format!(r#"[16,1,{{}},"com.example",["{payload}"]]"#), r#"[16,1,{},"com.example",[1]]"#.to_owned()]
    {
        let (frame, message) = decode(&text);
        assert!(keeps(&frame, &message.detached(frame.len())));
    }
}

#[test]
fn a_message_counts_all_that_it_keeps() {
    let (uri, long) = ("x".repeat(1000), "x".repeat(10_000));
    for text in [
        format!(r#"[16,1,{{}},"{uri}"]"#),
        format!(r#"[32,1,{{}},"{uri}"]"#),
        format!(r#"[48,1,{{}},"{uri}"]"#),
        format!(r#"[64,1,{{}},"{uri}"]"#),
        format!(r#"[8,68,1,{{}},"{uri}"]"#),
        format!(r#"[6,{{}},"{uri}"]"#),
        format!(r#"[16,1,{{}},"a",["{long}"]]"#),
        format!(r#"[5,"{long}",{{}}]"#),
    ] {
        let (_, message) = decode(&text);
        let kept = if text.contains(&long) { long.len() } else { uri.len() };
        assert!(message.serialized_size() >= kept, "{} of {}", message.serialized_size(), &text[..10]);
    }
    let ids = (0..5000).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let (_, message) = decode(&format!(r#"[16,1,{{"exclude":[{ids}]}},"a"]"#));
    assert!(message.serialized_size() >= 5000 * 8);
}
