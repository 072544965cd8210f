//! How a session and its connection end, and what the client is told: the one place where an end becomes a message and a close
//! code. A connection ends for most of these reasons by itself; a realm ends its sessions by [`Outbox::end`].

mod router;

use std::{borrow::Cow, fmt, time::Duration};

use super::{CloseCode, Closing, Complaint, Outbox, WireError};
use crate::{
    auth::AuthError,
    identity::Lapse,
    store::StoreError,
    tracking::Parting,
    wamp::{
        RouterMessage, Uri,
        uri::error::{
            GOODBYE_AND_OUT, KILLED, LOGOUT, PAYLOAD_SIZE_EXCEEDED, PROTOCOL_VIOLATION, SYSTEM_SHUTDOWN,
            UNAVAILABLE,
        },
    },
};

pub use router::RouterFault;

/// How long a client may take to read what comes before the close.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The same when the gateway shuts down, which itself bounds how long that takes: nothing else presses.
const LAST_WORDS_AT_SHUTDOWN: Duration = Duration::from_secs(30);

/// What clients are told of a shutdown.
const SHUTTING_DOWN: &str = "the gateway is shutting down";

/// What a client hears whose cookie the store does not tell anything about.
const UNVERIFIED: &str = "the cookie could not be looked up for too long: connect again later";

/// What a client hears whose logout the store has not taken.
const NOT_RECORDED: &str =
    "the gateway cannot record the logout at the moment: log out again later, to be sure";

/// Why a session ends. All but [`Left`](Self::Left) end the connection as well.
#[derive(Debug)]
pub enum Ending {
    /// The client said GOODBYE; it may say HELLO again.
    Left,
    /// The peer closed.
    Closed,
    /// The connection broke.
    Lost,
    /// The client has not answered a ping: the connection is dropped.
    Silent,
    /// The session is refused: ABORT, then close.
    Refused(AuthError),
    /// The client broke the WAMP protocol: ABORT `wamp.error.protocol_violation`, then close 1002.
    /// The words are the gateway's own and repeat nothing that the client sent, since the log has them as well.
    Violation(Cow<'static, str>),
    /// The client has said no HELLO for so long: close 1002.
    NoHello(Duration),
    /// The client reads too slowly, and what waits for it has reached its bound: the connection is dropped.
    Slow,
    /// The session's identifier is another session's: ABORT `wamp.error.unavailable`, then close 1001.
    Taken,
    /// The realm has ended the session and has told the client why: close 1002 for a violation, otherwise 1001.
    Told(Complaint),
    /// Another session has ended this one: GOODBYE with its reason and message, then close 1000.
    Killed {
        /// `GOODBYE.Reason`
        reason: Uri,
        /// `GOODBYE.Details.message`
        message: Option<String>,
    },
    /// The realm ends: GOODBYE `wamp.close.system_shutdown`, then close 1001.
    RealmClosed,
    /// The configuration no longer has what the session joined by: GOODBYE `wamp.close.killed`, then close 1008.
    NotStanding,
    /// The client's cookie was revoked: GOODBYE `wamp.close.killed` or `wamp.close.logout` in a session, then close 1008. Or it
    /// could not be looked up for too long: GOODBYE `wamp.error.unavailable`, then close 1013.
    Revoked(Parting),
    /// What the client's identity stands on has lapsed: GOODBYE `wamp.close.killed` with the reason, then close 1008.
    Lapsed(Lapse),
    /// The client logs out: its cookie is revoked, and with it all of its connections; GOODBYE, then close 1000. With why the
    /// store may not remember it, if that is so.
    Logout(Option<StoreError>),
    /// The gateway shuts down: GOODBYE `wamp.close.system_shutdown` in a session, then close 1001.
    Shutdown,
    /// The router behind the gateway does not take the session, or has ended it: ABORT or GOODBYE, then close.
    Router(Box<RouterFault>),
    /// Close with this code and reason. The words are the gateway's own, as for a violation.
    Close(CloseCode, String),
}

/// What is left to say to a client whose session ends.
#[derive(Debug, PartialEq)]
pub struct LastWords {
    /// GOODBYE or ABORT.
    pub message: Option<RouterMessage>,
    /// The close code and the reason beside it; none: the peer is not there any more.
    pub close: Option<(CloseCode, Cow<'static, str>)>,
    /// How long the client may take to read what is queued.
    pub patience: Duration,
}

impl Ending {
    /// Every [`complaint`](Self::complaint) about a client that has not joined, but those of [`AuthError`].
    pub const JOIN_COMPLAINTS: [&str; 5] = ["protocol", "no-hello", "message-size", "websocket", "memory"];

    /// Every [`complaint`](Self::complaint) about a client that has joined.
    pub const SESSION_COMPLAINTS: [&str; 7] =
        ["protocol", "slow", "no-pong", "session-taken", "message-size", "websocket", "memory"];

    /// The client broke the WAMP protocol.
    pub fn violation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Violation(message.into())
    }

    /// The operator has changed what the client has come to before it has joined: close 1012, which asks it to come back.
    pub fn reconfigured() -> Self {
        Self::Close(CloseCode::Restart, "the gateway's configuration has changed: connect again".to_owned())
    }

    /// The name of this end in metrics and in the log, if the gateway throws the client out for something that the client or its
    /// policy did.
    pub const fn complaint(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason()),
            Self::Violation(_) | Self::Told(Complaint::Violation(_)) => Some("protocol"),
            Self::NoHello(_) => Some("no-hello"),
            Self::Slow => Some("slow"),
            Self::Silent => Some("no-pong"),
            Self::Taken | Self::Told(Complaint::Taken) => Some("session-taken"),
            Self::Router(fault) => Some(fault.reason),
            Self::Close(CloseCode::Size, _) => Some("message-size"),
            Self::Close(CloseCode::Again, _) => Some("memory"),
            Self::Close(CloseCode::Protocol | CloseCode::Invalid | CloseCode::Unsupported, _) => {
                Some("websocket")
            }
            Self::Close(..)
            | Self::Left
            | Self::Closed
            | Self::Lost
            | Self::Killed { .. }
            | Self::RealmClosed
            | Self::NotStanding
            | Self::Revoked(_)
            | Self::Lapsed(_)
            | Self::Logout(_)
            | Self::Shutdown => None,
        }
    }

    /// Whether the operator has been told why.
    pub const fn is_told(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_told(),
            _ => false,
        }
    }

    /// What the client is told. `has_joined` tells whether there is a session to say GOODBYE to.
    pub fn last_words(self, has_joined: bool) -> LastWords {
        let goodbye = |reason: &'static str, message: Option<&str>| RouterMessage::Goodbye {
            message: message.map(str::to_owned),
            reason: Uri::known(reason),
        };
        let abort = |reason: &'static str, message: String| {
            Some(RouterMessage::Abort { message, reason: Uri::known(reason) })
        };
        let (message, code, reason, patience) = match self {
            Self::Closed | Self::Lost | Self::Slow | Self::Silent => {
                return LastWords { message: None, close: None, patience: Duration::ZERO };
            }
            Self::Left => (Some(goodbye(GOODBYE_AND_OUT, None)), CloseCode::Normal, "".into(), LAST_WORDS),
            Self::Logout(failure) => {
                // What the store says names its place, and is for the operator, who reads it in the log.
                let goodbye = goodbye(GOODBYE_AND_OUT, failure.map(|_| NOT_RECORDED));
                (Some(goodbye), CloseCode::Normal, "".into(), LAST_WORDS)
            }
            Self::Refused(refusal) => {
                let (reason, message) = refusal.abort();
                let close_reason = reason.to_string().into();
                (Some(RouterMessage::Abort { message, reason }), CloseCode::Normal, close_reason, LAST_WORDS)
            }
            Self::Violation(message) => (
                abort(PROTOCOL_VIOLATION, message.into_owned()),
                CloseCode::Protocol,
                PROTOCOL_VIOLATION.into(),
                LAST_WORDS,
            ),
            Self::Taken => {
                let message = "the session identifier is taken: connect again".to_owned();
                (abort(UNAVAILABLE, message), CloseCode::Away, SHUTTING_DOWN.into(), LAST_WORDS)
            }
            Self::Told(Complaint::Violation(_)) => {
                (None, CloseCode::Protocol, PROTOCOL_VIOLATION.into(), LAST_WORDS)
            }
            Self::Told(Complaint::Taken) => (None, CloseCode::Away, SHUTTING_DOWN.into(), LAST_WORDS),
            Self::Killed { reason, message } => {
                (Some(RouterMessage::Goodbye { message, reason }), CloseCode::Normal, "".into(), LAST_WORDS)
            }
            Self::RealmClosed => {
                let goodbye = goodbye(SYSTEM_SHUTDOWN, Some("the realm has been closed"));
                (Some(goodbye), CloseCode::Away, SHUTTING_DOWN.into(), LAST_WORDS)
            }
            Self::NotStanding => {
                let goodbye =
                    goodbye(KILLED, Some("the gateway's configuration no longer has what you joined by"));
                (Some(goodbye), CloseCode::Policy, KILLED.into(), LAST_WORDS)
            }
            Self::Revoked(why) => {
                let (reason, message, code) = match why {
                    Parting::Killed => (KILLED, None, CloseCode::Policy),
                    Parting::LoggedOut => (LOGOUT, None, CloseCode::Policy),
                    Parting::Unverified => (UNAVAILABLE, Some(UNVERIFIED), CloseCode::Again),
                };
                (has_joined.then(|| goodbye(reason, message)), code, reason.into(), LAST_WORDS)
            }
            Self::Lapsed(why) => {
                (Some(goodbye(KILLED, Some(why.told()))), CloseCode::Policy, KILLED.into(), LAST_WORDS)
            }
            Self::Shutdown => {
                let goodbye = has_joined.then(|| goodbye(SYSTEM_SHUTDOWN, Some(SHUTTING_DOWN)));
                (goodbye, CloseCode::Away, SHUTTING_DOWN.into(), LAST_WORDS_AT_SHUTDOWN)
            }
            Self::NoHello(patience) => {
                (None, CloseCode::Protocol, format!("no HELLO within {patience:?}").into(), LAST_WORDS)
            }
            Self::Router(fault) => return fault.last_words(has_joined),
            Self::Close(code, reason) => (None, code, reason.into(), LAST_WORDS),
        };
        LastWords { message, close: Some((code, reason)), patience }
    }
}

impl Ending {
    /// [`last_words`](Self::last_words) on a connection without close frames: what would stand in one is said in an ABORT.
    pub fn last_words_in_messages(self, has_joined: bool) -> LastWords {
        let is_told = match &self {
            Self::Told(_) => true,
            // What a realm ends like this it has told before.
            Self::Close(code, reason) => reason.is_empty() || *code == CloseCode::Away,
            _ => false,
        };
        let mut words = self.last_words(has_joined);
        if let (None, false, Some((code, reason))) = (&words.message, is_told, &words.close) {
            let uri = match *code {
                CloseCode::Normal => return words,
                CloseCode::Size => PAYLOAD_SIZE_EXCEEDED,
                CloseCode::Protocol | CloseCode::Invalid | CloseCode::Unsupported => PROTOCOL_VIOLATION,
                CloseCode::Policy => KILLED,
                CloseCode::Away => SYSTEM_SHUTDOWN,
                _ => UNAVAILABLE,
            };
            let message = if **reason == *uri { String::new() } else { reason.clone().into_owned() };
            words.message = Some(RouterMessage::Abort { message, reason: Uri::known(uri) });
        }
        words
    }
}

/// For the log: without anything that a client chose, which may be a credential that it put in the wrong place.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Closed => f.write_str("closed by the peer"),
            Self::Lost => f.write_str("lost"),
            // The gate has told what went wrong with its policy, unless it did not ask it.
            Self::Refused(refusal) if refusal.is_told() => write!(f, "refused, {}", refusal.abort().0),
            Self::Refused(refusal) => write!(f, "refused, {}: {refusal}", refusal.abort().0),
            Self::Violation(what) => write!(f, "protocol violation: {what}"),
            Self::NoHello(patience) => write!(f, "no HELLO within {patience:?}"),
            Self::Slow => f.write_str("the client reads too slowly"),
            Self::Silent => f.write_str("the client has not answered a ping within `auto_ping_timeout`"),
            Self::Told(Complaint::Violation(what)) => write!(f, "protocol violation: {what}"),
            Self::Taken | Self::Told(Complaint::Taken) => f.write_str("session identifier taken"),
            Self::Killed { .. } => f.write_str("killed"),
            Self::RealmClosed => f.write_str("realm closed"),
            Self::NotStanding => f.write_str("the configuration no longer has what it joined by"),
            Self::Revoked(Parting::Killed) => f.write_str("cookie revoked"),
            Self::Revoked(Parting::LoggedOut) => f.write_str("logged out elsewhere"),
            Self::Revoked(Parting::Unverified) => f.write_str(UNVERIFIED),
            Self::Lapsed(why) => f.write_str(why.told()),
            Self::Logout(_) => f.write_str("logging out"),
            Self::Shutdown => f.write_str("shutting down"),
            Self::Router(fault) => f.write_str(&fault.why),
            // Without the code, which only a WebSocket has.
            Self::Close(_, reason) if reason.is_empty() => f.write_str("closed"),
            Self::Close(_, reason) => write!(f, "closed: {reason}"),
        }
    }
}

impl From<WireError> for Ending {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed => Self::Closed,
            WireError::Lost => Self::Lost,
            WireError::Silent => Self::Silent,
            WireError::Broken(code, reason) => Self::Close(code, reason),
            WireError::Misframed(what) => Self::Violation(what.into()),
            WireError::Malformed(error) => Self::Violation(error.to_string().into()),
            WireError::Ended(how) => how.into(),
        }
    }
}

/// The backend has said its last words already.
impl From<Closing> for Ending {
    fn from(how: Closing) -> Self {
        match how {
            Closing::Overflow => Self::Slow,
            Closing::Complaint(complaint) => Self::Told(complaint),
            Closing::After(code) => {
                let reason = if code == CloseCode::Away { SHUTTING_DOWN } else { "" };
                Self::Close(code, reason.to_owned())
            }
        }
    }
}

impl LastWords {
    /// How a connection ends that has said them.
    pub fn closing(&self) -> Closing {
        self.close.as_ref().map_or(Closing::Overflow, |(code, _)| Closing::After(*code))
    }
}

impl Outbox {
    /// Says the last words of a joined session to its client and ends the connection.
    pub fn end(&self, ending: Ending) {
        let complaint = match &ending {
            Ending::Violation(Cow::Borrowed(what)) => Some(Complaint::Violation(what)),
            Ending::Taken => Some(Complaint::Taken),
            _ => None,
        };
        let words = ending.last_words(true);
        if let Some(message) = &words.message {
            self.push(self.serializer().encode(message));
        }
        self.close(complaint.map_or_else(|| words.closing(), Closing::Complaint));
    }
}

impl From<AuthError> for Ending {
    fn from(refusal: AuthError) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests;
