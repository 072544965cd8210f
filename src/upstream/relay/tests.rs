//! A relay between two ends that a test plays, over pipes of a few bytes.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    stream::Stream,
    upstream::{UpstreamMetrics, frame::FrameFault},
};

const MASK: [u8; 4] = [9, 8, 7, 6];

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both ends of a relay.
struct Ends {
    client: DuplexStream,
    upstream: DuplexStream,
    stop: Option<oneshot::Sender<Stop>>,
    end: JoinHandle<End>,
}

impl Ends {
    fn new(capacity: usize, interval: Duration) -> Self {
        Self::with(capacity, interval, &Beginning::default())
    }

    fn with(capacity: usize, interval: Duration, beginning: &Beginning<'_>) -> Self {
        let (client, near) = duplex(capacity);
        let (upstream, far) = duplex(capacity);
        let relay = Relay::new(near, far, beginning, interval, UpstreamMetrics::default().of("0", "/app"));
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            match stopped.await {
                Ok(stop) => stop,
                Err(_) => pending().await,
            }
        };
        Self { client, upstream, stop: Some(stop), end: tokio::spawn(async { relay.run(stopped).await.0 }) }
    }

    async fn end(self) -> End {
        drop((self.client, self.upstream));
        timeout(PATIENCE, self.end).await.unwrap().unwrap()
    }
}

fn hour() -> Duration {
    Duration::from_hours(1)
}

/// A frame of a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = unmasked(first, payload);
    frame[1] |= 0x80;
    let header = frame.len() - payload.len();
    let body = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let body: Vec<u8> = MASK.into_iter().chain(body).collect();
    frame.splice(header.., body);
    frame
}

/// A frame of a server.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(length.try_into().unwrap()),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.expect("bytes in time").unwrap();
    bytes
}

/// All that comes until the end.
async fn rest(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end in time").unwrap();
    bytes
}

/// The code of a close frame for a client.
fn code_for_client(frame: &[u8]) -> Option<u16> {
    let [0x88, _, high, low, ..] = *frame else { return None };
    Some(u16::from_be_bytes([high, low]))
}

/// The code of a close frame for an upstream.
fn code_for_upstream(frame: &[u8]) -> Option<u16> {
    let [0x88, length, a, b, _, _, high, low, ..] = *frame else { return None };
    (length & 0x80 != 0).then(|| u16::from_be_bytes([high ^ a, low ^ b]))
}

#[tokio::test]
async fn frames_pass_as_they_are_wherever_they_are_cut() {
    for (capacity, piece) in [(1, 1), (7, 3), (64, 1000), (1 << 17, 1 << 17)] {
        let mut ends = Ends::new(capacity, hour());
        let payload = vec![b'x'; if capacity == 1 { 300 } else { 70_000 }];
        let up = [masked(0x81, b"hello"), masked(0x01, &payload), masked(0x89, b"ping"), masked(0x80, b"")]
            .concat();
        let down =
            [unmasked(0x02, &payload), unmasked(0x8a, b"ping"), unmasked(0x80, b"end"), unmasked(0x81, b"")]
                .concat();
        let Ends { client, upstream, .. } = &mut ends;
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
        let (mut got_up, mut got_down) = (vec![0; up.len()], vec![0; down.len()]);
        let send = async {
            for bytes in up.chunks(piece) {
                to_client.write_all(bytes).await.unwrap();
            }
        };
        let answer = async {
            for bytes in down.chunks(piece) {
                to_upstream.write_all(bytes).await.unwrap();
            }
        };
        let read_up = from_upstream.read_exact(&mut got_up);
        let read_down = from_client.read_exact(&mut got_down);
        let all = async { tokio::join!(send, answer, read_up, read_down) };
        let (.., up_read, down_read) = timeout(PATIENCE, all).await.unwrap();
        assert!(up_read.is_ok() && down_read.is_ok());
        assert!(got_up == up && got_down == down, "{capacity} {piece}");
    }
}

#[tokio::test]
async fn what_came_with_the_handshakes_passes_first() {
    let (up, down) = (masked(0x81, b"early"), unmasked(0x82, b"bird"));
    let (up_now, up_later) = up.split_at(3);
    let beginning = Beginning { client: up_now, upstream: &down, has_extensions: false };
    let mut ends = Ends::with(100, hour(), &beginning);
    assert_eq!(read(&mut ends.client, down.len()).await, down);
    ends.client.write_all(up_later).await.unwrap();
    assert_eq!(read(&mut ends.upstream, up.len()).await, up);
}

#[tokio::test]
async fn each_side_hears_how_the_other_one_closes() {
    for code in [1000_u16, 1001, 3456, 4999] {
        let payload = [&code.to_be_bytes()[..], b"bye"].concat();
        let mut ends = Ends::new(1000, hour());
        let close = masked(0x88, &payload);
        ends.client.write_all(&close).await.unwrap();
        // What a side says behind its close frame does not pass.
        ends.client.write_all(&masked(0x81, b"more")).await.unwrap();
        assert_eq!(read(&mut ends.upstream, close.len()).await, close);
        let answer = unmasked(0x88, &payload);
        ends.upstream.write_all(&answer).await.unwrap();
        assert_eq!(rest(&mut ends.client).await, answer);
        assert_eq!(rest(&mut ends.upstream).await, b"");
        assert!(matches!(ends.end().await, End::Closed(Side::Client, Some(seen)) if seen == code));

        let mut ends = Ends::new(1000, hour());
        let close = unmasked(0x88, &payload);
        ends.upstream.write_all(&close).await.unwrap();
        assert_eq!(read(&mut ends.client, close.len()).await, close);
        let answer = masked(0x88, &payload);
        ends.client.write_all(&answer).await.unwrap();
        assert_eq!(rest(&mut ends.upstream).await, answer);
        assert!(matches!(ends.end().await, End::Closed(Side::Upstream, Some(seen)) if seen == code));
    }
}

#[tokio::test]
async fn a_client_hears_that_its_upstream_is_gone() {
    let mut ends = Ends::new(1000, hour());
    ends.upstream.write_all(&unmasked(0x01, b"half a message")).await.unwrap();
    drop(std::mem::replace(&mut ends.upstream, duplex(1).0));
    let got = rest(&mut ends.client).await;
    assert_eq!(code_for_client(&got[2 + 14..]), Some(1012), "{got:?}");
    assert!(matches!(ends.end().await, End::Lost(Side::Upstream)));

    // Within a frame there is no place for a close frame.
    let mut ends = Ends::new(1000, hour());
    let frame = unmasked(0x81, b"half a frame");
    ends.upstream.write_all(&frame[..5]).await.unwrap();
    drop(std::mem::replace(&mut ends.upstream, duplex(1).0));
    assert_eq!(rest(&mut ends.client).await, &frame[..5]);
    assert!(matches!(ends.end().await, End::Lost(Side::Upstream)));

    // An upstream that hangs up in place of an answer to a close frame.
    let mut ends = Ends::new(1000, hour());
    let close = masked(0x88, &1000_u16.to_be_bytes());
    ends.client.write_all(&close).await.unwrap();
    assert_eq!(read(&mut ends.upstream, close.len()).await, close);
    drop(std::mem::replace(&mut ends.upstream, duplex(1).0));
    assert_eq!(code_for_client(&rest(&mut ends.client).await), Some(1000));
}

#[tokio::test]
async fn an_upstream_hears_that_its_client_is_gone() {
    let mut ends = Ends::new(1000, hour());
    ends.client.write_all(&masked(0x81, b"last words")).await.unwrap();
    drop(std::mem::replace(&mut ends.client, duplex(1).0));
    let got = rest(&mut ends.upstream).await;
    assert_eq!(code_for_upstream(&got[6 + 10..]), Some(1001), "{got:?}");
    assert!(matches!(ends.end().await, End::Lost(Side::Client)));
}

#[tokio::test]
async fn nothing_passes_that_is_no_frame() {
    // The good frame passes, and then the gateway says what was wrong.
    let mut ends = Ends::new(1000, hour());
    let good = unmasked(0x81, b"good");
    ends.upstream
        .write_all(&[&good[..], b"HTTP/1.1 500 Internal Server Error\r\n\r\n"].concat())
        .await
        .unwrap();
    let got = rest(&mut ends.client).await;
    assert_eq!(&got[..good.len()], good);
    assert_eq!(code_for_client(&got[good.len()..]), Some(1014));
    assert_eq!(code_for_upstream(&rest(&mut ends.upstream).await), Some(1002));
    assert!(matches!(ends.end().await, End::Broken(Side::Upstream, FrameFault::Reserved)));

    let mut ends = Ends::new(1000, hour());
    let good = masked(0x81, b"good");
    ends.client.write_all(&[&good[..], b"GET / HTTP/1.1\r\n\r\n"].concat()).await.unwrap();
    assert_eq!(read(&mut ends.upstream, good.len()).await, good);
    assert_eq!(code_for_upstream(&read(&mut ends.upstream, 8).await), Some(1002));
    // The upstream answers what it has got before it closes.
    let answer = [unmasked(0x81, b"good"), unmasked(0x88, &1002_u16.to_be_bytes())].concat();
    ends.upstream.write_all(&answer).await.unwrap();
    assert_eq!(rest(&mut ends.client).await, answer);
    assert!(matches!(ends.end().await, End::Broken(Side::Client, FrameFault::Reserved)));
}

#[tokio::test]
async fn a_client_hears_even_if_its_upstream_never_answers() {
    let mut ends = Ends::new(1000, hour());
    ends.client.write_all(&unmasked(0x81, b"not masked")).await.unwrap();
    let got = read(&mut ends.client, 4).await;
    assert_eq!(code_for_client(&got), Some(1002));
    assert!(matches!(ends.end().await, End::Broken(Side::Client, FrameFault::Mask)));
}

#[tokio::test]
async fn the_gateway_ends_both_sides_between_two_frames() {
    let stop = Stop { client: 1008, reason: "wamp.close.killed".into(), upstream: 1008, name: "revoked" };
    let mut ends = Ends::new(1000, hour());
    let frame = unmasked(0x81, b"a frame that is under way");
    let (now, later) = frame.split_at(10);
    ends.upstream.write_all(now).await.unwrap();
    assert_eq!(read(&mut ends.client, now.len()).await, now);
    ends.stop.take().unwrap().send(stop).unwrap();
    assert_eq!(code_for_upstream(&read(&mut ends.upstream, 8).await), Some(1008));
    ends.upstream.write_all(later).await.unwrap();
    ends.upstream.write_all(&unmasked(0x81, b"what must not pass")).await.unwrap();
    let got = rest(&mut ends.client).await;
    assert_eq!(&got[..later.len()], later);
    let close = &got[later.len()..];
    assert_eq!(code_for_client(close), Some(1008));
    assert_eq!(&close[4..], b"wamp.close.killed");
    assert!(matches!(ends.end().await, End::Stopped(Stop { name: "revoked", .. })));
}

#[tokio::test]
async fn nothing_is_read_that_the_other_side_has_no_room_for() {
    let mut ends = Ends::new(1000, hour());
    let frame = unmasked(0x82, &vec![7; 1 << 20]);
    let sent = Arc::new(Mutex::new(0));
    let upstream = std::mem::replace(&mut ends.upstream, duplex(1).0);
    let (_held, mut to_upstream) = tokio::io::split(upstream);
    let task = {
        let (sent, frame) = (Arc::clone(&sent), frame.clone());
        tokio::spawn(async move {
            for piece in frame.chunks(1000) {
                to_upstream.write_all(piece).await.unwrap();
                *sent.lock().unwrap() += piece.len();
            }
            to_upstream
        })
    };
    // A client that reads nothing: the pipes and one buffer fill, and no more.
    let mut before = usize::MAX;
    loop {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let now = *sent.lock().unwrap();
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before <= super::super::flow::MOST + 3000, "{before} bytes were taken");
    assert!(read(&mut ends.client, frame.len()).await == frame);
    drop(task.await.unwrap());
}

#[tokio::test]
async fn a_side_that_takes_nothing_is_given_up() {
    let interval = Duration::from_millis(500);
    let mut ends = Ends::new(100, interval);
    ends.client.write_all(&masked(0x82, &[1; 5000])).await.unwrap();
    let got = read(&mut ends.client, 4).await;
    assert_eq!(code_for_client(&got), Some(1013));
    assert!(matches!(ends.end().await, End::Stuck(Side::Upstream)));

    let mut ends = Ends::new(100, interval);
    let frame = unmasked(0x82, &[1; 5000]);
    ends.upstream.write_all(&frame).await.unwrap();
    let got = read(&mut ends.upstream, 8).await;
    assert_eq!(code_for_upstream(&got), Some(1013));
    assert!(matches!(ends.end().await, End::Stuck(Side::Client)));
}

#[tokio::test]
async fn a_silent_client_is_asked_for_a_sign_of_life() {
    // Enough for an answer on a busy machine.
    let mut ends = Ends::new(1000, Duration::from_secs(1));
    for _ in 0..3 {
        let ping = read(&mut ends.client, 10).await;
        assert_eq!(&ping[..2], [0x89, 8]);
        ends.client.write_all(&masked(0x8a, &ping[2..])).await.unwrap();
    }
    // The answers are the gateway's; another pong is the upstream's.
    let pong = masked(0x8a, b"heart");
    ends.client.write_all(&pong).await.unwrap();
    assert_eq!(read(&mut ends.upstream, pong.len()).await, pong);
    // From now on it does not answer.
    let got = rest(&mut ends.client).await;
    assert!(got.chunks(10).all(|ping| ping[0] == 0x89), "{got:?}");
    assert_eq!(code_for_upstream(&rest(&mut ends.upstream).await), Some(1001));
    assert!(matches!(ends.end().await, End::Silent));
}

#[tokio::test]
async fn a_close_code_that_is_none_counts_by_who_says_it() {
    let mut ends = Ends::new(1000, hour());
    ends.upstream.write_all(&unmasked(0x88, &1006_u16.to_be_bytes())).await.unwrap();
    assert_eq!(code_for_client(&rest(&mut ends.client).await), Some(1014));
    assert!(matches!(ends.end().await, End::Broken(Side::Upstream, FrameFault::Code)));

    // The upstream judges what a client says.
    let mut ends = Ends::new(1000, hour());
    let close = masked(0x88, &1006_u16.to_be_bytes());
    ends.client.write_all(&close).await.unwrap();
    assert_eq!(read(&mut ends.upstream, close.len()).await, close);
}

#[test]
fn a_relay_is_small_while_nothing_happens() {
    let size = size_of::<Relay<Stream, Stream>>();
    assert!(size <= 640, "{size} bytes");
}
