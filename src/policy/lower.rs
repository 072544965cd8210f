//! Lowers a [`JoinRequest`] to the types of the contract's versions, which borrow from it.

use super::{
    CertificateView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView, PolicyError,
    bindings::{
        v0_1::wampgate::authid::types as v0_1, v0_2::wampgate::authid::types as v0_2,
        v0_3::wampgate::authid::types as v0_3,
    },
};

/// Headers that a policy is shown. Each costs a decision 0.13 µs.
const MAX_HEADERS: usize = 64;
/// Bytes of names and values in them.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Authentication methods that a client may offer; there are about ten.
const MAX_OFFERED: usize = 64;

/// Refuses a request that is larger than the contract says. To leave something out would be worse: a client
/// could push out a header that a proxy in front of the gateway has added.
pub(super) fn check_size(request: &JoinRequest<'_>) -> Result<(), PolicyError> {
    check_headers(request.connection.headers)?;
    let offered = request.offered().len();
    if offered > MAX_OFFERED {
        return Err(PolicyError::Refused(format!(
            "{offered} authentication methods offered, and it is asked about {MAX_OFFERED} at most"
        )));
    }
    Ok(())
}

/// The same for the request headers alone.
pub(super) fn check_headers(headers: &[(&str, &str)]) -> Result<(), PolicyError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        let count = headers.len();
        return Err(PolicyError::Refused(format!(
            "{count} headers with {bytes} bytes, and it is asked about {MAX_HEADERS} with {MAX_HEADER_BYTES} at most"
        )));
    }
    Ok(())
}

/// The parts of a request that are the same in all versions of the contract.
macro_rules! parts {
    ($wit:ident) => {
        impl<'a> From<&'a ConnectionView<'a>> for $wit::Connection<'a> {
            fn from(connection: &'a ConnectionView<'a>) -> Self {
                let &ConnectionView { id, peer, tls, host, path, origin, subprotocol, headers } = connection;
                Self { id, peer, tls, host, path, origin, subprotocol, headers }
            }
        }

        impl<'a> From<&'a CookieView<'a>> for $wit::CookieRecord<'a> {
            fn from(cookie: &'a CookieView<'a>) -> Self {
                let &CookieView { id, public_id, is_new, created, last_seen, max_age, connections, .. } =
                    cookie;
                let authentication = cookie.authentication.map(|was| {
                    let LoginView { authid, authrole, authmethod, authrealm, authextra, at } = was;
                    $wit::Authentication { authid, authrole, authmethod, authrealm, authextra, at }
                });
                Self { id, public_id, is_new, created, last_seen, max_age, connections, authentication }
            }
        }

        impl<'a> From<&'a HelloView<'a>> for $wit::Hello<'a> {
            fn from(hello: &'a HelloView<'a>) -> Self {
                let &HelloView { realm, authmethods, authid, authrole, authextra } = hello;
                Self { realm, authmethods, authid, authrole, authextra }
            }
        }
    };
}

parts!(v0_1);
parts!(v0_2);
parts!(v0_3);

/// A whole request, with those of its parts that not every version has.
macro_rules! questions {
    ($wit:ident $(, $since:ident)* $(; $record:ident)*) => {
        impl<'a> From<&'a JoinRequest<'a>> for $wit::JoinRequest<'a> {
            fn from(request: &'a JoinRequest<'a>) -> Self {
                Self {
                    connection: (&request.connection).into(),
                    cookie: request.cookie.as_ref().map(Into::into),
                    hello: request.hello.as_ref().map(Into::into),
                    methods: request.methods,
                    $($since: request.$since,)*
                    $($record: request.$record.as_ref().map(Into::into),)*
                }
            }
        }
    };
}

questions!(v0_1);
questions!(v0_2, roles, now);
questions!(v0_3, roles, now; certificate);

impl<'a> From<&'a CertificateView<'a>> for v0_3::Certificate<'a> {
    fn from(certificate: &'a CertificateView<'a>) -> Self {
        let &CertificateView { subject, names, sha256 } = certificate;
        Self { subject, names, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_HEADERS, MAX_OFFERED, check_size};
    use crate::policy::{ConnectionView, HelloView, JoinRequest, PolicyError};

    fn check(headers: &[(&str, &str)], offered: &[&str]) -> Result<(), PolicyError> {
        check_size(&JoinRequest {
            connection: ConnectionView { headers, ..JoinRequest::EMPTY.connection },
            hello: Some(HelloView { authmethods: offered, ..HelloView::default() }),
            ..JoinRequest::EMPTY
        })
    }

    #[test]
    fn what_the_contract_allows_is_asked() {
        assert_eq!(check(&[("a", "b"); MAX_HEADERS], &["ticket"; MAX_OFFERED]), Ok(()));
        assert_eq!(check(&[("a", &"b".repeat(16 * 1024 - 1))], &[]), Ok(()));
    }

    #[test]
    fn more_is_refused_rather_than_cut() {
        let refused = |outcome| assert!(matches!(outcome, Err(PolicyError::Refused(_))), "{outcome:?}");
        refused(check(&[("a", "b"); MAX_HEADERS + 1], &[]));
        refused(check(&[("a", &"b".repeat(16 * 1024))], &[]));
        refused(check(&[], &["ticket"; MAX_OFFERED + 1]));
    }
}
