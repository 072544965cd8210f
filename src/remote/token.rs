//! Tickets that the gateway signs: a router's authenticator believes what stands in one, for half a minute.

use super::TokenLogin;
use crate::{assertion::Claims, identity::Identity, time::Timestamp, wamp::Uri};

impl TokenLogin {
    /// The ticket of a client for a realm. None: there is no key.
    pub(super) fn ticket(&self, identity: &Identity, realm: &Uri, now: Timestamp) -> Option<String> {
        let claims = Claims {
            audience: realm.as_str(),
            subject: Some(identity.authid.public()),
            role: &identity.authrole,
            authmethod: None,
            realm: None,
            client: None,
        };
        self.signer.sign(&claims, now)
    }
}
