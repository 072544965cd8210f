//! DER (X.690), as far as certificates need it: a tree of values, each with a tag, a length and its content.

pub(super) const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With its tag and its length.
    pub(super) whole: &'a [u8],
}

/// Values, one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The next value; none at the end, and where the bytes are no DER.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        let all = self.0;
        let (&tag, rest) = all.split_first()?;
        // Tags of several bytes occur in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if !(1..=4).contains(&digits.len()) {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Value { tag, content, whole: all.get(..all.len() - rest.len())? })
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.value().filter(|value| value.tag == tag).map(|value| value.content)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
