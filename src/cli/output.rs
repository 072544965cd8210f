//! What a command prints, for readers that may have gone.

use std::{
    fmt::Display,
    io::{self, StdoutLock, Write},
};

/// Standard output. A reader that has seen enough, as `head` does, is no error: the command goes on to its end, and its exit
/// code says what it would have said.
pub(crate) fn stdout() -> Output<StdoutLock<'static>> {
    Output { out: io::stdout().lock(), is_closed: false }
}

/// An output whose reader may go away.
pub(crate) struct Output<W> {
    out: W,
    is_closed: bool,
}

impl<W: Write> Output<W> {
    fn unless_closed<T>(&mut self, instead: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.is_closed {
            return Ok(instead);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(instead)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}

/// Writes to standard error. If that is closed, nothing can be said.
pub(crate) fn complain(text: &impl Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// An error with its causes, each of them once: many errors tell their cause themselves.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen at 127.0.0.1:80: {source}; use another port")]
        struct Talkative {
            source: io::Error,
        }
        let talkative = || Talkative { source: io::Error::from_raw_os_error(13) };
        let cause = talkative().source.to_string();
        let text = explain(&anyhow::Error::new(talkative()));
        assert_eq!(text.matches(&cause).count(), 1, "{text}");
        let taciturn = Err::<(), _>(io::Error::from_raw_os_error(13)).context("cannot start").unwrap_err();
        assert_eq!(explain(&taciturn), format!("cannot start: {cause}"));
        assert!(
            explain(&anyhow::Error::new(talkative()).context("cannot start"))
                .starts_with("cannot start: cannot listen")
        );
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        struct Closed(usize);
        impl Write for Closed {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        let mut out = Output { out: Closed(1), is_closed: false };
        assert!(out.flush().is_err(), "a full disk is one");
        for _ in 0..3 {
            out.write_all(b"line\n").unwrap();
        }
        out.flush().unwrap();
    }
}
