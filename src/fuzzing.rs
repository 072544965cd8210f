//! What `fuzz/` feeds with bytes: the readers of everything that clients, files and operators write.
//!
//! A target takes bytes and gives a number that stands for what became of them, so that a fuzzer can keep inputs that lead to
//! something new. It panics where the gateway contradicts itself, or a simpler reading of the same bytes.

use std::{
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::{
    config::{self, ConfigSource},
    cookie::{CookieName, candidates},
    handshake::raw_socket::{self, MAGIC},
    store::{LineFormat, read_lines, write_line},
    wamp::{
        ClientMessage, Payload, Serializer, Uri,
        pattern::{Pattern, UriMatch},
        uri::MAX_URI_LENGTH,
    },
    wire::{FrameFault, FrameType, Intake},
};

/// How deeply messages may be nested; the default of `max_nesting_depth`.
const DEPTH: usize = 128;

const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

/// A target.
pub type Target = fn(&[u8]) -> u64;

/// The targets by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("cookie_header", cookie_header),
    ("json", |input| message(Serializer::Json, input)),
    ("msgpack", |input| message(Serializer::MsgPack, input)),
    ("cbor", |input| message(Serializer::Cbor, input)),
    ("transcoding", transcoding),
    ("uri", uri),
    ("rawsocket", raw_socket),
    ("cookie_file", cookie_file),
    ("configuration", configuration),
];

/// The beginning of what is said about an input: the rest often repeats the input.
fn outcome(what: &impl Debug) -> u64 {
    let text = format!("{what:?}");
    let mut hasher = DefaultHasher::new();
    text.chars().filter(|c| !c.is_ascii_digit()).take(90).collect::<String>().hash(&mut hasher);
    hasher.finish()
}

/// Each line of the input is a line of the header.
fn cookie_header(input: &[u8]) -> u64 {
    let Some(name) = CookieName::parse("cbtid") else { return 0 };
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let found: Vec<String> = candidates(&headers, &name).map(|id| id.expose().to_owned()).collect();
    for id in &found {
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)), "{id}");
        let holds = input.windows(id.len()).any(|part| part == id.as_bytes());
        assert!((6..=64).contains(&id.len()) && holds, "{id}");
    }
    found.len() as u64
}

fn payload(message: &ClientMessage) -> Option<&Payload> {
    match message {
        ClientMessage::InvocationError { payload, .. }
        | ClientMessage::Publish { payload, .. }
        | ClientMessage::Call { payload, .. }
        | ClientMessage::Yield { payload, .. } => Some(payload),
        _ => None,
    }
}

/// A message of a client. What is read is what is kept, and its payload can be written for every receiver.
fn message(serializer: Serializer, input: &[u8]) -> u64 {
    let bytes = Bytes::copy_from_slice(input);
    let decoded = serializer.decode(&bytes, DEPTH);
    if let Ok(message) = &decoded {
        assert!(message.serialized_size() <= 64 * (input.len() + 64), "a message keeps more than came");
        if let Some(payload) = payload(message) {
            for target in ALL {
                let sent = payload.transcoded(target);
                assert_eq!(sent.args.is_some(), payload.args.is_some(), "arguments for {target:?}");
                assert_eq!(
                    sent.kwargs.is_some(),
                    payload.kwargs.is_some(),
                    "keyword arguments for {target:?}"
                );
            }
        }
    }
    outcome(&decoded)
}

/// The payload of a message in JSON goes to CBOR and back without a loss, and from there again to the same bytes.
fn transcoding(input: &[u8]) -> u64 {
    let bytes = Bytes::copy_from_slice(input);
    let decoded = Serializer::Json.decode(&bytes, DEPTH);
    if let Some(payload) = decoded.as_ref().ok().and_then(payload) {
        let cbor = payload.transcoded(Serializer::Cbor);
        let text = cbor.transcoded(Serializer::Json);
        assert_eq!(text.transcoded(Serializer::Cbor), cbor, "JSON to CBOR and back");
        let msgpack = payload.transcoded(Serializer::MsgPack);
        let text = msgpack.transcoded(Serializer::Json);
        assert_eq!(text.transcoded(Serializer::MsgPack), msgpack, "JSON to MessagePack and back");
        for part in [&text.args, &text.kwargs].into_iter().flatten() {
            let parsed = serde_json::from_slice::<serde_json::Value>(part);
            assert!(parsed.is_ok(), "{parsed:?}");
        }
    }
    outcome(&decoded)
}

/// A URI is what the specification's expression for the loose rule says, and a pattern matches what a simple comparison says.
///
/// The first line of the input is a pattern, the second one a URI.
fn uri(input: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    let (pattern, uri) = text.split_once('\n').unwrap_or((text, text));
    let is_sound = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '#');
    let parsed = Uri::parse(uri);
    let follows_the_rule = uri.split('.').all(is_sound);
    assert_eq!(parsed.is_ok(), follows_the_rule && uri.len() <= MAX_URI_LENGTH, "{uri:?}: {parsed:?}");
    let mut seen = outcome(&parsed.as_ref().map(drop));
    for matching in [UriMatch::Exact, UriMatch::Prefix, UriMatch::Wildcard] {
        let found = Pattern::parse(pattern, matching);
        if let (Ok(found), Ok(uri)) = (&found, &parsed) {
            let (ours, theirs): (Vec<&str>, Vec<&str>) =
                (pattern.split('.').collect(), uri.as_str().split('.').collect());
            let expected = match matching {
                UriMatch::Exact => pattern == uri.as_str(),
                UriMatch::Prefix => uri.as_str().as_bytes().starts_with(pattern.as_bytes()),
                UriMatch::Wildcard => {
                    ours.len() == theirs.len()
                        && ours.iter().zip(&theirs).all(|(own, other)| own.is_empty() || own == other)
                }
            };
            assert_eq!(found.matches(uri.as_str()), expected, "{pattern:?} and {uri}");
            seen = seen.rotate_left(1) ^ u64::from(expected);
        }
        seen = seen.rotate_left(3) ^ outcome(&found.map(drop));
    }
    seen
}

/// What a client sends over RawSocket: four octets, and frames behind them. However the octets come, the frames are those that a simple
/// reading of all of them finds, and none is longer than it may be.
fn raw_socket(input: &[u8]) -> u64 {
    const LIMIT: usize = 300;
    let Some((&octets, frames)) = input.split_first_chunk() else { return 0 };
    let accepted = raw_socket::accept(octets, &ALL, LIMIT);
    if let Ok(accepted) = accepted {
        assert_eq!((octets[0], octets[2], octets[3]), (MAGIC, 0, 0));
        assert_eq!(accepted.reply[1] & 0x0f, octets[1] & 0x0f, "another serializer");
        assert!((2048..=1 << 24).contains(&accepted.max_sent), "{accepted:?}");
    }
    let expected = frames_of(frames, LIMIT);
    // All at once, and in pieces of a length that the input chooses.
    for piece in [frames.len().max(1), usize::from(octets[1]).max(1)] {
        let (mut intake, mut found, mut fault) = (Intake::default(), Vec::new(), None);
        for octets in frames.chunks(piece) {
            intake.extend(octets);
            while fault.is_none() {
                match intake.next(LIMIT) {
                    Ok(Some(frame)) => found.push(frame),
                    Ok(None) => break,
                    Err(error) => fault = Some(error),
                }
            }
        }
        assert_eq!((&found, fault), (&expected.0, expected.1), "in pieces of {piece}");
    }
    let kinds: Vec<FrameType> = expected.0.iter().map(|(kind, _)| *kind).take(6).collect();
    outcome(&(accepted.map(|accepted| accepted.serializer), kinds, expected.1))
}

/// The frames of all octets together, and why the next one cannot be read.
fn frames_of(octets: &[u8], limit: usize) -> (Vec<(FrameType, Bytes)>, Option<FrameFault>) {
    let (mut frames, mut rest) = (Vec::new(), octets);
    while let Some((head, behind)) = rest.split_first_chunk() {
        let head = u32::from_be_bytes(*head);
        let kind = match head >> 24 & 0b1111_0111 {
            0 => FrameType::Message,
            1 => FrameType::Ping,
            2 => FrameType::Pong,
            _ => return (frames, Some(FrameFault::Reserved)),
        };
        let (is_longest, low) = (head & 1 << 27 != 0, head & 0x00ff_ffff);
        if is_longest && low != 0 {
            return (frames, Some(FrameFault::Length));
        }
        let length = if is_longest { 1 << 24 } else { low as usize };
        if length > limit {
            return (frames, Some(FrameFault::TooLong(length)));
        }
        let Some((payload, next)) = behind.split_at_checked(length) else { break };
        frames.push((kind, Bytes::copy_from_slice(payload)));
        rest = next;
    }
    (frames, None)
}

/// The lines of a cookie store, as `wampgate cookies import` reads them. What is read can be written and read again.
fn cookie_file(input: &[u8]) -> u64 {
    for skip_damaged in [false, true] {
        let Ok((records, _)) = read_lines(input, None, skip_damaged) else { continue };
        let mut written = Vec::new();
        for (id, record) in &records {
            write_line(id, record, LineFormat::Wampgate, &mut written);
        }
        let again = read_lines(&*written, Some(LineFormat::Wampgate), false);
        assert!(again.as_ref().is_ok_and(|(again, _)| *again == records), "{again:?} instead of {records:?}");
    }
    outcome(&read_lines(input, None, false).map(|(records, _)| records.len().min(5)))
}

/// A configuration; the environment has one variable.
fn configuration(input: &[u8]) -> u64 {
    let Ok(text) = String::from_utf8(input.to_vec()) else { return 0 };
    let source = ConfigSource::Text { node_dir: "/nonexistent".into(), text };
    let env = |name: &str| (name == "SET").then(|| "8080".to_owned());
    match config::load_with(&source, &env) {
        Ok(loaded) => outcome(&loaded.warnings.first().map(ToString::to_string)),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.trim().is_empty(), "a fault without a word");
            outcome(&said)
        }
    }
}
