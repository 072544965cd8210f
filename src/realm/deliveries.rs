//! What one message leads to: messages for sessions, and the reasons for refusals.

use std::borrow::Cow;

use crate::wamp::{RouterMessage, SessionId};

/// Messages in the order in which they go out, each with its receivers.
///
/// One buffer serves message after message, so that routing allocates nothing once the buffer has grown.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    receivers: Vec<SessionId>,
    /// Each message with the number of its receivers; the counts add up to `receivers`.
    messages: Vec<(usize, RouterMessage)>,
}

impl Deliveries {
    /// Adds a message for one session.
    pub(super) fn one(&mut self, receiver: SessionId, message: RouterMessage) {
        self.receivers.push(receiver);
        self.messages.push((1, message));
    }

    /// Adds a message for many sessions. Without a receiver the message is not made.
    pub(super) fn many(
        &mut self,
        receivers: impl IntoIterator<Item = SessionId>,
        message: impl FnOnce() -> RouterMessage,
    ) {
        let before = self.receivers.len();
        self.receivers.extend(receivers);
        let count = self.receivers.len() - before;
        if count > 0 {
            self.messages.push((count, message()));
        }
    }

    /// Empties the buffer, handing over each message with its receivers.
    pub(super) fn drain(&mut self, mut deliver: impl FnMut(&[SessionId], &RouterMessage)) {
        let mut rest = self.receivers.as_slice();
        for (count, message) in self.messages.drain(..) {
            let (receivers, behind) = rest.split_at(count);
            deliver(receivers, &message);
            rest = behind;
        }
        self.receivers.clear();
        if self.messages.capacity() > KEPT_MESSAGES {
            // What a large departure has needed is given back.
            self.messages.shrink_to(KEPT_MESSAGES);
        }
    }
}

/// How many messages have a place without an allocation.
const KEPT_MESSAGES: usize = 256;

/// Why a request is answered with ERROR.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestError {
    /// One of the predefined URIs.
    pub(super) error: &'static str,
    /// For the people who write the client: the only argument of the ERROR.
    pub(super) message: Cow<'static, str>,
}

impl RequestError {
    /// A refusal for a reason, explained.
    pub(super) fn new(error: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error, message: message.into() }
    }

    /// The ERROR for a request.
    pub(super) fn into_message(self, request_type: u64, request: u64) -> RouterMessage {
        RouterMessage::refusal(request_type, request, self.error, self.message.into_owned())
    }
}

/// A client broke the protocol: its session is to be aborted with `wamp.error.protocol_violation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation(pub(super) &'static str);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::{message::code, uri};

    fn collect(deliveries: &mut Deliveries) -> Vec<(Vec<u64>, RouterMessage)> {
        let mut all = Vec::new();
        deliveries.drain(|to, message| all.push((to.iter().map(|s| s.0).collect(), message.clone())));
        all
    }

    #[test]
    fn messages_keep_their_order_and_their_receivers() {
        let mut deliveries = Deliveries::default();
        let first = RouterMessage::Unsubscribed { request: 1 };
        let second = RouterMessage::Unsubscribed { request: 2 };
        deliveries.one(SessionId(7), first.clone());
        deliveries.many([SessionId(8), SessionId(9)], || second.clone());
        assert_eq!(collect(&mut deliveries), [(vec![7], first), (vec![8, 9], second)]);
        assert_eq!(collect(&mut deliveries), [], "draining empties the buffer");
    }

    #[test]
    fn message_without_receivers_is_not_even_made() {
        let mut deliveries = Deliveries::default();
        deliveries.many([], || panic!("made without a receiver"));
        assert_eq!(collect(&mut deliveries), []);
    }

    #[test]
    fn refusal_explains_itself_in_one_json_argument() {
        let refusal = RequestError::new(uri::error::INVALID_URI, "a \"quoted\" reason");
        let RouterMessage::Error { request_type, request, error, payload, .. } =
            refusal.into_message(code::REGISTER, 9)
        else {
            panic!("no ERROR");
        };
        assert_eq!((request_type, request, error.as_str()), (code::REGISTER, 9, "wamp.error.invalid_uri"));
        assert_eq!(payload.args.as_deref(), Some(br#"["a \"quoted\" reason"]"#.as_slice()));
        assert_eq!(payload.kwargs, None);
    }
}
