//! The headers that tell a proxy or an upstream who a client is.

use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::IdentityHeaders;
use crate::{
    admission::Recognized,
    assertion::{AssertionOptions, Claims},
    time::Timestamp,
    wamp::Uri,
};

/// What stands in a header instead of itself: what HTTP does not carry, what begins an escape, what separates the entries of a list,
/// and blanks, which readers trim.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');

const NONE: HeaderValue = HeaderValue::from_static("");

/// All of them, empty where there is nothing to tell. `client` is the public ID of the client's cookie, and `realm` gives the realm whose role
/// a client has.
pub(super) fn of<'r>(
    names: &IdentityHeaders,
    recognized: Option<&Recognized>,
    client: Option<&str>,
    realm: impl FnOnce() -> Option<&'r Uri>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5);
    let identity = recognized.map(|recognized| &recognized.identity);
    let named = recognized.filter(|recognized| recognized.is_named);
    headers.insert(&names.authid, value(named.map(|named| named.identity.authid.public())));
    headers.insert(&names.authrole, value(identity.map(|identity| &*identity.authrole)));
    headers.insert(&names.authmethod, value(identity.map(|identity| identity.authmethod)));
    headers.insert(&names.client, value(client));
    if let Some(assertion) = &names.assertion {
        let token = recognized.and_then(|recognized| assertion.about(recognized, client, realm()));
        headers.insert(&assertion.header, token.unwrap_or(NONE));
    }
    headers
}

impl AssertionOptions {
    /// The token about a client. None: there is no key.
    fn about(
        &self,
        recognized: &Recognized,
        client: Option<&str>,
        realm: Option<&Uri>,
    ) -> Option<HeaderValue> {
        let identity = &recognized.identity;
        let claims = Claims {
            audience: &self.audience,
            subject: recognized.is_named.then(|| identity.authid.public()),
            role: &identity.authrole,
            authmethod: Some(identity.authmethod),
            realm: realm.map(Uri::as_str),
            client,
        };
        // base64url and dots, which every header may hold.
        let mut token = HeaderValue::try_from(self.signer.sign(&claims, Timestamp::now())?).ok()?;
        token.set_sensitive(true);
        Some(token)
    }
}

/// A name as a header's value.
fn value(name: Option<&str>) -> HeaderValue {
    let Some(name) = name else { return NONE };
    let escaped = utf8_percent_encode(name, ESCAPED).to_string();
    // What is escaped is visible ASCII, which every header may hold.
    HeaderValue::try_from(escaped).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_every_name_and_nothing_that_ends_it_or_splits_it() {
        for (name, expected) in [
            ("joe", "joe"),
            ("joe+tag@example.com", "joe+tag@example.com"),
            ("Joe Doe", "Joe%20Doe"),
            ("a,b", "a%2Cb"),
            ("100%", "100%25"),
            ("Jörg", "J%C3%B6rg"),
            ("a\r\nX: y", "a%0D%0AX:%20y"),
        ] {
            assert_eq!(value(Some(name)), expected);
        }
        assert_eq!(value(None), "");
    }
}
