//! A server behind the gateway, which a test plays: it reads heads, keeps them, and goes on as the test says.

use std::{
    io::Read,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use super::{
    PATIENCE,
    http::ACCEPT,
    websocket::{Frame, opcode},
};

/// A stream to the gateway.
pub(crate) trait Peer: Read + std::io::Write + Send {
    /// Sends nothing more and takes nothing more.
    fn end(&self);
}

impl Peer for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Peer for std::os::unix::net::UnixStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// A server that listens.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What came to a server.
#[derive(Default)]
pub(crate) struct Seen {
    heads: Vec<String>,
    connections: usize,
    /// The codes of the close frames; none where a connection has ended without one.
    closes: Vec<Option<u16>>,
    frames: usize,
}

/// What a server does with a connection whose head it has read.
type Serve = dyn Fn(&mut dyn Peer, &Mutex<Seen>) + Send + Sync;

impl Upstream {
    /// A server that takes every client and sends back what it gets.
    pub(crate) fn echo() -> Self {
        Self::switching("", |peer, seen| echo(peer, seen))
    }

    /// A server that takes every client, with further headers in its 101.
    pub(crate) fn switching(
        headers: &str,
        then: impl Fn(&mut dyn Peer, &Mutex<Seen>) + Send + Sync + 'static,
    ) -> Self {
        let head = switching(headers);
        Self::start(move |peer, seen| {
            let _ = peer.write_all(head.as_bytes());
            then(peer, seen);
        })
    }

    /// A server that answers with these bytes, and hangs up.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer, _| {
            let _ = peer.write_all(&answer);
        })
    }

    pub(crate) fn start(serve: impl Fn(&mut dyn Peer, &Mutex<Seen>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let serve: Arc<Serve> = Arc::new(serve);
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = stream.set_nodelay(true);
                spawn(stream, &serve, &shared);
            }
        });
        Self { address, seen }
    }

    /// A server at a Unix socket that sends back what it gets.
    pub(crate) fn echo_at(path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let (head, seen) = (switching(""), Arc::<Mutex<Seen>>::default());
        let serve: Arc<Serve> = Arc::new(move |peer: &mut dyn Peer, seen: &Mutex<Seen>| {
            let _ = peer.write_all(head.as_bytes());
            echo(peer, seen);
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                spawn(stream, &serve, &seen);
            }
        });
    }

    /// A server of HTTP: for each request on its connections it answers as the test says, which tells as well whether the connection stays.
    pub(crate) fn answering_each(
        answer: impl Fn(&Asked, &mut dyn Peer) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let (answer, shared) = (Arc::new(answer), Arc::clone(&seen));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&shared));
                thread::spawn(move || {
                    seen.lock().unwrap().connections += 1;
                    while let Some(text) = read_head(&mut stream) {
                        seen.lock().unwrap().heads.push(text.clone());
                        if !answer(&Asked { head: Head(text) }, &mut stream) {
                            break;
                        }
                    }
                    stream.end();
                });
            }
        });
        Self { address, seen }
    }

    /// How many connections have come that had a request.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Where it is, with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// The heads that have come, the latest one last.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// The lines of the latest head.
    #[track_caller]
    pub(crate) fn head(&self) -> Head {
        Head(self.heads().last().expect("a head").clone())
    }

    /// How many data frames have come.
    pub(crate) fn frames(&self) -> usize {
        self.seen.lock().unwrap().frames
    }

    /// Waits until so many connections have ended; the codes of their close frames.
    #[track_caller]
    pub(crate) fn closes(&self, count: usize) -> Vec<Option<u16>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let closes = self.seen.lock().unwrap().closes.clone();
            if closes.len() >= count {
                return closes;
            }
            assert!(Instant::now() < end, "only {} of {count} connections have ended", closes.len());
            thread::yield_now();
        }
    }
}

/// A request of HTTP.
pub(crate) struct Asked {
    pub(crate) head: Head,
}

impl Asked {
    /// Its body, as it comes: chunks with their lengths, and trailers.
    pub(crate) fn body(&self, peer: &mut dyn Peer) -> String {
        let mut body = Vec::new();
        let mut byte = [0];
        if let Some(length) = self.head.all("content-length").first() {
            body = vec![0; length.parse().unwrap()];
            let _ = peer.read_exact(&mut body);
        } else if self.head.all("transfer-encoding") == ["chunked"] {
            let has_ended = |body: &[u8]| {
                body.ends_with(b"\r\n\r\n")
                    && (body.starts_with(b"0\r\n") || body.windows(5).any(|end| end == b"\r\n0\r\n"))
            };
            while !has_ended(&body) && peer.read(&mut byte).is_ok_and(|read| read == 1) {
                body.push(byte[0]);
            }
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    /// What it asks for.
    pub(crate) fn path(&self) -> &str {
        self.head.line().split(' ').nth(1).unwrap_or_default()
    }
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head(String);

impl Head {
    pub(crate) fn line(&self) -> &str {
        self.0.split("\r\n").next().unwrap_or_default()
    }

    /// The values of a header, by its name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.0.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn spawn(stream: impl Peer + 'static, serve: &Arc<Serve>, seen: &Arc<Mutex<Seen>>) {
    let (serve, seen) = (Arc::clone(serve), Arc::clone(seen));
    let mut stream = stream;
    let run = move || {
        if let Some(head) = read_head(&mut stream) {
            seen.lock().unwrap().heads.push(head);
            serve(&mut stream, &seen);
        }
        stream.end();
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap();
}

fn switching(headers: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n{headers}\r\n"
    )
}

/// A head, byte by byte: what is behind it belongs to what comes next.
pub(crate) fn read_head(peer: &mut dyn Peer) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if peer.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Reads a frame of a client.
pub(crate) fn read_frame(peer: &mut dyn Peer) -> Option<Frame> {
    let mut head = [0; 2];
    peer.read_exact(&mut head).ok()?;
    let mut extended = [0; 8];
    let length = match head[1] & 0x7f {
        126 => {
            peer.read_exact(&mut extended[6..]).ok()?;
            u64::from_be_bytes(extended)
        }
        127 => {
            peer.read_exact(&mut extended).ok()?;
            u64::from_be_bytes(extended)
        }
        short => u64::from(short),
    };
    assert_ne!(head[1] & 0x80, 0, "the frames of a client are masked");
    let mut mask = [0; 4];
    peer.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    peer.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some(Frame { is_final: head[0] & 0x80 != 0, opcode: head[0] & 0x0f, payload })
}

/// Sends back every frame, until the client closes or is gone.
pub(crate) fn echo(peer: &mut dyn Peer, seen: &Mutex<Seen>) {
    loop {
        let Some(mut frame) = read_frame(peer) else {
            seen.lock().unwrap().closes.push(None);
            return;
        };
        match frame.opcode {
            opcode::PING => frame.opcode = opcode::PONG,
            opcode::PONG => continue,
            opcode::CLOSE => {
                let code = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let _ = peer.write_all(&frame.unmasked());
                seen.lock().unwrap().closes.push(code);
                return;
            }
            _ => seen.lock().unwrap().frames += 1,
        }
        if peer.write_all(&frame.unmasked()).is_err() {
            seen.lock().unwrap().closes.push(None);
            return;
        }
    }
}
