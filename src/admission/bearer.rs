//! The token that a handshake brings along, where the configuration lets it: `auth.ticket.from`.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE},
};
use percent_encoding::percent_decode_str;

use crate::auth::{Secret, token::TokenPlaces};

/// RFC 6750, 2.1; RFC 9110, 11.1: the name of a scheme has no case.
const SCHEME: &str = "bearer";

/// The token of a request, from the first place that has one.
pub(super) fn find(places: &TokenPlaces, headers: &HeaderMap, query: Option<&str>) -> Option<Secret> {
    let in_header = || lines(headers, AUTHORIZATION).find_map(bearer).map(str::to_owned);
    let in_query = |name: &String| parameter(query?, name);
    let in_cookie = |name: &String| {
        let pairs = lines(headers, COOKIE).flat_map(|line| line.split(';'));
        value(pairs.map(str::trim), name).map(str::to_owned)
    };
    let token = places
        .header
        .then(in_header)
        .flatten()
        .or_else(|| places.query.as_ref().and_then(in_query))
        .or_else(|| places.cookie.as_ref().and_then(in_cookie));
    token.filter(|token| !token.is_empty()).map(Secret::new)
}

fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

fn bearer(line: &str) -> Option<&str> {
    let (scheme, token) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
}

/// A parameter of a query. A token in it needs no escapes, but a client may write some.
fn parameter(query: &str, name: &str) -> Option<String> {
    let written = value(query.split('&'), name)?;
    percent_decode_str(written).decode_utf8().ok().map(Into::into)
}

fn value<'a>(mut pairs: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    pairs.find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(places: &TokenPlaces, headers: &[(HeaderName, &str)], query: Option<&str>) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        find(places, &headers, query).map(|token| token.expose().to_owned())
    }

    #[test]
    fn a_token_is_found_only_where_the_configuration_lets_it_be() {
        let everywhere = [
            (AUTHORIZATION, "Basic am9lOng="),
            (AUTHORIZATION, "bearer  in.the.header"),
            (COOKIE, "a=1; session=in.the.cookie; b=2"),
        ];
        let query = Some("x=1&access_token=in%2Ethe.query");
        let header = TokenPlaces { header: true, ..TokenPlaces::default() };
        let name = |name: &str| Some(name.to_owned());
        let in_query = TokenPlaces { query: name("access_token"), ..TokenPlaces::default() };
        let in_cookie = TokenPlaces { cookie: name("session"), ..TokenPlaces::default() };
        let all = TokenPlaces {
            header: true,
            ..TokenPlaces { query: in_query.query.clone(), ..in_cookie.clone() }
        };
        for (places, expected) in [
            (TokenPlaces::default(), None),
            (header, Some("in.the.header")),
            (in_query, Some("in.the.query")),
            (in_cookie.clone(), Some("in.the.cookie")),
            (all.clone(), Some("in.the.header")),
        ] {
            assert_eq!(found(&places, &everywhere, query).as_deref(), expected, "{places:?}");
        }
        assert_eq!(found(&all, &[], query).as_deref(), Some("in.the.query"));
        for headers in [
            [(COOKIE, "xsession=a"), (AUTHORIZATION, "Bearer")],
            [(COOKIE, "session="), (AUTHORIZATION, "Bearer ")],
        ] {
            assert_eq!(found(&all, &headers, Some("access_tokens=a&access_token")), None);
        }
    }
}
