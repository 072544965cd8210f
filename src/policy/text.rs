//! Texts that a policy wrote, made fit for the log and for the wire.

use std::borrow::Cow;

/// Where a tracking ID stood.
const BLANK: &str = "[tracking ID]";
/// Where a client's secret stood.
const BLANK_SECRET: &str = "[secret]";

/// Blanks out what a client has sent as its secret, wherever a text repeats it.
pub(super) fn blank_out<'t>(text: &'t str, secret: Option<&str>) -> Cow<'t, str> {
    match secret {
        Some(secret) if !secret.is_empty() && text.contains(secret) => {
            text.replace(secret, BLANK_SECRET).into()
        }
        _ => text.into(),
    }
}

/// Cuts a text at `limit` bytes, escapes its control characters, and blanks out the tracking ID: whatever a
/// policy says ends up in logs, where the ID must not be and where a line break would forge a line.
pub(super) fn clean(text: &str, secret: Option<&str>, limit: usize) -> String {
    // The ID goes first: cut in two, it would no longer be found. Texts from a guest are bounded by its
    // host-call fuel.
    let blanked = match secret {
        Some(secret) if !secret.is_empty() && text.contains(secret) => &text.replace(secret, BLANK),
        _ => text,
    };
    let mut cleaned = String::with_capacity(blanked.len().min(limit));
    for sign in blanked.chars() {
        let before = cleaned.len();
        if stays_in_its_line(sign) {
            cleaned.push(sign);
        } else {
            cleaned.extend(sign.escape_default());
        }
        if cleaned.len() > limit {
            cleaned.truncate(before);
            cleaned.push('…');
            break;
        }
    }
    cleaned
}

/// Whether a character may stand in a line of the log or in a message: no control characters, no line or paragraph
/// separators, nothing that turns the direction of the text around it. Names are stricter ([`crate::identity::Name`]).
fn stays_in_its_line(sign: char) -> bool {
    !sign.is_control()
        && !matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{blank_out, clean};

    #[test]
    fn a_secret_is_blanked_out_wherever_it_stands() {
        assert_eq!(blank_out("t=hunter2, hunter2", Some("hunter2")), "t=[secret], [secret]");
        assert_eq!(blank_out("t=hunter2", None), "t=hunter2");
        assert_eq!(blank_out("t=hunter2", Some("")), "t=hunter2");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(clean("joined as Jürgen 🙂", Some("secret"), 100), "joined as Jürgen 🙂");
        assert_eq!(clean("", None, 0), "");
    }

    #[test]
    fn no_line_can_be_forged() {
        assert_eq!(clean("a\nb\u{1b}[31m\u{202e}c", None, 100), "a\\nb\\u{1b}[31m\\u{202e}c");
    }

    #[test]
    fn the_tracking_id_is_blanked_out_wherever_it_stands() {
        let twice = "0123456789".repeat(6);
        assert_eq!(clean(&format!("{twice}{twice}"), Some(&twice), 27), "[tracking ID][tracking ID]");
        assert_eq!(clean("x=abcdef,abcdef!", Some("abcdef"), 100), "x=[tracking ID],[tracking ID]!");
        // At the cut, where only its beginning would be left.
        for limit in 0..20 {
            let cleaned = clean("12345abcdef67890", Some("abcdef"), limit);
            assert!(!cleaned.contains("ab"), "{limit}: {cleaned}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clean("äöü", None, 5), "äö…");
        assert_eq!(clean("ab\n", None, 3), "ab…");
        assert_eq!(clean(&"x".repeat(1_000_000), None, 10).len(), 10 + '…'.len_utf8());
    }
}
