//! The `Cookie` header: what may be our tracking ID among whatever else a client sends.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::{CookieName, TrackingId};

/// The values of cookies of this name that have the shape of a tracking ID, in the order of the request.
///
/// Reading never fails: whatever else stands in the headers (names or values that RFC 6265 does not allow,
/// JSON, bytes that are not UTF-8, several header lines) is passed over and cannot hide our cookie. That a
/// candidate has the right shape says nothing about whether it was ever handed out: only the store knows.
///
/// There may be as many as fit into a request's head, since each of them may be the client's own.
pub fn candidates<'a>(
    headers: &'a HeaderMap,
    name: &'a CookieName,
) -> impl Iterator<Item = TrackingId> + use<'a> {
    headers
        .get_all(COOKIE)
        .iter()
        // RFC 6265, 4.2.1 separates pairs by "; ". Some intermediaries join several Cookie lines into one as
        // RFC 9110, 5.3 allows for lists, by ", ". No tracking ID contains either.
        .flat_map(|line| line.as_bytes().split(|byte| matches!(byte, b';' | b',')))
        .filter_map(|pair| value_of(pair, name.as_str().as_bytes()))
        .filter_map(|value| TrackingId::parse(std::str::from_utf8(value).ok()?).ok())
}

/// The value of a pair of this name. Names are compared as they are: RFC 6265 has them case-sensitive.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = pair.trim_ascii_start().strip_prefix(name)?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    // RFC 6265, 4.1.1: a value may stand in double quotes, which are no part of what we handed out.
    Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
}

/// A `Cookie` line without the cookies of these names, for a server that must not see them; none: nothing is left of it.
///
/// Everything else stays as it is, separators included, and what [`candidates`] would find is never left.
pub fn without(line: &HeaderValue, names: &[CookieName]) -> Option<HeaderValue> {
    let is_secret = |pair: &[u8]| names.iter().any(|name| value_of(pair, name.as_str().as_bytes()).is_some());
    let is_separator = |byte: &u8| matches!(byte, b';' | b',');
    let mut kept: Vec<u8> = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    loop {
        let end = rest.iter().position(is_separator).map_or(rest.len(), |end| end + 1);
        let (pair, behind) = rest.split_at_checked(end)?;
        let bare = pair.strip_suffix(b";").or_else(|| pair.strip_suffix(b",")).unwrap_or(pair);
        if !is_secret(bare) {
            kept.extend_from_slice(pair);
        }
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    if kept.iter().all(|byte| is_separator(byte) || byte.is_ascii_whitespace()) {
        return None;
    }
    let kept = kept.trim_ascii();
    HeaderValue::from_bytes(kept.strip_suffix(b";").unwrap_or(kept)).ok()
}

/// The name of the cookie that a `Set-Cookie` line sets, as browsers read it.
pub fn name_of(line: &HeaderValue) -> Option<&str> {
    let pair = line.as_bytes().split(|byte| *byte == b';').next()?;
    let (name, _) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
    str::from_utf8(name.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::CookiePrefix;

    const K: &str = "ynxeF9djpFhvdtla3T/sM+2N";

    /// The one of the candidates that a store which knows only `K` would know.
    fn finds_k(lines: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        candidates(&headers, &CookieName::parse("cbtid").unwrap()).any(|id| id.expose() == K)
    }

    fn of_k(template: &str) -> Vec<u8> {
        template.replace('K', K).into_bytes()
    }

    /// Rows in which wampgate does as Crossbar.io does.
    #[test]
    fn reads_what_crossbar_reads() {
        for row in [
            "cbtid=K",
            "foo=bar; cbtid=K",
            "cbtid=K;foo=bar",
            "cbtid=\"K\"",
            "cbtid=zzz; cbtid=K",
            "j={\"a\": 1}; cbtid=K",
            "cbtid=K; @@@ ,,,",
            "$Version=1; cbtid=K",
            "nothing; cbtid=K; at all",
            "  cbtid=K   ",
            "cbtid = K",
            "foo=bar, cbtid=K",
        ] {
            assert!(finds_k(&[&of_k(row)]), "{row}");
        }
        assert!(finds_k(&[&[b"foo=\xff; ".as_slice(), &of_k("cbtid=K")].concat()]));
    }

    /// Rows that give a new ID in Crossbar.io as well.
    #[test]
    fn passes_over_what_crossbar_passes_over() {
        for row in [
            "",
            "cbtid=",
            "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA",
            "cbtid=x",
            "foo=bar",
            "CBTID=K",
            "xcbtid=K",
            "=;;=,",
            "cbtid",
            "cbtid=K%20",
            "cbtid=\"K",
            "cbtid=K x",
        ] {
            assert!(!finds_k(&[&of_k(row)]), "{row}");
        }
        assert!(!finds_k(&[]));
        assert!(!finds_k(&[&[&of_k("cbtid=K"), b"\xff".as_slice()].concat()]));
    }

    /// Rows in which Crossbar.io loses the client, and wampgate does not.
    #[test]
    fn keeps_clients_that_crossbar_loses() {
        for row in [
            // Crossbar: the last duplicate wins. Here: the first one that the store knows.
            "cbtid=K; cbtid=zzz",
            "cbtid=K; cbtid=AAAAAAAAAAAAAAAAAAAAAAAA",
            "cbtid=AAAAAAAAAAAAAAAAAAAAAAAA; cbtid=K",
            // Crossbar: a name that RFC 6265 does not allow ends the parsing.
            "bad{name}=1; cbtid=K",
            "@x=1; cbtid=K",
            // Crossbar: the fallback for JSON takes the first occurrence of our name, within another name.
            "xcbtid=Z; j={\"a\":1}; cbtid=K",
            // Crossbar: the value is `K,foo=bar`.
            "cbtid=K,foo=bar",
        ] {
            assert!(finds_k(&[&of_k(row)]), "{row}");
        }
        // Crossbar: several lines are joined by a comma and then misread.
        for lines in [["cbtid=K", "foo=bar"], ["foo=bar", "cbtid=K"], ["cbtid=zzz", "cbtid=K"]] {
            assert!(finds_k(&[&of_k(lines[0]), &of_k(lines[1])]), "{lines:?}");
        }
    }

    /// The one row that Crossbar.io reads and wampgate does not.
    #[test]
    fn white_space_does_not_separate_cookies() {
        // RFC 6265: this is one cookie `a` with the value `1 cbtid=K`.
        assert!(!finds_k(&[&of_k("a=1 cbtid=K")]));
    }

    #[test]
    fn a_prefix_is_part_of_the_name() {
        let name = CookieName::parse("cbtid").unwrap().with_prefix(CookiePrefix::Host);
        for (line, expected) in [
            (format!("__Host-cbtid={K}"), true),
            (format!("cbtid=zzzzzz; __Host-cbtid={K}"), true),
            (format!("cbtid={K}"), false),
            (format!("__host-cbtid={K}"), false),
            (format!("__Secure-cbtid={K}"), false),
            (format!("__Host-__Host-cbtid={K}"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::from_str(&line).unwrap());
            assert_eq!(candidates(&headers, &name).any(|id| id.expose() == K), expected, "{line}");
        }
    }

    #[test]
    fn candidates_come_in_order_and_all_of_them() {
        let mut headers = HeaderMap::new();
        let line: Vec<String> = (10..30).map(|n| format!("cbtid=candidate{n}")).collect();
        headers.append(COOKIE, HeaderValue::from_str(&line[..4].join("; ")).unwrap());
        headers.append(COOKIE, HeaderValue::from_str(&line[4..].join("; ")).unwrap());
        let name = CookieName::parse("cbtid").unwrap();
        let found: Vec<_> = candidates(&headers, &name).map(|id| id.expose().to_owned()).collect();
        let expected: Vec<_> = (10..30).map(|n| format!("candidate{n}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_for_another_server_has_none_of_the_gateways_cookies() {
        let names = ["cbtid", "other"].map(|name| CookieName::parse(name).unwrap());
        for (line, expected) in [
            ("cbtid=K", None),
            ("cbtid=K; other=K", None),
            ("a=b; cbtid=K", Some("a=b")),
            ("cbtid=K; a=b", Some("a=b")),
            ("a=b; cbtid=K; c=d", Some("a=b; c=d")),
            ("a=b; cbtid=K; cbtid=zzz; c=d; other=\"K\"", Some("a=b; c=d")),
            ("foo=bar, cbtid=K", Some("foo=bar,")),
            ("  cbtid = K ;a=b", Some("a=b")),
            ("xcbtid=K; CBTID=K", Some("xcbtid=K; CBTID=K")),
            ("j={\"a\": 1, \"b\": 2}; cbtid=K", Some("j={\"a\": 1, \"b\": 2}")),
            ("", None),
            (";;", None),
        ] {
            let line = HeaderValue::from_bytes(&of_k(line)).unwrap();
            let left = without(&line, &names);
            let expected = expected.map(of_k);
            assert_eq!(left.as_ref().map(HeaderValue::as_bytes), expected.as_deref(), "{line:?}");
            assert!(!left.is_some_and(|left| finds_k(&[left.as_bytes()])), "{line:?}");
        }
    }

    #[test]
    fn a_cookie_that_is_set_has_a_name() {
        for (line, expected) in [
            ("cbtid=x; Path=/", Some("cbtid")),
            (" cbtid =x", Some("cbtid")),
            ("cbtid", None),
            ("=x", Some("")),
        ] {
            assert_eq!(name_of(&HeaderValue::from_static(line)), expected, "{line}");
        }
    }
}
