//! URIs: the names of realms, topics, procedures and errors (section "URIs").

use std::{fmt, sync::Arc};

/// The longest URI or pattern, in bytes. The realm keeps those of subscriptions and registrations and repeats others to many clients, so
/// that they must be shorter than the longest message; real URIs have less than a tenth of this.
pub const MAX_URI_LENGTH: usize = 1024;

/// A WAMP URI that passed the specification's loose rule: no white space, no `#`, no empty component; of at most 1,024
/// bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uri(Arc<str>);

/// What is wrong with a text that should be a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum InvalidUri {
    #[error("the URI is empty: it needs at least one component")]
    Empty,
    #[error("the URI has an empty component: single dots join components that are not empty")]
    EmptyComponent,
    #[error(
        "the URI has an empty component before its end: only the last component of a prefix may be empty"
    )]
    EmptyInPrefix,
    #[error("the URI has white space in it")]
    WhiteSpace,
    #[error("the URI has the character '#' in it")]
    NumberSign,
    #[error("a URI may have {MAX_URI_LENGTH} bytes: use a shorter one")]
    TooLong,
}

impl Uri {
    /// Checks a text that came from a client or a policy.
    pub fn parse(text: &str) -> Result<Self, InvalidUri> {
        // Section "URIs", loose rule: ^([^\s\.#]+\.)*([^\s\.#]+)$
        if text.is_empty() {
            return Err(InvalidUri::Empty);
        }
        check_text(text)?;
        if has_empty_component(text) {
            return Err(InvalidUri::EmptyComponent);
        }
        Ok(Self(Arc::from(text)))
    }

    /// Checks the beginning of a URI, which may be empty or end within a component or behind a dot.
    pub fn check_prefix(text: &str) -> Result<(), InvalidUri> {
        check_text(text)?;
        match text.strip_suffix('.').unwrap_or(text) {
            "" => Ok(()),
            components if has_empty_component(components) => Err(InvalidUri::EmptyInPrefix),
            _ => Ok(()),
        }
    }

    /// Checks a wildcard pattern, of which any component may be empty.
    pub fn check_wildcard(text: &str) -> Result<(), InvalidUri> {
        check_text(text)
    }

    /// A URI of the program's own, such as one of `error`'s.
    pub(crate) fn known(text: &'static str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(Arc::from(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the URI belongs to the protocol itself: applications may not use `wamp.` URIs.
    pub fn is_reserved(&self) -> bool {
        self.0.strip_prefix("wamp").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Whether a text that is not empty begins or ends with a dot, or has two in a row.
#[expect(
    clippy::unnecessary_fold,
    reason = "without an early end the compiler makes few and wide instructions of it"
)]
fn has_empty_component(text: &str) -> bool {
    let text = text.as_bytes();
    let has_two = text.iter().zip(text.iter().skip(1)).fold(false, |has, pair| pair == (&b'.', &b'.') || has);
    has_two | (text.first() == Some(&b'.')) | (text.last() == Some(&b'.'))
}

/// Checks how long a URI or a pattern is, and what it may not contain.
///
/// Every message names a URI, and nearly all of them are plain.
#[expect(
    clippy::unnecessary_fold,
    reason = "without an early end the compiler makes few and wide instructions of it"
)]
fn check_text(text: &str) -> Result<(), InvalidUri> {
    if text.len() > MAX_URI_LENGTH {
        return Err(InvalidUri::TooLong);
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if text.bytes().fold(true, |all, byte| is_plain(byte) && all) {
        return Ok(());
    }
    for c in text.chars() {
        match c {
            '#' => return Err(InvalidUri::NumberSign),
            c if c.is_whitespace() => return Err(InvalidUri::WhiteSpace),
            _ => {}
        }
    }
    Ok(())
}

impl From<Uri> for Arc<str> {
    fn from(uri: Uri) -> Self {
        uri.0
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The predefined URIs that this router sends (section "Predefined URIs").
pub mod error {
    #![allow(missing_docs, reason = "the names are the URIs")]
    pub const INVALID_URI: &str = "wamp.error.invalid_uri";
    pub const INVALID_ARGUMENT: &str = "wamp.error.invalid_argument";
    pub const NO_SUCH_PROCEDURE: &str = "wamp.error.no_such_procedure";
    pub const PROCEDURE_ALREADY_EXISTS: &str = "wamp.error.procedure_already_exists";
    pub const NO_SUCH_REGISTRATION: &str = "wamp.error.no_such_registration";
    pub const NO_SUCH_SUBSCRIPTION: &str = "wamp.error.no_such_subscription";
    pub const NO_SUCH_SESSION: &str = "wamp.error.no_such_session";
    /// Crossbar.io's.
    pub const HISTORY_UNAVAILABLE: &str = "wamp.error.history_unavailable";
    pub const OPTION_NOT_ALLOWED: &str = "wamp.error.option_not_allowed";
    pub const NO_SUCH_REALM: &str = "wamp.error.no_such_realm";
    pub const NO_SUCH_ROLE: &str = "wamp.error.no_such_role";
    pub const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
    pub const AUTHORIZATION_FAILED: &str = "wamp.error.authorization_failed";
    pub const NO_AUTH_METHOD: &str = "wamp.error.no_auth_method";
    pub const AUTHENTICATION_FAILED: &str = "wamp.error.authentication_failed";
    pub const PROTOCOL_VIOLATION: &str = "wamp.error.protocol_violation";
    pub const CANCELED: &str = "wamp.error.canceled";
    pub const TIMEOUT: &str = "wamp.error.timeout";
    pub const PAYLOAD_SIZE_EXCEEDED: &str = "wamp.error.payload_size_exceeded";
    pub const FEATURE_NOT_SUPPORTED: &str = "wamp.error.feature_not_supported";
    /// The gateway's own, for itself: the callee waits for the answer that it would have to give.
    pub const CIRCLE: &str = "wampgate.error.circle";
    pub const UNAVAILABLE: &str = "wamp.error.unavailable";
    pub const GOODBYE_AND_OUT: &str = "wamp.close.goodbye_and_out";
    pub const SYSTEM_SHUTDOWN: &str = "wamp.close.system_shutdown";
    pub const KILLED: &str = "wamp.close.killed";
    /// Crossbar.io's: the client's cookie no longer stands for it.
    pub const LOGOUT: &str = "wamp.close.logout";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The loose rule, word by word.
    fn follows_the_rule(text: &str) -> bool {
        let is_sound = |c: char| !c.is_whitespace() && c != '#';
        text.split('.').all(|component| !component.is_empty() && component.chars().all(is_sound))
    }

    proptest! {
        #[test]
        fn a_uri_is_what_the_loose_rule_says(text in "[.#a-c\\x20\\x7f\u{85}\u{2003}é]{0,40}") {
            prop_assert_eq!(Uri::parse(&text).is_ok(), follows_the_rule(&text));
            let stripped = text.strip_suffix('.').unwrap_or(&text);
            prop_assert_eq!(Uri::check_prefix(&text).is_ok(), stripped.is_empty() || follows_the_rule(stripped));
        }
    }

    #[test]
    fn a_uri_and_a_pattern_have_a_length() {
        let (longest, longer) = ("é".repeat(MAX_URI_LENGTH / 2), "x".repeat(MAX_URI_LENGTH + 1));
        for check in [|text: &str| Uri::parse(text).map(drop), Uri::check_prefix, Uri::check_wildcard] {
            assert_eq!((check(&longest), check(&longer)), (Ok(()), Err(InvalidUri::TooLong)));
        }
    }

    #[test]
    fn the_protocols_own_uris_are_reserved() {
        for (uri, is_reserved) in
            [("wamp", true), ("wamp.session", true), ("wampum", false), ("com.wamp", false)]
        {
            assert_eq!(Uri::known(uri).is_reserved(), is_reserved, "{uri}");
        }
    }
}
