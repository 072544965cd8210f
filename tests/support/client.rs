//! A small WAMP client: it sends what it is told, and waits for what must come.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    Frame, Gateway, Handshake, Response, Serializer, WebSocket, code, config::TICKET, websocket::opcode,
};

/// A client's cookie jar, for the one cookie that matters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar {
    /// The tracking ID that the gateway handed out last.
    pub(crate) id: Option<String>,
}

/// A client on an open WebSocket.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocket,
    serializer: Serializer,
    batched: bool,
    next_request: u64,
    /// Messages that came while another one was awaited, oldest first.
    aside: VecDeque<Value>,
    /// The answer to the handshake.
    pub(crate) handshake: Response,
}

/// Why a client could not join: the ABORT, and the close code after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) close: u16,
}

/// What WAMP calls "client roles": everything.
pub(crate) fn roles() -> Value {
    json!({ "publisher": {}, "subscriber": {}, "caller": {}, "callee": {} })
}

// === Opening ===

impl Client {
    /// Opens `/ws` with JSON.
    #[track_caller]
    pub(crate) fn open(gateway: &Gateway, jar: &mut Jar) -> Self {
        Self::open_with(gateway, jar, Serializer::Json, false)
    }

    /// Opens `/ws` with a serializer.
    #[track_caller]
    pub(crate) fn open_with(gateway: &Gateway, jar: &mut Jar, serializer: Serializer, batched: bool) -> Self {
        Self::open_by(gateway, jar, Handshake::default(), serializer, batched)
    }

    /// Opens another path with JSON.
    #[track_caller]
    pub(crate) fn open_at(gateway: &Gateway, jar: &mut Jar, path: &str) -> Self {
        Self::open_by(gateway, jar, Handshake::default().path(path), Serializer::Json, false)
    }

    /// Opens by a handshake of the test's own.
    #[track_caller]
    pub(crate) fn open_by(
        gateway: &Gateway,
        jar: &mut Jar,
        handshake: Handshake,
        serializer: Serializer,
        batched: bool,
    ) -> Self {
        let protocol = serializer.protocol(batched);
        let (socket, response) = handshake.protocol(protocol).opens_with(gateway, jar);
        assert_eq!(response.header("sec-websocket-protocol"), Some(protocol), "{response:?}");
        let aside = VecDeque::new();
        Self { socket, serializer, batched, next_request: 1, aside, handshake: response }
    }

    /// Opens `/ws` with JSON and joins `realm1` anonymously.
    #[track_caller]
    pub(crate) fn joined(gateway: &Gateway, jar: &mut Jar) -> (Self, Value) {
        let mut client = Self::open(gateway, jar);
        let welcome = client.joins();
        (client, welcome)
    }

    /// Opens `/ws` with JSON and joins `realm1` as joe, by his ticket.
    #[track_caller]
    pub(crate) fn joe(gateway: &Gateway, jar: &mut Jar) -> (Self, Value) {
        let mut client = Self::open(gateway, jar);
        let welcome = client.join_by_ticket("joe", TICKET).unwrap();
        (client, welcome)
    }

    /// The socket below.
    pub(crate) fn socket(&mut self) -> &mut WebSocket {
        &mut self.socket
    }
}

// === Messages ===

impl Client {
    /// Sends a message.
    #[track_caller]
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_all(std::slice::from_ref(message));
    }

    /// Sends messages, in one frame if the subprotocol is batched.
    #[track_caller]
    pub(crate) fn send_all(&mut self, messages: &[Value]) {
        let kind = if self.serializer == Serializer::Json { opcode::TEXT } else { opcode::BINARY };
        if self.batched {
            self.socket.send(&Frame::new(kind, self.serializer.batch(messages)));
        } else {
            for message in messages {
                self.socket.send(&Frame::new(kind, self.serializer.encode(message)));
            }
        }
    }

    /// The next message, also one that was put aside.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Value {
        loop {
            if let Some(message) = self.aside.pop_front() {
                return message;
            }
            self.read();
        }
    }

    /// The next message of a type; those before it are put aside.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: u64) -> Value {
        self.expect_where(&format!("a message of type {kind}"), |message| message[0] == kind)
    }

    /// The next message that fits; those before it are put aside.
    #[track_caller]
    fn expect_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.aside.iter().position(&fits) {
                return self.aside.remove(place).unwrap();
            }
            // Neither of them is ever put aside on purpose: a test that waits for something else would wait for ever.
            if let Some(end) = self.aside.iter().find(|m| m[0] == code::ABORT || m[0] == code::GOODBYE) {
                panic!("{end} instead of {what}");
            }
            self.read();
        }
    }

    /// Puts a message back that was not the awaited one.
    pub(crate) fn put_back(&mut self, message: Value) {
        self.aside.push_front(message);
    }

    /// Whether no message was put aside.
    pub(crate) fn is_waiting_for_nothing(&self) -> bool {
        self.aside.is_empty()
    }

    #[track_caller]
    fn read(&mut self) {
        let Some(frame) = self.socket.receive() else {
            panic!("the connection ended without a message");
        };
        let kind = if self.serializer == Serializer::Json { opcode::TEXT } else { opcode::BINARY };
        assert_eq!(frame.opcode, kind, "{frame:?} is no message");
        if self.batched {
            self.aside.extend(self.serializer.unbatch(&frame.payload));
        } else {
            self.aside.push_back(self.serializer.decode(&frame.payload));
        }
    }
}

// === Sessions ===

impl Client {
    /// Joins, and gives WELCOME.Details.
    #[track_caller]
    pub(crate) fn join(&mut self, realm: &str, details: Value) -> Result<Value, Refused> {
        self.hello(realm, details);
        self.outcome()
    }

    /// Joins `realm1` anonymously, which must succeed.
    #[track_caller]
    pub(crate) fn joins(&mut self) -> Value {
        match self.join("realm1", json!({})) {
            Ok(welcome) => welcome,
            Err(refused) => panic!("{refused:?}"),
        }
    }

    /// Joins `realm1` as a principal of the ticket method.
    #[track_caller]
    pub(crate) fn join_by_ticket(&mut self, authid: &str, ticket: &str) -> Result<Value, Refused> {
        self.hello("realm1", json!({ "authmethods": ["ticket"], "authid": authid }));
        let challenge = self.receive();
        assert_eq!(challenge[0], code::CHALLENGE, "{challenge} is no CHALLENGE");
        assert_eq!(challenge[1], "ticket");
        self.send(&json!([code::AUTHENTICATE, ticket, {}]));
        self.outcome()
    }

    /// Joins `realm1`; if the gateway asks, `authenticate` answers its CHALLENGE.
    #[track_caller]
    pub(crate) fn join_if_asked(
        &mut self,
        details: Value,
        authenticate: impl FnOnce(&Value) -> Value,
    ) -> Result<Value, Refused> {
        self.hello("realm1", details);
        let answer = self.receive();
        if answer[0] == code::CHALLENGE {
            self.send(&authenticate(&answer));
        } else {
            self.aside.push_front(answer);
        }
        self.outcome()
    }

    /// Sends HELLO; `details` gets the roles if it has none.
    #[track_caller]
    pub(crate) fn hello(&mut self, realm: &str, mut details: Value) {
        if details["roles"].is_null() {
            details["roles"] = roles();
        }
        self.send(&json!([code::HELLO, realm, details]));
    }

    /// WELCOME or ABORT.
    #[track_caller]
    pub(crate) fn outcome(&mut self) -> Result<Value, Refused> {
        let answer = self.receive();
        if answer[0] == code::WELCOME {
            assert!(answer[1].as_u64().is_some_and(|id| (1..=1 << 53).contains(&id)), "{answer}");
            return Ok(answer[2].clone());
        }
        assert_eq!(answer[0], code::ABORT, "{answer} is neither WELCOME nor ABORT");
        Err(self.refusal(&answer))
    }

    /// The gateway must end the session with ABORT, and the connection with a close.
    #[track_caller]
    pub(crate) fn is_aborted(&mut self, reason: &str) -> Refused {
        let answer = self.receive();
        assert_eq!((&answer[0], &answer[2]), (&json!(code::ABORT), &json!(reason)), "{answer}");
        self.refusal(&answer)
    }

    #[track_caller]
    fn refusal(&mut self, abort: &Value) -> Refused {
        Refused {
            reason: abort[2].as_str().unwrap().to_owned(),
            message: abort[1]["message"].as_str().unwrap_or_default().to_owned(),
            close: self.socket.await_close(),
        }
    }

    /// Says GOODBYE and closes, both answered.
    #[track_caller]
    pub(crate) fn leaves(&mut self) {
        self.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        let goodbye = self.expect_where("GOODBYE", |message| message[0] == code::GOODBYE);
        assert_eq!(goodbye[2], "wamp.close.goodbye_and_out");
        let close = Frame::new(opcode::CLOSE, 1000_u16.to_be_bytes());
        // The gateway may close first.
        let _ = self.socket.connection().try_send(close.masked());
        self.socket.is_closed_with(1000);
    }
}

// === Requests ===

impl Client {
    /// Sends a request, without waiting; its identifier.
    #[track_caller]
    pub(crate) fn request(&mut self, kind: u64, rest: &Value) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        let mut message = vec![json!(kind), json!(id)];
        message.extend(rest.as_array().unwrap().iter().cloned());
        self.send(&Value::Array(message));
        id
    }

    /// The answer to a request: the message, or the ERROR.
    #[track_caller]
    pub(crate) fn answer(&mut self, kind: u64, id: u64, answer: u64) -> Result<Value, Value> {
        let message = self.expect_where(&format!("the answer to request {id}"), |message| {
            (message[0] == answer && message[1] == id)
                || (message[0] == code::ERROR && message[1] == kind && message[2] == id)
        });
        if message[0] == code::ERROR { Err(message) } else { Ok(message) }
    }

    /// Subscribes; the subscription, or the error's URI.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, topic: &str) -> Result<Value, String> {
        let id = self.request(code::SUBSCRIBE, &json!([{}, topic]));
        self.answer(code::SUBSCRIBE, id, code::SUBSCRIBED).map(|m| m[2].clone()).map_err(|error| uri(&error))
    }

    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, subscription: &Value) -> Result<(), String> {
        let id = self.request(code::UNSUBSCRIBE, &json!([subscription]));
        self.answer(code::UNSUBSCRIBE, id, code::UNSUBSCRIBED).map(drop).map_err(|error| uri(&error))
    }

    /// Publishes and waits for the acknowledgement.
    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, args: &Value, kwargs: &Value) -> Result<(), String> {
        let options = json!({ "acknowledge": true, "exclude_me": false });
        let id = self.request(code::PUBLISH, &json!([options, topic, args, kwargs]));
        self.answer(code::PUBLISH, id, code::PUBLISHED).map(drop).map_err(|error| uri(&error))
    }

    /// Registers; the registration, or the error's URI.
    #[track_caller]
    pub(crate) fn register(&mut self, procedure: &str) -> Result<Value, String> {
        let id = self.request(code::REGISTER, &json!([{}, procedure]));
        self.answer(code::REGISTER, id, code::REGISTERED).map(|m| m[2].clone()).map_err(|error| uri(&error))
    }

    #[track_caller]
    pub(crate) fn unregister(&mut self, registration: &Value) -> Result<(), String> {
        let id = self.request(code::UNREGISTER, &json!([registration]));
        self.answer(code::UNREGISTER, id, code::UNREGISTERED).map(drop).map_err(|error| uri(&error))
    }

    /// Calls, without waiting; the request, for [`Client::result`].
    #[track_caller]
    pub(crate) fn call(&mut self, procedure: &str, args: &Value, kwargs: &Value) -> u64 {
        self.request(code::CALL, &json!([{}, procedure, args, kwargs]))
    }

    /// The result of a call (RESULT), or its error (ERROR).
    #[track_caller]
    pub(crate) fn result(&mut self, call: u64) -> Result<Value, Value> {
        self.answer(code::CALL, call, code::RESULT)
    }

    /// Publishes to itself and calls itself.
    #[track_caller]
    pub(crate) fn echoes(&mut self) {
        let args = json!(["hello", 1]);
        let subscription = self.subscribe("com.example.echo.topic").unwrap();
        self.publish("com.example.echo.topic", &args, &json!({})).unwrap();
        let event = self.expect(code::EVENT);
        assert_eq!((&event[1], &event[4]), (&subscription, &args), "{event}");

        let registration = self.register("com.example.echo.procedure").unwrap();
        let call = self.call("com.example.echo.procedure", &args, &json!({}));
        let invocation = self.expect(code::INVOCATION);
        self.send(&json!([code::YIELD, invocation[1], {}, invocation[4]]));
        assert_eq!(self.result(call).unwrap()[3], args);
        self.unregister(&registration).unwrap();
        self.unsubscribe(&subscription).unwrap();
    }
}

/// The URI of an ERROR.
pub(crate) fn uri(error: &Value) -> String {
    error[4].as_str().unwrap_or_default().to_owned()
}
