//! A place in a binary message: the bounds checks of `MessagePack` and CBOR, which are the same.

use super::DecodeError;

/// An input and how much of it has been read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    /// The serializer's name, for errors.
    format: &'static str,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(input: &'a [u8], format: &'static str) -> Self {
        Self { input, at: 0, format }
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// The next bytes, as many as `length` says.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| self.malformed("ends too early"))?;
        self.at += length;
        Ok(taken)
    }

    /// The next bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let array = *rest.first_chunk().ok_or_else(|| self.malformed("ends too early"))?;
        self.at += N;
        Ok(array)
    }

    /// The next bytes as a string.
    pub(super) fn text(&mut self, length: usize) -> Result<&'a str, DecodeError> {
        let start = self.at;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| self.malformed_at("has a string that is not UTF-8", start))
    }

    /// A container's length, if so many items or pairs can follow at all: none is smaller than `smallest` bytes.
    pub(super) fn length(&self, length: u64, smallest: usize) -> Result<usize, DecodeError> {
        let rest = self.input.len().saturating_sub(self.at);
        match usize::try_from(length) {
            Ok(length) if length <= rest / smallest => Ok(length),
            _ => Err(self.malformed("has a container that is longer than the message")),
        }
    }

    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.at < self.input.len() { Err(self.malformed("goes on after its end")) } else { Ok(()) }
    }

    /// An error where the cursor stands.
    pub(super) fn malformed(&self, what: &str) -> DecodeError {
        self.malformed_at(what, self.at)
    }

    /// An error elsewhere.
    pub(super) fn malformed_at(&self, what: &str, at: usize) -> DecodeError {
        DecodeError::Malformed(format!("the {} message {what} (byte {at})", self.format))
    }
}
