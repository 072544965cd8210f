//! What a router announces: its roles, and the features of each beyond the basic profile (section "Router: Role and
//! Feature Announcement").

use std::{borrow::Cow, sync::Arc};

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
