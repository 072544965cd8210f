//! Each way to end, with what the client and the operator are told.

use super::*;
use crate::{policy::PolicyError, wamp::DecodeError};

/// What a client is told, in short: the message's reason, the close code and its reason.
fn told(ending: Ending, has_joined: bool) -> Option<(Option<String>, u16, String)> {
    let LastWords { message, close, .. } = ending.last_words(has_joined);
    let (code, reason) = close?;
    Some((message.map(said), code.into(), reason.into_owned()))
}

fn said(message: RouterMessage) -> String {
    match message {
        RouterMessage::Goodbye { reason, message } => {
            format!("GOODBYE {reason} {}", message.unwrap_or_default())
        }
        RouterMessage::Abort { reason, message } => format!("ABORT {reason} {message}"),
        other => panic!("{other:?} is no last word"),
    }
}

#[test]
fn every_ending_has_its_message_and_its_close_code() {
    let close = || Ending::Close(CloseCode::Size, "too large".to_owned());
    let refused = || Ending::Refused(AuthError::TooLate);
    let wrong = "wamp.error.protocol_violation";
    let too_late = "wamp.error.not_authorized";
    let going = "the gateway is shutting down";
    let killed =
        Ending::Killed { reason: Uri::known("com.example.over"), message: Some("good night".to_owned()) };
    for (ending, has_joined, message, code, reason) in [
        (Ending::Left, true, "GOODBYE wamp.close.goodbye_and_out ", 1000, ""),
        (Ending::Logout(None), true, "GOODBYE wamp.close.goodbye_and_out ", 1000, ""),
        (
            Ending::Logout(Some(StoreError::Unreachable("redis://localhost/0: it does not answer".into()))),
            true,
            "GOODBYE wamp.close.goodbye_and_out the gateway cannot record the logout at the moment: log out again later, to be sure",
            1000,
            "",
        ),
        (
            Ending::NotStanding,
            true,
            "GOODBYE wamp.close.killed the gateway's configuration no longer has what you joined by",
            1008,
            "wamp.close.killed",
        ),
        (Ending::Revoked(Parting::Killed), true, "GOODBYE wamp.close.killed ", 1008, "wamp.close.killed"),
        (Ending::Revoked(Parting::Killed), false, "", 1008, "wamp.close.killed"),
        (
            Ending::Revoked(Parting::Unverified),
            true,
            "GOODBYE wamp.error.unavailable the cookie could not be looked up for too long: connect again later",
            1013,
            "wamp.error.unavailable",
        ),
        (Ending::Revoked(Parting::LoggedOut), true, "GOODBYE wamp.close.logout ", 1008, "wamp.close.logout"),
        (Ending::Revoked(Parting::LoggedOut), false, "", 1008, "wamp.close.logout"),
        (
            Ending::Lapsed(Lapse::Expired),
            true,
            "GOODBYE wamp.close.killed the token has expired: authenticate with a new one",
            1008,
            "wamp.close.killed",
        ),
        (
            refused(),
            false,
            "ABORT wamp.error.not_authorized the answer to CHALLENGE came too late",
            1000,
            too_late,
        ),
        (Ending::violation("no"), true, "ABORT wamp.error.protocol_violation no", 1002, wrong),
        (Ending::violation("no"), false, "ABORT wamp.error.protocol_violation no", 1002, wrong),
        (
            Ending::Shutdown,
            true,
            "GOODBYE wamp.close.system_shutdown the gateway is shutting down",
            1001,
            going,
        ),
        (Ending::Shutdown, false, "", 1001, going),
        (close(), true, "", 1009, "too large"),
        (
            Ending::Taken,
            true,
            "ABORT wamp.error.unavailable the session identifier is taken: connect again",
            1001,
            going,
        ),
        (killed, true, "GOODBYE com.example.over good night", 1000, ""),
        (
            Ending::RealmClosed,
            true,
            "GOODBYE wamp.close.system_shutdown the realm has been closed",
            1001,
            going,
        ),
        (Closing::After(CloseCode::Normal).into(), true, "", 1000, ""),
        (Closing::After(CloseCode::Away).into(), true, "", 1001, going),
        (Closing::Complaint(Complaint::Violation("no")).into(), true, "", 1002, wrong),
        (Closing::Complaint(Complaint::Taken).into(), true, "", 1001, going),
    ] {
        let name = format!("{ending:?}");
        let message = Some(message).filter(|message| !message.is_empty()).map(str::to_owned);
        assert_eq!(told(ending, has_joined), Some((message, code, reason.to_owned())), "{name}");
    }
    for gone in [Ending::Closed, Ending::Lost, Ending::Silent, Closing::Overflow.into()] {
        assert_eq!(told(gone, true), None);
    }
}

#[test]
fn without_close_frames_an_abort_says_what_would_stand_in_one() {
    let away = || Closing::After(CloseCode::Away).into();
    for (ending, has_joined, wanted) in [
        (
            Ending::Close(CloseCode::Size, "too large".to_owned()),
            true,
            "ABORT wamp.error.payload_size_exceeded too large",
        ),
        (Ending::Close(CloseCode::Again, "later".to_owned()), true, "ABORT wamp.error.unavailable later"),
        (
            Ending::reconfigured(),
            false,
            "ABORT wamp.error.unavailable the gateway's configuration has changed: connect again",
        ),
        (
            Ending::NoHello(Duration::from_secs(1)),
            false,
            "ABORT wamp.error.protocol_violation no HELLO within 1s",
        ),
        (Ending::Shutdown, false, "ABORT wamp.close.system_shutdown the gateway is shutting down"),
        // What has a message already, or was told by the realm, gets no other one.
        (Ending::violation("no"), true, "ABORT wamp.error.protocol_violation no"),
        (Closing::Complaint(Complaint::Violation("no")).into(), true, ""),
        (Closing::After(CloseCode::Policy).into(), true, ""),
        (away(), true, ""),
        (Ending::Close(CloseCode::Normal, String::new()), true, ""),
    ] {
        let name = format!("{ending:?}");
        let said = ending.last_words_in_messages(has_joined).message.map_or_else(String::new, said);
        assert_eq!(said, wanted, "{name}");
    }
}

#[test]
fn the_operator_is_told_what_went_wrong() {
    for (refusal, logged) in [
        (PolicyError::Trap("unreachable".to_owned()).into(), "refused, wamp.error.authentication_failed"),
        (
            AuthError::NotConfigured("scram".to_owned()),
            "refused, wamp.error.authentication_failed: the method scram is not configured for this service",
        ),
        (
            AuthError::Credentials("ticket"),
            "refused, wamp.error.not_authorized: `ticket` failed: no such principal or a wrong secret",
        ),
    ] {
        assert_eq!(Ending::Refused(refusal).to_string(), logged);
    }
    let unread = WireError::Malformed(DecodeError::TooDeep(4));
    let large = WireError::Broken(CloseCode::Size, "message of 7 bytes exceeds the limit of 3".to_owned());
    for (error, reason, logged) in [
        (unread, "protocol", "protocol violation: arguments are nested more than 4 levels deep"),
        (large, "message-size", "closed: message of 7 bytes exceeds the limit of 3"),
        (WireError::Broken(CloseCode::Again, "no memory".to_owned()), "memory", "closed: no memory"),
        (WireError::Silent, "no-pong", "the client has not answered a ping within `auto_ping_timeout`"),
        (WireError::Ended(Closing::Overflow), "slow", "the client reads too slowly"),
        (
            WireError::Ended(Closing::Complaint(Complaint::Violation("no"))),
            "protocol",
            "protocol violation: no",
        ),
        (WireError::Ended(Closing::Complaint(Complaint::Taken)), "session-taken", "session identifier taken"),
    ] {
        let ending = Ending::from(error);
        assert_eq!((ending.complaint(), &*ending.to_string()), (Some(reason), logged));
    }
}

#[test]
fn what_a_client_chose_does_not_reach_the_log() {
    let ending = Ending::Refused(AuthError::NotConfigured("secret".to_owned()));
    assert!(!ending.to_string().contains("secret"), "{ending}");
}
