//! How often a request has come through a gateway. Paths that go on to each other would otherwise send one request round and round, with one
//! more connection for each turn.
//!
//! Each gateway adds its name to `CDN-Loop` (RFC 8586), which servers and other proxies leave alone. The entries are counted, and not told apart:
//! so a loop through many gateways ends as well, and a gateway may still go on to itself.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
const NAME: &str = "wampgate";

/// How many gateways a request may have come through before.
pub(crate) const MAX_HOPS: u8 = 8;

/// Through how many gateways a request has come.
pub(crate) fn hops(headers: &HeaderMap) -> u8 {
    let lines = headers.get_all(CDN_LOOP).iter();
    let entries = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = entries.filter_map(|entry| entry.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii);
    let count = names.filter(|name| name.eq_ignore_ascii_case(NAME.as_bytes())).count();
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// Notes that the request goes through one gateway more.
pub(super) fn add_hop(headers: &mut HeaderMap) {
    headers.append(CDN_LOOP, HeaderValue::from_static(NAME));
}

/// Notes through how many gateways a client has come for which the gateway makes a request of its own, this one included.
pub(crate) fn note_hops(before: u8, headers: &mut HeaderMap) {
    (0..=before.min(MAX_HOPS)).for_each(|_| add_hop(headers));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_gateways_count_however_they_are_written() {
        for (lines, expected) in [
            (&[][..], 0),
            (&["cdn.example"], 0),
            (&["wampgate"], 1),
            (&["a; x=y, Wampgate;id=1 ,wampgate", "wampgate"], 3),
            (&["wampgates, not-wampgate, b;wampgate"], 0),
            (&[&"wampgate,".repeat(300)], u8::MAX),
        ] {
            let mut headers: HeaderMap =
                lines.iter().map(|line| (CDN_LOOP, HeaderValue::from_str(line).unwrap())).collect();
            assert_eq!(hops(&headers), expected, "{lines:?}");
            add_hop(&mut headers);
            assert_eq!(hops(&headers), u8::saturating_add(expected, 1), "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        note_hops(2, &mut headers);
        assert_eq!(hops(&headers), 3);
    }
}
