//! `auth.ticket` of type `jwt`: tokens that an issuer has signed.

use std::{borrow::Cow, sync::Arc, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Realms, cookie::Beside};
use crate::{
    auth::token::{self, Algorithm, ClaimNames, TokenKeys, TokenOptions, TokenPlaces},
    config::{
        Secret,
        reader::{Json, Located, NodePath, Own, Raw, Walk, Whole, object, quoted, words},
    },
    file::missing,
    identity::Name,
};

/// A year in seconds.
const YEAR: u64 = 31_536_000;

object! {
    /// Joins clients that send a token (JWT), which an issuer has signed.
    struct RawJwt {
        /// What verifies the tokens: {"file": …} with the issuer's public keys (a JWK Set), or {"secret": …} that the gateway
        /// shares with the issuer.
        keys: required Located<RawTokenKeys>,
        /// The algorithms that tokens may be signed with, such as `ES256`. Others are refused, whatever a token says.
        algorithms: required Located<Vec<Located<Algorithm>>>,
        /// What the claim `iss` of a token has to be. Default: anything.
        issuer: optional Filled,
        /// What the claim `aud` of a token has to name: text, or a list of which one has to be there. Default: a token must not
        /// have the claim.
        audience: optional Texts,
        /// Which claims of a token say what.
        claims: optional RawTokenClaims,
        /// The role of clients whose token names none. Default: the gateway refuses such a token.
        role: optional Located<Name>,
        /// By how many seconds the clocks of issuer and gateway may differ. Default 30. The end of a session by `end_at_expiry` knows no
        /// leeway: it comes at `exp` or `max_age` by the gateway's clock.
        leeway: optional Whole<0, 600>,
        /// How old a token may be, in seconds since its claim `iat`, whatever its `exp` says. Default: no limit but `exp`.
        max_age: optional Whole<1, YEAR>,
        /// Whether a session ends when its token expires. Default false: a token opens a session, which then lasts.
        end_at_expiry: optional bool,
        /// Whether a login stands on a cookie (`auth.cookie`) after its token has expired. Default false.
        cookie_may_outlive: optional bool,
        /// Where in the handshake a token may be, so that the gateway need not ask for it. Default: nowhere.
        from: optional RawTokenPlaces,
    }
    misplaced {
        "principals" => "tokens name their principals themselves; for a list use \"type\": \"static\" or \"type\": \"file\"",
        "secret" => "write \"keys\": {\"secret\": …}",
        "file" => "write \"keys\": {\"file\": …}",
        "filename" => "write \"keys\": {\"file\": …}",
        "jwks_uri" => "the gateway fetches nothing: let a timer write the keys into a file, and name it in `keys`",
    }
}

object! {
    /// What verifies tokens: a file or a secret.
    struct RawTokenKeys {
        /// A JWK Set, absolute or relative to the node directory. The gateway reads it anew when it changes.
        file: optional Located<NodePath>,
        /// The secret of `HS256`, `HS384` and `HS512`, at least as long as the hash: text, `"${NAME}"` for an environment
        /// variable, or {"file": …}.
        secret: optional Located<Secret>,
    }
}

object! {
    /// Which claims of a token say what.
    struct RawTokenClaims {
        /// The claim with the authid. Default `sub`.
        authid: optional Filled,
        /// The claim with the role. Default `role`.
        role: optional Filled,
        /// The claim with the realm, without which a token then joins none. Default: a token joins the realm that its client
        /// asks for.
        realm: optional Filled,
        /// Claims that go into the `authextra` of WELCOME. Default: none.
        extra: optional Vec<Located<Filled>>,
    }
}

object! {
    /// Where in the handshake a token may be; the first place that has one counts.
    struct RawTokenPlaces {
        /// In the header `Authorization: Bearer …`. Default false.
        header: optional bool,
        /// In this parameter of the query, such as `access_token`. Proxies may log it.
        query: optional Filled,
        /// In the cookie of this name, which another application sets.
        cookie: optional Located<Filled>,
    }
}

words! {
    Algorithm as "Algorithm" {
        "HS256" => Self::Hs256,
        "HS384" => Self::Hs384,
        "HS512" => Self::Hs512,
        "RS256" => Self::Rs256,
        "RS384" => Self::Rs384,
        "RS512" => Self::Rs512,
        "PS256" => Self::Ps256,
        "PS384" => Self::Ps384,
        "PS512" => Self::Ps512,
        "ES256" => Self::Es256,
        "ES384" => Self::Es384,
        "EdDSA" => Self::EdDsa,
    }
}

/// Text that is not empty.
#[derive(Debug)]
pub(in crate::config) struct Filled(String);

/// One text or several.
#[derive(Debug)]
pub(in crate::config) struct Texts(Vec<String>);

impl RawJwt {
    /// Checks the method, which stands at `path`.
    pub(super) fn check(
        self,
        path: &str,
        (beside, stands_on_cookies): (&Beside<'_>, bool),
        realms: Realms<'_>,
        walk: &mut Walk<'_>,
    ) -> Option<TokenOptions> {
        let algorithms = self.algorithms.map(|named| algorithms(named, walk));
        let keys = self.keys.and_then(|keys| keys.value.check(&keys.path, algorithms.as_deref()?, walk));
        let tracked_by = beside.tracking.map(|tracking| tracking.cookie.name.as_str());
        let from = self.from.map_or_else(TokenPlaces::default, |places| {
            places.check(&format!("{path}.from"), tracked_by, walk)
        });
        if self.cookie_may_outlive == Some(true) && !stands_on_cookies {
            walk.fault_at(
                format!("{path}.cookie_may_outlive"),
                "does nothing without `auth.cookie`, by which logins stand on cookies: add \"cookie\": {} to `auth`, or leave this out",
            );
        }
        if from.query.is_some() {
            walk.warn_at(
                format!("{path}.from.query"),
                "puts tokens into URLs, which proxies and browsers note: prefer `header` or `cookie` where clients can send them",
            );
        }
        Some(TokenOptions {
            keys: Arc::new(keys?),
            algorithms: algorithms?,
            issuer: self.issuer.map(|Filled(issuer)| issuer),
            audience: self.audience.map(|Texts(audience)| audience).unwrap_or_default(),
            claims: self.claims.map_or_else(ClaimNames::default, |claims| claims.check(walk)),
            role: self.role.map(|role| realms.role(role, None, walk)),
            leeway: self.leeway.map_or(TokenOptions::LEEWAY, |Whole(seconds)| Duration::from_secs(seconds)),
            max_age: self.max_age.map(|Whole(seconds)| Duration::from_secs(seconds)),
            end_at_expiry: self.end_at_expiry.unwrap_or(false),
            cookie_may_outlive: self.cookie_may_outlive.unwrap_or(false),
            from,
        })
    }
}

fn algorithms(named: Located<Vec<Located<Algorithm>>>, walk: &mut Walk<'_>) -> Vec<Algorithm> {
    let Located { path, value: named } = named;
    if named.is_empty() && !walk.has_fault_below(&path) {
        walk.fault_at(
            &path,
            "names no algorithm, so no token could be right: name the issuer's, such as \"ES256\"",
        );
    }
    let is_secret = |named: &Located<Algorithm>| named.value.least_secret().is_some();
    // RFC 8725, 3.1: a key is for one algorithm. A service has one kind of keys, so that this is a mistake.
    if named.iter().any(is_secret) && !named.iter().all(is_secret) {
        walk.fault_at(path, "mixes algorithms with a shared secret (HS…) and such with a public key: name those of the issuer only");
    }
    named.into_iter().map(|named| named.value).collect()
}

impl RawTokenKeys {
    fn check(self, path: &str, algorithms: &[Algorithm], walk: &mut Walk<'_>) -> Option<TokenKeys> {
        match (self.file, self.secret) {
            (Some(file), None) => from_file(&file, algorithms, walk),
            (None, Some(secret)) => from_secret(&secret, algorithms, walk),
            (Some(_), Some(_)) => {
                walk.fault_at(path, "has both `file` and `secret`: keep one of them");
                None
            }
            (None, None) => {
                if !walk.has_fault_below(path) {
                    walk.fault_at(path, "names no keys: write {\"file\": …} or {\"secret\": …}");
                }
                None
            }
        }
    }
}

fn from_file(file: &Located<NodePath>, algorithms: &[Algorithm], walk: &mut Walk<'_>) -> Option<TokenKeys> {
    let place = &file.value.path;
    walk.protect(Own::TokenKeys, place, file.path.as_str());
    if walk.leaves_alone(place) {
        walk.missing_at(&file.path, missing(place));
        return Some(TokenKeys::absent(place));
    }
    TokenKeys::read(place, algorithms, file.path.as_str())
        .map_err(|error| walk.fault_at(&file.path, error.to_string()))
        .ok()
}

fn from_secret(secret: &Located<Secret>, algorithms: &[Algorithm], walk: &mut Walk<'_>) -> Option<TokenKeys> {
    let Located { path, value: secret } = secret;
    if algorithms.iter().any(|algorithm| algorithm.least_secret().is_none()) {
        walk.fault_at(path, "is for HS256, HS384 and HS512 only: the other algorithms need the issuer's public keys, {\"file\": …}");
        return None;
    }
    let least = algorithms.iter().filter_map(|algorithm| algorithm.least_secret()).max().unwrap_or(0);
    if secret.expose().len() < least && walk.judges_secret(path) {
        walk.fault_at(
            path,
            format!(
                "is too short: the algorithm needs at least {least} bytes, drawn by chance (RFC 7518, 3.2)"
            ),
        );
        return None;
    }
    Some(TokenKeys::secret(secret.expose()))
}

impl RawTokenClaims {
    fn check(self, walk: &mut Walk<'_>) -> ClaimNames {
        let default = ClaimNames::default();
        let mut extra = Vec::new();
        for Located { path, value: Filled(name) } in self.extra.unwrap_or_default() {
            if token::RESERVED.contains(&name.as_str()) {
                let name = quoted(&name);
                walk.fault_at(path, format!("{name} in `authextra` is the gateway's own: leave it out"));
            } else {
                extra.push(name);
            }
        }
        ClaimNames {
            authid: self.authid.map_or(default.authid, |Filled(name)| name),
            role: self.role.map_or(default.role, |Filled(name)| name),
            realm: self.realm.map(|Filled(name)| name),
            extra,
        }
    }
}

impl RawTokenPlaces {
    /// Checks the places, which stand at `path`. `tracked_by` is the name of the gateway's own cookie in the service.
    fn check(self, path: &str, tracked_by: Option<&str>, walk: &mut Walk<'_>) -> TokenPlaces {
        let has_place = self.header == Some(true) || self.query.is_some() || self.cookie.is_some();
        if !has_place && !walk.has_fault_below(path) {
            walk.fault_at(
                path,
                "names no place: write {\"header\": true}, {\"query\": …} or {\"cookie\": …}, or leave `from` out",
            );
        }
        if let Some(Located { path, value: Filled(name) }) = &self.cookie
            && tracked_by == Some(name.as_str())
        {
            walk.fault_at(
                path,
                format!(
                    "{} is the cookie by which the gateway tracks clients here, and which would take the token's place: give one of the \
                     two another name",
                    quoted(name)
                ),
            );
        }
        if let Some(Located { path, value: Filled(name) }) = &self.cookie
            && !name.bytes().all(is_token)
        {
            walk.fault_at(
                path,
                format!("{} is no name of a cookie: use letters, digits, `-` and `_`", quoted(name)),
            );
        }
        TokenPlaces {
            header: self.header.unwrap_or(false),
            query: self.query.map(|Filled(name)| name),
            cookie: self.cookie.map(|cookie| cookie.value.0),
        }
    }
}

/// RFC 6265, 4.1.1: the name of a cookie is a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Raw for Filled {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let text = String::read(json, walk)?;
        if text.is_empty() {
            walk.fault("is empty: write text, or leave it out");
            return None;
        }
        Some(Self(text))
    }
}

impl Raw for Texts {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::List(items) if items.is_empty() => {
                walk.fault("names none: write text, or leave it out");
                None
            }
            Json::List(_) => {
                let texts: Vec<Filled> = Vec::read(json, walk)?;
                Some(Self(texts.into_iter().map(|Filled(text)| text).collect()))
            }
            _ => Filled::read(json, walk).map(|Filled(text)| Self(vec![text])),
        }
    }
}

impl JsonSchema for Filled {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Filled".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
        ] })
    }
}
