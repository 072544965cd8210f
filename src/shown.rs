//! What of others' words the gateway repeats. Of a client's words the log shows names of hosts, realms and paths, and nothing that may be a
//! credential in the wrong place. Of an operator's words a message shows as much as tells which ones are meant.
//!
//! People write such names in small letters. Tracking IDs have capital ones, and signatures and proofs are longer than the label
//! of a name.

use std::borrow::Cow;

/// Names of hosts have at most 253 characters.
const LONGEST: usize = 270;

/// RFC 1035, 2.3.4: a label has at most 63 octets.
const LONGEST_LABEL: usize = 63;

/// How many characters of a key or a value a message repeats.
pub(crate) const MAX_QUOTED: usize = 64;

/// A text as JSON writes it, cut after [`MAX_QUOTED`] characters.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    printable(serde_json::Value::String(short + ellipsis).to_string())
}

/// What names a place in the network, as [`quoted`] writes it: an address, a URL, an origin or a host. If it has an `@`, it may hold a password
/// wherever one was put by mistake, so that nothing of it is repeated.
pub(crate) fn quoted_place(text: &str) -> String {
    if text.contains('@') || text.contains("%40") { "this value".to_owned() } else { quoted(text) }
}

/// A text without control characters: a file must not move the cursor of a terminal that shows its faults.
pub(crate) fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escape = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Whether the log may show this.
pub(crate) fn is_presentable(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.:/[]".contains(&byte);
    (1..=LONGEST).contains(&text.len())
        && text.split(['.', '/', ':']).all(|label| label.len() <= LONGEST_LABEL)
        && text.bytes().all(is_fine)
}

/// A path as far as the log may show it.
pub(crate) fn path(path: &str) -> Cow<'_, str> {
    if is_presentable(path) {
        return path.into();
    }
    let beginnings = path.match_indices('/').map_while(|(end, _)| path.get(..end));
    let shown = beginnings.take_while(|beginning| beginning.is_empty() || is_presentable(beginning)).last();
    format!("{}/…", shown.unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_up_to_what_may_be_a_credential() {
        let long = format!("/ws/{}", "a".repeat(64));
        let deep = "/a".repeat(10_000);
        for (asked, shown) in [
            ("/", "/"),
            ("/ws", "/ws"),
            ("/my_app/ws-2/", "/my_app/ws-2/"),
            ("/ws/kA8dAAAAAAAAAAAAAAAAAAAA", "/ws/…"),
            ("/ws/kA8d/more", "/ws/…"),
            ("/%41", "/…"),
            ("/a\u{1b}[2J", "/…"),
            ("*", "/…"),
            (&long, "/ws/…"),
        ] {
            assert_eq!(path(asked), shown, "{asked}");
        }
        assert!((200..300).contains(&path(&deep).len()));
    }
}
