//! RawSocket by hand: four octets each way, then frames with a head of four octets.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};

use super::{PATIENCE, Serializer, client::roles, code, http::Connection};

/// The types of frames.
pub(crate) mod frame {
    pub(crate) const MESSAGE: u8 = 0;
    pub(crate) const PING: u8 = 1;
    pub(crate) const PONG: u8 = 2;
}

/// A client on a RawSocket.
#[derive(Debug)]
pub(crate) struct RawClient {
    octets: Octets,
    serializer: Serializer,
    next_request: u64,
}

/// What carries the octets.
#[derive(Debug)]
enum Octets {
    Tcp(Connection),
    Unix(UnixStream),
}

impl Serializer {
    const fn number(self) -> u8 {
        match self {
            Self::Json => 1,
            Self::MsgPack => 2,
            Self::Cbor => 3,
        }
    }
}

/// A client's handshake; `length` is the exponent above 9 of the longest message that it takes.
pub(crate) fn handshake(serializer: Serializer, length: u8) -> [u8; 4] {
    [0x7f, length << 4 | serializer.number(), 0, 0]
}

// === Opening ===

impl RawClient {
    /// Opens at an address, and takes messages of 16 MiB.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, serializer: Serializer) -> Self {
        Self::over(Connection::open_at(address), serializer, 15)
    }

    /// Opens on a connection that is there.
    #[track_caller]
    pub(crate) fn over(connection: Connection, serializer: Serializer, length: u8) -> Self {
        Self::shaken(Octets::Tcp(connection), serializer, length)
    }

    /// Opens on a Unix socket.
    #[track_caller]
    pub(crate) fn open_unix(path: &Path, serializer: Serializer) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::shaken(Octets::Unix(stream), serializer, 15)
    }

    #[track_caller]
    fn shaken(octets: Octets, serializer: Serializer, length: u8) -> Self {
        let mut client = Self { octets, serializer, next_request: 1 };
        client.send_octets(&handshake(serializer, length));
        let reply = client.read_octets(4).expect("a reply to the handshake");
        assert_eq!((reply[0], reply[1] & 0x0f, &reply[2..]), (0x7f, serializer.number(), &[0, 0][..]));
        client
    }

    /// Opens and joins `realm1` anonymously.
    #[track_caller]
    pub(crate) fn joined(address: SocketAddr, serializer: Serializer) -> (Self, Value) {
        let mut client = Self::open(address, serializer);
        let welcome = client.joins();
        (client, welcome)
    }
}

// === Frames ===

impl RawClient {
    #[track_caller]
    pub(crate) fn send_octets(&mut self, octets: &[u8]) {
        match &mut self.octets {
            Octets::Tcp(connection) => connection.send(octets),
            Octets::Unix(stream) => stream.write_all(octets).unwrap(),
        }
    }

    /// So many octets; none if the stream ends before.
    #[track_caller]
    pub(crate) fn read_octets(&mut self, count: usize) -> Option<Vec<u8>> {
        match &mut self.octets {
            Octets::Tcp(connection) => connection.read_exactly(count),
            Octets::Unix(stream) => {
                let mut octets = vec![0; count];
                stream.read_exact(&mut octets).ok().map(|()| octets)
            }
        }
    }

    #[track_caller]
    pub(crate) fn send_frame(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.send_octets(&[&[kind], &length[1..], payload].concat());
    }

    /// The next frame; none: the gateway has ended the stream.
    #[track_caller]
    pub(crate) fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.read_octets(4)?;
        let length = head[1..].iter().fold(0, |length, &octet| length << 8 | usize::from(octet));
        Some((head[0], self.read_octets(length)?))
    }

    /// The gateway must have ended the stream.
    #[track_caller]
    pub(crate) fn is_ended(&mut self) {
        assert_eq!(self.read_frame(), None);
    }
}

// === Messages ===

impl RawClient {
    #[track_caller]
    pub(crate) fn send(&mut self, message: &Value) {
        let payload = self.serializer.encode(message);
        self.send_frame(frame::MESSAGE, &payload);
    }

    #[track_caller]
    pub(crate) fn receive(&mut self) -> Value {
        let (kind, payload) = self.read_frame().expect("a message");
        assert_eq!(kind, frame::MESSAGE);
        self.serializer.decode(&payload)
    }

    /// Joins `realm1` anonymously; WELCOME.Details.
    #[track_caller]
    pub(crate) fn joins(&mut self) -> Value {
        self.hello(json!({}));
        let welcome = self.receive();
        assert_eq!(welcome[0], code::WELCOME, "{welcome}");
        welcome[2].clone()
    }

    /// Sends HELLO with all roles.
    #[track_caller]
    pub(crate) fn hello(&mut self, mut details: Value) {
        if details["roles"].is_null() {
            details["roles"] = roles();
        }
        self.send(&json!([code::HELLO, "realm1", details]));
    }

    /// Sends a request; what answers it.
    #[track_caller]
    pub(crate) fn asks(&mut self, kind: u64, rest: &[Value]) -> Value {
        let id = self.request(kind, rest);
        let answer = self.receive();
        let place = if answer[0] == code::ERROR { 2 } else { 1 };
        assert_eq!(answer[place], id, "{answer}");
        answer
    }

    /// Sends a request, without waiting; its identifier.
    #[track_caller]
    pub(crate) fn request(&mut self, kind: u64, rest: &[Value]) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        let mut message = vec![json!(kind), json!(id)];
        message.extend_from_slice(rest);
        self.send(&Value::Array(message));
        id
    }

    /// Publishes to itself and calls itself.
    #[track_caller]
    pub(crate) fn echoes(&mut self) {
        static TIMES: AtomicUsize = AtomicUsize::new(0);
        let uri = json!(format!("com.example.raw{}", TIMES.fetch_add(1, Relaxed)));
        let args = json!(["ä", 1.5, { "a": [1, -2, null, true] }]);
        let subscribed = self.asks(code::SUBSCRIBE, &[json!({}), uri.clone()]);
        assert_eq!(subscribed[0], code::SUBSCRIBED, "{subscribed}");
        self.request(code::PUBLISH, &[json!({ "exclude_me": false }), uri.clone(), args.clone()]);
        let event = self.receive();
        assert_eq!((&event[0], &event[1], &event[4]), (&json!(code::EVENT), &subscribed[2], &args));
        let registered = self.asks(code::REGISTER, &[json!({}), uri.clone()]);
        assert_eq!(registered[0], code::REGISTERED, "{registered}");
        let call = self.request(code::CALL, &[json!({}), uri, args.clone()]);
        let invocation = self.receive();
        assert_eq!((&invocation[0], &invocation[4]), (&json!(code::INVOCATION), &args));
        self.send(&json!([code::YIELD, invocation[1], {}, args]));
        assert_eq!(self.receive(), json!([code::RESULT, call, {}, args]));
    }
}
