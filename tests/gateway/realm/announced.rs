//! WELCOME announces what the other files of this folder test, and nothing else.

use serde_json::json;

use crate::support::{Client, Jar, gateway::tracking_gateway};

#[test]
fn welcome_announces_the_features_that_are_tested() {
    let gateway = tracking_gateway();
    let (_, welcome) = Client::joined(&gateway, &mut Jar::default());
    // Each with the file that shows that it works. A realm with a store announces `event_history` besides: history.
    let broker = json!({
        "event_retention": true,            // retained
        "pattern_based_subscription": true, // patterns
        "payload_passthru_mode": true,      // calls
        "publisher_exclusion": true,        // ../traffic
        "publisher_identification": true,   // ../permissions
        "session_meta_api": true,           // ../meta
        "subscriber_blackwhite_listing": true, // listing
        "subscription_meta_api": true,      // meta
        "subscription_revocation": true,    // meta
    });
    let dealer = json!({
        "call_canceling": true,               // calls
        "call_timeout": true,                 // calls
        "caller_identification": true,        // sharing
        "pattern_based_registration": true,   // patterns
        "payload_passthru_mode": true,        // calls
        "progressive_call_invocations": true, // calls
        "progressive_call_results": true,     // calls
        "registration_meta_api": true,        // meta
        "registration_revocation": true,      // sharing
        "session_meta_api": true,             // ../meta
        "shared_registration": true,          // sharing
        "testament_meta_api": true,           // testaments
    });
    assert_eq!(welcome["roles"]["broker"]["features"], broker);
    assert_eq!(welcome["roles"]["dealer"]["features"], dealer);
}
