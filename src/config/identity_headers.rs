//! The headers that tell a proxy or a server who a client is, and the token that proves it.

use std::time::Duration;

use http::HeaderName;
use schemars::json_schema;

use super::{
    AssertionOptions, IdentityHeaders, Signer,
    reader::{Json, Located, NodePath, Raw, Walk, Whole, checked_text, inline_schema, object, quoted},
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

/// The headers that tell who a client is, with what proves them.
pub(super) fn checked_headers(
    headers: Option<RawIdentityHeaders>,
    assertion: Option<Located<RawAssertion>>,
    signing: &mut Signing,
    walk: &mut Walk<'_>,
) -> IdentityHeaders {
    let headers = headers.map_or_else(IdentityHeaders::default, |headers| headers.check(walk));
    match assertion {
        Some(assertion) => RawAssertion::beside(assertion, headers, signing, walk),
        None => headers,
    }
}

impl RawIdentityHeaders {
    fn check(self, walk: &mut Walk<'_>) -> IdentityHeaders {
        let default = IdentityHeaders::default();
        let name = |raw: &Option<Located<IdentityHeader>>, default: HeaderName| {
            raw.as_ref().map_or(default, |named| named.value.0.clone())
        };
        let headers = IdentityHeaders {
            authid: name(&self.authid, default.authid),
            authrole: name(&self.authrole, default.authrole),
            authmethod: name(&self.authmethod, default.authmethod),
            client: name(&self.client, default.client),
            assertion: None,
        };
        let reads = headers.names().map(|name| as_read(name.as_str()));
        let paths = [self.authid, self.authrole, self.authmethod, self.client].map(|raw| Some(raw?.path));
        for (place, (path, name)) in paths.iter().zip(headers.names()).enumerate() {
            let Some(path) = path else { continue };
            let read = as_read(name.as_str());
            // Of two that the file names, the fault is told at the second.
            let mut others = reads.iter().zip(&paths).enumerate();
            if others.any(|(other, (other_read, other_path))| {
                other != place && *other_read == read && (other < place || other_path.is_none())
            }) {
                walk.fault_at(
                    path,
                    format!("`{name}`, as servers read it, tells something else already: use another name"),
                );
            }
        }
        headers
    }
}

impl RawAssertion {
    /// The headers of a path, with this token beside them.
    fn beside(
        Located { path, value: raw }: Located<Self>,
        headers: IdentityHeaders,
        signing: &mut Signing,
        walk: &mut Walk<'_>,
    ) -> IdentityHeaders {
        signing.is_wanted = true;
        signing.assertion.get_or_insert_with(|| path.clone());
        let at = raw.header.as_ref().map_or_else(|| path.clone(), |header| header.path.clone());
        let header = raw.header.map_or(AssertionOptions::HEADER, |header| header.value.0);
        let read = as_read(header.as_str());
        if headers.names().iter().any(|other| as_read(other.as_str()) == read) {
            walk.fault_at(
                at,
                format!(
                    "{}, as servers read it, tells something else already: use another name",
                    quoted(header.as_str())
                ),
            );
        }
        let keys = raw.keys.and_then(|keys| signing.keys(keys, walk));
        let lifetime =
            raw.lifetime.map_or(AssertionOptions::LIFETIME, |lifetime| Duration::from_secs(lifetime.0));
        let assertion = keys.zip(raw.audience).map(|(keys, audience)| AssertionOptions {
            header,
            audience: audience.to_string(),
            signer: Signer::new(keys, raw.issuer.map(|name| name.to_string()), lifetime),
        });
        IdentityHeaders { assertion: assertion.map(Box::new), ..headers }
    }
}
