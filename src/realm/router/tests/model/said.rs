//! What the router says, as far as it counts here.

use super::{RouterMessage, URIS, Uri};

/// What a message says that counts here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Subscribed { request: u64, id: u64 },
    Unsubscribed { request: u64 },
    Published { request: u64 },
    Event { id: u64, topic: Option<&'static str> },
    Registered { request: u64, id: u64 },
    Unregistered { request: u64 },
    Revoked { id: u64 },
    Invocation { number: u64, id: u64, procedure: Option<&'static str>, timeout: u64, receive_progress: bool },
    Interrupt { number: u64, mode: &'static str },
    Result { request: u64, progress: bool },
    Error { kind: u64, request: u64, error: String },
}

fn known(uri: &Uri) -> &'static str {
    URIS.into_iter().find(|known| *known == uri.as_str()).unwrap()
}

pub(super) fn said(message: RouterMessage) -> Said {
    match message {
        RouterMessage::Subscribed { request, subscription } => Said::Subscribed { request, id: subscription },
        RouterMessage::Unsubscribed { request } => Said::Unsubscribed { request },
        RouterMessage::Published { request, .. } => Said::Published { request },
        RouterMessage::Event { subscription, details, .. } => {
            Said::Event { id: subscription, topic: details.topic.as_ref().map(known) }
        }
        RouterMessage::Registered { request, registration } => Said::Registered { request, id: registration },
        RouterMessage::Unregistered { request } => Said::Unregistered { request },
        RouterMessage::RegistrationRevoked { registration, .. } => Said::Revoked { id: registration },
        RouterMessage::Invocation { request, registration, details, .. } => Said::Invocation {
            number: request,
            id: registration,
            procedure: details.procedure.as_ref().map(known),
            timeout: details.timeout,
            receive_progress: details.receive_progress,
        },
        RouterMessage::Interrupt { request, options } => {
            Said::Interrupt { number: request, mode: options.mode.name() }
        }
        RouterMessage::Result { request, details, .. } => {
            Said::Result { request, progress: details.progress }
        }
        RouterMessage::Error { request_type, request, error, .. } => {
            Said::Error { kind: request_type, request, error: error.as_str().to_owned() }
        }
        other => panic!("{other:?}"),
    }
}
