//! Cookies: the tracking ID, the options of a tracking cookie, the `Cookie` and `Set-Cookie` headers.

mod request;
mod response;

pub mod public_id;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use public_id::FILE as PUBLIC_ID_KEY_FILE;
pub use public_id::{PrincipalMark, PublicIdKey, PublicIdKeyError};
pub use request::{candidates, name_of, without};
pub use response::set_cookie;

/// A tracking ID: 6 to 64 characters of the base64 alphabets. A credential: a client that presents it is the client.
///
/// `Debug` does not show it, there is no `Display`, and [`TrackingId::expose`] is called only where the ID
/// has to go out: to the client that owns it, to the store, and to the policy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackingId(Arc<str>);

/// The text is no tracking ID. The message does not repeat it, since it may be most of a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tracking ID has 6 to 64 characters out of A-Z a-z 0-9 - _ + /")]
pub struct TrackingIdError;

impl TrackingId {
    /// Checks a text that came from a client or from a store.
    ///
    /// Both base64 alphabets count: new IDs use the URL-safe one, Crossbar's have `+` and `/`.
    pub fn parse(text: &str) -> Result<Self, TrackingIdError> {
        let sound = (IdLength::MIN..=IdLength::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/'));
        if sound { Ok(Self(Arc::from(text))) } else { Err(TrackingIdError) }
    }

    /// Draws a new ID, 6 bits a character, from `rng`: the operating system's random source but for tests.
    pub fn generate<R: rand::TryCryptoRng>(length: IdLength, rng: &mut R) -> Result<Self, R::Error> {
        let mut buffer = [0; IdLength::MAX];
        let drawn = buffer.get_mut(..length.get()).unwrap_or_default();
        rng.try_fill_bytes(drawn)?;
        for byte in &mut *drawn {
            // 256 is a multiple of 64, so that the low 6 bits of a uniform byte are uniform.
            *byte = URL_SAFE.get(usize::from(*byte & 0x3f)).copied().unwrap_or(b'A');
        }
        Ok(Self(Arc::from(String::from_utf8_lossy(drawn).as_ref())))
    }

    /// What stands for an ID in a store that knows only its digest: no credential, and no client can come with it, since
    /// [`parse`](Self::parse) takes no `~`.
    pub(crate) fn stand_in(digest: &str, public_id: &str) -> Self {
        Self(format!("~{digest}{public_id}").into())
    }

    /// An ID for one connection, which stands in no store. No client can come with it, as with a stand-in.
    pub(crate) fn unrecorded<R: rand::TryCryptoRng>(rng: &mut R) -> Result<Self, R::Error> {
        Ok(Self(format!("~{}", Self::generate(IdLength::DEFAULT, rng)?.expose()).into()))
    }

    /// The digest and the public ID, if this stands for an ID. The public ID is empty where only the digest is known, as of a cookie that
    /// was revoked. An ID for one connection is shorter than a digest.
    pub(crate) fn stands_for(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix('~')?.split_at_checked(DIGEST_TEXT)
    }

    /// Whether a client may come with it: neither a stand-in nor an ID for one connection.
    pub(crate) fn is_recorded(&self) -> bool {
        !self.0.starts_with('~')
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The size of a digest's text: the 32 bytes of SHA-256 in base64 without padding.
const DIGEST_TEXT: usize = 43;

/// RFC 4648, 5: the URL-safe base64 alphabet; every character may stand in a cookie without quotes.
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Debug for TrackingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackingId(..)")
    }
}

/// A cookie's name: `^[a-z][a-z0-9_]+$`, with a [`CookiePrefix`] before it or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CookieName(String);

/// What browsers take as a promise about a cookie when its name begins with it (RFC 6265bis, 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookiePrefix {
    /// `__Host-`: only this very host has set it, over TLS, for all of its paths.
    Host,
    /// `__Secure-`: it was set over TLS.
    Secure,
}

/// How many characters a new tracking ID has: 6 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdLength(u8);

/// How long a cookie lives: 1 second to 10 years of 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxAge(u32);

/// The `SameSite` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// `Strict`
    Strict,
    /// `Lax`
    Lax,
    /// `None`
    None,
}

/// How the tracking cookie of a path is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieOptions {
    /// `name`, default `cbtid`, with its `prefix`, default none.
    pub name: CookieName,
    /// `length`, default 24.
    pub length: IdLength,
    /// `max_age`, default one day.
    pub max_age: MaxAge,
    /// `secure`; absent: on where the connection is TLS.
    pub secure: Option<bool>,
    /// `http_strict`, default true: `HttpOnly`.
    pub http_only: bool,
    /// `same_site`, default `Lax`.
    pub same_site: SameSite,
}

impl CookieName {
    /// The seeds' default.
    pub const DEFAULT: &'static str = "cbtid";

    /// Checks `^[a-z][a-z0-9_]+$`; nothing if the text does not match.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, rest) = text.as_bytes().split_first()?;
        let sound = first.is_ascii_lowercase()
            && !rest.is_empty()
            && rest.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        sound.then(|| Self(text.to_owned()))
    }

    /// The name with a prefix before it.
    ///
    /// Browsers drop such a cookie without `Secure`, and one of [`CookiePrefix::Host`] unless it has `Path=/` and no
    /// `Domain` as well.
    #[must_use]
    pub fn with_prefix(&self, prefix: CookiePrefix) -> Self {
        Self(format!("{}{}", prefix.as_str(), self.0))
    }

    /// The name, its prefix included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CookiePrefix {
    /// The prefix as it stands in a name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "__Host-",
            Self::Secure => "__Secure-",
        }
    }
}

impl IdLength {
    /// Crossbar's bounds: 36 bits, which is little, to 384 bits.
    const MIN: usize = 6;
    const MAX: usize = 64;
    /// The smallest and the largest length.
    pub const RANGE: std::ops::RangeInclusive<u64> = 6..=64;
    /// 24 characters of 6 bits: 144 bits.
    pub const DEFAULT: Self = Self(24);

    /// Checks the range.
    pub fn new(length: u64) -> Option<Self> {
        Self::RANGE.contains(&length).then(|| Self(u8::try_from(length).unwrap_or(u8::MAX)))
    }

    /// The number of characters.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl MaxAge {
    /// One second to ten years of 365 days, in seconds.
    pub const RANGE: std::ops::RangeInclusive<u64> = 1..=315_360_000;
    /// One day.
    pub const DEFAULT: Self = Self(86_400);

    /// Checks the range.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        Self::RANGE.contains(&seconds).then(|| Self(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// Seconds.
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// How far the last sighting may lie back before a new one is noted: a 24th of the lifetime, so that a
    /// record is written at most 24 times for sightings, within a minute (records that short-lived need no
    /// finer order) and a day.
    pub fn coarseness(self) -> Duration {
        const FINEST: Duration = Duration::from_mins(1);
        const COARSEST: Duration = Duration::from_hours(24);
        (Duration::from_secs(u64::from(self.0)) / 24).clamp(FINEST, COARSEST)
    }
}

impl Default for CookieOptions {
    fn default() -> Self {
        Self {
            name: CookieName(CookieName::DEFAULT.to_owned()),
            length: IdLength::DEFAULT,
            max_age: MaxAge::DEFAULT,
            secure: None,
            http_only: true,
            same_site: SameSite::Lax,
        }
    }
}

#[cfg(test)]
mod tests;
