//! What the embedded realm can do beyond the basic profile: what WELCOME announces, and nothing else.

use crate::wamp::RouterFeatures;

/// The broker's features.
const BROKER: [&str; 9] = [
    "event_retention",
    "pattern_based_subscription",
    "payload_passthru_mode",
    "publisher_exclusion",
    "publisher_identification",
    "session_meta_api",
    "subscriber_blackwhite_listing",
    "subscription_meta_api",
    "subscription_revocation",
];

/// The dealer's features.
const DEALER: [&str; 12] = [
    "call_canceling",
    "call_timeout",
    "caller_identification",
    "pattern_based_registration",
    "payload_passthru_mode",
    "progressive_call_invocations",
    "progressive_call_results",
    "registration_meta_api",
    "registration_revocation",
    "session_meta_api",
    "shared_registration",
    "testament_meta_api",
];

/// What a realm announces.
pub(super) fn features(has_history: bool) -> RouterFeatures {
    RouterFeatures::new(has_history.then_some("event_history").into_iter().chain(BROKER), DEALER)
}
