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

/// How many names a message lists. More than the keys of any object, of which the operator wants to see all.
const MAX_LISTED: usize = 40;

/// A text as JSON writes it, cut after [`MAX_QUOTED`] characters.
pub(crate) fn quoted(text: &str) -> String {
    printable(serde_json::Value::String(cut(text).into_owned()).to_string())
}

/// A text cut after [`MAX_QUOTED`] characters, which an ellipsis shows.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// Names or words that a message lists: all but for the last ones of very many, and how many more there are.
pub(crate) fn listed(names: &[String], last: &str) -> String {
    let (shown, more) = names.split_at_checked(MAX_LISTED).unwrap_or((names, &[]));
    match shown {
        [most @ .., end] if more.is_empty() && !most.is_empty() => {
            format!("{} {last} {end}", most.join(", "))
        }
        _ if more.is_empty() => shown.join(", "),
        _ => format!("{} {last} {} more", shown.join(", "), more.len()),
    }
}

/// What names a place in the network, as [`quoted`] writes it: an address, a URL, an origin or a host. If it has an `@`, it may hold a password
/// wherever one was put by mistake, so that nothing of it is repeated.
pub(crate) fn quoted_place(text: &str) -> String {
    if text.contains('@') || text.contains("%40") { "this value".to_owned() } else { quoted(text) }
}

/// A text in which everything can be seen, and stands where it is read: a file must neither move the cursor of a terminal that shows its faults, nor
/// make two words look the same.
///
/// What `escape_debug` takes for not printable is escaped: control and format characters, separators of lines and paragraphs, all spaces but the
/// common one, and what is for private use or not assigned. Letters, quotes and backslashes stay, and accents that combine with the letter
/// before them.
pub(crate) fn printable(text: String) -> String {
    if text.chars().all(is_visible) {
        return text;
    }
    let escape = |c: char| if is_visible(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(escape).collect()
}

/// Whether a character can be seen, or changes the one before it as an accent does.
fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_control();
    }
    // At the beginning of a text `escape_debug` escapes accents as well.
    let behind_a_letter = ['a', c].into_iter().collect::<String>();
    behind_a_letter.escape_debug().nth(1) == Some(c)
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
    fn what_cannot_be_seen_or_turns_the_direction_is_escaped_and_nothing_else() {
        for (hidden, shown) in [
            ("a\u{1b}[2J\u{7f}\u{9b}", "\"a\\u001b[2J\\u{7f}\\u{9b}\""),
            ("a\u{202e}b\u{2066}", "\"a\\u{202e}b\\u{2066}\""),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}", "\"a\\u{200b}\\u{200d}\\u{feff}\\u{ad}\""),
            ("a\u{2028}\u{2029}\u{a0}\u{3000}", "\"a\\u{2028}\\u{2029}\\u{a0}\\u{3000}\""),
            ("a\u{e000}\u{e0041}\u{10ffff}", "\"a\\u{e000}\\u{e0041}\\u{10ffff}\""),
        ] {
            assert_eq!(quoted(hidden), shown);
            assert_eq!(printable(shown.to_owned()), shown);
        }
        for text in ["Zoë", "Zoe\u{308}", "東京 🦀", "שלום", "नमस्ते", "it's `a` – …"]
        {
            assert_eq!(quoted(text), format!("\"{text}\""));
        }
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn of_many_names_a_message_tells_how_many_more_there_are() {
        let names: Vec<String> = (1..=42).map(|n| n.to_string()).collect();
        for (count, shown) in [(0, ""), (1, "1"), (2, "1 or 2"), (3, "1, 2 or 3")] {
            assert_eq!(listed(&names[..count], "or"), shown);
        }
        assert!(listed(&names[..40], "or").ends_with(" 38, 39 or 40"));
        assert!(listed(&names[..41], "or").ends_with(" 38, 39, 40 or 1 more"));
        assert!(listed(&names, "and").ends_with(" 38, 39, 40 and 2 more"));
        assert_eq!(cut(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(cut(&"é".repeat(65)), "é".repeat(64) + "…");
    }

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
