//! Raw HTTP: a connection over which a test sends what it likes, and reads heads.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::{
    Gateway, Jar, PATIENCE, WebSocket,
    tls::{self, TlsClient},
};

/// The example of RFC 6455, 1.3, and what a server must answer to it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A TCP connection to a gateway, with TLS or without.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<tls::Session>>,
    /// Read from the stream, not used up yet.
    ahead: Vec<u8>,
}

/// The head of an answer, and its body if the head tells its length.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The request of a WebSocket handshake, correct unless a test changes it.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    method: String,
    path: String,
    version: String,
    headers: Vec<(String, String)>,
    /// The address that the client has; none: the system chooses.
    pub(crate) source: Option<IpAddr>,
    /// How the client speaks TLS, if it does.
    pub(crate) tls: Option<TlsClient>,
    /// What it sends before anything else.
    pub(crate) before: Vec<u8>,
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(gateway: &Gateway) -> Self {
        Self::open_at(gateway.address())
    }

    #[track_caller]
    pub(crate) fn open_at(address: SocketAddr) -> Self {
        Self::open_from(None, address)
    }

    /// Opens from where a handshake comes.
    #[track_caller]
    pub(crate) fn open_for(handshake: &Handshake, gateway: &Gateway) -> Self {
        Self::open_from(handshake.source, gateway.address())
    }

    /// Opens from an address of the client's own, or from any.
    #[track_caller]
    pub(crate) fn open_from(source: Option<IpAddr>, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        }
        if let Err(error) = socket.connect_timeout(&address.into(), PATIENCE) {
            panic!("cannot connect: {error}");
        }
        socket.set_tcp_nodelay(true).unwrap();
        Self { stream: socket.into(), tls: None, ahead: Vec::new() }
    }

    /// Makes a TLS handshake; the error is the client's.
    pub(crate) fn start_tls(&mut self, client: &TlsClient) -> std::io::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.tls = Some(Box::new(client.handshake(&mut self.stream)?));
        Ok(())
    }

    /// The TLS session.
    #[track_caller]
    pub(crate) fn session(&self) -> &tls::Session {
        self.tls.as_ref().expect("a connection with TLS")
    }

    /// The stream below, for a second thread that writes while this one reads.
    pub(crate) fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Sends bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!("cannot send: {error}");
        }
    }

    /// Sends bytes to a gateway that may have hung up already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(session) => {
                let mut stream = tls::Stream::new(&mut **session, &mut self.stream);
                stream.write_all(bytes.as_ref())?;
                stream.flush()
            }
        }
    }

    /// Sends nothing more, and goes on reading.
    pub(crate) fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next bytes, exactly so many; nothing if the connection ends before.
    #[track_caller]
    pub(crate) fn read_exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.read_more(PATIENCE) {
                return None;
            }
        }
        Some(self.ahead.drain(..length).collect())
    }

    /// Reads an answer, which must come.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if let Some(length) = response.header("content-length").and_then(|length| length.parse().ok()) {
            let body = self.read_exactly(length).expect("a body as long as its head says");
            response.body = String::from_utf8_lossy(&body).into_owned();
        }
        response
    }

    /// Reads the answer to a HEAD request.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.read_more(PATIENCE), "the connection ended without an answer");
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        Response::parse(&String::from_utf8_lossy(&head))
    }

    /// Whether the gateway ends the connection, whatever it sends before.
    #[track_caller]
    pub(crate) fn assert_ends(&mut self) {
        while self.read_more(PATIENCE) {
            self.ahead.clear();
        }
    }

    /// All that comes until the connection ends.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more(PATIENCE) {}
        std::mem::take(&mut self.ahead)
    }

    /// Whether something can be read within a limit, without taking it.
    #[track_caller]
    pub(crate) fn is_readable(&mut self, limit: Duration) -> bool {
        if !self.ahead.is_empty() {
            return true;
        }
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut byte = [0];
        !self.stream.peek(&mut byte).is_err_and(|error| is_timeout(error.kind()))
    }

    /// Reads what is there; false at the end of the connection.
    #[track_caller]
    fn read_more(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut buffer = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => self.stream.read(&mut buffer),
            Some(session) => tls::Stream::new(&mut **session, &mut self.stream).read(&mut buffer),
        };
        match read {
            Ok(0) => false,
            Ok(length) => {
                self.ahead.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if is_timeout(error.kind()) => {
                panic!("the gateway said nothing and did not hang up for {limit:?}")
            }
            // A reset is an end as well: the gateway need not read what it has no use for.
            Err(_) => false,
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Response {
    fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP answer: {head}")),
            headers,
            body: String::new(),
        }
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All `Set-Cookie` headers.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The ID in the `Set-Cookie` header for `cbtid`, if there is one.
    pub(crate) fn tracking_id(&self) -> Option<String> {
        self.set_cookies()
            .iter()
            .find_map(|line| line.strip_prefix("cbtid="))
            .map(|rest| rest.split(';').next().unwrap_or_default().to_owned())
    }
}

impl Default for Handshake {
    fn default() -> Self {
        let headers = [
            ("Host", "gateway.example"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Protocol", "wamp.2.json"),
        ];
        Self {
            method: "GET".to_owned(),
            path: "/ws".to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            source: None,
            tls: None,
            before: Vec::new(),
        }
    }
}

impl Handshake {
    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Adds a header line, also beside one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// Changes a header, or adds it.
    pub(crate) fn replace(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn protocol(self, name: &str) -> Self {
        self.replace("Sec-WebSocket-Protocol", name)
    }

    /// Comes from an address of the client's own.
    pub(crate) fn from(mut self, address: Ipv4Addr) -> Self {
        self.source = Some(address.into());
        self
    }

    /// Speaks TLS.
    pub(crate) fn over(mut self, client: &TlsClient) -> Self {
        self.tls = Some(client.clone());
        self
    }

    /// Sends something before everything else, such as the header of a proxy.
    pub(crate) fn behind(mut self, header: impl AsRef<[u8]>) -> Self {
        self.before.extend_from_slice(header.as_ref());
        self
    }

    /// Presents a tracking ID.
    pub(crate) fn cookie(self, id: &str) -> Self {
        self.header("Cookie", &format!("cbtid={id}"))
    }

    /// The request, as bytes; a header's value may hold `\u{80}` to `\u{ff}`, which become single bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.path, self.version);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1 only")).collect()
    }

    /// Sends the request and reads the answer.
    #[track_caller]
    pub(crate) fn send(&self, gateway: &Gateway) -> (Connection, Response) {
        let mut connection = Connection::open_from(self.source, gateway.address());
        connection.send(&self.before);
        if let Some(client) = &self.tls
            && let Err(error) = connection.start_tls(client)
        {
            panic!("no TLS: {error}");
        }
        connection.send(self.bytes());
        let response = connection.response();
        (connection, response)
    }

    /// Sends a request that must be refused, with this status, and with an end of the connection or a way to go on.
    #[track_caller]
    pub(crate) fn is_refused(&self, gateway: &Gateway, status: u16) -> Response {
        let (_, response) = self.send(gateway);
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(response.set_cookies(), Vec::<&str>::new(), "a refused client got a cookie");
        response
    }

    /// Sends a request that must be accepted.
    #[track_caller]
    pub(crate) fn opens(&self, gateway: &Gateway) -> (WebSocket, Response) {
        let (connection, response) = self.send(gateway);
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT), "{response:?}");
        (WebSocket::new(connection), response)
    }

    /// Opens with the jar's cookie, and puts into the jar what comes back.
    #[track_caller]
    pub(crate) fn opens_with(self, gateway: &Gateway, jar: &mut Jar) -> (WebSocket, Response) {
        let handshake = match &jar.id {
            Some(id) => self.cookie(id),
            None => self,
        };
        let (socket, response) = handshake.opens(gateway);
        if let Some(id) = response.tracking_id() {
            jar.id = Some(id);
        }
        (socket, response)
    }
}
