//! Names that people read: authids and roles.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

/// The most characters of a name: room for any mail address (RFC 5321: 254).
const MAX_CHARS: usize = 255;

/// An authid or a role: 1 to 255 printable characters.
///
/// Other clients, logs and pages show it: what breaks a line, hides or turns the direction of writing would let one
/// client pass as another one. The configuration, policies and the gateway accept the same names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`]. The message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty or too long.
    #[error("{0} characters, use 1 to {MAX_CHARS}")]
    Length(usize),
    /// It holds a character that cannot be seen.
    #[error("the character U+{:04X} is not printable", u32::from(*.0))]
    Unprintable(char),
}

// === impl Name ===

impl Name {
    /// The rule in words.
    pub const RULE: &str = "1 to 255 printable characters";

    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let characters = text.chars().count();
        if !(1..=MAX_CHARS).contains(&characters) {
            return Err(NameError::Length(characters));
        }
        match text.chars().find(|&character| !is_printable(character)) {
            Some(character) => Err(NameError::Unprintable(character)),
            None => Ok(Self(Arc::from(text))),
        }
    }

    /// A name of the program's own, which follows the rule.
    pub(crate) fn known(text: &str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(Arc::from(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character can be seen where it stands, and changes nothing beside it.
pub(crate) fn is_printable(character: char) -> bool {
    // Unicode's format characters, which hide, join or reorder what stands beside them.
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    character == ' ' || !(character.is_control() || character.is_whitespace() || is_format)
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Maps with names as keys find them by text.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<Name> for Arc<str> {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, NameError};

    #[test]
    fn a_name_has_1_to_255_printable_characters() {
        for sound in [
            "a",
            "joe",
            "jo\u{eb} d\u{f6}",
            "client01@example.com",
            "\u{540d}\u{524d}",
            "🙂",
            &"\u{e9}".repeat(255),
        ] {
            assert_eq!(Name::parse(sound).as_deref(), Ok(sound));
        }
        assert_eq!(Name::parse(""), Err(NameError::Length(0)));
        assert_eq!(Name::parse(&"a".repeat(256)), Err(NameError::Length(256)));
        for unprintable in [
            '\n', '\t', '\0', '\u{7f}', '\u{85}', '\u{a0}', '\u{ad}', '\u{200b}', '\u{2028}', '\u{202e}',
            '\u{feff}',
        ] {
            let text = format!("a{unprintable}b");
            assert_eq!(Name::parse(&text), Err(NameError::Unprintable(unprintable)));
        }
    }

    #[test]
    fn the_message_tells_what_is_wrong_and_does_not_repeat_the_text() {
        let message = |text: &str| Name::parse(text).unwrap_err().to_string();
        assert_eq!(message("secret\u{200b}"), "the character U+200B is not printable");
        assert_eq!(message(""), "0 characters, use 1 to 255");
    }
}
