//! What is demanded of a URL before it is taken apart.
//!
//! A parser of URLs takes nearly every text. If a password has a character in it that divides the parts of a URL, a piece of the
//! password becomes the host, the database or a fragment: the gateway then looks for it in the DNS and shows it in its log.

/// Whether user and password, if there are any, stand in front of the hosts, and no part is cut off.
pub(super) fn has_plain_parts(text: &str) -> bool {
    // The parser leaves out tabs and ends of lines.
    if text.contains(|c: char| c == '#' || c.is_control()) {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return true };
    if scheme.ends_with("unix") {
        // What stands in front of the question mark is a path, and what is behind it is no part of an address.
        return true;
    }
    let rest = rest.trim_start_matches('/');
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let question = behind.split_once('?').map_or("", |(_, question)| question);
    authority.matches('@').count() <= 1 && !behind.contains('@') && !question.contains(['/', '?'])
}

/// Whether a query has only these keys, and each at most once.
pub(super) fn has_only(query: Option<&str>, keys: &[&str]) -> bool {
    let mut left = keys.to_vec();
    query.is_none_or(|query| {
        query.split('&').all(|pair| {
            let key = pair.split_once('=').map(|(key, _)| key);
            let place = left.iter().position(|left| Some(*left) == key);
            place.map(|place| left.swap_remove(place)).is_some()
        })
    })
}
