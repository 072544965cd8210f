//! What a router announces: its roles, and the features of each beyond the basic profile (section "Router: Role and
//! Feature Announcement").

use std::{borrow::Cow, sync::Arc};

use super::Dictionary;

/// The roles of a router with their features, as WELCOME tells them. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterFeatures {
    broker: Arc<[FeatureName]>,
    dealer: Arc<[FeatureName]>,
}

/// A feature's name in the specification.
pub type FeatureName = Cow<'static, str>;

impl RouterFeatures {
    /// A broker and a dealer with these features.
    pub fn new<B: Into<FeatureName>, D: Into<FeatureName>>(
        broker: impl IntoIterator<Item = B>,
        dealer: impl IntoIterator<Item = D>,
    ) -> Self {
        Self {
            broker: broker.into_iter().map(Into::into).collect(),
            dealer: dealer.into_iter().map(Into::into).collect(),
        }
    }

    /// The broker's.
    pub fn broker(&self) -> &[FeatureName] {
        &self.broker
    }

    /// The dealer's.
    pub fn dealer(&self) -> &[FeatureName] {
        &self.dealer
    }
}

/// What a client has announced in HELLO.Details.roles, as far as it makes a difference to the router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientFeatures(u16);

impl ClientFeatures {
    /// The callee can be interrupted.
    pub const CALL_CANCELING: Self = Self(1 << 0);
    /// The callee may send progressive results; it must be one that can be interrupted (section "Progressive Call Results").
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
    pub fn read(roles: &Dictionary) -> Self {
        let mut features = Self::default();
        roles.each_feature(|role, feature| features = features.and(Self::named(role, feature)));
        if !features.has(Self::CALL_CANCELING) {
            // Features that come with canceling or not at all.
            features.0 &= !(Self::CALLEE_PROGRESSIVE_RESULTS.0 | Self::CALLEE_PROGRESSIVE_INVOCATIONS.0);
        }
        features
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
