//! A collector in a thread, which keeps what it is sent, and as much of OTLP as shows spans.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Takes requests until the process ends.
pub(super) struct Collector {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    heads: Arc<Mutex<String>>,
}

/// A span, with its IDs in hexadecimal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    /// The traces that it names.
    pub(super) links: Vec<String>,
    attributes: BTreeMap<String, String>,
}

impl Span {
    pub(super) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

impl Collector {
    /// Answers each request with this status.
    pub(super) fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, sent, heads) = (listener.local_addr().unwrap(), Arc::default(), Arc::default());
        let (kept, noted) = (Arc::clone(&sent), Arc::clone(&heads));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take(stream, status, &kept, &noted);
            }
        });
        Self { address, sent, heads }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests, in small letters.
    pub(super) fn heads(&self) -> String {
        self.heads.lock().unwrap().clone()
    }

    /// The bytes of all requests, those that are no text replaced.
    pub(super) fn everything(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().unwrap().concat()).into_owned()
    }

    /// `ExportTraceServiceRequest` has `ResourceSpans` as 1, this `ScopeSpans` as 2, and this `Span` as 2.
    pub(super) fn spans(&self) -> Vec<Span> {
        let sent = self.sent.lock().unwrap();
        let of_resources = sent.iter().flat_map(|body| within(body, 1));
        let of_scopes = of_resources.flat_map(|resource| within(resource, 2));
        of_scopes.flat_map(|scope| within(scope, 2)).map(span).collect()
    }
}

fn take(stream: TcpStream, status: &str, sent: &Mutex<Vec<Vec<u8>>>, heads: &Mutex<String>) {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        heads.lock().unwrap().push_str(&line.to_ascii_lowercase());
        line.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    sent.lock().unwrap().push(body);
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // A gateway that has ended reads no answer.
    let _ = reader.into_inner().write_all(answer.as_bytes());
}

fn span(bytes: &[u8]) -> Span {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let first = |field| within(bytes, field).into_iter().next().unwrap_or_default();
    Span {
        trace: hex(first(1)),
        id: hex(first(2)),
        parent: hex(first(4)),
        name: String::from_utf8(first(5).to_vec()).unwrap(),
        attributes: within(bytes, 9).into_iter().map(attribute).collect(),
        links: within(bytes, 13).into_iter().map(|link| hex(within(link, 1)[0])).collect(),
    }
}

/// `KeyValue` has the key as 1 and the value as 2; that has a text as 1 and a number as 3.
fn attribute(bytes: &[u8]) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (key, value) = (within(bytes, 1)[0], within(bytes, 2)[0]);
    let shown = match within(value, 1).first() {
        Some(value) => text(value),
        None => {
            fields(value).find_map(|(field, number, _)| (field == 3).then(|| number.to_string())).unwrap()
        }
    };
    (text(key), shown)
}

/// The messages, texts and byte strings of a field.
fn within(bytes: &[u8], wanted: u64) -> Vec<&[u8]> {
    fields(bytes).filter(|(field, ..)| *field == wanted).map(|(.., content)| content).collect()
}

/// The fields of a message of protocol buffers: the number of each, and what it has, a number or bytes.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, u64, &[u8])> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let key = varint(&mut bytes);
        let (number, length) = match key & 7 {
            0 => (varint(&mut bytes), 0),
            1 => (0, 8),
            2 => (0, usize::try_from(varint(&mut bytes)).unwrap()),
            5 => (0, 4),
            other => panic!("wire type {other}"),
        };
        let (content, rest) = bytes.split_at(length);
        bytes = rest;
        Some((key >> 3, number, content))
    })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7F) << (7 * place);
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}
