//! Cookies: the tracking ID, the options of a tracking cookie, the `Cookie` and `Set-Cookie` headers.

use std::{fmt, sync::Arc};

/// A tracking ID: 6 to 64 characters of the base64 alphabets. A credential: whoever has it is the client.
///
/// `Debug` does not show it, there is no `Display`, and [`TrackingId::expose`] is called only where the ID has to
/// go out: to the client that owns it, to the store, and to the policy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackingId(Arc<str>);

/// Why a text is no tracking ID. Does not repeat the text, which may be most of a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tracking ID has 6 to 64 characters out of A-Z a-z 0-9 - _ + /")]
pub struct InvalidTrackingId;

impl TrackingId {
    /// Checks a text that came from a client or from a store.
    ///
    /// Both base64 alphabets count: new IDs use the URL-safe one, Crossbar's have `+` and `/`.
    pub fn parse(text: &str) -> Result<Self, InvalidTrackingId> {
        let sound = (6..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/'));
        if sound { Ok(Self(Arc::from(text))) } else { Err(InvalidTrackingId) }
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TrackingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackingId(..)")
    }
}

/// A cookie's name: `^[a-z][a-z0-9_]+$`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CookieName(String);

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
    /// `name`, default `cbtid`.
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

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IdLength {
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
