//! What a router announces: its roles, and the features of each beyond the basic profile (section "Router: Role and
//! Feature Announcement").

use std::sync::Arc;

use super::{
    DecodeError, Dictionary, Serializer,
    cbor::CborWriter,
    json::JsonWriter,
    msgpack::MsgPackWriter,
    read::{Kind, Token},
    write::Writer,
};

/// The roles of a router with their features, as WELCOME tells them. Cheap to clone.
///
/// They are written once and not for each WELCOME, of which they are the largest part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterFeatures(Arc<Roles>);

/// `WELCOME.Details.roles` in each serializer.
#[derive(Debug, PartialEq, Eq)]
struct Roles {
    json: Vec<u8>,
    msgpack: Vec<u8>,
    cbor: Vec<u8>,
}

impl RouterFeatures {
    /// A broker and a dealer with these features, by their names in the specification.
    pub fn new<'a>(
        broker: impl IntoIterator<Item = &'a str>,
        dealer: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let (broker, dealer): (Vec<_>, Vec<_>) = (broker.into_iter().collect(), dealer.into_iter().collect());
        Self(Arc::new(Roles {
            json: write_roles::<JsonWriter>(&broker, &dealer),
            msgpack: write_roles::<MsgPackWriter>(&broker, &dealer),
            cbor: write_roles::<CborWriter>(&broker, &dealer),
        }))
    }

    /// The dictionary `WELCOME.Details.roles`.
    pub(super) fn roles(&self, serializer: Serializer) -> &[u8] {
        match serializer {
            Serializer::Json => &self.0.json,
            Serializer::MsgPack => &self.0.msgpack,
            Serializer::Cbor => &self.0.cbor,
        }
    }
}

fn write_roles<W: Writer>(broker: &[&str], dealer: &[&str]) -> Vec<u8> {
    let mut writer = W::with_capacity(0);
    writer.dict(2);
    for (role, features) in [("broker", broker), ("dealer", dealer)] {
        writer.key(Token::text(role));
        writer.dict(1);
        writer.key(Token::text("features"));
        writer.dict(features.len());
        for feature in features {
            writer.key(Token::text(feature));
            writer.bool(true);
        }
        writer.end(Kind::Dict);
        writer.end(Kind::Dict);
    }
    writer.end(Kind::Dict);
    writer.finish()
}

/// What a client has announced in HELLO.Details.roles, as far as it makes a difference to the router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientFeatures(u16);

impl ClientFeatures {
    /// The callee can be interrupted.
    pub const CALL_CANCELING: Self = Self(1 << 0);
    /// The callee may send progressive results. The specification wants it to be one that can be interrupted, but autobahn-js announces
    /// the one without the other: with Crossbar.io its results arrive one by one, and so they do here. What such a callee still sends
    /// after its caller has gone is dropped.
    pub const CALLEE_PROGRESSIVE_RESULTS: Self = Self(1 << 1);
    /// The callee takes progressive invocations; it must be one that can be interrupted.
    pub const CALLEE_PROGRESSIVE_INVOCATIONS: Self = Self(1 << 2);
    /// The callee ends calls whose time is up by itself.
    pub const CALL_TIMEOUT: Self = Self(1 << 3);
    /// The callee understands that a registration is taken back.
    pub const REGISTRATION_REVOCATION: Self = Self(1 << 4);
    /// The callee takes and sends payload that its other end has packed.
    pub const CALLEE_PASSTHRU: Self = Self(1 << 5);
    /// The caller sends progressive invocations.
    pub const CALLER_PROGRESSIVE_INVOCATIONS: Self = Self(1 << 6);
    /// The caller takes and sends payload that its other end has packed.
    pub const CALLER_PASSTHRU: Self = Self(1 << 7);
    /// The publisher sends payload that it has packed.
    pub const PUBLISHER_PASSTHRU: Self = Self(1 << 8);

    /// The subscriber understands that a subscription is taken back.
    pub const SUBSCRIPTION_REVOCATION: Self = Self(1 << 9);

    /// Whether the client has announced a feature.
    pub const fn has(self, feature: Self) -> bool {
        self.0 & feature.0 == feature.0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads HELLO.Details.roles.
    ///
    /// # Errors
    ///
    /// Says which of the roles is no dictionary, or which of these features no boolean.
    pub fn read(roles: &Dictionary) -> Result<Self, DecodeError> {
        let mut features = Self::default();
        roles.each_feature(|role, feature, value| {
            let named = Self::named(role, feature);
            match value {
                Some(true) => features = features.and(named),
                Some(false) => {}
                None if named == Self::default() => {}
                None => {
                    let what = format!("HELLO.Details: roles.{role}.features.{feature}: expected a boolean");
                    return Err(DecodeError::Invalid(what));
                }
            }
            Ok(())
        })?;
        if !features.has(Self::CALL_CANCELING) {
            // It comes with canceling or not at all.
            features.0 &= !Self::CALLEE_PROGRESSIVE_INVOCATIONS.0;
        }
        Ok(features)
    }

    fn named(role: &str, feature: &str) -> Self {
        match (role, feature) {
            // The specification spells it in both ways.
            ("callee", "call_canceling" | "call_cancelling") => Self::CALL_CANCELING,
            ("callee", "progressive_call_results") => Self::CALLEE_PROGRESSIVE_RESULTS,
            ("callee", "progressive_call_invocations") => Self::CALLEE_PROGRESSIVE_INVOCATIONS,
            ("callee", "call_timeout") => Self::CALL_TIMEOUT,
            ("callee", "registration_revocation") => Self::REGISTRATION_REVOCATION,
            ("callee", "payload_passthru_mode") => Self::CALLEE_PASSTHRU,
            ("caller", "progressive_call_invocations") => Self::CALLER_PROGRESSIVE_INVOCATIONS,
            ("caller", "payload_passthru_mode") => Self::CALLER_PASSTHRU,
            ("publisher", "payload_passthru_mode") => Self::PUBLISHER_PASSTHRU,
            ("subscriber", "subscription_revocation") => Self::SUBSCRIPTION_REVOCATION,
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests;
