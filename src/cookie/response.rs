//! The `Set-Cookie` header of a 101 that hands out a new tracking ID.

use std::fmt::Write as _;

use cookie::{Cookie, time::Duration};
use http::HeaderValue;

use super::{CookieOptions, SameSite, TrackingId};

/// Room for the longest value with an ordinary name, so that it is written without growing.
const CAPACITY: usize = 192;

/// Writes `Set-Cookie` for an ID; the value is marked as sensitive, so that nothing logs it.
///
/// Never nothing in practice: by their types, names and IDs are made of characters that a header may carry.
pub fn set_cookie(options: &CookieOptions, id: &TrackingId, tls: bool) -> Option<HeaderValue> {
    let mut cookie = Cookie::build((options.name.as_str(), id.expose()))
        // Without it, RFC 6265, 5.1.4 limits the cookie to the directory of the WebSocket's path, and two
        // paths that share a store would not share their clients.
        .path("/")
        .max_age(Duration::seconds(i64::from(options.max_age.as_seconds())))
        .same_site(match options.same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::None => cookie::SameSite::None,
        });
    if options.http_only {
        cookie = cookie.http_only(true);
    }
    match options.secure {
        Some(secure) => cookie = cookie.secure(secure),
        None if tls => cookie = cookie.secure(true),
        // Left open, the attribute comes with `SameSite=None`, which browsers take only together with it.
        None => {}
    }
    let mut text = String::with_capacity(CAPACITY);
    write!(text, "{}", cookie.build()).ok()?;
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::{CookieName, CookiePrefix, MaxAge};

    /// The attributes in any order, after the name and the value.
    fn written(options: &CookieOptions, tls: bool) -> (String, Vec<String>) {
        let id = TrackingId::parse("abc-_123").unwrap();
        let value = set_cookie(options, &id, tls).unwrap();
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("abc"));
        let mut parts = value.to_str().unwrap().split("; ").map(str::to_owned);
        let pair = parts.next().unwrap();
        let mut attributes: Vec<_> = parts.collect();
        attributes.sort();
        (pair, attributes)
    }

    #[test]
    fn defaults_are_safe() {
        let (pair, attributes) = written(&CookieOptions::default(), false);
        assert_eq!(pair, "cbtid=abc-_123");
        assert_eq!(attributes, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax"]);
    }

    #[test]
    fn secure_is_set_on_tls_unless_the_option_says_otherwise() {
        let secure = |secure, tls, same_site| {
            let options = CookieOptions { secure, same_site, ..CookieOptions::default() };
            written(&options, tls).1.contains(&"Secure".to_owned())
        };
        for (option, tls, expected) in [
            (None, false, false),
            (None, true, true),
            (Some(true), false, true),
            (Some(true), true, true),
            (Some(false), false, false),
            (Some(false), true, false),
        ] {
            assert_eq!(secure(option, tls, SameSite::Lax), expected, "{option:?} {tls}");
        }
        assert!(secure(None, false, SameSite::None));
    }

    #[test]
    fn a_prefix_comes_before_the_name() {
        for (prefix, name) in [(CookiePrefix::Host, "__Host-cbtid"), (CookiePrefix::Secure, "__Secure-cbtid")]
        {
            let default = CookieOptions::default();
            let name_with_prefix = default.name.with_prefix(prefix);
            let options = CookieOptions { name: name_with_prefix, secure: Some(true), ..default };
            let (pair, attributes) = written(&options, false);
            assert_eq!(pair, format!("{name}=abc-_123"));
            // RFC 6265bis, 4.1.3.2: and no `Domain`.
            assert_eq!(attributes, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"]);
        }
    }

    #[test]
    fn options_are_written() {
        let options = CookieOptions {
            name: CookieName::parse("sid_x").unwrap(),
            max_age: MaxAge::from_seconds(2).unwrap(),
            http_only: false,
            same_site: SameSite::Strict,
            ..CookieOptions::default()
        };
        let (pair, attributes) = written(&options, true);
        assert_eq!(pair, "sid_x=abc-_123");
        assert_eq!(attributes, ["Max-Age=2", "Path=/", "SameSite=Strict", "Secure"]);
    }
}
