//! What is wrong with a head that cannot be read.
//!
//! hyper answers such a head with a bare status. [`Patience`](super::patience::Patience) withholds that answer, and the client gets
//! one that names the field (RFC 6585, 5) and says what to do. The log names the limit and the field. Values are repeated nowhere,
//! and the log names well-known fields only: a client may have put a credential in the wrong place.

use std::borrow::Cow;

/// The beginning of a TLS handshake: a client that speaks `https` or `wss` to a port without TLS.
const TLS: &[u8] = b"\x16\x03";

/// The longest name that is repeated.
const LONGEST_NAME: usize = 64;

/// Fields that are known to grow, or to be broken by proxies and programs.
const WELL_KNOWN: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "origin",
    "referer",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
];

/// The limits that a head has broken, or may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub(super) size: usize,
    pub(super) fields: usize,
}

/// Why a head cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadFault {
    /// 431, otherwise 400.
    pub(crate) is_too_large: bool,
    /// What the client is told.
    pub(crate) message: String,
    /// What the operator is told.
    pub(crate) cause: String,
}

/// A line of a head: a field with its name and its value, or what stands in its place.
struct Line<'a> {
    /// Its place; the request line is 1.
    number: usize,
    text: &'a [u8],
}

impl HeadFault {
    /// Looks for the fault in what has been read of a head. `complaint` is hyper's.
    pub(super) fn find(is_too_large: bool, complaint: &str, read: &[u8], limits: HeadLimits) -> Self {
        // hyper calls a Content-Length so that it cannot count. It has taken the head out of its buffer then.
        let is_length =
            is_too_large && read.len() < limits.size && lines(read).skip(1).count() <= limits.fields;
        let (is_too_large, complaint) =
            if is_length { (false, "content-length") } else { (is_too_large, complaint) };
        let (message, cause) = if is_too_large {
            too_large(read, limits)
        } else {
            let (message, name) = broken(read, complaint);
            let part = name.map_or_else(|| message.clone(), |name| well_known(&name).into_owned());
            let cause = format!("its head cannot be read: {part}");
            (message, cause)
        };
        Self { is_too_large, message, cause }
    }

    pub(super) const fn reason(&self) -> &'static str {
        if self.is_too_large { "head-size" } else { "head" }
    }
}

/// The field as the log may name it.
fn well_known(name: &str) -> Cow<'static, str> {
    let known = WELL_KNOWN.into_iter().find(|known| name.eq_ignore_ascii_case(known));
    known.map_or(Cow::Borrowed("a field of another name"), |known| format!("the field {known}").into())
}

/// What the client and the operator are told of a head that is too large.
fn too_large(read: &[u8], HeadLimits { size, fields }: HeadLimits) -> (String, String) {
    let count = lines(read).skip(1).count();
    if count > fields {
        return (
            format!("the request has more than {fields} header fields: send fewer of them"),
            format!("its head has more than {fields} header fields, which `max_headers` allows"),
        );
    }
    let head = format!("the request's head is larger than {size} bytes");
    let limit = format!("its head is larger than {size} bytes, which `max_head_size` allows");
    let Some(largest) = lines(read).max_by_key(|line| line.text.len()) else { return (head, limit) };
    let (length, name) = (largest.text.len(), largest.name());
    let (part, logged, remedy) = match &name {
        _ if largest.number == 1 => ("the request line".to_owned(), "the request line".into(), ""),
        Some(name) if name.eq_ignore_ascii_case("cookie") => {
            (format!("the field {name}"), well_known(name), ". Delete this site's cookies")
        }
        Some(name) => (format!("the field {name}"), well_known(name), ""),
        None => (format!("line {}", largest.number), "a line that is no field".into(), ""),
    };
    (
        format!("{head}: {part} alone has at least {length}{remedy}"),
        format!("{limit}: {logged} alone has at least {length}"),
    )
}

/// What is wrong with a head that is not too large, and the name of the field if one is to blame.
fn broken(read: &[u8], complaint: &str) -> (String, Option<String>) {
    if read.starts_with(TLS) {
        let message = "this port speaks no TLS: use http:// or ws://, or connect to the port that does";
        return (message.to_owned(), None);
    }
    // hyper has taken such a head out of its buffer already.
    for field in ["Content-Length", "Transfer-Encoding"] {
        if complaint.contains(&field.to_ascii_lowercase()) {
            return (format!("the field {field} of the request is invalid"), Some(field.to_owned()));
        }
    }
    let mut lines = lines(read);
    if let Some(first) = lines.next()
        && !is_request_line(first.text)
    {
        return (
            "the request line must be a method, a path and HTTP/1.1, with one space between them".to_owned(),
            None,
        );
    }
    for line in lines {
        let number = line.number;
        if line.text.starts_with(b" ") || line.text.starts_with(b"\t") {
            // RFC 9112, 5.2
            return (
                format!("line {number} of the request begins with a blank: a field must be one line"),
                None,
            );
        }
        if !line.text.contains(&b':') {
            return (format!("line {number} of the request is no header field: it has no colon"), None);
        }
        let Some(name) = line.name() else {
            return (
                format!("line {number} of the request begins with what is no name of a header field"),
                None,
            );
        };
        if line.text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return (format!("the value of the field {name} has a control character"), Some(name));
        }
    }
    ("this is no HTTP/1.1 request".to_owned(), None)
}

/// The lines of a head, up to the empty one.
fn lines(read: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let lines = read.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // Empty lines before a request are ignored: RFC 9112, 2.2.
    let lines = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    lines.enumerate().map(|(place, text)| Line { number: place + 1, text })
}

impl Line<'_> {
    /// The field's name, if it is one that can be repeated.
    fn name(&self) -> Option<String> {
        let end = self.text.iter().position(|byte| *byte == b':')?;
        let name = self.text.get(..end).filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME)?;
        let name = str::from_utf8(name).ok()?;
        let is_token =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        is_token.then(|| name.to_owned())
    }
}

fn is_request_line(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    method.is_some_and(|method| !method.is_empty() && method.iter().all(u8::is_ascii_graphic))
        && target.is_some_and(|target| target.first().is_some_and(u8::is_ascii_graphic))
        && version.is_some_and(|version| version == b"HTTP/1.1" || version == b"HTTP/1.0")
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { size: 1000, fields: 4 };

    #[test]
    fn the_field_is_named_and_no_value_is_repeated() {
        let long = "secret".repeat(200);
        for (is_too_large, complaint, read, expected, told) in [
            (
                true,
                "",
                format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {long}\r\n\r\n"),
                "the field Cookie alone has at least 1208",
                "larger than 1000 bytes, which `max_head_size` allows: the field cookie alone has at least 1208",
            ),
            (
                true,
                "",
                format!("GET / HTTP/1.1\r\nX-Mine: {long}"),
                "the field X-Mine alone",
                "a field of another name alone has at least 1208",
            ),
            (true, "", format!("GET /{long}"), "the request line alone", "1000 bytes, which `max_head_size`"),
            (
                true,
                "",
                format!("GET / HTTP/1.1\r\n{}\r\n", "X: secret\r\n".repeat(5)),
                "more than 4 header fields",
                "more than 4 header fields, which `max_headers` allows",
            ),
            (true, "", format!("GET / HTTP/1.1\r\n{long}\r\n"), "line 2 alone", "a line that is no field"),
            (false, "", "\u{16}\u{3}\u{1}secret".to_owned(), "speaks no TLS", "speaks no TLS"),
            (false, "", "GET\r\n\r\n".to_owned(), "the request line must be", "the request line must be"),
            (
                false,
                "",
                "GET /secret HTTP/3.0\r\n\r\n".to_owned(),
                "the request line must be",
                "the request line must be",
            ),
            (
                false,
                "",
                "GET / HTTP/1.1\r\nHost: a\r\nsecret\r\n\r\n".to_owned(),
                "line 3 of the request is no header field",
                "line 3 of the request is no header field",
            ),
            (
                false,
                "",
                "GET / HTTP/1.1\r\nA secret: b\r\n\r\n".to_owned(),
                "line 2 of the request begins with",
                "line 2 of the request begins with",
            ),
            (
                false,
                "",
                "GET / HTTP/1.1\r\n secret: b\r\n\r\n".to_owned(),
                "begins with a blank",
                "begins with a blank",
            ),
            (
                false,
                "",
                "GET / HTTP/1.1\r\nCookie: secret\u{0}\r\n\r\n".to_owned(),
                "value of the field Cookie",
                "cannot be read: the field cookie",
            ),
            (
                false,
                "invalid content-length parsed",
                String::new(),
                "the field Content-Length",
                "cannot be read: the field content-length",
            ),
            (true, "", String::new(), "the field Content-Length", "cannot be read: the field content-length"),
            (false, "", String::new(), "no HTTP/1.1 request", "no HTTP/1.1 request"),
        ] {
            let fault = HeadFault::find(is_too_large, complaint, read.as_bytes(), LIMITS);
            assert!(fault.message.contains(expected), "{fault:?}, not {expected}");
            assert!(!fault.message.contains("secret"), "{fault:?}");
            let cause = &fault.cause;
            assert!(!cause.contains("secret") && !cause.contains("X-Mine"), "{fault:?}");
            assert!(cause.contains(told), "{fault:?}, not {told}");
        }
    }
}
