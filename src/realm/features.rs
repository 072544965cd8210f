//! What the embedded realm can do beyond the basic profile: what WELCOME announces, and nothing else.

use crate::wamp::RouterFeatures;

/// The broker's features.
const BROKER: [&str; 4] =
    ["publisher_identification", "publisher_exclusion", "subscriber_blackwhite_listing", "session_meta_api"];

/// The dealer's features.
const DEALER: [&str; 2] = ["caller_identification", "session_meta_api"];

/// What a realm announces.
pub(super) fn features() -> RouterFeatures {
    RouterFeatures::new(BROKER, DEALER)
}
