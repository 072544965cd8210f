//! The claims of a token whose signature is right (RFC 7519, 4).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{TokenError, TokenOptions, json, jws};
use crate::{identity::Name, time::Timestamp};

/// The claims of a token.
#[derive(Debug)]
pub(in crate::auth) struct Claims {
    members: Map<String, Value>,
    /// From when on the token no longer holds, in seconds: `exp`, or `iat` and `max_age`, whichever is earlier.
    pub(in crate::auth) expires: u64,
    /// Whether that is because of `max_age`.
    is_aged: bool,
}

impl Claims {
    /// Reads the payload. A token without an end is none: it would have to be revoked, which a token cannot be.
    pub(super) fn parse(payload: &str, max_age: Option<Duration>) -> Result<Self, TokenError> {
        let members = json::object(&jws::decode(payload)?).ok_or(TokenError::Claims)?;
        let exp = seconds(&members, "exp")?;
        let aged = match (max_age, seconds(&members, "iat")?) {
            (Some(max_age), Some(issued)) => Some(issued.saturating_add(max_age.as_secs())),
            // Its age is not known.
            (Some(_), None) => return Err(TokenError::Endless),
            (None, _) => None,
        };
        let expires = exp.into_iter().chain(aged).min().ok_or(TokenError::Endless)?;
        let is_aged = exp.is_none_or(|exp| exp > expires);
        Ok(Self { members, expires, is_aged })
    }

    /// Whether the token holds now, and is meant for this gateway.
    pub(super) fn check(&self, options: &TokenOptions, now: Timestamp) -> Result<(), TokenError> {
        let (now, leeway) = (now.as_millis() / 1000, options.leeway.as_secs());
        if now >= self.expires.saturating_add(leeway) {
            return Err(if self.is_aged { TokenError::TooOld } else { TokenError::Expired });
        }
        for name in ["nbf", "iat"] {
            if seconds(&self.members, name)?.is_some_and(|from| from > now.saturating_add(leeway)) {
                return Err(TokenError::NotYet);
            }
        }
        if let Some(issuer) = &options.issuer
            && self.value("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenError::Issuer);
        }
        self.check_audience(&options.audience)
    }

    /// RFC 7519, 4.1.3: a principal that does not find itself among the audience rejects the token.
    fn check_audience(&self, expected: &[String]) -> Result<(), TokenError> {
        let is_meant =
            |named: &Value| named.as_str().is_some_and(|named| expected.iter().any(|us| us == named));
        match (self.value("aud"), expected) {
            (None, []) => Ok(()),
            (Some(_), []) => Err(TokenError::NoAudience),
            (Some(Value::Array(list)), _) if list.iter().any(is_meant) => Ok(()),
            (Some(one @ Value::String(_)), _) if is_meant(one) => Ok(()),
            _ => Err(TokenError::Audience),
        }
    }

    pub(in crate::auth) fn value(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A claim that must be text where it is there.
    pub(in crate::auth) fn text(&self, name: &str) -> Result<Option<&str>, TokenError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenError::Text),
        }
    }

    /// A claim that names a principal or a role.
    pub(in crate::auth) fn name(&self, name: &str) -> Result<Option<Name>, TokenError> {
        self.text(name)?.map(Name::parse).transpose().map_err(|_| TokenError::Text)
    }
}

/// RFC 7519, 2: a `NumericDate` counts seconds since 1970, and may have a fraction. The gateway rounds down.
fn seconds(members: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let wrong = TokenError::Value(name);
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    // 2^53: up to there each second has a floating number of its own.
    let fraction = value.as_f64().filter(|value| (0.0..=9_007_199_254_740_992.0).contains(value));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    fraction.map(|value| Some(value as u64)).ok_or(wrong)
}
