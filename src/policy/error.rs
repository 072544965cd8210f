//! What goes wrong with a decision. Each error refuses the session.

use std::time::Duration;

use crate::identity::{Name, NameError};

/// Why a policy, an authenticator or an authorizer came to no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The component returned an error of its own, or the request is larger than the contract allows.
    #[error("the component failed: {0}")]
    Refused(String),
    /// The component panicked, ran out of stack, or trapped otherwise.
    #[error("the component trapped: {0}")]
    Trap(String),
    /// The component did not come back in time.
    #[error("the component did not decide within {0:?}")]
    Deadline(Duration),
    /// The component wanted more memory than it may have: the limit in bytes. Its tables count apart from its
    /// memory.
    #[error("the component wanted more than {0} bytes of memory")]
    Memory(usize),
    /// The component passed too much data to the host.
    #[error("the component passed too much data to the gateway")]
    HostCalls,
    /// The component's answer breaks the contract.
    #[error("the component broke the contract: {0}")]
    Contract(#[from] ContractError),
    /// The procedure that decides cannot be called, or did not answer.
    #[error("the procedure cannot be asked: {0}")]
    Unreachable(&'static str),
    /// Too many decisions are waiting already.
    #[error("too many decisions are waiting")]
    Overloaded,
    /// Too many decisions about this peer ran into their deadline lately; the component was not asked.
    #[error("too many decisions about this peer's clients ran into their deadline")]
    Penalty,
}

/// How an answer breaks the contract. No message repeats what may be the tracking ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The answer does not have the contract's types.
    #[error("{0}")]
    Types(String),
    /// The authid is no name.
    #[error("authid: {0}")]
    Authid(NameError),
    /// The role is no name.
    #[error("authrole: {0}")]
    Authrole(NameError),
    /// The realm does not have the role.
    #[error("authrole: {0:?} is none of the realm's `roles`")]
    NoSuchRole(Name),
    /// The extra is too large.
    #[error("authextra: {bytes} bytes, use at most {most}")]
    ExtraSize {
        /// What it has.
        bytes: usize,
        /// What it may have.
        most: usize,
    },
    /// The extra is something else.
    #[error("authextra: not a JSON object (line {line}, column {column})")]
    Extra {
        /// Where reading ended.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// What the policy defers to is no method's name.
    #[error("defer: a method's name has 1 to {0} printable ASCII characters and no blanks")]
    Method(usize),
    /// The policy defers to a method that the service does not have.
    #[error("defer: {0:?} is not configured for this service, defer to one of `methods`")]
    NotConfigured(String),
    /// The policy defers to a method that the client has not offered.
    #[error("defer: the client did not offer {0:?}, defer to one of its `authmethods` or deny")]
    NotOffered(String),
    /// The policy chooses an upstream that the path does not have.
    #[error("choose-upstream: {0:?} is none of the path's `upstreams`")]
    NoSuchUpstream(String),
    /// The reason of a denial is no URI.
    #[error("deny: the reason is no WAMP URI of at most {0} bytes, such as wamp.error.not_authorized")]
    Reason(usize),
    /// The message of a denial is too long.
    #[error("deny: a message of {bytes} bytes, use at most {most}")]
    MessageSize {
        /// What it has.
        bytes: usize,
        /// What it may have.
        most: usize,
    },
    /// An authenticator's or authorizer's answer does not fit its question, or a part of it is out of range.
    #[error("{0}")]
    Unfit(&'static str),
    /// The tracking ID stands where others could read it.
    #[error("{0}: the cookie's `id` is a credential and stands in it, use `public-id`")]
    Leak(&'static str),
}
