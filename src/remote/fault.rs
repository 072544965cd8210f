//! What goes wrong between the gateway and a router, and what the client hears of it.

use super::Login;
use crate::{
    upstream::{UpstreamError, code},
    wamp::{
        DecodeError, Uri,
        uri::error::{AUTHORIZATION_FAILED, NO_SUCH_REALM, NO_SUCH_ROLE},
    },
    wire::{CloseCode, RouterFault, WireError},
};

/// The router does not let the client in.
pub(super) const REFUSED: &str = "upstream-refused";
/// The router does not let the gateway in.
pub(super) const LOGIN: &str = "upstream-login";
/// The connection to the router is gone.
pub(super) const LOST: &str = "upstream-lost";
/// The router does not answer.
pub(super) const SILENT: &str = "upstream-silent";
/// What the router says makes no sense.
pub(super) const NONSENSE: &str = "upstream-nonsense";
/// The router takes nothing.
pub(super) const STUCK: &str = "upstream-stuck";
/// The router has ended the session with ABORT.
pub(super) const ABORTED: &str = "upstream-aborted";

/// The router shuts down.
pub(super) const SHUT_DOWN: &str = "upstream-shutdown";

/// How many characters of a router's words the log shows.
const MOST_SHOWN: usize = 200;

/// There is no connection.
pub(super) fn of_dial(error: &UpstreamError) -> RouterFault {
    RouterFault::unavailable(error.reason(), error.to_string())
}

/// The same at the upstream of this name, if it has one.
pub(super) fn at(name: Option<&str>, mut fault: RouterFault) -> RouterFault {
    if let Some(name) = name {
        fault.why = named(name, &fault.why);
    }
    fault
}

/// What the operator is told of an upstream with this name.
pub(super) fn named(name: &str, why: &str) -> String {
    format!("upstream `{name}`: {why}")
}

/// The connection ends before WELCOME.
pub(super) fn of_join(error: WireError) -> RouterFault {
    let (reason, why) = match error {
        WireError::Broken(_, what) => {
            (NONSENSE, format!("the router's messages cannot be read, or it cannot be sent one: {what}"))
        }
        WireError::Misframed(what) => (NONSENSE, format!("the router has sent what is no message: {what}")),
        WireError::Malformed(error) => return nonsense_at_join(&error),
        WireError::Silent => (SILENT, "the router has not answered a ping".to_owned()),
        WireError::Closed | WireError::Lost | WireError::Ended(_) => {
            (LOST, "the router has closed the connection before WELCOME".to_owned())
        }
    };
    RouterFault::unavailable(reason, why)
}

pub(super) fn nonsense_at_join(error: &DecodeError) -> RouterFault {
    RouterFault::unavailable(NONSENSE, format!("the router's answer to HELLO makes no sense: {error}"))
}

/// The router answers with ABORT. A refusal of the client is told as it is; one of the gateway is no matter of the client, which would take
/// a failed authentication for its own.
pub(super) fn of_abort(login: &Login, uri: Uri, message: Option<&str>) -> RouterFault {
    let told = message.filter(|text| !login.is_in(text)).map(|text| format!(": {}", line(text)));
    let told = told.unwrap_or_default();
    let is_of_the_client = match uri.as_str() {
        NO_SUCH_REALM => true,
        // A wrong secret is `not_authorized` or `authentication_failed`, as routers like it.
        NO_SUCH_ROLE
        | AUTHORIZATION_FAILED
        | "wamp.error.no_such_principal"
        | "wamp.error.authorization_denied" => !matches!(login, Login::Account(_)),
        _ => !uri.is_reserved() && !matches!(login, Login::Account(_)),
    };
    if is_of_the_client {
        let why = format!("the router does not let the client in, {}{told}", line(uri.as_str()));
        let code = CloseCode::Normal;
        return RouterFault { reason: REFUSED, why, uri, message: None, is_abort: true, code };
    }
    let why = format!(
        "the router does not let the gateway in, {}{told}: look at the `auth` of the `upstream` and at what the router is configured to take",
        line(uri.as_str())
    );
    RouterFault::unavailable(LOGIN, why)
}

/// The connection ends in a session.
pub(super) fn of_session(error: WireError) -> RouterFault {
    match error {
        WireError::Broken(_, what) => nonsense(&what),
        WireError::Misframed(what) => nonsense(what),
        WireError::Malformed(error) => nonsense(&error.to_string()),
        WireError::Silent => {
            RouterFault::gone(SILENT, "the router has not answered a ping".to_owned(), CloseCode::Restart)
        }
        WireError::Closed | WireError::Lost => RouterFault::gone(
            LOST,
            "the connection to the router has ended without GOODBYE".to_owned(),
            CloseCode::Restart,
        ),
        WireError::Ended(_) => {
            let why = "clients hold as much memory as `max_memory` lets them".to_owned();
            RouterFault::gone(STUCK, why, CloseCode::Again)
        }
    }
}

/// The router sends to a session what no router sends.
pub(super) fn nonsense(what: &str) -> RouterFault {
    let why = format!("the router has sent what makes no sense: {what}");
    RouterFault::gone(NONSENSE, why, code::BAD_GATEWAY.into())
}

/// The router shuts down, and says so.
pub(super) fn shut_down(message: Option<String>) -> RouterFault {
    let why = "the router shuts down".to_owned();
    let fault = RouterFault::gone(SHUT_DOWN, why, CloseCode::Restart);
    RouterFault { message: message.or(fault.message), ..fault }
}

/// The router takes nothing.
pub(super) fn stuck() -> RouterFault {
    RouterFault::gone(STUCK, "the router has taken nothing for a while".to_owned(), CloseCode::Again)
}

/// The router ends a session with ABORT, which the client gets as it is.
pub(super) fn aborted(uri: Uri, message: Option<String>) -> RouterFault {
    let why = format!("the router has ended a session with ABORT, {}", line(uri.as_str()));
    RouterFault { reason: ABORTED, why, uri, message, is_abort: true, code: CloseCode::Normal }
}

/// What a router says, as far as the log shows it: in one line, and not without end.
fn line(text: &str) -> String {
    text.chars().take(MOST_SHOWN).flat_map(char::escape_debug).collect()
}
