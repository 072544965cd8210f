//! Requests that go on to an upstream must have one end for every reader. hyper is lenient where RFC 9112 lets it be: it takes lines that end
//! in a bare LF, and a Content-Length beside chunks. What follows such a request may be a second one for another reader, so a connection on
//! which one comes is refused here, before hyper sees it.
//!
//! This reader finds heads, and passes everything else by. It only stands before hyper where a path of the transport passes bodies on.

use memchr::memchr;

/// How long the line of a chunk may be. hyper has limits of its own for all of them together.
const LONGEST_CHUNK_LINE: usize = 4 * 1024;

/// hyper keeps the lengths above it for itself.
const LONGEST_BODY: u64 = u64::MAX - 2;

/// Reads along.
#[derive(Debug)]
pub(super) struct Strict {
    state: State,
    /// The line that has begun.
    line: Vec<u8>,
    /// How long a head may be. hyper refuses a longer one.
    max_head: usize,
    length: Option<u64>,
    is_chunked: bool,
    /// Whether the head asks for a WebSocket.
    switches: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RequestLine,
    Field,
    /// So many bytes of a body, or of a chunk with its end.
    Body {
        left: u64,
        is_chunk: bool,
    },
    ChunkLine,
    Trailer,
    /// What has no heads.
    Other,
}

/// The end of a request could be found at two places, for this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear(pub(super) &'static str);

impl Strict {
    pub(super) fn new(max_head: usize) -> Self {
        Self {
            state: State::RequestLine,
            line: Vec::new(),
            max_head,
            length: None,
            is_chunked: false,
            switches: false,
        }
    }

    /// Reads what comes next.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Unclear> {
        while !bytes.is_empty() {
            match self.state {
                State::Other => return Ok(()),
                State::Body { left, is_chunk } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.split_at(length).1;
                    let left = left.saturating_sub(length as u64);
                    self.state = match (left, is_chunk) {
                        (0, true) => State::ChunkLine,
                        (0, false) => State::RequestLine,
                        _ => State::Body { left, is_chunk },
                    };
                }
                _ => {
                    let (part, rest) = match memchr(b'\n', bytes) {
                        Some(end) => bytes.split_at(end + 1),
                        None => (bytes, &[][..]),
                    };
                    bytes = rest;
                    self.line.extend_from_slice(part);
                    self.check_length()?;
                    if self.state != State::Other && self.line.ends_with(b"\n") {
                        let mut line = std::mem::take(&mut self.line);
                        let text = line
                            .strip_suffix(b"\r\n")
                            .ok_or(Unclear("a line ends without a carriage return"))?;
                        self.state = self.next(text)?;
                        line.clear();
                        self.line = line;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_length(&mut self) -> Result<(), Unclear> {
        match self.state {
            State::ChunkLine | State::Trailer if self.line.len() > LONGEST_CHUNK_LINE => {
                Err(Unclear("the line of a chunk, or a trailer, is too long"))
            }
            // It is refused in any case.
            State::RequestLine | State::Field if self.line.len() > self.max_head => {
                self.line = Vec::new();
                self.state = State::Other;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What comes after a line.
    fn next(&mut self, line: &[u8]) -> Result<State, Unclear> {
        match self.state {
            // Empty lines before a request are ignored: RFC 9112, 2.2.
            State::RequestLine | State::Trailer if line.is_empty() => Ok(State::RequestLine),
            State::RequestLine => {
                (self.length, self.is_chunked, self.switches) = (None, false, false);
                Ok(State::Field)
            }
            State::Field if line.is_empty() => match (self.is_chunked, self.length) {
                (true, Some(_)) => Err(Unclear("it has a Content-Length beside a Transfer-Encoding")),
                _ if self.switches => Ok(State::Other),
                (true, None) => Ok(State::ChunkLine),
                (false, Some(left @ 1..)) => Ok(State::Body { left, is_chunk: false }),
                (false, _) => Ok(State::RequestLine),
            },
            State::Field => {
                self.field(line)?;
                Ok(State::Field)
            }
            State::ChunkLine => {
                let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
                let is_size = (1..=16).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
                let fault = Unclear("a chunk has no length that is hexadecimal digits");
                let size = str::from_utf8(size).ok().filter(|_| is_size).ok_or(fault)?;
                match u64::from_str_radix(size, 16).map_err(|_| fault)? {
                    0 => Ok(State::Trailer),
                    size => Ok(State::Body { left: size.saturating_add(2), is_chunk: true }),
                }
            }
            state => Ok(state),
        }
    }

    /// A field of a head.
    fn field(&mut self, line: &[u8]) -> Result<(), Unclear> {
        let end =
            line.iter().position(|byte| *byte == b':').ok_or(Unclear("a line of its head is no field"))?;
        let (name, value) = line.split_at(end);
        let value = value.split_first().map(|(_, value)| value.trim_ascii()).unwrap_or_default();
        if name.first().is_none_or(u8::is_ascii_whitespace) || name.last().is_none_or(u8::is_ascii_whitespace)
        {
            return Err(Unclear("a line begins with a blank, or has one before its colon"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_length = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length =
                str::from_utf8(value).ok().filter(|_| is_length).and_then(|value| value.parse().ok());
            if self.length.is_some() {
                return Err(Unclear("it has two Content-Length"));
            }
            let fits = |length: &u64| *length <= LONGEST_BODY;
            let fault = Unclear("its Content-Length is no number, or too large");
            self.length = Some(length.filter(fits).ok_or(fault)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unclear(
                    "its Transfer-Encoding is another one than 'chunked', or is there twice",
                ));
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.switches |= tokens.any(|token| token.eq_ignore_ascii_case(b"websocket"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Reads all of it, in parts of this length.
    fn read(text: &str, part: usize) -> (Result<(), Unclear>, State) {
        let mut strict = Strict::new(1000);
        let read = text.as_bytes().chunks(part).try_for_each(|part| strict.read(part));
        (read, strict.state)
    }

    #[test]
    fn what_has_one_end_passes_however_it_is_cut() {
        for (text, state) in [
            (GET.repeat(3), State::RequestLine),
            (format!("\r\n\r\n{GET}"), State::RequestLine),
            (format!("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\nc{GET}"), State::RequestLine),
            (
                format!(
                    "POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n5;a=\"b\"\r\na\nb\nc\r\n00A \r\n0123456789\r\n0\r\nX: y\r\n\r\n{GET}"
                ),
                State::RequestLine,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGE".to_owned(), State::RequestLine),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12".to_owned(),
                State::Body { left: 3, is_chunk: false },
            ),
            (format!("GET / HTTP/1.1\r\nUpgrade: x, WebSocket\r\n\r\n{}\n", "\u{81}"), State::Other),
            (format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(2000)), State::Other),
            (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(2000)), State::Other),
        ] {
            for part in [1, 2, 7, text.len()] {
                assert_eq!(read(&text, part), (Ok(()), state), "{text:?} in parts of {part}");
            }
        }
    }

    #[test]
    fn what_could_have_two_ends_does_not_pass() {
        let head = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
        for text in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned(),
            format!("{GET}GET / HTTP/1.1\n"),
            head("Content-Length: 5\r\nContent-Length: 5"),
            head("Content-Length: 5, 5"),
            head("Content-Length: +5"),
            head("Content-Length: 0x5"),
            head("Content-Length:"),
            head("Content-Length: 18446744073709551614"),
            head("Content-Length: 18446744073709551616"),
            head("Content-Length : 5"),
            head("Content-Length: 5\r\nTransfer-Encoding: chunked"),
            head("Transfer-Encoding: chunked\r\nContent-Length: 5"),
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            head("Transfer-Encoding: gzip, chunked"),
            head("Transfer-Encoding: \"chunked\""),
            head("X: y\r\n z"),
            head("no field"),
            format!("{}5\n", head("Transfer-Encoding: chunked")),
            format!("{}x\r\n", head("Transfer-Encoding: chunked")),
            format!("{}\r\n", head("Transfer-Encoding: chunked")),
            format!("{}-1\r\n", head("Transfer-Encoding: chunked")),
            format!("{}11111111111111111\r\n", head("Transfer-Encoding: chunked")),
            format!("{}5;{}", head("Transfer-Encoding: chunked"), "x".repeat(5000)),
            format!("{}5;{}\r\n", head("Transfer-Encoding: chunked"), "x".repeat(5000)),
            format!("{}0\r\nX: y\n", head("Transfer-Encoding: chunked")),
        ] {
            for part in [1, 3, text.len()] {
                assert!(read(&text, part).0.is_err(), "{text:?} in parts of {part}");
            }
        }
    }
}
