//! The inside of JSON strings: its escapes, and where it ends.

/// What an escape sequence stands for, and how long it is; nothing if it is none. `rest` begins with the backslash.
pub(super) fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let character = match rest.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(rest),
        _ => return None,
    };
    Some((character, 2))
}

/// `\u` with four hexadecimal digits, or two of them that are a surrogate pair.
fn unicode_escape(rest: &[u8]) -> Option<(char, usize)> {
    let unit = |from: usize| -> Option<u32> {
        let escape = rest.get(from..from + 6)?.strip_prefix(b"\\u")?;
        escape.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    };
    let high = unit(0)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 6));
    }
    let low = unit(6)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
    Some((character, 12))
}

/// The string whose inside is `raw`. An invalid escape, which a reader would not have passed, stays as it is.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let (character, length) = escape(escaped.as_bytes()).unwrap_or(('\\', 1));
        out.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// How many bytes a string goes on before a quote, an escape or a control character.
///
/// Eight at a time, for this is where most of a payload is: the arithmetic leaves the highest bit set in the first byte
/// that matches (and perhaps in ones behind it).
pub(super) fn plain_length(rest: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHEST;
    let (words, tail) = rest.as_chunks();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let special = below(word, b' ')
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + tail.iter().take_while(|&&byte| byte >= b' ' && !matches!(byte, b'"' | b'\\')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_ends_at_the_first_special_character_wherever_it_stands() {
        for special in [b'"', b'\\', b'\0', b'\n', 0x1f] {
            for length in 0..40 {
                let mut text = "é !#[]~\u{7f}".repeat(5).into_bytes();
                text.truncate(length);
                assert_eq!(plain_length(&text), length);
                text.extend([special, b'"', b'x', b'\\', b'y', b'"', b'z', b'z', b'z']);
                assert_eq!(plain_length(&text), length, "{special:#x}");
            }
        }
    }
}
