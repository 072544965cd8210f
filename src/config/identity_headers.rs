//! The headers that tell a proxy or a server who a client is, and the token that proves it.

use std::time::Duration;

use http::HeaderName;
use schemars::json_schema;

use super::{
    AssertionOptions, IdentityHeaders, Signer,
    reader::{Json, Located, NodePath, Raw, Walk, Whole, checked_text, inline_schema, object},
    signing::Signing,
};
use crate::{
    identity::Name,
    upstream::{as_read, is_taken},
};

object! {
    /// The headers of an answer that tell who the client is. Every answer has all of them, empty where there is no identity.
    struct RawIdentityHeaders {
        /// The authid. Default `Wampgate-Authid`.
        authid: optional Located<IdentityHeader>,
        /// The role. Default `Wampgate-Authrole`.
        authrole: optional Located<IdentityHeader>,
        /// The method that vouched for the client: `ticket`, `anonymous`, …. Default `Wampgate-Authmethod`.
        authmethod: optional Located<IdentityHeader>,
        /// The public ID of the client's cookie. Default `Wampgate-Client`.
        client: optional Located<IdentityHeader>,
    }
}

object! {
    /// A token (JWT) that the gateway signs, in a header of its own: who the client is, for a server that verifies it. It stands for the other
    /// headers, and counts for a short time.
    struct RawAssertion {
        /// Files with private keys in PEM, of Ed25519 (`EdDSA`) or of ECDSA with P-256 (`ES256`). The first signs; a "jwks" path serves the
        /// public keys of all. The gateway reads a file anew when it changes.
        keys: required Located<Vec<Located<NodePath>>>,
        /// Who is to believe the token, its claim `aud`: a name of the server's own.
        audience: required Name,
        /// Who signs, its claim `iss`. Default `wampgate`.
        issuer: optional Name,
        /// The header that has it. Every request has this header, empty where there is no identity. Default `Wampgate-Assertion`.
        header: optional Located<IdentityHeader>,
        /// For how many seconds it counts. Default 60.
        lifetime: optional Whole<5, 3600>,
    }
    misplaced {
        "key" => "write a list of files, \"keys\": [\"signing.pem\"]",
        "algorithm" => "the kind of the key decides: one of Ed25519 signs by EdDSA, one of ECDSA with P-256 by ES256",
        "ttl" => "write `lifetime`, in seconds",
    }
}

/// The name of a header that tells who a client is.
#[derive(Debug)]
pub(super) struct IdentityHeader(HeaderName);

impl Raw for IdentityHeader {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let name = checked_text(json, "a header's name such as \"Remote-User\"", walk, |text| {
            HeaderName::from_bytes(text.as_bytes()).ok()
        })?;
        let read = as_read(name.as_str());
        if is_taken(&read) {
            walk.fault(format!(
                "`{name}` has a meaning of its own for proxies or servers, use another name such as \"Remote-User\""
            ));
        } else if name.as_str().contains('_') {
            walk.warn(format!(
                "nginx and other servers drop headers with `_` in their names: write `{}`",
                name.as_str().replace('_', "-")
            ));
        }
        Some(Self(name))
    }
}

inline_schema!(
    IdentityHeader,
    "IdentityHeader",
    |_generator| json_schema!({ "type": "string", "minLength": 1 })
);

/// A header's name, and where the file has it; none: it is the default.
type Named = (HeaderName, Option<String>);

/// The headers that tell who a client is, with what proves them.
pub(super) fn checked_headers(
    headers: Option<RawIdentityHeaders>,
    assertion: Option<Located<RawAssertion>>,
    signing: &mut Signing,
    walk: &mut Walk<'_>,
) -> IdentityHeaders {
    let name = |raw: Option<Located<IdentityHeader>>, default: HeaderName| match raw {
        Some(Located { path, value: IdentityHeader(name) }) => (name, Some(path)),
        None => (default, None),
    };
    let [authid, authrole, authmethod, client] = headers.map_or([None, None, None, None], |headers| {
        [headers.authid, headers.authrole, headers.authmethod, headers.client]
    });
    let default = IdentityHeaders::default();
    let named = [
        name(authid, default.authid),
        name(authrole, default.authrole),
        name(authmethod, default.authmethod),
        name(client, default.client),
    ];
    let (token, assertion) = assertion
        .map(|Located { path, value: mut raw }| {
            (name(raw.header.take(), AssertionOptions::HEADER), Located { path, value: raw })
        })
        .unzip();
    tell_apart(&named.iter().chain(&token).collect::<Vec<_>>(), walk);
    let [(authid, _), (authrole, _), (authmethod, _), (client, _)] = named;
    let assertion = token
        .zip(assertion)
        .and_then(|((header, _), Located { path, value: raw })| raw.check(path, header, signing, walk));
    IdentityHeaders { authid, authrole, authmethod, client, assertion: assertion.map(Box::new) }
}

/// Reports headers that servers read as one.
fn tell_apart(named: &[&Named], walk: &mut Walk<'_>) {
    let reads: Vec<_> = named.iter().map(|(name, path)| (as_read(name.as_str()), path.is_some())).collect();
    for (place, ((name, path), (read, _))) in named.iter().zip(&reads).enumerate() {
        let Some(path) = path else { continue };
        // Of two that the file names, the fault is told at the second.
        let mut others = reads.iter().enumerate();
        if others.any(|(other, (other_read, is_named))| {
            other != place && other_read == read && (other < place || !is_named)
        }) {
            walk.fault_at(
                path,
                format!("`{name}`, as servers read it, tells something else already: use another name"),
            );
        }
    }
}

impl RawAssertion {
    /// The token of the object at `path`, in this header.
    fn check(
        self,
        path: String,
        header: HeaderName,
        signing: &mut Signing,
        walk: &mut Walk<'_>,
    ) -> Option<AssertionOptions> {
        signing.is_wanted = true;
        signing.assertion.get_or_insert(path);
        let keys = self.keys.and_then(|keys| signing.keys(keys, walk));
        let lifetime =
            self.lifetime.map_or(AssertionOptions::LIFETIME, |lifetime| Duration::from_secs(lifetime.0));
        keys.zip(self.audience).map(|(keys, audience)| AssertionOptions {
            header,
            audience: audience.to_string(),
            signer: Signer::new(keys, self.issuer.map(|name| name.to_string()), lifetime),
        })
    }
}
