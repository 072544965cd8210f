//! The methods by name, and which of them a configuration has.

use super::{AskedMethods, AskedOptions, AuthOptions};
use crate::identity::{ANONYMOUS, COOKIE};

/// A method that verifies something, other than `anonymous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `ticket`: a shared secret, sent as it is.
    Ticket,
    /// `wampcra`: a challenge signed with a shared secret.
    WampCra,
    /// `wamp-scram`: a proof that the client has a password that the gateway does not have.
    WampScram,
    /// `scram`: the same, as Autobahn and Crossbar.io speak it.
    Scram,
    /// `cryptosign`: a challenge signed with an Ed25519 key.
    Cryptosign,
    /// `cookie`: an earlier authentication by one of the others.
    Cookie,
}

impl Method {
    /// In the order of the list that a policy sees.
    pub const ALL: [Self; 6] =
        [Self::Cookie, Self::Cryptosign, Self::WampScram, Self::Scram, Self::WampCra, Self::Ticket];

    /// The method of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The method's name on the wire and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::WampCra => "wampcra",
            Self::WampScram => "wamp-scram",
            Self::Scram => "scram",
            Self::Cryptosign => "cryptosign",
            Self::Cookie => COOKIE,
        }
    }

    /// What knows the method's principals where the configuration does not.
    pub const fn asked(self, asked: &AskedMethods) -> Option<&AskedOptions> {
        match self {
            Self::Ticket => asked.ticket.as_ref(),
            Self::WampCra => asked.wampcra.as_ref(),
            Self::WampScram | Self::Scram => asked.scram.as_ref(),
            Self::Cryptosign => asked.cryptosign.as_ref(),
            Self::Cookie => None,
        }
    }

    /// Whether the configuration has the method.
    pub fn is_configured(self, config: &AuthOptions) -> bool {
        if config.asked.as_ref().is_some_and(|asked| self.asked(asked).is_some()) {
            return true;
        }
        match self {
            Self::Ticket => config.ticket.is_some() || config.token.is_some(),
            Self::WampCra => config.wampcra.is_some(),
            Self::WampScram | Self::Scram => config.scram.is_some(),
            Self::Cryptosign => config.cryptosign.is_some(),
            Self::Cookie => config.cookie.is_some(),
        }
    }
}

/// The names of the configured methods, for the policy and in the gateway's own order; `anonymous` is one of
/// them.
pub fn configured(config: Option<&AuthOptions>) -> impl Iterator<Item = &'static str> {
    let has_anonymous = |config: &AuthOptions| {
        let asked = config.asked.as_ref();
        config.anonymous.is_some() || asked.is_some_and(|asked| asked.anonymous.is_some())
    };
    let anonymous = config.is_some_and(has_anonymous).then_some(ANONYMOUS);
    let methods = config.into_iter().flat_map(|config| {
        Method::ALL.into_iter().filter(|method| method.is_configured(config)).map(Method::name)
    });
    anonymous.into_iter().chain(methods)
}
