//! From a stream's bytes to lines of the log.

use std::mem;

use super::log::{DecisionLog, Level, TooManyCalls};

/// Bytes of a line. A longer one is left out as a whole: where a tracking ID is cut in two, it can no longer be found
/// and blanked out.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// A line that has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Takes bytes; each line that ends in them goes to the log.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        level: Level,
        mut log: Option<&mut DecisionLog>,
    ) -> Result<(), TooManyCalls> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            self.extend(text.unwrap_or(piece));
            if text.is_some() {
                self.end(level, log.as_deref_mut())?;
            }
        }
        Ok(())
    }

    fn extend(&mut self, text: &[u8]) {
        if self.line.len() + text.len() <= MAX_LINE_BYTES {
            self.line.extend(text);
        } else {
            self.is_too_long = true;
        }
    }

    /// Ends the line. An empty one says nothing.
    pub(super) fn end(&mut self, level: Level, log: Option<&mut DecisionLog>) -> Result<(), TooManyCalls> {
        let line = mem::take(self);
        match log {
            Some(log) if line.is_too_long => {
                log.line(level, &format!("(a line of more than {MAX_LINE_BYTES} bytes)"))
            }
            Some(log) if !line.line.is_empty() => log.line(level, &String::from_utf8_lossy(&line.line)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Lines, MAX_LINE_BYTES};

    #[test]
    fn a_line_is_kept_until_it_ends() {
        let mut lines = Lines::default();
        lines.write(b"one\ntw", Level::Info, None).unwrap();
        lines.write(b"o", Level::Info, None).unwrap();
        assert_eq!(lines.line, b"two");
        lines.write(b"\n", Level::Info, None).unwrap();
        assert!(lines.line.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_a_line_may_have() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.write(&[b'x'; 1000], Level::Info, None).unwrap();
        }
        assert!(lines.is_too_long && lines.line.len() <= MAX_LINE_BYTES);
        lines.write(b"\nnext", Level::Info, None).unwrap();
        assert!(!lines.is_too_long);
        assert_eq!(lines.line, b"next");
    }
}
