//! A WAMP router behind the gateway, which a test plays: it speaks JSON, and says what the test wants it to say.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    PATIENCE, code,
    upstream::{Peer, read_frame, read_head},
    websocket::{Frame, opcode},
};

/// The ticket that such a router and a gateway share.
pub(crate) const EDGE: &str = "secret-of-the-edge";

/// A router that listens.
pub(crate) struct Router {
    pub(crate) address: SocketAddr,
}

/// A connection of the gateway.
pub(crate) struct Link(Box<dyn Peer>);

impl Router {
    /// A router that does this with each connection after the handshake.
    pub(crate) fn start(serve: impl Fn(&mut Link) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Link(Box::new(stream)).serve(&serve);
            }
        });
        Self { address }
    }

    /// A router that answers no HELLO; it reports each, and the end of the connection as null.
    pub(crate) fn silent() -> (Self, mpsc::Receiver<Value>) {
        let (tell, told) = mpsc::channel();
        let router = Self::start(move |link| {
            let _ = tell.send(link.receive());
            while link.frame().is_some() {}
            let _ = tell.send(Value::Null);
        });
        (router, told)
    }

    /// The same as `start` at a Unix socket.
    pub(crate) fn start_at(path: &Path, serve: impl Fn(&mut Link) + Send + Sync + 'static) {
        let listener = UnixListener::bind(path).unwrap();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Link(Box::new(stream)).serve(&serve);
            }
        });
    }

    /// A router that lets every session in, does this with each, and then reports what it hears until the end: messages, and at
    /// last the code of a close frame, or null.
    pub(crate) fn welcoming(
        then: impl Fn(&mut Link) + Send + Sync + 'static,
    ) -> (Self, mpsc::Receiver<Value>) {
        let (tell, told) = mpsc::channel();
        let router = Self::start(move |link| {
            let hello = link.welcomes();
            let _ = tell.send(hello);
            then(link);
            while let Some(frame) = link.frame() {
                match frame.opcode {
                    opcode::TEXT => {
                        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
                        if message[0] == code::GOODBYE {
                            link.send(&json!([code::GOODBYE, {}, "wamp.close.goodbye_and_out"]));
                        }
                        let _ = tell.send(message);
                    }
                    opcode::CLOSE => {
                        link.write(&frame.unmasked());
                        let _ = tell.send(json!(frame.close_code()));
                        return;
                    }
                    _ => {}
                }
            }
            let _ = tell.send(Value::Null);
        });
        (router, told)
    }

    /// Its address for a configuration.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

impl Link {
    /// Makes the handshake and does this on a thread of its own.
    fn serve<S: Fn(&mut Self) + Send + Sync + 'static>(mut self, serve: &Arc<S>) {
        let serve = Arc::clone(serve);
        thread::spawn(move || {
            let Some(head) = read_head(&mut *self.0) else { return };
            let line = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
            };
            assert!(line("sec-websocket-protocol").unwrap().contains("wamp.2.json"), "{head}");
            let accept = derive_accept_key(line("sec-websocket-key").unwrap().as_bytes());
            let switching = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
            );
            self.write(switching.as_bytes());
            serve(&mut self);
        });
    }

    /// Sends bytes. A gateway that is gone does not matter.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Value) {
        self.write(&Frame::text(message.to_string()).unmasked());
    }

    /// The next frame; nothing once the gateway is gone.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        read_frame(&mut *self.0)
    }

    /// The next message.
    pub(crate) fn receive(&mut self) -> Value {
        loop {
            let frame = self.frame().expect("a message");
            if frame.opcode == opcode::TEXT {
                return serde_json::from_slice(&frame.payload).unwrap();
            }
        }
    }

    /// Lets a session in whose ticket is [`EDGE`], under the authid that it asks for; its HELLO.
    pub(crate) fn welcomes(&mut self) -> Value {
        let hello = self.receive();
        self.send(&json!([code::CHALLENGE, "ticket", {}]));
        assert_eq!(self.receive(), json!([code::AUTHENTICATE, EDGE, {}]));
        self.send(&json!([code::WELCOME, 4711, welcome(&hello[2]["authid"])]));
        hello
    }
}

/// WELCOME.Details.
pub(crate) fn welcome(authid: &Value) -> Value {
    json!({
        "authid": authid, "authrole": "edge", "authmethod": "ticket", "authprovider": "static",
        "authextra": { "x_cb_node": "secret" },
        "roles": {
            "broker": { "features": { "pattern_based_subscription": true, "acknowledge_event_received": true, "event_history": false } },
            "dealer": { "features": { "call_canceling": true } },
        },
    })
}

/// A connection of the gateway over RawSocket, on which JSON is spoken.
pub(crate) struct RawLink(TcpStream);

impl Router {
    /// A router of RawSocket: the octets that answer those of the gateway, and what it does with each connection that they accept.
    pub(crate) fn raw(
        answer: impl Fn([u8; 4]) -> Vec<u8> + Send + Sync + 'static,
        serve: impl Fn(&mut RawLink) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, serve) = (Arc::new(answer), Arc::new(serve));
        thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (answer, serve) = (Arc::clone(&answer), Arc::clone(&serve));
                thread::spawn(move || {
                    let mut octets = [0; 4];
                    if stream.read_exact(&mut octets).is_err() {
                        return;
                    }
                    let answer = answer(octets);
                    let is_accepted = answer.first() == Some(&0x7f) && answer[1] & 0x0f != 0;
                    let _ = stream.write_all(&answer);
                    if is_accepted {
                        serve(&mut RawLink(stream));
                    }
                });
            }
        });
        Self { address }
    }

    /// Its address for a configuration, if it is one of RawSocket.
    pub(crate) fn raw_url(&self) -> String {
        format!("rs://{}", self.address)
    }
}

impl RawLink {
    /// Sends a frame. A gateway that is gone does not matter.
    pub(crate) fn write(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let _ = self.0.write_all(&[&[kind], &length[1..], payload].concat());
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Value) {
        self.write(0, message.to_string().as_bytes());
    }

    /// The next frame; nothing once the gateway is gone.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).ok()?;
        let length = head[1..].iter().fold(0, |length, &octet| length << 8 | usize::from(octet));
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// The next message; nothing once the gateway is gone.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let (kind, payload) = self.frame()?;
        assert_eq!(kind, 0, "a message");
        Some(serde_json::from_slice(&payload).unwrap())
    }

    /// Lets a session in whose ticket is [`EDGE`]; its HELLO.
    pub(crate) fn welcomes(&mut self) -> Value {
        let hello = self.receive().unwrap();
        self.send(&json!([code::CHALLENGE, "ticket", {}]));
        assert_eq!(self.receive().unwrap(), json!([code::AUTHENTICATE, EDGE, {}]));
        self.send(&json!([code::WELCOME, 4711, welcome(&hello[2]["authid"])]));
        hello
    }
}
