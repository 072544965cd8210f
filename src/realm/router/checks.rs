//! What a request must pass before the broker or the dealer sees it: its URI, the role's permissions, its options.

use super::super::{
    deliveries::RequestError,
    member::Actor,
    meta::MetaProcedure,
    permissions::{Action, Grant, Permissions},
};
use crate::wamp::{Uri, message::MatchOptions, uri::error};

/// The longest URI of a topic or a procedure, in bytes. The URIs of subscriptions and registrations stay in memory, so
/// they must be shorter than the longest message; real URIs have less than a tenth of this.
pub(in crate::realm) const MAX_URI_LENGTH: usize = 1024;

/// Whether a session may do something with a URI.
pub(super) fn authorize(
    permissions: &Permissions,
    actor: &Actor<'_>,
    action: Action,
    uri: &Uri,
) -> Result<Grant, RequestError> {
    if uri.as_str().len() > MAX_URI_LENGTH {
        return Err(RequestError::new(
            error::INVALID_URI,
            format!("a URI may have {MAX_URI_LENGTH} bytes: use a shorter one"),
        ));
    }
    // Section "URIs": application URIs must not use `wamp` as a first component.
    if uri.is_reserved() && matches!(action, Action::Publish | Action::Register) {
        return Err(RequestError::new(
            error::INVALID_URI,
            "URIs that begin with wamp. belong to the protocol: use one of your own",
        ));
    }
    permissions.check(actor.role, action, uri.as_str()).ok_or_else(|| {
        let verb = match action {
            Action::Call => "call",
            Action::Register => "register",
            Action::Publish => "publish to",
            Action::Subscribe => "subscribe to",
        };
        let role = &actor.identity.authrole;
        RequestError::new(error::NOT_AUTHORIZED, format!("the role {role:?} may not {verb} {uri}"))
    })
}

/// Whether a session may call a procedure of the meta API. To end the sessions of others, it needs a rule that names
/// the protocol's own URIs.
pub(super) fn authorize_meta(
    permissions: &Permissions,
    actor: &Actor<'_>,
    procedure: MetaProcedure,
    uri: &Uri,
) -> Result<(), RequestError> {
    authorize(permissions, actor, Action::Call, uri)?;
    if procedure.kills() && !permissions.names_protocol(actor.role, uri.as_str()) {
        return Err(RequestError::new(
            error::NOT_AUTHORIZED,
            format!(
                "the role {:?} may not call {uri}: this takes a permission whose URI begins with wamp.",
                actor.identity.authrole
            ),
        ));
    }
    Ok(())
}

/// Whether a subscription or a registration asks for the one way of matching that there is.
pub(super) fn check_match(options: &MatchOptions) -> Result<(), RequestError> {
    match options.r#match.as_deref() {
        None | Some("exact") => Ok(()),
        Some(_) => Err(RequestError::new(
            error::OPTION_NOT_ALLOWED,
            "option match: this router supports only \"exact\", without patterns",
        )),
    }
}

/// Whether a registration asks for the one way of choosing a callee that there is.
pub(super) fn check_invoke(options: &MatchOptions) -> Result<(), RequestError> {
    match options.invoke.as_deref() {
        None | Some("single") => Ok(()),
        Some(_) => Err(RequestError::new(
            error::OPTION_NOT_ALLOWED,
            "option invoke: this router supports only \"single\", one callee for a procedure",
        )),
    }
}
