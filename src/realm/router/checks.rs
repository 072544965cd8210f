//! What a request must pass before the broker or the dealer sees it: its URI, the role's permissions, its options.

use super::super::{
    deliveries::RequestError,
    member::Actor,
    meta::MetaProcedure,
    permissions::{Action, Grant, Permissions, Ruling},
};
use crate::wamp::{Uri, pattern::Pattern, uri::error};

/// Whether a session may do something with a URI.
pub(super) fn authorize(
    permissions: &Permissions,
    actor: &Actor<'_>,
    action: Action,
    uri: &str,
    is_reserved: bool,
) -> Result<Grant, RequestError> {
    // Section "URIs": application URIs must not use `wamp` as a first component.
    if is_reserved && matches!(action, Action::Publish | Action::Register) {
        return Err(RequestError::new(
            error::INVALID_URI,
            "URIs that begin with wamp. belong to the protocol: use one of your own",
        ));
    }
    permissions.check(actor.role, action, uri).map_or_else(|| ask(permissions, actor, action, uri), Ok)
}

/// What the authorizer has said, where no rule of the role's own allows an action.
fn ask(
    permissions: &Permissions,
    actor: &Actor<'_>,
    action: Action,
    uri: &str,
) -> Result<Grant, RequestError> {
    if actor.ruling == Some(Ruling::Gateway) && action == Action::Call {
        return Ok(Grant { disclose: false });
    }
    match actor.ruling.filter(|_| permissions.is_asked(actor.role)) {
        Some(Ruling::Allowed { action: allowed, disclose }) if allowed == action => Ok(Grant { disclose }),
        Some(Ruling::Failed) => Err(RequestError::new(
            error::AUTHORIZATION_FAILED,
            "the gateway could not find out whether this is allowed: try again",
        )),
        _ => {
            let verb = match action {
                Action::Call => "call",
                Action::Register => "register",
                Action::Publish => "publish to",
                Action::Subscribe => "subscribe to",
            };
            let role = &actor.identity.authrole;
            Err(RequestError::new(error::NOT_AUTHORIZED, format!("the role {role:?} may not {verb} {uri}")))
        }
    }
}

/// Whether a session may call a procedure of the meta API. To end the sessions of others, it needs a rule that names
/// the protocol's own URIs.
pub(super) fn authorize_meta(
    permissions: &Permissions,
    actor: &Actor<'_>,
    procedure: MetaProcedure,
    uri: &Uri,
) -> Result<(), RequestError> {
    authorize(permissions, actor, Action::Call, uri.as_str(), true)?;
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

/// The most components of a wildcard pattern. A URI is compared with them one by one, in two ways for each, of which
/// [`holdings`](super::super::holdings) keeps the number small.
const MAX_WILDCARD_COMPONENTS: usize = 32;

/// Whether a pattern can be looked up quickly.
pub(super) fn check_pattern(pattern: &Pattern) -> Result<(), RequestError> {
    match pattern {
        Pattern::Wildcard(text) if text.split('.').count() > MAX_WILDCARD_COMPONENTS => {
            Err(RequestError::new(
                error::INVALID_URI,
                format!("a wildcard pattern may have {MAX_WILDCARD_COMPONENTS} components: use a prefix"),
            ))
        }
        _ => Ok(()),
    }
}
